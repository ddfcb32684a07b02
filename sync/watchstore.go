package patchsync

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// A watchStore reads and writes the records of watches and has them in memory. It is safe for concurrent use.
type watchStore struct {
	store store.Store
	log   *slog.Logger
	// adopted is called with each record that was read or written, and removed with the id of one that is gone. They
	// must not call methods of the watchStore.
	adopted func(savedWatch)
	removed func(id string)

	raised  atomic.Bool // the format marker of the store is that of watches
	loading sync.Mutex  // held while all records are read
	mu      sync.Mutex  // guards the fields below
	loaded  bool
	records map[string]savedWatch // by id, as last read or written
	turns   map[string]turn       // by id
	calls   uint64                // calls of the store until now
	latest  map[string]uint64     // the call that records has a record of or knows to be gone, by id
	pending map[string]int        // calls in progress, by id
	listing bool                  // all records are being read
}

func newWatchStore(s store.Store, log *slog.Logger) *watchStore {
	return &watchStore{
		store:   s,
		log:     log,
		adopted: func(savedWatch) {},
		removed: func(string) {},
		records: map[string]savedWatch{},
		turns:   map[string]turn{},
		latest:  map[string]uint64{},
		pending: map[string]int{},
	}
}

// A watchStoreError reports that the store of the watches failed. It is a catalog.ErrUnavailable.
type watchStoreError struct{ err error }

// Error implements error.
func (e *watchStoreError) Error() string {
	return "the watches cannot be read or written: " + e.err.Error()
}

// Unwrap returns the error of the store.
func (e *watchStoreError) Unwrap() error { return e.err }

// Is reports whether target is catalog.ErrUnavailable.
func (e *watchStoreError) Is(target error) bool { return target == catalog.ErrUnavailable }

// turn returns the lock of a record: whoever changes it by more than one write holds the lock.
func (s *watchStore) turn(id string) turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turns[id] == nil {
		s.turns[id] = newTurn()
	}
	return s.turns[id]
}

// get returns a record as it was last read or written.
func (s *watchStore) get(id string) (_ savedWatch, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	saved, ok := s.records[id]
	return saved, ok
}

// all returns all records.
func (s *watchStore) all() []savedWatch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.records))
}

// load reads all records, unless that was done before. The error is a catalog.ErrUnavailable; it is [store.ErrFormat]
// too if a newer version wrote a record.
func (s *watchStore) load(ctx context.Context) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	s.mu.Lock()
	loaded := s.loaded
	s.mu.Unlock()
	if loaded {
		return nil
	}
	return s.list(ctx)
}

// reload is load, also if that was done before.
func (s *watchStore) reload(ctx context.Context) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	return s.list(ctx)
}

