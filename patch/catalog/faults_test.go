package catalog_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"

	"github.com/patchsource/patchsource/store"
)

// An unwatched store hides that the store in it is a store.Watcher.
type unwatched struct{ store.Store }

var errDown = errors.New("connection refused")

// A faulty store fails all calls of some methods.
type faulty struct {
	store.Store
	down   atomic.Bool // all methods fail
	silent atomic.Bool // Put and Delete succeed, and return an error
	gets   atomic.Int32
	hold   chan struct{} // if not nil, Get of a title receives from it first
}

func (f *faulty) Get(ctx context.Context, k store.Key) (store.Record, error) {
	f.gets.Add(1)
	if f.hold != nil && k.Kind == "titles" {
		<-f.hold
	}
	if f.down.Load() {
		return store.Record{}, errDown
	}
	return f.Store.Get(ctx, k)
}

func (f *faulty) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if f.down.Load() {
		return "", errDown
	}
	rev, err := f.Store.Put(ctx, k, v, c)
	if f.silent.Load() && err == nil {
		return "", errDown
	}
	return rev, err
}

func (f *faulty) Delete(ctx context.Context, k store.Key, c store.Condition) error {
	if f.down.Load() {
		return errDown
	}
	err := f.Store.Delete(ctx, k, c)
	if f.silent.Load() && err == nil {
		return errDown
	}
	return err
}

func (f *faulty) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	if f.down.Load() {
		return func(yield func(store.Record, error) bool) { yield(store.Record{}, errDown) }
	}
	return f.Store.List(ctx, kind)
}

var errStopped = errors.New("stopped")

// A stopping store fails all writes after a number of them, as if the process had been killed.
type stopping struct {
	store.Store
	left atomic.Int64
}

// Put implements store.Store.
func (s *stopping) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if s.left.Add(-1) < 0 {
		return "", errStopped
	}
	return s.Store.Put(ctx, key, value, cond)
}

// Delete implements store.Store.
func (s *stopping) Delete(ctx context.Context, key store.Key, cond store.Condition) error {
	if s.left.Add(-1) < 0 {
		return errStopped
	}
	return s.Store.Delete(ctx, key, cond)
}

// A hiccup store fails one Put.
type hiccup struct {
	store.Store
	left atomic.Int64 // the number of the Put that fails
}

// Put implements store.Store.
func (s *hiccup) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if s.left.Add(-1) == 0 {
		return "", errStopped
	}
	return s.Store.Put(ctx, key, value, cond)
}

// A picky store fails Put or Delete of the records of one kind.
type picky struct {
	store.Store
	failPut    atomic.Value // the kind whose Put fails
	failDelete atomic.Value // the kind whose Delete fails
	gets       atomic.Int64
}

func newPicky(s store.Store) *picky {
	p := &picky{Store: s}
	p.failPut.Store("")
	p.failDelete.Store("")
	return p
}

func (s *picky) Get(ctx context.Context, key store.Key) (store.Record, error) {
	s.gets.Add(1)
	return s.Store.Get(ctx, key)
}

func (s *picky) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if s.failPut.Load() == key.Kind {
		return "", errStopped
	}
	return s.Store.Put(ctx, key, value, cond)
}

func (s *picky) Delete(ctx context.Context, key store.Key, cond store.Condition) error {
	if s.failDelete.Load() == key.Kind {
		return errStopped
	}
	return s.Store.Delete(ctx, key, cond)
}

// A slow store closes reached, if it is not nil, at the next Put, and then waits for goOn.
type slow struct {
	store.Store
	reached, goOn chan struct{}
}

func (s *slow) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if s.reached != nil {
		close(s.reached)
		<-s.goOn
		s.reached = nil
	}
	return s.Store.Put(ctx, key, value, cond)
}

// A lossy store returns an error from one Put of a title.
type lossy struct {
	store.Store
	fail bool // the next Put fails
	lose bool // the next Put succeeds, and returns an error
}

func (s *lossy) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if key.Kind == "titles" && s.fail {
		s.fail = false
		return "", errors.New("the disk is full")
	}
	rev, err := s.Store.Put(ctx, key, value, cond)
	if key.Kind == "titles" && s.lose {
		s.lose = false
		return "", errors.New("the connection was lost")
	}
	return rev, err
}
