package store_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/filestore"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/store/storetest"
)

// guard guards a store until the test ends.
func guard(t *testing.T, s store.Store) *store.Guarded {
	t.Helper()
	g, err := store.Guard(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	return g
}

func TestGuardedStore(t *testing.T) {
	storetest.Run(t, storetest.Backend{
		New:    func(t *testing.T) store.Store { return guard(t, memstore.New()) },
		Second: func(t *testing.T, s store.Store) store.Store { return guard(t, s.(*store.Guarded).Unwrap()) },
	})
}

func TestGuardKeepsCapabilities(t *testing.T) {
	inner := memstore.New()
	if w, ok := store.As[store.Watcher](guard(t, inner)); !ok || w != store.Watcher(inner) {
		t.Errorf("As finds %v, %v, want the inner store", w, ok)
	}
	down := errors.New("down")
	if err := store.Ping(t.Context(), guard(t, pinger{memstore.New(), down})); !errors.Is(err, down) {
		t.Errorf("Ping: %v, want the store's error", err)
	}
}

func TestGuardRefusesANewerStore(t *testing.T) {
	s := memstore.New()
	put(t, s, marker, newer)
	if _, err := store.Guard(t.Context(), s); !errors.Is(err, store.ErrFormat) {
		t.Errorf("Guard: %v, want ErrFormat", err)
	}
}

// refused changes a record until the store refuses it, and returns the error.
func refused(t *testing.T, s store.Store, key store.Key) error {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if _, err := s.Put(t.Context(), key, []byte("1"), store.Condition{}); err != nil {
			return err
		}
		runtime.Gosched()
	}
	t.Fatal("the store does not refuse changes")
	return nil
}

// When a newer server raises the marker, an older one stops changing records and continues to read them.
func TestGuardSeesTheMarkerRaisedByAnotherServer(t *testing.T) {
	for _, c := range []struct {
		name, marker string
		want         error // nil for any error
	}{
		{"newer", newer, store.ErrFormat},
		{"unreadable", "x", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			g, other := guard(t, s), guard(t, s)
			key := thing("a")
			put(t, g, key, "1")
			put(t, other, marker, c.marker)
			err := refused(t, g, key)
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("Put: %v, want %v", err, c.want)
			}
			if err := g.Delete(t.Context(), key, store.Condition{}); err == nil {
				t.Error("Delete: no error")
			}
			records := func(yield func(store.Record, error) bool) { yield(store.Record{Key: thing("b")}, nil) }
			if err := store.Load(t.Context(), g, records); err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("Load: %v, want %v", err, c.want)
			}
			if r, err := g.Get(t.Context(), key); err != nil || string(r.Value) != "1" {
				t.Errorf("Get: %q, %v", r.Value, err)
			}
			n := 0
			for _, err := range g.List(t.Context(), "things") {
				if err != nil {
					t.Error(err)
				}
				n++
			}
			if n != 1 {
				t.Errorf("List yields %d records, want 1", n)
			}
			// It refuses changes even if the marker is deleted, because unknown records may have been written.
			if err := s.Delete(t.Context(), marker, store.Condition{}); err != nil {
				t.Fatal(err)
			}
			if _, err := g.Put(t.Context(), key, nil, store.Condition{}); err == nil {
				t.Error("Put after the marker was deleted: no error")
			}
		})
	}
}

// The marker is read again if the store fails when it changes.
func TestGuardReadsTheMarkerAfterAnOutage(t *testing.T) {
	s := &flakyStore{Store: memstore.New()}
	g := guard(t, s)
	s.fail(3)
	put(t, s.Store, marker, newer)
	if err := refused(t, g, thing("a")); !errors.Is(err, store.ErrFormat) {
		t.Errorf("Put: %v, want ErrFormat", err)
	}
}

// A flakyStore is a memstore whose Get fails a few times.
type flakyStore struct {
	*memstore.Store
	mu   sync.Mutex
	left int
}

func (f *flakyStore) fail(times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = times
}

func (f *flakyStore) Get(ctx context.Context, key store.Key) (store.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left > 0 {
		f.left--
		return store.Record{}, errors.New("down for a moment")
	}
	return f.Store.Get(ctx, key)
}

// Guard waits for the beginning of the watch until its context ends.
func TestGuardEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := silentStore{memstore.New(), cancel}
	if _, err := store.Guard(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("Guard: %v, want context.Canceled", err)
	}
}

// A silentStore is a memstore whose watch never begins. It calls watched when a watch is asked for.
type silentStore struct {
	*memstore.Store
	watched func()
}

func (s silentStore) Watch(ctx context.Context, _ string) iter.Seq2[store.Change, error] {
	return func(func(store.Change, error) bool) {
		s.watched()
		<-ctx.Done()
	}
}

// A store without a Watcher is checked once.
func TestGuardOfAStoreWithoutWatcher(t *testing.T) {
	s, err := filestore.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	g := guard(t, s)
	put(t, g, thing("a"), "1")
	put(t, s, marker, newer)
	if _, err := store.Guard(t.Context(), s); !errors.Is(err, store.ErrFormat) {
		t.Errorf("Guard: %v, want ErrFormat", err)
	}
}
