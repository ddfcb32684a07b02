package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/patchsource/patchsource/store"
)

// damagedTitles is the set of the titles whose records are corrupt. The zero value is empty.
type damagedTitles struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (d *damagedTitles) add(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.keys == nil {
		d.keys = map[string]bool{}
	}
	d.keys[key] = true
}

func (d *damagedTitles) remove(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.keys, key)
}

func (d *damagedTitles) has(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.keys[key]
}

func (d *damagedTitles) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.keys)
}

// read reads a title's record. The error is store.ErrNotFound, ErrUnavailable or that of ctx; ErrUnavailable is also
// store.ErrCorrupt if the record is corrupt and was not in memory. The caller must not hold the title's lock.
func (s *titleStore) read(ctx context.Context, key string) (*record, error) {
	r, err := s.store.Get(ctx, storeKey(key))
	if !s.isLost(key, err) {
		return decode(ctx, r, err)
	}
	t, lockErr := s.lock(ctx, key)
	if lockErr != nil {
		return nil, lockErr
	}
	defer t.unlock()
	rec, againErr := s.readLocked(ctx, t)
	if errors.Is(err, store.ErrCorrupt) && errors.Is(againErr, store.ErrNotFound) {
		return decode(ctx, r, err) // the first error says why the record is not there
	}
	return rec, againErr
}

// readLocked is read for a caller that holds the title's lock.
func (s *titleStore) readLocked(ctx context.Context, t *lockedTitle) (*record, error) {
	r, err := s.store.Get(ctx, storeKey(t.key))
	if s.isLost(t.key, err) {
		r, err = s.repair(ctx, t, err)
	}
	if err == nil {
		if rec := s.facts.decoded(t.key, r); rec != nil {
			return rec, nil
		}
	}
	rec, err := decode(ctx, r, err)
	if x := s.index.get(); err == nil && x != nil {
		if e := x.byKey(t.key); e != nil && e.rev == rec.rev {
			rec.facts().checked = e.checked
		}
	}
	return rec, err
}

// remembered returns a title's record if it was changed lately and no other server can have changed it, else nil. If
// the store has lost the record, the next write fails with store.ErrConflict.
func (s *titleStore) remembered(t *lockedTitle) *record {
	e := s.index.get().byKey(t.key)
	if e == nil || s.shared {
		return nil
	}
	if rec := s.facts.record(t.key, e.rev); rec != nil && rec.State == live && rec.Staged == nil {
		return rec
	}
	return nil
}

// isLost reports whether the error of reading a title's record means that the record is corrupt. A store may set a
// corrupt record aside when it first reads it: a record that is not there was then corrupt, unless another server may
// have deleted it.
func (s *titleStore) isLost(key string, err error) bool {
	return errors.Is(err, store.ErrCorrupt) ||
		errors.Is(err, store.ErrNotFound) && !s.shared && s.index.get().anyByKey(key) != nil
}

// repair writes a record that the store has lost, as cause says, back from memory, and reads it again. If it is not in
// memory, the title leaves the index, and the error is cause.
func (s *titleStore) repair(ctx context.Context, t *lockedTitle, cause error) (store.Record, error) {
	var rec *record
	if e := s.index.get().byKey(t.key); e != nil {
		rec = s.definitions.record(e)
	}
	if rec == nil {
		s.log.Error("a title's record is corrupt and not in memory: the title is left out",
			"title", t.key, "error", cause)
		s.damaged.add(t.key)
		s.unpublish(t)
		return store.Record{}, cause
	}
	leave, err := s.gate.enterRestoring()
	if err != nil {
		return store.Record{}, err
	}
	defer leave()
	err = s.renew(ctx, t, rec)
	switch {
	case errors.Is(err, store.ErrConflict): // another server has written the title
	case err != nil && ctx.Err() != nil && !errors.Is(err, ErrUnavailable):
		return store.Record{}, err // nothing was written
	case err != nil:
		// The title stays listed and served from memory. The store's error is hidden: the title is not "not found",
		// even if the store says so of its record.
		s.damaged.add(t.key)
		s.work.add(t.key)
		return store.Record{}, fmt.Errorf("%w: title %q is corrupt and cannot be written back yet: %v",
			ErrUnavailable, t.key, err)
	default:
		s.log.Error("a title's record was corrupt and was written back from memory", "title", t.key, "error", cause)
	}
	return s.store.Get(ctx, storeKey(t.key))
}

// refresh updates the index with the record of a title in the store. The error is ErrUnavailable or that of ctx.
func (s *titleStore) refresh(ctx context.Context, key string) error {
	t, err := s.lock(ctx, key)
	if err != nil {
		return err
	}
	defer t.unlock()
	rec, err := s.readLocked(ctx, t)
	return s.adopt(t, rec, err)
}
