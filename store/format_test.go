package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/filestore"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/store/storetest"
)

var marker = store.Key{Kind: "config", ID: "format"}

// newer is the marker that the next version will write.
var newer = fmt.Sprintf(`{"format":%d}`, store.Format+1)

func put(t *testing.T, s store.Store, key store.Key, value string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, []byte(value), store.Condition{}); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFormat(t *testing.T) {
	current := fmt.Sprintf(`{"format":%d}`, store.Format)
	for _, c := range []struct {
		name   string
		marker string // empty: none
		want   string // the marker afterwards
		text   string // of the error; empty: none
	}{
		{"absent", "", current, ""},
		{"older", `{"format":1}`, current, ""},
		{"current", current, current, ""},
		{"current with another member", `{"format":2,"by":"x"}`, `{"format":2,"by":"x"}`, ""},
		{"newer", `{"format":7}`, `{"format":7}`, "its records have format 7, and this version understands " +
			"formats up to 2: start the newer version, or restore a backup"},
		{"no JSON", `x`, `x`, "config/format"},
		{"no number", `{"format":"2"}`, `{"format":"2"}`, "config/format"},
		{"nothing", `{}`, `{}`, "config/format"},
		{"negative", `{"format":-1}`, `{"format":-1}`, "config/format"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			if c.marker != "" {
				put(t, s, marker, c.marker)
			}
			err := store.CheckFormat(t.Context(), s)
			if (err == nil) != (c.text == "") || err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want %q", err, c.text)
			}
			if errors.Is(err, store.ErrFormat) != (c.name == "newer") {
				t.Errorf("%v: ErrFormat, or not, in the wrong case", err)
			}
			r, err := s.Get(t.Context(), marker)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(r.Value)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A store that cannot be read is not taken for an empty one.
func TestCheckFormatOfAStoreThatFails(t *testing.T) {
	down := errors.New("down")
	s := &counted{Store: memstore.New(), getErr: down}
	if err := store.CheckFormat(t.Context(), s); !errors.Is(err, down) || s.puts != 0 {
		t.Errorf("%v after %d Puts, want the store's error and no Put", err, s.puts)
	}
}

func TestCheckFormatOfACurrentStoreIsOneGet(t *testing.T) {
	s := &counted{Store: memstore.New()}
	if err := store.CheckFormat(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	s.gets, s.puts = 0, 0
	if err := store.CheckFormat(t.Context(), s); err != nil || s.gets != 1 || s.puts != 0 {
		t.Errorf("%v after %d Gets and %d Puts, want one Get", err, s.gets, s.puts)
	}
}

func TestCheckFormatByManyServersAtOnce(t *testing.T) {
	for _, before := range []string{"", `{"format":1}`} {
		s := memstore.New()
		if before != "" {
			put(t, s, marker, before)
		}
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				if err := store.CheckFormat(t.Context(), s); err != nil {
					t.Errorf("marker %q: %v", before, err)
				}
			})
		}
		all.Wait()
	}
}

// counted counts calls.
type counted struct {
	store.Store
	gets, puts int
	getErr     error
}

func (c *counted) Get(ctx context.Context, key store.Key) (store.Record, error) {
	c.gets++
	if c.getErr != nil {
		return store.Record{}, c.getErr
	}
	return c.Store.Get(ctx, key)
}

func (c *counted) Put(ctx context.Context, k store.Key, v []byte, cond store.Condition) (store.Revision, error) {
	c.puts++
	return c.Store.Put(ctx, k, v, cond)
}

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
	inside := memstore.New()
	if w, ok := store.As[store.Watcher](guard(t, inside)); !ok || w != store.Watcher(inside) {
		t.Errorf("As finds %v, %v, want the store inside", w, ok)
	}
	down := errors.New("down")
	if err := store.Ping(t.Context(), guard(t, pinged{memstore.New(), down})); !errors.Is(err, down) {
		t.Errorf("Ping: %v, want the store's error", err)
	}
}

func TestGuardRefusesANewerStore(t *testing.T) {
	s := memstore.New()
	put(t, s, marker, newer)
	if _, err := store.Guard(t.Context(), s); !errors.Is(err, store.ErrFormat) {
		t.Errorf("%v, want ErrFormat", err)
	}
}

// refused waits until the store refuses changes and returns the error. It changes
// a record until then.
func refused(t *testing.T, s store.Store, key store.Key) error {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if _, err := s.Put(t.Context(), key, []byte("1"), store.Condition{}); err != nil {
			return err
		}
		runtime.Gosched()
	}
	t.Fatal("the store goes on changing records")
	return nil
}

// A newer server raises the marker while an older one runs: the older one stops
// changing records and goes on serving.
func TestGuardSeesTheMarkerRaisedByAnotherServer(t *testing.T) {
	for _, c := range []struct {
		name, marker string
		want         error // nil: any
	}{
		{"newer", newer, store.ErrFormat},
		{"unreadable", "x", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			g, other := guard(t, s), guard(t, s)
			key := store.Key{Kind: "things", ID: "a"}
			put(t, g, key, "1")
			put(t, other, marker, c.marker)
			err := refused(t, g, key)
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("Put: %v, want %v", err, c.want)
			}
			if err := g.Delete(t.Context(), key, store.Condition{}); err == nil {
				t.Error("Delete: no error")
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
			// Also when the marker is gone: what was written meanwhile stays unknown.
			if err := s.Delete(t.Context(), marker, store.Condition{}); err != nil {
				t.Fatal(err)
			}
			if _, err := g.Put(t.Context(), key, nil, store.Condition{}); err == nil {
				t.Error("Put afterwards: no error")
			}
		})
	}
}

// The store fails for a moment just when the marker changes.
func TestGuardLooksAgainAfterAnOutage(t *testing.T) {
	s := &flaky{Store: memstore.New()}
	g := guard(t, s)
	s.fail(3)
	put(t, s.Store, marker, newer)
	if err := refused(t, g, store.Key{Kind: "things", ID: "a"}); !errors.Is(err, store.ErrFormat) {
		t.Errorf("%v, want ErrFormat", err)
	}
}

// A flaky store is a memstore whose Get fails a few times.
type flaky struct {
	*memstore.Store
	mu   sync.Mutex
	left int
}

func (f *flaky) fail(times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = times
}

func (f *flaky) Get(ctx context.Context, key store.Key) (store.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left > 0 {
		f.left--
		return store.Record{}, errors.New("down for a moment")
	}
	return f.Store.Get(ctx, key)
}

// A watch that never begins holds Guard up no longer than its context.
func TestGuardEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := mute{memstore.New(), cancel}
	if _, err := store.Guard(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

type mute struct {
	*memstore.Store
	asked func()
}

func (m mute) Watch(ctx context.Context, _ string) iter.Seq2[store.Change, error] {
	return func(func(store.Change, error) bool) {
		m.asked()
		<-ctx.Done()
	}
}

// Over a store without a Watcher, the check at the beginning is all.
func TestGuardOverFiles(t *testing.T) {
	s, err := filestore.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	g := guard(t, s)
	put(t, g, store.Key{Kind: "things", ID: "a"}, "1")
	put(t, s, marker, newer)
	if _, err := store.Guard(t.Context(), s); !errors.Is(err, store.ErrFormat) {
		t.Errorf("%v, want ErrFormat", err)
	}
}
