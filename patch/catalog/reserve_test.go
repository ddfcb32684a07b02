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

// reserve reserves the id App.
func reserve(t *testing.T, cat *catalog.Catalog) *catalog.Reservation {
	t.Helper()
	r, err := cat.Reserve(t.Context(), definition("App", "1"), &catalog.CreateOptions{
		Author:  "Ann",
		Mailbox: json.RawMessage(`{"hash":"x"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// checkNotVisible checks that readers do not see App.
func checkNotVisible(t *testing.T, cat *catalog.Catalog) {
	t.Helper()
	_, err := cat.Definition(t.Context(), "App")
	if !errors.Is(err, catalog.ErrNotFound) || cat.Len() != 0 {
		t.Errorf("the reservation is visible: error %v, %d titles", err, cat.Len())
	}
}

// A reservation holds its id and is not visible until it is published.
func TestReserve(t *testing.T) {
	ctx := t.Context()
	cat := open(t, memstore.New(), nil)
	var events []string
	cat.Subscribe(func(e catalog.Event) { events = append(events, string(e.Kind)+" "+e.Title.ID) })
	r := reserve(t, cat)
	checkNotVisible(t, cat)
	for _, id := range []string{"App", "aPP"} {
		if _, err := cat.Create(ctx, definition(id, "1"), nil); !errors.Is(err, catalog.ErrExists) {
			t.Errorf("Create with the id: error %v, want ErrExists", err)
		}
		if _, err := cat.Reserve(ctx, definition(id, "1"), nil); !errors.Is(err, catalog.ErrExists) {
			t.Errorf("Reserve with the id: error %v, want ErrExists", err)
		}
	}
	if len(events) != 0 {
		t.Errorf("the events before it is published are %q, want none", events)
	}
	res, err := r.Publish(ctx)
	if err != nil || res.Title.UID != r.UID() || res.Title.Author != "Ann" || res.Title.Mailbox != `{"hash":"x"}` {
		t.Fatalf("Publish: the result is %+v, %v", res, err)
	}
	if len(events) != 1 || events[0] != "created App" || cat.Len() != 1 {
		t.Errorf("the events are %q, %d titles", events, cat.Len())
	}
	if live, err := r.Withdraw(ctx); err != nil || !live || cat.Len() != 1 {
		t.Errorf("Withdraw after Publish: %t, %v; want true", live, err)
	}
}

// A reservation that was withdrawn cannot be published, and its id can be taken.
func TestWithdraw(t *testing.T) {
	ctx := t.Context()
	cat := open(t, memstore.New(), nil)
	r := reserve(t, cat)
	if live, err := r.Withdraw(ctx); err != nil || live {
		t.Fatalf("Withdraw: %t, %v; want false", live, err)
	}
	if _, err := r.Publish(ctx); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("Publish after Withdraw: error %v, want ErrNotFound", err)
	}
	checkNotVisible(t, cat)
	create(t, cat, "App", "1")
}

// The id of an expired reservation can be taken over, and then the reservation can no longer be published or withdrawn.
func TestExpiredReservation(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cat := open(t, memstore.New(), &catalog.Options{Now: func() time.Time { return now }})
	old := reserve(t, cat)
	now = now.Add(time.Minute)
	if _, err := cat.Reserve(ctx, definition("App", "1"), nil); !errors.Is(err, catalog.ErrExists) {
		t.Errorf("Reserve before it has expired: error %v, want ErrExists", err)
	}
	now = now.Add(10 * time.Minute)
	next := reserve(t, cat)
	if _, err := old.Publish(ctx); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("Publish of the expired reservation: error %v, want ErrNotFound", err)
	}
	if live, err := old.Withdraw(ctx); err != nil || live {
		t.Errorf("Withdraw of the expired reservation: %t, %v; want false", live, err)
	}
	checkNotVisible(t, cat)
	if res, err := next.Publish(ctx); err != nil || res.Title.UID != next.UID() {
		t.Errorf("Publish: the result is %+v, %v", res, err)
	}
}

// A server whose clock is minutes ahead does not end the reservation that another server is publishing.
func TestReservationSurvivesAClockAhead(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := memstore.New()
	r := reserve(t, open(t, s, &catalog.Options{Now: func() time.Time { return now }}))
	ahead := open(t, s, &catalog.Options{Now: func() time.Time { return now.Add(9 * time.Minute) }})
	if _, err := ahead.Reserve(t.Context(), definition("App", "1"), nil); !errors.Is(err, catalog.ErrExists) {
		t.Errorf("Reserve at the server whose clock is ahead: error %v, want ErrExists", err)
	}
	if _, err := r.Publish(t.Context()); err != nil {
		t.Errorf("Publish: %v", err)
	}
}

// Open deletes the expired reservations of a shared store.
func TestOpenDeletesExpiredReservations(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	opts := &catalog.Options{Now: func() time.Time { return now }}
	s := memstore.New()
	cat := open(t, s, opts)
	create(t, cat, "Live", "1")
	reserve(t, cat)
	open(t, s, opts)
	if n := records(t, s, "titles"); n != 2 {
		t.Errorf("%d records, want 2: a reservation that has not expired was deleted", n)
	}
	now = now.Add(time.Hour)
	open(t, s, opts)
	if n := records(t, s, "titles"); n != 1 {
		t.Errorf("%d records, want 1: an expired reservation was not deleted", n)
	}
}

// Open deletes all reservations if the store is not shared, because no other server can be publishing.
func TestOpenDeletesReservations(t *testing.T) {
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
				t.Errorf("Create with the reserved id: error %v, want %v", err, c.want)
			}
			if _, err := cat.Title("Live"); err != nil {
				t.Errorf("the live title: %v", err)
			}
		})
	}
}

// The id of a deleted title can be reserved while the couriers take the notice of the deletion. The notices of the
// deleted title are delivered whether the reservation is published or withdrawn.
func TestReserveIDOfDeletedTitle(t *testing.T) {
	ctx := t.Context()
	for _, publish := range []bool{true, false} {
		for range 50 {
			s, taken := memstore.New(), &courier{}
			cat := open(t, s, &catalog.Options{Couriers: []catalog.Courier{taken}})
			create(t, cat, "App", "1")
			if err := cat.Delete(ctx, "App", nil); err != nil {
				t.Fatal(err)
			}
			r, err := cat.Reserve(ctx, definition("App", "2"), nil)
			if err != nil {
				t.Fatal(err)
			}
			want := 2
			if publish {
				want = 3
				if _, err := r.Publish(ctx); err != nil {
					t.Fatal(err)
				}
			} else if live, err := r.Withdraw(ctx); live || err != nil {
				t.Fatalf("Withdraw: %t, %v", live, err)
			}
			eventually(t, func() bool { return len(taken.all()) == want })
			if !publish {
				create(t, cat, "App", "3")
			}
			_ = cat.Close()
		}
	}
}

// The notices of a deleted title are delivered even if a reservation of its id is withdrawn, by its caller or by the
// next start.
func TestWithdrawnReservationKeepsNotices(t *testing.T) {
	ctx := t.Context()
	for _, withdraw := range []bool{true, false} {
		s, down := unwatched{memstore.New()}, &courier{fail: true}
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		clock := func() time.Time { return now }
		cat := open(t, s, &catalog.Options{Couriers: []catalog.Courier{down}, Now: clock})
		create(t, cat, "App", "1")
		if err := cat.Delete(ctx, "App", nil); err != nil {
			t.Fatal(err)
		}
		r, err := cat.Reserve(ctx, definition("App", "2"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if withdraw {
			if _, err := r.Withdraw(ctx); err != nil {
				t.Fatal(err)
			}
		}
		_ = cat.Close()
		now = now.Add(time.Hour)
		taken := &courier{}
		_ = open(t, s, &catalog.Options{Couriers: []catalog.Courier{taken}, Now: clock})
		eventually(t, func() bool { return len(taken.all()) == 2 })
		eventually(t, func() bool { return records(t, s, "titles") == 0 })
	}
}

// Put returns ErrExists for a reserved id.
func TestPutReservedID(t *testing.T) {
	cat := open(t, memstore.New(), nil)
	if _, err := cat.Reserve(t.Context(), definition("App", "1"), nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := cat.Put(t.Context(), definition("App", "2"), nil); !errors.Is(err, catalog.ErrExists) {
		t.Errorf("error %v, want ErrExists", err)
	}
}

// If a write of Open fails, Open returns an error, and the next Open completes the work.
func TestOpenWithFailingWrite(t *testing.T) {
	ctx := t.Context()
	inner, down := memstore.New(), &courier{fail: true}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	cat := open(t, unwatched{inner}, &catalog.Options{Couriers: []catalog.Courier{down}, Now: clock})
	create(t, cat, "App", "1")
	if err := cat.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := cat.Reserve(ctx, definition("App", "2"), nil); err != nil {
		t.Fatal(err)
	}
	_ = cat.Close()
	now = now.Add(time.Hour)
	s := &hiccup{Store: unwatched{inner}}
	s.left.Store(1)
	if _, err := catalog.Open(ctx, s, &catalog.Options{Now: clock}); !errors.Is(err, catalog.ErrUnavailable) {
		t.Fatalf("Open: error %v, want ErrUnavailable", err)
	}
	taken := &courier{}
	_ = open(t, unwatched{inner}, &catalog.Options{Couriers: []catalog.Courier{taken}, Now: clock})
	eventually(t, func() bool { return len(taken.all()) == 2 && records(t, inner, "titles") == 0 })
}
