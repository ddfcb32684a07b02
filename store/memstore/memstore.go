// Package memstore keeps records in memory: for tests and demos, and gone with
// the process.
package memstore

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/patchsource/patchsource/store"
)

// Store is a [store.Store] in memory. It is a [store.Watcher] too: several
// catalogs over one Store see each other's changes. The zero Store is empty and
// ready; it must not be copied. It is safe for concurrent use.
type Store struct {
	mu       sync.Mutex
	records  map[store.Key]store.Record
	last     uint64
	watchers map[*watcher]bool
}

// New returns an empty Store.
func New() *Store { return &Store{} }

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if err := cmp.Or(ctx.Err(), key.Check()); err != nil {
		return store.Record{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[key]
	if !ok {
		return store.Record{}, store.ErrNotFound
	}
	return copied(r), nil
}

// Put implements [store.Store].
func (s *Store) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if err := cmp.Or(ctx.Err(), key.Check()); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cond.Check(s.records[key].Revision); err != nil {
		return "", err
	}
	s.last++
	rev := store.Revision(strconv.FormatUint(s.last, 10))
	if s.records == nil {
		s.records = map[store.Key]store.Record{}
	}
	s.records[key] = copied(store.Record{Key: key, Value: value, Revision: rev})
	s.tell(store.Change{Key: key, Revision: rev})
	return rev, nil
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, key store.Key, cond store.Condition) error {
	if err := cmp.Or(ctx.Err(), key.Check()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[key]
	if !ok {
		return store.ErrNotFound
	}
	if err := cond.Check(r.Revision); err != nil {
		return err
	}
	delete(s.records, key)
	s.tell(store.Change{Key: key})
	return nil
}

// List implements [store.Store]. It yields the records as they were when it
// began.
func (s *Store) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		if err := cmp.Or(ctx.Err(), store.CheckKind(kind)); err != nil {
			yield(store.Record{}, err)
			return
		}
		s.mu.Lock()
		records := slices.SortedFunc(
			maps.Values(s.records),
			func(a, b store.Record) int { return cmp.Compare(a.Key.ID, b.Key.ID) },
		)
		s.mu.Unlock()
		for _, r := range records {
			if r.Key.Kind != kind {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(store.Record{}, err)
				return
			}
			if !yield(copied(r), nil) {
				return
			}
		}
	}
}

// Watch implements [store.Watcher].
func (s *Store) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		if err := store.CheckKind(kind); err != nil {
			yield(store.Change{}, err)
			return
		}
		w := &watcher{kind: kind, wake: make(chan struct{}, 1), pending: []store.Change{{}}}
		s.mu.Lock()
		if s.watchers == nil {
			s.watchers = map[*watcher]bool{}
		}
		s.watchers[w] = true
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			delete(s.watchers, w)
			s.mu.Unlock()
		}()
		for {
			s.mu.Lock()
			changes := w.pending
			w.pending = nil
			s.mu.Unlock()
			for _, c := range changes {
				if ctx.Err() != nil || !yield(c, nil) {
					return
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-w.wake:
			}
		}
	}
}

// A watcher is one reader of Watch; Store.mu guards pending.
type watcher struct {
	kind    string
	wake    chan struct{}
	pending []store.Change
}

// mostPending is how many changes wait for a slow reader before it is told to
// read everything anew.
const mostPending = 10_000

// tell hands a change to the watchers. s.mu is held.
func (s *Store) tell(c store.Change) {
	for w := range s.watchers {
		if w.kind != c.Key.Kind {
			continue
		}
		if w.pending = append(w.pending, c); len(w.pending) > mostPending {
			w.pending = []store.Change{{}}
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

func copied(r store.Record) store.Record {
	r.Value = bytes.Clone(r.Value)
	return r
}
