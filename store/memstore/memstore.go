// Package memstore keeps records in memory. It is for tests and demonstrations: the records are lost when the process
// ends.
package memstore

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"
	"strconv"
	"sync"

	"github.com/patchsource/patchsource/store"
)

// Store is a [store.Store] in memory. It is also a [store.HeartbeatWatcher], so that several catalogs over one Store
// see each other's changes. The zero value is an empty store, ready to use. A Store must not be copied. It is safe for
// concurrent use.
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
	return clone(r), nil
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
	s.records[key] = clone(store.Record{Key: key, Value: value, Revision: rev})
	s.notifyLocked(store.Change{Key: key, Revision: rev})
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
	s.notifyLocked(store.Change{Key: key})
	return nil
}

// List implements [store.Store]. It yields the records as they were when it began.
func (s *Store) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		if err := cmp.Or(ctx.Err(), store.CheckKind(kind)); err != nil {
			yield(store.Record{}, err)
			return
		}
		for _, r := range s.sorted(kind) {
			if err := ctx.Err(); err != nil {
				yield(store.Record{}, err)
				return
			}
			if !yield(clone(r), nil) {
				return
			}
		}
	}
}

// sorted returns the records of a kind in the order of their ids. Their values are shared.
func (s *Store) sorted(kind string) (records []store.Record) {
	s.mu.Lock()
	for _, r := range s.records {
		if r.Key.Kind == kind {
			records = append(records, r)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(records, func(a, b store.Record) int { return cmp.Compare(a.Key.ID, b.Key.ID) })
	return records
}

// clone returns a record with a value of its own.
func clone(r store.Record) store.Record {
	r.Value = bytes.Clone(r.Value)
	return r
}