// list reads all records. One that is corrupt is logged and left alone. The caller must hold loading.
func (s *watchStore) list(ctx context.Context) error {
	s.mu.Lock()
	s.calls++
	call := s.calls
	s.listing = true
	s.mu.Unlock()
	records, err := s.readAll(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listing = false
	if err == nil {
		s.loaded = true
		s.adoptAll(records, call)
	}
	for id := range s.latest {
		s.forgetCalls(id)
	}
	return err
}

// adoptAll replaces the records by those that a call has read, apart from records that a later call has read or
// written. The caller must hold mu.
func (s *watchStore) adoptAll(records map[string]savedWatch, call uint64) {
	for id := range s.records {
		if _, ok := records[id]; !ok && s.latest[id] < call {
			s.drop(id)
		}
	}
	for id, saved := range records {
		if s.latest[id] < call {
			s.latest[id] = call
			s.remember(id, saved)
		}
	}
	for id := range s.pending {
		s.latest[id] = max(call, s.latest[id])
	}
}

// readAll reads all records by their ids.
func (s *watchStore) readAll(ctx context.Context) (map[string]savedWatch, error) {
	records := map[string]savedWatch{}
	skip := func(_ store.Key, err error) {
		s.log.Error("a watch is corrupt and left alone: its title is not watched", "error", err)
	}
	for rec, err := range store.ListReadable(ctx, s.store, watchKind, skip) {
		if err != nil {
			return nil, &watchStoreError{err}
		}
		saved, err := decodeWatch(rec)
		switch {
		case errors.Is(err, store.ErrFormat):
			return nil, &watchStoreError{err}
		case err != nil:
			skip(rec.Key, err)
		default:
			records[rec.Key.ID] = saved
		}
	}
	return records, nil
}

// read reads a record. It is empty if there is none. The error is a catalog.ErrUnavailable; it is [store.ErrCorrupt] or
// [store.ErrFormat] too if the record cannot be understood, and must then not be written.
func (s *watchStore) read(ctx context.Context, id string) (savedWatch, error) {
	for {
		call := s.begin(id)
		saved, err := s.fetch(ctx, id)
		if err != nil {
			s.abandon(id)
			return savedWatch{}, err
		}
		if saved, current := s.end(id, call, saved, false); current {
			return saved, nil
		}
	}
}

// fetch reads a record from the store; see read.
func (s *watchStore) fetch(ctx context.Context, id string) (saved savedWatch, err error) {
	rec, err := s.store.Get(ctx, store.Key{Kind: watchKind, ID: id})
	if errors.Is(err, store.ErrNotFound) {
		return savedWatch{}, nil
	}
	if err == nil {
		saved, err = decodeWatch(rec)
	}
	if err != nil {
		return savedWatch{}, &watchStoreError{err}
	}
	return saved, nil
}

// write writes a record whose revision was old, which is empty if there was none. The error is [store.ErrConflict] if
// the record has changed meanwhile; the new one was then read. Otherwise it is a catalog.ErrUnavailable.
func (s *watchStore) write(
	ctx context.Context, id string, rec *watchRecord, old store.Revision,
) (savedWatch, error) {
	value, err := rec.encode()
	if err != nil {
		return savedWatch{}, err
	}
	if err := s.raiseFormat(ctx); err != nil {
		return savedWatch{}, &watchStoreError{err}
	}
	saved := savedWatch{record: rec}
	call := s.begin(id)
	err = store.Finish(ctx, func(ctx context.Context) error {
		saved.revision, err = s.store.Put(ctx, store.Key{Kind: watchKind, ID: id}, value, store.IfUnchanged(old))
		return err
	})
	if err != nil {
		s.abandon(id)
		if !errors.Is(err, store.ErrConflict) {
			return savedWatch{}, &watchStoreError{err}
		}
		if _, err := s.read(ctx, id); err != nil {
			return savedWatch{}, err
		}
		return savedWatch{}, err
	}
	if _, current := s.end(id, call, saved, true); !current {
		s.readLater(ctx, id)
	}
	return saved, nil
}

// readLater reads a record that another server may have changed again after this one.
func (s *watchStore) readLater(ctx context.Context, id string) {
	if _, err := s.read(ctx, id); err != nil && ctx.Err() == nil {
		s.log.Warn("the record of a watch cannot be read again after a change", "error", err)
	}
}

// storeFormat is the format of stores that have watches. Earlier versions leave the watches out of full backups.
const storeFormat = 4

// raiseFormat raises the format marker of the store, before the first watch is written, so that versions that do not
// know watches refuse the store.
func (s *watchStore) raiseFormat(ctx context.Context) error {
	if s.raised.Load() {
		return nil
	}
	err := store.RaiseFormat(ctx, s.store, storeFormat)
	s.raised.Store(err == nil)
	return err
}

// update changes a record by compare-and-swap. change is called with a copy of the record, or with an empty one if
// there is none, and reports whether to write it. It may be called several times. update returns the record as it is
// afterwards. The error is that of change or one of those of write.
func (s *watchStore) update(
	ctx context.Context, id string, change func(rec *watchRecord) (write bool, err error),
) (now savedWatch, err error) {
	err = store.RetryConflicts(ctx, func() error {
		old, err := s.read(ctx, id)
		if err != nil {
			return err
		}
		rec := &watchRecord{Seen: map[string]watchMark{}}
		if old.record != nil {
			rec = old.record.clone()
		}
		write, err := change(rec)
		if err != nil || !write {
			now = old
			return err
		}
		now, err = s.write(ctx, id, rec, old.revision)
		return err
	})
	return now, err
}

// remove removes a record.
func (s *watchStore) remove(ctx context.Context, id string) error {
	call := s.begin(id)
	err := store.Finish(ctx, func(ctx context.Context) error {
		return s.store.Delete(ctx, store.Key{Kind: watchKind, ID: id}, store.Condition{})
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.abandon(id)
		return &watchStoreError{err}
	}
	if _, current := s.end(id, call, savedWatch{}, true); !current {
		s.readLater(ctx, id)
	}
	return nil
}

// follow keeps the records in memory up to date with the changes of other servers until ctx ends.
func (s *watchStore) follow(ctx context.Context) {
	store.Follow(ctx, s.store, watchKind, store.Follower{
		Reload: func(ctx context.Context) error { return s.ignoreUnreadable(s.reload(ctx)) },
		Apply: func(ctx context.Context, change store.Change) error {
			known, _ := s.get(change.Key.ID)
			if known.revision == change.Revision && known.revision != "" {
				return nil
			}
			_, err := s.read(ctx, change.Key.ID)
			return s.ignoreUnreadable(err)
		},
		Report: func(err error) {
			s.log.Error("watches that other servers change cannot be read yet", "error", err)
		},
	})
}

// ignoreUnreadable logs an error that a retry cannot fix, and returns others.
func (s *watchStore) ignoreUnreadable(err error) error {
	if errors.Is(err, store.ErrFormat) || errors.Is(err, store.ErrCorrupt) {
		s.log.Error("a watch that another server wrote cannot be read and is ignored", "error", err)
		return nil
	}
	return err
}
