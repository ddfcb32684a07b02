package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A courier keeps what it is told.
type courier struct {
	mu          sync.Mutex
	notices     []catalog.Notice
	fail        bool
	definitions bool
}

func (c *courier) Wants(id string, _ catalog.EventKind) (bool, bool) {
	return id != "Quiet", c.definitions
}

func (c *courier) Take(_ context.Context, n catalog.Notice) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail {
		return errors.New("not now")
	}
	c.notices = append(c.notices, n)
	return nil
}

func (c *courier) setFail(fail bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = fail
}

func (c *courier) told() []catalog.Notice {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.notices)
}

// solitary hides that a store tells of changes.
type solitary struct{ store.Store }

// records returns how many records of a kind there are.
func records(t *testing.T, s store.Store, kind string) (n int) {
	t.Helper()
	for _, err := range s.List(t.Context(), kind) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestCourierIsToldEverything(t *testing.T) {
	ctx := t.Context()
	s, told := memstore.New(), &courier{definitions: true}
	cat := open(t, s, &catalog.Options{Couriers: []catalog.Courier{told}})
	create(t, cat, "App", "1")
	create(t, cat, "Quiet", "1")
	if _, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("2")}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := cat.Replace(ctx, "App", definition("App", "2", "1"), nil); err != nil { // nothing new
		t.Fatal(err)
	}
	r, err := cat.Reserve(ctx, definition("Reserved", "1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	etag, changed := cat.Software().ETag(), cat.Changed()
	eventually(t, func() bool { return len(told.told()) == 3 })
	eventually(t, func() bool {
		for rec := range s.List(ctx, "titles") {
			if strings.Contains(string(rec.Value), "undelivered") {
				return false
			}
		}
		return true
	})
	if cat.Software().ETag() != etag || !cat.Changed().Equal(changed) {
		t.Error("who reads can see that the courier was told")
	}
	if err := cat.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(told.told()) == 4 })
	eventually(t, func() bool { return records(t, s, "titles") == 2 && records(t, s, "history") == 0 })
	var got []string
	ids := map[string]bool{}
	for _, n := range told.told() {
		if n.Title.ID == "App" {
			var d patch.Definition
			if err := json.Unmarshal(n.Definition, &d); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(n.Kind, " ", n.Title.CurrentVersion, " ", len(d.Patches), " ", len(n.Changes)))
		}
		ids[n.ID] = true
	}
	if want := []string{"created 1 1 0", "updated 2 2 1", "deleted 2 2 0"}; !slices.Equal(got, want) || len(ids) != 4 {
		t.Errorf("%v, %d ids", got, len(ids))
	}
}

// What could not be told is told later, also by a process that comes after; in order
// per title, and a title that is gone is there until it is told, for nobody to see.
func TestCourierIsToldLater(t *testing.T) {
	ctx := t.Context()
	s, down := solitary{memstore.New()}, &courier{fail: true}
	cat := open(t, s, &catalog.Options{Couriers: []catalog.Courier{down}})
	create(t, cat, "App", "1")
	for v := 2; v < 6; v++ {
		if _, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version(fmt.Sprint(v))}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := cat.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := cat.Title("App"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("%v", err)
	}
	create(t, cat, "App", "9") // in its place
	if err := cat.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	_ = cat.Close()
	if len(down.told()) != 0 || records(t, s, "titles") != 1 {
		t.Fatalf("%d are told, %d records", len(down.told()), records(t, s, "titles"))
	}
	told := &courier{}
	cat = open(t, s, &catalog.Options{Couriers: []catalog.Courier{told}})
	eventually(t, func() bool { return len(told.told()) == 8 })
	var got []string
	for _, n := range told.told() {
		got = append(got, string(n.Kind)+n.Title.CurrentVersion)
	}
	if strings.Join(got, " ") != "created1 updated2 updated3 updated4 updated5 deleted5 created9 deleted9" {
		t.Errorf("%v", got)
	}
	eventually(t, func() bool { return records(t, s, "titles") == 0 && records(t, s, "history") == 0 })
	if cat.Len() != 0 {
		t.Error("it is seen")
	}
}

