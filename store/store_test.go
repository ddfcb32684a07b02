package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A decorator has no capability of its own.
type decorator struct{ store.Store }

func (d decorator) Unwrap() store.Store { return d.Store }

// A pinger is a store whose Ping returns err.
type pinger struct {
	store.Store
	err error
}

func (p pinger) Ping(context.Context) error { return p.err }

func TestAs(t *testing.T) {
	inner := memstore.New()
	if w, ok := store.As[store.Watcher](decorator{decorator{inner}}); !ok || w != store.Watcher(inner) {
		t.Errorf("As finds %v, %v, want the inner store", w, ok)
	}
	if _, ok := store.As[store.Pinger](decorator{inner}); ok {
		t.Error("As finds a capability that no store has")
	}
	if _, ok := store.As[store.Watcher](nil); ok {
		t.Error("As finds a capability of a nil Store")
	}
}

func TestPing(t *testing.T) {
	if err := store.Ping(t.Context(), memstore.New()); err != nil {
		t.Errorf("Ping of a store without Pinger: %v", err)
	}
	down := errors.New("down")
	if err := store.Ping(t.Context(), decorator{pinger{memstore.New(), down}}); !errors.Is(err, down) {
		t.Errorf("%v, want the error of the inner store", err)
	}
}

// A revisioner is a store whose Revisions yields the same change, and an error.
type revisioner struct {
	store.Store
	change store.Change
	err    error
}

func (r revisioner) Revisions(context.Context, string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		_ = yield(r.change, nil) && yield(store.Change{}, r.err)
	}
}

// collect returns the changes that a sequence yields before it ends, and the error that ends it.
func collect(changes iter.Seq2[store.Change, error]) (all []store.Change, err error) {
	for c, err := range changes {
		if err != nil {
			return all, err
		}
		all = append(all, c)
	}
	return all, nil
}

func TestRevisionsOfARevisioner(t *testing.T) {
	down := errors.New("down")
	want := []store.Change{{Key: thing("a"), Revision: "7"}}
	s := decorator{revisioner{memstore.New(), want[0], down}}
	got, err := collect(store.Revisions(t.Context(), s, "things"))
	if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, down) {
		t.Errorf("got the error %v, want that of the inner store, after (-want +got):\n%s", err, diff)
	}
}

// Without the capability, Revisions lists the records.
func TestRevisionsOfAPlainStore(t *testing.T) {
	s := memstore.New()
	var want []store.Change
	for _, id := range []string{"a", "b"} {
		rev, err := s.Put(t.Context(), thing(id), []byte("1"), store.IfAbsent())
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, store.Change{Key: thing(id), Revision: rev})
	}
	put(t, s, store.Key{Kind: "others", ID: "c"}, "3")
	got, err := collect(store.Revisions(t.Context(), s, "things"))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("got the error %v, after (-want +got):\n%s", err, diff)
	}
	for range store.Revisions(t.Context(), s, "things") {
		break // a loop that is left ends the list
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := collect(store.Revisions(ended, s, "things")); !errors.Is(err, context.Canceled) {
		t.Errorf("under an ended context: %v, want that of the list", err)
	}
}

func TestConditionCheck(t *testing.T) {
	for _, c := range []struct {
		name    string
		cond    store.Condition
		current store.Revision
		ok      bool
	}{
		{"none, absent", store.Condition{}, "", true},
		{"none, present", store.Condition{}, "1", true},
		{"IfAbsent, absent", store.IfAbsent(), "", true},
		{"IfAbsent, present", store.IfAbsent(), "1", false},
		{"IfRevision, the same", store.IfRevision("1"), "1", true},
		{"IfRevision, another", store.IfRevision("1"), "2", false},
		{"IfRevision, absent", store.IfRevision("1"), "", false},
		{"IfRevision of nothing, absent", store.IfRevision(""), "", false},
	} {
		err := c.cond.Check(c.current)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: %v, want ErrConflict unless the condition holds", c.name, err)
		}
	}
}

// A store in memory reports changes and has no connection to check.
func ExampleAs() {
	var s store.Store = memstore.New()
	_, watches := store.As[store.Watcher](s)
	_, pings := store.As[store.Pinger](s)
	fmt.Println(watches, pings)
	// Output: true false
}
