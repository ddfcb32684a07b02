package catalog_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

func TestReserve(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	opts := &catalog.Options{Now: func() time.Time { return now }}
	s := memstore.New()
	cat := open(t, s, opts)
	var told []string
	cat.Subscribe(func(e catalog.Event) { told = append(told, string(e.Kind)+" "+e.Title.ID) })
	reserve := func() *catalog.Reservation {
		t.Helper()
		r, err := cat.Reserve(
			ctx,
			definition("App", "1"),
			&catalog.CreateOptions{Author: "Ann", Mailbox: json.RawMessage(`{"hash":"x"}`)},
		)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	unseen := func() {
		t.Helper()
		if _, err := cat.Definition(ctx, "App"); !errors.Is(err, catalog.ErrNotFound) || cat.Len() != 0 ||
			len(told) != 0 {
			t.Errorf("a reservation is seen: %v, %d titles, %q", err, cat.Len(), told)
		}
	}
	r := reserve()
	unseen()
	for _, id := range []string{"App", "aPP"} {
		if _, err := cat.Create(ctx, definition(id, "1"), nil); !errors.Is(err, catalog.ErrExists) {
			t.Errorf("the id was given away: %v", err)
		}
		if _, err := cat.Reserve(ctx, definition(id, "1"), nil); !errors.Is(err, catalog.ErrExists) {
			t.Errorf("the id was reserved twice: %v", err)
		}
	}
	if live, err := r.Withdraw(ctx); err != nil || live {
		t.Fatal(live, err)
	}
	if _, err := r.Publish(ctx); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("withdrawn and published: %v", err)
	}
	unseen()

	// One that was abandoned is taken over later, and not before.
	old := reserve()
	now = now.Add(time.Minute)
	if _, err := cat.Reserve(ctx, definition("App", "1"), nil); !errors.Is(err, catalog.ErrExists) {
		t.Errorf("%v", err)
	}
	now = now.Add(2 * time.Minute)
	next := reserve()
	if _, err := old.Publish(ctx); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if live, err := old.Withdraw(ctx); err != nil || live {
		t.Error(live, err)
	}
	unseen()
	res, err := next.Publish(ctx)
	if err != nil || res.Title.UID != next.UID() || res.Title.Author != "Ann" || res.Title.Mailbox != `{"hash":"x"}` {
		t.Fatalf("%+v %v", res, err)
	}
	if len(told) != 1 || told[0] != "created App" || cat.Len() != 1 {
		t.Errorf("%q, %d titles", told, cat.Len())
	}
	if live, err := next.Withdraw(ctx); err != nil || !live || cat.Len() != 1 {
		t.Errorf("withdrawn after it was published: %v %v", live, err)
	}

	// A start sweeps what is abandoned.
	if _, err := cat.Reserve(ctx, definition("Other", "1"), nil); err != nil {
		t.Fatal(err)
	}
	records := func() (n int) {
		for range s.List(ctx, "titles") {
			n++
		}
		return n
	}
	open(t, s, opts)
	if n := records(); n != 2 {
		t.Errorf("%d records: a fresh reservation was swept away", n)
	}
	now = now.Add(time.Hour)
	open(t, s, opts)
	if n := records(); n != 1 {
		t.Errorf("%d records", n)
	}
}

// Killed while publishing, a server that has its store for itself gives the id free
// at its next start: no other server can be at it.
func TestAStartGivesUpReservationsOfAStoreThatIsNotShared(t *testing.T) {
	for _, c := range []struct {
		name string
		s    store.Store
		want error
	}{
		{"not shared", struct{ store.Store }{memstore.New()}, nil},
		{"shared", memstore.New(), catalog.ErrExists},
	} {
		t.Run(c.name, func(t *testing.T) {
			killed := open(t, c.s, nil)
			if _, err := killed.Reserve(t.Context(), definition("App", "1"), nil); err != nil {
				t.Fatal(err)
			}
			if _, err := killed.Create(t.Context(), definition("Live", "1"), nil); err != nil {
				t.Fatal(err)
			}
			cat := open(t, c.s, nil)
			if _, err := cat.Create(t.Context(), definition("App", "1"), nil); !errors.Is(err, c.want) {
				t.Errorf("create: %v, want %v", err, c.want)
			}
			if _, err := cat.Title("Live"); err != nil {
				t.Errorf("a live title: %v", err)
			}
		})
	}
}
