package store_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// increment is a function for Update that increments a number.
func increment(old store.Record) ([]byte, error) {
	n := 0
	if old.Revision != "" {
		var err error
		if n, err = strconv.Atoi(string(old.Value)); err != nil {
			return nil, err
		}
	}
	return []byte(strconv.Itoa(n + 1)), nil
}

// current returns the record a.
func current(t *testing.T, s store.Store) store.Record {
	t.Helper()
	r, err := s.Get(t.Context(), thing("a"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestUpdate(t *testing.T) {
	s := memstore.New()
	for _, want := range []string{"1", "2", "3"} {
		r, err := store.Update(t.Context(), s, thing("a"), increment)
		if err != nil || r.Key != thing("a") || string(r.Value) != want {
			t.Errorf("%v = %q, %v, want %s", r.Key, r.Value, err, want)
		}
		if now := current(t, s); now.Revision != r.Revision {
			t.Errorf("the store has revision %q, want %q", now.Revision, r.Revision)
		}
	}
}

func TestUpdateWithoutAValue(t *testing.T) {
	s := memstore.New()
	nothing := func(store.Record) ([]byte, error) { return nil, nil }
	if r, err := store.Update(t.Context(), s, thing("a"), nothing); err != nil || r.Revision != "" {
		t.Errorf("of an absent record: %+v, %v", r, err)
	}
	put(t, s, thing("a"), "1")
	before := current(t, s)
	r, err := store.Update(t.Context(), s, thing("a"), nothing)
	if err != nil || string(r.Value) != "1" || r.Revision != before.Revision {
		t.Errorf("%q in revision %q, %v, want the record unchanged", r.Value, r.Revision, err)
	}
}

func TestUpdateReturnsTheErrorOfTheFunction(t *testing.T) {
	s := memstore.New()
	put(t, s, thing("a"), "1")
	before, failure := current(t, s), errors.New("no")
	failing := func(store.Record) ([]byte, error) { return []byte("9"), failure }
	_, err := store.Update(t.Context(), s, thing("a"), failing)
	if err != failure {
		t.Errorf("%v, want the error of the function", err)
	}
	if now := current(t, s); now.Revision != before.Revision {
		t.Errorf("the record has changed to %q", now.Value)
	}
}

func TestUpdateByManyWriters(t *testing.T) {
	const writers = 4
	s := memstore.New()
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			if _, err := store.Update(t.Context(), s, thing("a"), increment); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if r := current(t, s); string(r.Value) != strconv.Itoa(writers) {
		t.Errorf("%q, want %d", r.Value, writers)
	}
}

// A contestedStore is a memstore in which another writer changes a record right after each of the next Gets.
type contestedStore struct {
	*memstore.Store
	left int // so many Gets
	gets int
}

func (s *contestedStore) Get(ctx context.Context, key store.Key) (store.Record, error) {
	s.gets++
	r, err := s.Store.Get(ctx, key)
	if s.left > 0 {
		s.left--
		if _, err := s.Put(ctx, key, []byte("100"), store.Condition{}); err != nil {
			return r, err
		}
	}
	return r, err
}

func TestUpdateAgainstFasterWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &contestedStore{Store: memstore.New(), left: 9}
		if r, err := store.Update(t.Context(), s, thing("a"), increment); err != nil || string(r.Value) != "101" {
			t.Errorf("%q, %v, want 101", r.Value, err)
		}
		s = &contestedStore{Store: memstore.New(), left: 1000}
		_, err := store.Update(t.Context(), s, thing("a"), increment)
		if !errors.Is(err, store.ErrConflict) || s.gets != 10 || !strings.Contains(err.Error(), "things/a") {
			t.Errorf("%v after %d attempts, want ErrConflict after 10", err, s.gets)
		}
	})
}

func TestUpdateEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := memstore.New()
	// The context ends before the write, which is therefore not begun.
	_, err := store.Update(ctx, s, thing("a"), func(store.Record) ([]byte, error) {
		cancel()
		return []byte("1"), nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	if _, err := s.Get(t.Context(), thing("a")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the record was written: %v", err)
	}
}

func TestUpdateReturnsErrorsOfTheStore(t *testing.T) {
	down := errors.New("down")
	s := &countingStore{Store: memstore.New(), getErr: down}
	if _, err := store.Update(t.Context(), s, thing("a"), increment); !errors.Is(err, down) || s.puts != 0 {
		t.Errorf("%v after %d Puts, want the store's error and no Put", err, s.puts)
	}
}

func TestRetryConflicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		conflict := fmt.Errorf("title x: %w", store.ErrConflict)
		began := time.Now()
		err := store.RetryConflicts(t.Context(), func() error { n++; return conflict })
		if !errors.Is(err, store.ErrConflict) || n != 10 || time.Since(began) > 450*time.Millisecond {
			t.Errorf("%v after %d attempts in %v", err, n, time.Since(began))
		}
		other := errors.New("other")
		n = 0
		err = store.RetryConflicts(t.Context(), func() error {
			if n++; n < 3 {
				return conflict
			}
			return other
		})
		if err != other || n != 3 {
			t.Errorf("%v after %d attempts, want the other error after 3", err, n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		n = 0
		err = store.RetryConflicts(ctx, func() error { n++; cancel(); return conflict })
		if !errors.Is(err, context.Canceled) || n != 1 {
			t.Errorf("%v after %d attempts, want context.Canceled after 1", err, n)
		}
	})
}

func TestFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type name struct{}
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), name{}, "value"))
		gone := errors.New("the client has gone")
		err := store.Finish(ctx, func(write context.Context) error {
			cancel(gone)
			if write.Err() != nil || write.Value(name{}) != "value" {
				t.Errorf("the context of the write: %v, %v", write.Err(), write.Value(name{}))
			}
			began := time.Now()
			<-write.Done()
			if d := time.Since(began); d != 30*time.Second {
				t.Errorf("the write timed out after %v, want 30s", d)
			}
			return write.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the error of the write", err)
		}
		err = store.Finish(ctx, func(context.Context) error { t.Error("a write was begun too late"); return nil })
		if err != gone {
			t.Errorf("%v, want the cause of the context's end", err)
		}
		undo, cancelUndo := store.WriteContext(ctx)
		defer cancelUndo()
		if undo.Err() != nil {
			t.Errorf("WriteContext: %v", undo.Err())
		}
	})
}

func TestIfUnchanged(t *testing.T) {
	s := memstore.New()
	rev, err := s.Put(t.Context(), thing("a"), nil, store.IfUnchanged(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), thing("a"), nil, store.IfUnchanged("")); !errors.Is(err, store.ErrConflict) {
		t.Errorf("%v, want ErrConflict", err)
	}
	if _, err := s.Put(t.Context(), thing("a"), nil, store.IfUnchanged(rev)); err != nil {
		t.Error(err)
	}
	if _, err := s.Put(t.Context(), thing("a"), nil, store.IfUnchanged(rev)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("%v, want ErrConflict", err)
	}
}

// A counter that several processes may increment at once.
func ExampleUpdate() {
	ctx, s := context.Background(), memstore.New()
	key := store.Key{Kind: "counters", ID: "visits"}
	for range 3 {
		_, err := store.Update(ctx, s, key, func(old store.Record) ([]byte, error) {
			n, _ := strconv.Atoi(string(old.Value)) // 0 if there is no record
			return []byte(strconv.Itoa(n + 1)), nil
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	r, err := s.Get(ctx, key)
	fmt.Println(string(r.Value), err)
	// Output: 3 <nil>
}
