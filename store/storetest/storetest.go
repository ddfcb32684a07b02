// Package storetest proves that a backend keeps the rules of package store.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Backend{
//			New: func(t *testing.T) store.Store { return mystore.New() },
//		})
//	}
//
// Each case runs on a fresh store and says, when it fails, which rule it is
// about.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
)

// A Backend makes the stores that the cases run on.
type Backend struct {
	// New returns an empty store, and closes it with t.Cleanup where needed.
	New func(t *testing.T) store.Store
	// Reopen returns a second store over the storage of s, which has been
	// closed if it is an io.Closer: as a restart would. Nil: the backend does
	// not outlive its process.
	Reopen func(t *testing.T, s store.Store) store.Store
	// Second returns another store over the storage of s, while s is open: as a
	// second server would. For a storage in memory it may be s itself. If nil, the
	// cases about two servers are skipped.
	Second func(t *testing.T, s store.Store) store.Store
}

// Run runs all cases as subtests of t. A case that the backend cannot run, because
// it lacks a capability or a field of b is nil, is skipped and says so.
func Run(t *testing.T, b Backend) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := &env{s: b.New(t)}
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
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := c.check(ctx, e)
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

// An env is what a case runs in.
type env struct {
	s      store.Store
	reopen func(store.Store) store.Store // nil: the backend is not durable
	second func(store.Store) store.Store // nil: there is one handle at a time
}

// A skip is the error of a case that cannot run, and says why.
type skip string

func (s skip) Error() string { return string(s) }

// A testCase checks one rule and returns how it was broken.
type testCase struct {
	name  string
	rule  string
	check func(ctx context.Context, e *env) error
}

func key(id string) store.Key { return store.Key{Kind: "things", ID: id} }

func put(ctx context.Context, s store.Store, id, value string) (store.Revision, error) {
	rev, err := s.Put(ctx, key(id), []byte(value), store.Condition{})
	if err != nil {
		return "", fmt.Errorf("Put(%q): %w", id, err)
	}
	return rev, nil
}

// holds checks that a record has a value.
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
