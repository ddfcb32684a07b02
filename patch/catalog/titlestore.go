package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/patchsource/patchsource/store"
)

// A titleStore reads and writes the records of titles, and keeps the index and the cached definitions in step with
// them.
type titleStore struct {
	store  store.Store
	shared bool // other servers may use the same store
	log    *slog.Logger
	now    func() time.Time
	lease  time.Duration // see Options.Lease

	locks       titleLocks
	gate        gate
	index       currentIndex
	definitions definitionCache
	facts       *factsCache
	damaged     damagedTitles
	restores    restoreWatch
	reads       singleflight.Group // of definitions
	work        *workQueue
	raised      atomic.Bool // see raiseFormat
}

// lock waits for the lock of a title. The error is that of ctx.
func (s *titleStore) lock(ctx context.Context, key string) (*lockedTitle, error) {
	return s.locks.lock(ctx, key, nil)
}

// lockForChange waits for the lock of a title and begins a change, which ends with the lock. The error is ErrClosed,
// errRestoring or that of ctx.
func (s *titleStore) lockForChange(ctx context.Context, key string) (*lockedTitle, error) {
	return s.lockForChangeUnless(ctx, key, nil)
}

// lockForChangeUnless is lockForChange until done is closed. The result is then nil.
func (s *titleStore) lockForChangeUnless(
	ctx context.Context, key string, done <-chan struct{},
) (*lockedTitle, error) {
	t, err := s.locks.lock(ctx, key, done)
	if t == nil || err != nil {
		return nil, err
	}
	leave, err := s.gate.enter()
	if err == nil {
		t.onUnlock(leave)
		err = s.restores.check(ctx)
	}
	if err != nil {
		t.unlock()
		return nil, err
	}
	return t, nil
}

// decode decodes a title's record, or passes on the error of reading it. The error is store.ErrNotFound,
// ErrUnavailable or that of ctx; ErrUnavailable is also errUnreadable if the record cannot be decoded.
func decode(ctx context.Context, r store.Record, err error) (*record, error) {
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, ErrUnavailable), err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		return nil, unavailable(err)
	}
	rec, err := decodeRecord(r.Value)
	if err != nil {
		return nil, fmt.Errorf("%w: %w: record %v: %w", ErrUnavailable, errUnreadable, r.Key, err)
	}
	rec.rev = r.Revision
	return rec, nil
}

// publish stores the entry of a title in the index, or removes the title if e is nil.
func (s *titleStore) publish(t *lockedTitle, e *entry) {
	if e != nil {
		s.damaged.remove(t.key)
	}
	s.index.publish(t.key, e)
}

// unpublish removes a title from the index and the cache.
func (s *titleStore) unpublish(t *lockedTitle) {
	s.definitions.remove(t.key)
	s.facts.remove(t.key)
	s.publish(t, nil)
}

// adoptHidden is adopt for a title that readers do not see: it is disabled, pending or gone, or has no record.
func (s *titleStore) adoptHidden(t *lockedTitle, rec *record, err error) error {
	s.definitions.remove(t.key)
	s.facts.remove(t.key)
	return s.adopt(t, rec, err)
}

// adopt updates the index with the outcome of reading a title's record, and returns the error, unless it is
// store.ErrNotFound.
func (s *titleStore) adopt(t *lockedTitle, rec *record, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		s.work.remove(t.key)
		s.publish(t, nil)
		return nil
	}
	if err != nil {
		return err
	}
	defer s.noteWork(t.key, rec) // once readers see it
	if e := s.index.get().anyByKey(t.key); e != nil && e.rev == rec.rev {
		return nil
	}
	e, err := rec.indexEntry(t.key)
	if err != nil {
		return fmt.Errorf("%w: %w: record %v: %w", ErrUnavailable, errUnreadable, storeKey(t.key), err)
	}
	s.publish(t, e)
	return nil
}

// noteWork notes whether a record needs work in the background. It must be called with every record that this server
// writes or gets to know.
func (s *titleStore) noteWork(key string, rec *record) {
	if rec.State == gone || len(rec.Undelivered) > 0 {
		s.work.add(key)
	} else {
		s.work.remove(key)
	}
}

// readBack updates the index with a title's record in the store after a write. Unlike read, it takes a missing record
// for one that was deleted.
func (s *titleStore) readBack(ctx context.Context, t *lockedTitle) error {
	r, err := s.store.Get(ctx, storeKey(t.key))
	rec, err := decode(ctx, r, err)
	return s.adopt(t, rec, err)
}
