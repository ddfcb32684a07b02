package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

var marker = store.Key{Kind: "config", ID: "format"}

// newer is the marker of the next version.
var newer = fmt.Sprintf(`{"format":%d}`, store.Format+1)

// put writes a record unconditionally.
func put(t *testing.T, s store.Store, key store.Key, value string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, []byte(value), store.Condition{}); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFormat(t *testing.T) {
	const first = `{"format":3}`
	current := fmt.Sprintf(`{"format":%d}`, store.Format)
	for _, c := range []struct {
		name   string
		marker string // empty for none
		want   string // the marker afterwards
		text   string // of the error, empty for none
	}{
		{"absent", "", first, ""},
		{"older", `{"format":1}`, first, ""},
		{"of most stores", first, first, ""},
		{"current", current, current, ""},
		{"current with another member", `{"format":3,"by":"x"}`, `{"format":3,"by":"x"}`, ""},
		{"newer", `{"format":7}`, `{"format":7}`, "its records have format 7, and this version understands " +
			"formats up to 5: start the newer version, or restore a backup"},
		{"not JSON", `x`, `x`, "config/format"},
		{"not a number", `{"format":"2"}`, `{"format":"2"}`, "config/format"},
		{"without a format", `{}`, `{}`, "config/format"},
		{"negative", `{"format":-1}`, `{"format":-1}`, "config/format"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			if c.marker != "" {
				put(t, s, marker, c.marker)
			}
			err := store.CheckFormat(t.Context(), s)
			if (err == nil) != (c.text == "") || err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("the error is %v, want %q", err, c.text)
			}
			if errors.Is(err, store.ErrFormat) != (c.name == "newer") {
				t.Errorf("the error is %v, which must be ErrFormat only for a newer marker", err)
			}
			r, err := s.Get(t.Context(), marker)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(r.Value)); diff != "" {
				t.Errorf("the marker (-want +got):\n%s", diff)
			}
		})
	}
}

// The marker is raised to the format of the records that are about to be written, and never lowered.
func TestRaiseFormat(t *testing.T) {
	s := memstore.New()
	for _, c := range []struct {
		raise int
		want  string
	}{{3, `{"format":3}`}, {4, `{"format":4}`}, {3, `{"format":4}`}} {
		if err := store.RaiseFormat(t.Context(), s, c.raise); err != nil {
			t.Fatal(err)
		}
		if err := store.CheckFormat(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Get(t.Context(), marker); err != nil || string(r.Value) != c.want {
			t.Errorf("raised to %d, the marker is %q, %v; want %s", c.raise, r.Value, err, c.want)
		}
	}
	put(t, s, marker, newer)
	if err := store.RaiseFormat(t.Context(), s, 4); !errors.Is(err, store.ErrFormat) {
		t.Errorf("over a newer marker, RaiseFormat returned %v, want ErrFormat", err)
	}
}

// A store that cannot be read is not mistaken for an empty one.
func TestCheckFormatOfAStoreThatFails(t *testing.T) {
	down := errors.New("down")
	s := &countingStore{Store: memstore.New(), getErr: down}
	if err := store.CheckFormat(t.Context(), s); !errors.Is(err, down) || s.puts != 0 {
		t.Errorf("%v after %d Puts, want the store's error and no Put", err, s.puts)
	}
}

func TestCheckFormatOfACurrentStoreIsOneGet(t *testing.T) {
	s := &countingStore{Store: memstore.New()}
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

// A countingStore counts calls. Its Get fails with getErr if that is not nil.
type countingStore struct {
	store.Store
	gets, puts int
	getErr     error
}

func (c *countingStore) Get(ctx context.Context, key store.Key) (store.Record, error) {
	c.gets++
	if c.getErr != nil {
		return store.Record{}, c.getErr
	}
	return c.Store.Get(ctx, key)
}

func (c *countingStore) Put(ctx context.Context, k store.Key, v []byte, cond store.Condition) (store.Revision, error) {
	c.puts++
	return c.Store.Put(ctx, k, v, cond)
}
