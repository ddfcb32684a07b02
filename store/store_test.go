package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A logged store is a decorator: it has Unwrap, and no capability of its own.
type logged struct{ store.Store }

func (l logged) Unwrap() store.Store { return l.Store }

type pinged struct {
	store.Store
	err error
}

func (p pinged) Ping(context.Context) error { return p.err }

func TestAs(t *testing.T) {
	inside := memstore.New()
	if w, ok := store.As[store.Watcher](logged{logged{inside}}); !ok || w != store.Watcher(inside) {
		t.Errorf("As does not look through decorators: %v, %v", w, ok)
	}
	if _, ok := store.As[store.Pinger](logged{inside}); ok {
		t.Error("As finds a capability that nothing has")
	}
	if _, ok := store.As[store.Watcher](nil); ok {
		t.Error("As finds a capability of nil")
	}
}

func TestPing(t *testing.T) {
	if err := store.Ping(t.Context(), memstore.New()); err != nil {
		t.Error(err)
	}
	down := errors.New("down")
	if err := store.Ping(t.Context(), logged{pinged{memstore.New(), down}}); !errors.Is(err, down) {
		t.Errorf("%v, want what the store says", err)
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
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func ExampleAs() {
	var s store.Store = memstore.New()
	_, watches := store.As[store.Watcher](s)
	_, pings := store.As[store.Pinger](s)
	fmt.Println(watches, pings)
	// Output: true false
}
