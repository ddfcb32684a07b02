package catalog

import (
	"context"
	"errors"

	"github.com/patchsource/patchsource/store"
)

// put writes a record, which becomes the title's if rec.rev is still that in the store, and updates the index. The
// error is store.ErrConflict, ErrUnavailable or that of ctx.
func (s *titleStore) put(ctx context.Context, t *lockedTitle, rec *record) (*entry, error) {
	e, err := s.write(ctx, t, rec)
	if err != nil {
		s.readBackAfter(ctx, t, err)
		return nil, err
	}
	switch rec.State {
	case live:
		s.definitions.add(e, rec)
		s.publish(t, e)
	case disabled:
		s.definitions.remove(t.key)
		s.publish(t, e)
	}
	s.noteWork(t.key, rec) // a courier may tell of the change now: readers see it
	return e, nil
}

// rewrite writes a record in which nothing has changed that readers see. The error is store.ErrConflict, ErrUnavailable
// or that of ctx.
func (s *titleStore) rewrite(ctx context.Context, t *lockedTitle, rec *record) error {
	err := s.renew(ctx, t, rec)
	s.readBackAfter(ctx, t, err)
	return err
}

// renew is rewrite without readBackAfter.
func (s *titleStore) renew(ctx context.Context, t *lockedTitle, rec *record) error {
	e, err := s.write(ctx, t, rec)
	if err != nil {
		return err
	}
	switch rec.State {
	case live:
		s.definitions.renew(e, rec)
		s.index.publish(t.key, e)
	case disabled:
		s.publish(t, e)
	}
	s.noteWork(t.key, rec)
	return nil
}

// write writes a record and sets its revision. It returns the record's entry, which the caller publishes before it
// calls noteWork.
func (s *titleStore) write(ctx context.Context, t *lockedTitle, rec *record) (*entry, error) {
	value, err := rec.encode()
	if err == nil && rec.Format == draftFormat {
		err = s.raiseFormat(ctx)
	}
	if err != nil {
		return nil, err
	}
	e, err := rec.entry(t.key) // before the write: after it, nothing may fail
	if err != nil {
		return nil, err
	}
	err = finish(ctx, func(ctx context.Context) (err error) {
		e.rev, err = s.store.Put(ctx, storeKey(t.key), value, store.IfUnchanged(rec.rev))
		return err
	})
	if err != nil {
		s.facts.remove(t.key) // the store may have another record
		return nil, err
	}
	rec.rev = e.rev
	s.facts.renew(t.key, rec)
	return e, nil
}

// raiseFormat raises the format marker of the store, before the first record with a draft or a number is written, so
// that versions that do not know these refuse the store. The error is store.ErrFormat, ErrUnavailable or that of ctx.
func (s *titleStore) raiseFormat(ctx context.Context) error {
	if s.raised.Load() {
		return nil
	}
	err := finish(ctx, func(ctx context.Context) error { return store.RaiseFormat(ctx, s.store, storeFormat) })
	s.raised.Store(err == nil)
	return err
}

// storeFormat is the format of stores with titles that have a draft or a number, or are disabled.
const storeFormat = 5

// delete deletes a title's record if rec.rev is still that in the store. The error is store.ErrConflict,
// store.ErrNotFound, ErrUnavailable or that of ctx.
func (s *titleStore) delete(ctx context.Context, t *lockedTitle, rec *record) error {
	s.facts.remove(t.key)
	return finish(ctx, func(ctx context.Context) error {
		return s.store.Delete(ctx, storeKey(t.key), store.IfRevision(rec.rev))
	})
}

// readBackAfter reads a title's record again if a write failed with ErrUnavailable, so that the index does not differ
// from the store, whatever the outcome of the write.
func (s *titleStore) readBackAfter(ctx context.Context, t *lockedTitle, err error) {
	if !errors.Is(err, ErrUnavailable) {
		return
	}
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	if err := s.readBack(ctx, t); err != nil {
		s.log.Error("a write failed with an unknown outcome: the title is read again when it is next used",
			"title", t.key, "error", err)
	}
}
