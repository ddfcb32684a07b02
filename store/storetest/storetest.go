// Package storetest tests that a backend keeps the rules of package store.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Backend{
//			New: func(t *testing.T) store.Store { return mystore.New() },
//		})
//	}
//
// Each case runs on a new store and, when it fails, states the rule that the backend breaks.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
)

// A Backend makes the stores that are tested.
type Backend struct {
	// New returns an empty store. It closes the store with t.Cleanup if necessary.
	New func(t *testing.T) store.Store
	// Reopen returns a store over the storage of s, as after a restart. If store.As finds an io.Closer in s, that has
	// been closed. If nil, the cases about restarts are skipped.
	Reopen func(t *testing.T, s store.Store) store.Store
	// Second returns another store over the storage of s while s is open, as a second server would open it. For a
	// storage in memory it may be s itself. If nil, the cases about two servers are skipped.
	Second func(t *testing.T, s store.Store) store.Store
}

// Run runs all cases as subtests of t. A case that cannot be tested, because the store lacks a capability or a field of
// b is nil, is skipped with the reason.
func Run(t *testing.T, b Backend) {
	if b.New == nil {
		t.Fatal("storetest: Backend.New is nil")
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := c.check(ctx, newEnv(t, b))
			var skipped skip
			if errors.As(err, &skipped) {
				t.Skip(string(skipped))
			}
			if err != nil {
				t.Errorf("%v\nThe rule: %s", err, c.rule)
			}
		})
	}
}

// An env is what a case works with.
type env struct {
	store  store.Store
	reopen func(store.Store) store.Store // nil if the backend does not survive a restart
	second func(store.Store) store.Store // nil if a storage cannot be opened twice
}

// newEnv returns an env with a new store.
func newEnv(t *testing.T, b Backend) *env {
	e := &env{store: b.New(t)}
	if b.Reopen != nil {
		e.reopen = func(s store.Store) store.Store {
			if closer, ok := store.As[io.Closer](s); ok {
				if err := closer.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}
			return b.Reopen(t, s)
		}
	}
	if b.Second != nil {
		e.second = func(s store.Store) store.Store { return b.Second(t, s) }
	}
	return e
}

// A skip is the error of a case that cannot be tested: the reason.
type skip string

func (s skip) Error() string { return string(s) }

// The reasons of skips.
const (
	noReopen     = skip("Backend.Reopen is nil: the backend does not claim that records survive a restart")
	noSecond     = skip("Backend.Second is nil: the backend does not claim that several servers can use a storage")
	noWatcher    = skip("the store is not a Watcher")
	noRevisioner = skip("the store is not a Revisioner")
)

// A testCase checks one rule. check returns an error that describes how the store breaks it.
type testCase struct {
	name  string
	rule  string
	check func(ctx context.Context, e *env) error
}

// cases are all cases.
var cases = slices.Concat(recordCases, listCases, keyCases, loadCases, raceCases, watchCases)

// key returns the key of a thing, the kind of record that most cases use.
func key(id string) store.Key { return store.Key{Kind: "things", ID: id} }

// put writes a record unconditionally.
func put(ctx context.Context, s store.Store, id, value string) (store.Revision, error) {
	rev, err := s.Put(ctx, key(id), []byte(value), store.Condition{})
	if err != nil {
		return "", fmt.Errorf("Put(%q): %w", id, err)
	}
	return rev, nil
}

// holds returns an error unless a record has a value.
func holds(ctx context.Context, s store.Store, id, value string) error {
	r, err := s.Get(ctx, key(id))
	if err != nil {
		return fmt.Errorf("Get(%q): %w", id, err)
	}
	if string(r.Value) != value {
		return fmt.Errorf("Get(%q) = %.100q, want %.100q", id, r.Value, value)
	}
	return nil
}

// ids lists the ids of a kind.
func ids(ctx context.Context, s store.Store, kind string) (ids []string, err error) {
	for r, err := range s.List(ctx, kind) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, r.Key.ID)
	}
	return ids, nil
}