// A courier that fails does not keep another from its notices. What it has not taken
// stays in the title's record until it has, also for the next process.
func TestSeveralCouriers(t *testing.T) {
	ctx := t.Context()
	s := solitary{memstore.New()}
	up, down := &courier{}, &courier{fail: true, definitions: true}
	add := func(cat *catalog.Catalog, v string) {
		t.Helper()
		if _, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version(v)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	kinds := func(c *courier) (all string) {
		for _, n := range c.told() {
			all += string(n.Kind) + n.Title.CurrentVersion + " "
		}
		return all
	}
	cat := open(t, s, &catalog.Options{Couriers: []catalog.Courier{up, down}})
	create(t, cat, "App", "1")
	for _, v := range []string{"2", "3"} {
		add(cat, v)
	}
	const three = "created1 updated2 updated3 "
	eventually(t, func() bool { return kinds(up) == three })
	down.setFail(false)
	eventually(t, func() bool { return kinds(down) == three })
	add(cat, "4")
	const four = three + "updated4 "
	eventually(t, func() bool { return kinds(up) == four && kinds(down) == four })
	if up.told()[3].ID != down.told()[3].ID || up.told()[3].Definition == nil {
		t.Error("the couriers got different notices")
	}
	down.setFail(true)
	if err := cat.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	create(t, cat, "App", "9")
	eventually(t, func() bool { return kinds(up) == four+"deleted4 created9 " })
	if got := kinds(down); got != four {
		t.Errorf("the courier that fails has %s", got)
	}
	_ = cat.Close()

	// The next process delivers to both what one of them has not taken.
	up, down = &courier{}, &courier{}
	_ = open(t, s, &catalog.Options{Couriers: []catalog.Courier{up, down}})
	eventually(t, func() bool { return kinds(down) == "deleted4 created9 " })
	eventually(t, func() bool { return kinds(up) == "deleted4 created9 " })
	if _, err := catalog.Open(ctx, s, &catalog.Options{Couriers: []catalog.Courier{up, nil}}); err == nil {
		t.Error("a courier that is nil is accepted")
	}
}

// Revisions can be read and restored, a bounded number of them; each says who made
// it; and who takes the id later has a history of their own.
func TestHistory(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	cat := open(t, s, &catalog.Options{History: 5})
	if _, err := cat.Create(ctx, definition("App", "1"), &catalog.CreateOptions{By: "ann"}); err != nil {
		t.Fatal(err)
	}
	for v := 2; v <= 40; v++ {
		if _, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version(fmt.Sprint(v))}, &catalog.EditOptions{By: fmt.Sprint("t", v)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := records(t, s, "history"); n < 5 || n > 13 {
		t.Errorf("%d revisions are kept", n)
	}
	cat = open(t, s, &catalog.Options{History: 5})
	all, err := cat.History(ctx, "app")
	if err != nil || len(all) != 6 {
		t.Fatalf("%d revisions, %v", len(all), err)
	}
	for i, e := range all {
		want := fmt.Sprint(40 - i)
		if e.Number != uint64(40-i) || e.Version != want || e.By != "t"+want || e.Current != (i == 0) ||
			e.At.IsZero() ||
			i > 0 && e.At.After(all[i-1].At) {
			t.Errorf("%d: %+v", i, e)
		}
		if d, err := cat.Revision(ctx, "App", e.Number); err != nil || d.CurrentVersion != want ||
			len(d.Patches) != 40-i {
			t.Errorf("%d: %v, %v", i, d, err)
		}
	}
	for _, n := range []uint64{0, 1, 41, 1 << 63} {
		if _, err := cat.Revision(ctx, "App", n); !errors.Is(err, catalog.ErrNoRevision) {
			t.Errorf("%d: %v", n, err)
		}
	}
	d, err := cat.Revision(ctx, "App", 37)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cat.Replace(ctx, "App", d, nil); err != nil {
		t.Fatal(err)
	}
	if title, _ := cat.Title("App"); title.CurrentVersion != "37" {
		t.Errorf("%s after it was undone", title.CurrentVersion)
	}
	if all, err := cat.History(ctx, "App"); err != nil || all[0].Number != 41 || all[1].Version != "40" {
		t.Errorf("%+v, %v", all, err)
	}
	if err := cat.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := cat.History(ctx, "App"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("%v", err)
	}
	create(t, cat, "App", "1")
	eventually(t, func() bool { return records(t, s, "history") == 0 })
	if all, err := cat.History(ctx, "App"); err != nil || len(all) != 1 || all[0].Number != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

// An id that is published again right after its deletion, while that is being told, is
// published; and given up, it takes nothing with it.
func TestReserveOverWhatIsGone(t *testing.T) {
	ctx := t.Context()
	for _, publish := range []bool{true, false} {
		for range 50 {
			s, told := memstore.New(), &courier{}
			cat := open(t, s, &catalog.Options{Couriers: []catalog.Courier{told}})
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
				t.Fatalf("%v, %v", live, err)
			}
			eventually(t, func() bool { return len(told.told()) == want })
			if !publish {
				create(t, cat, "App", "3")
			}
			_ = cat.Close()
		}
	}
}

// What a deleted title has to tell outlives a reservation that is given up, now or by
// the next start.
func TestGivenUpReservationKeepsEvents(t *testing.T) {
	ctx := t.Context()
	for _, withdraw := range []bool{true, false} {
		s, down := solitary{memstore.New()}, &courier{fail: true}
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
		told := &courier{}
		_ = open(t, s, &catalog.Options{Couriers: []catalog.Courier{told}, Now: clock})
		eventually(t, func() bool { return len(told.told()) == 2 })
		eventually(t, func() bool { return records(t, s, "titles") == 0 })
	}
}

// A title that somebody is publishing at this moment is there already for an import.
func TestPutOfWhatIsReserved(t *testing.T) {
	cat := open(t, memstore.New(), nil)
	if _, err := cat.Reserve(t.Context(), definition("App", "1"), nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := cat.Put(t.Context(), definition("App", "2"), nil); !errors.Is(err, catalog.ErrExists) {
		t.Errorf("%v", err)
	}
}

// A write that fails at a start is an error, and the next start does what is left.
func TestStartWithAHiccup(t *testing.T) {
	ctx := t.Context()
	inner, down := memstore.New(), &courier{fail: true}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	cat := open(t, solitary{inner}, &catalog.Options{Couriers: []catalog.Courier{down}, Now: clock})
	create(t, cat, "App", "1")
	if err := cat.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := cat.Reserve(ctx, definition("App", "2"), nil); err != nil {
		t.Fatal(err)
	}
	_ = cat.Close()
	now = now.Add(time.Hour)
	s := &hiccup{Store: solitary{inner}}
	s.left.Store(1)
	if _, err := catalog.Open(ctx, s, &catalog.Options{Now: clock}); !errors.Is(err, catalog.ErrUnavailable) {
		t.Fatalf("%v", err)
	}
	told := &courier{}
	_ = open(t, solitary{inner}, &catalog.Options{Couriers: []catalog.Courier{told}, Now: clock})
	eventually(t, func() bool { return len(told.told()) == 2 && records(t, inner, "titles") == 0 })
}

// A title in which a restore was killed has its events told all the same.
func TestKilledRestoreKeepsEvents(t *testing.T) {
	ctx := t.Context()
	inner, down := memstore.New(), &courier{fail: true}
	s := &stopping{Store: solitary{inner}}
	s.left.Store(1 << 60)
	cat := open(t, s, &catalog.Options{Couriers: []catalog.Courier{down}})
	create(t, cat, "App", "1")
	s.left.Store(2) // the record of the restore, and what is staged
	if _, err := cat.Restore(ctx, yields(definition("App", "2")), &catalog.RestoreOptions{Mode: catalog.RestoreMerge}); err == nil {
		t.Fatal("no error")
	}
	_ = cat.Close()
	told := &courier{}
	cat = open(t, solitary{inner}, &catalog.Options{Couriers: []catalog.Courier{told}})
	eventually(t, func() bool { return len(told.told()) == 1 })
	if state(cat) != "App 1" {
		t.Errorf("%q", state(cat))
	}
}
