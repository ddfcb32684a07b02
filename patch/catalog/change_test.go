package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// titleRecord returns the key of a title's record.
func titleRecord(key string) store.Key { return store.Key{Kind: "titles", ID: key} }

// Adding no versions is no change.
func TestAddingNothingChangesNothing(t *testing.T) {
	ctx := t.Context()
	cat := open(t, memstore.New(), nil)
	before := create(t, cat, "App", "1")
	cat.Subscribe(func(e catalog.Event) { t.Errorf("event: %+v", e) })
	res, err := cat.AddVersions(ctx, "App", patch.Position{}, nil, nil)
	if err != nil || res.Changed || res.Title != before {
		t.Errorf("%+v, %v", res, err)
	}
	if all, err := cat.History(ctx, "App"); err != nil || len(all) != 1 {
		t.Errorf("%d revisions, %v", len(all), err)
	}
	if _, err := cat.AddVersions(ctx, "Nope", patch.Position{}, nil, nil); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// What subscribers get is not what a caller goes on changing. The race detector sees
// it if it is.
func TestSubscribersShareNothingWithCallers(t *testing.T) {
	ctx := t.Context()
	cat := open(t, memstore.New(), nil)
	var reading sync.WaitGroup
	told := make(chan *patch.Definition, 10)
	cat.Subscribe(func(e catalog.Event) {
		reading.Go(func() {
			if data, err := e.After.MarshalJSON(); err != nil || strings.Contains(string(data), "mine") {
				t.Errorf("%s, %v", data, err)
			}
		})
		told <- e.After
	})
	withComponent := func(vs ...string) *patch.Definition {
		d := definition("App", vs...)
		for i := range d.Patches {
			d.Patches[i].Components = []patch.Component{{Name: "App", Version: d.Patches[i].Version}}
		}
		return d
	}
	mutate := func(d *patch.Definition) {
		d.Requirements[0].Value = "mine"
		d.Patches[0].Components[0].Version = "mine"
	}
	d := withComponent("1")
	if _, err := cat.Create(ctx, d, nil); err != nil {
		t.Fatal(err)
	}
	mutate(d)
	d = withComponent("2", "1")
	res, err := cat.Replace(ctx, "App", d, nil)
	if err != nil {
		t.Fatal(err)
	}
	mutate(d)
	if got := res.Difference().String(); strings.Contains(got, "mine") {
		t.Errorf("the difference is %s", got)
	}
	d = withComponent("3")
	if _, err := cat.AddVersions(ctx, "App", patch.Position{}, d.Patches, nil); err != nil {
		t.Fatal(err)
	}
	mutate(d)
	d = withComponent("1")
	d.ID = "Reserved"
	r, err := cat.Reserve(ctx, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	mutate(d)
	mutate(r.Definition())
	reading.Wait()
	if len(told) != 4 {
		t.Errorf("%d events", len(told))
	}
}

// After Close nothing can be changed, and what is in memory can be read.
func TestClosedMeansClosed(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	cat, err := catalog.Open(ctx, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	create(t, cat, "App", "2", "1")
	r, err := cat.Reserve(ctx, definition("Reserved", "1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := cat.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, call := range map[string]func() error{
		"create":  func() error { _, err := cat.Create(ctx, definition("New", "1"), nil); return err },
		"replace": func() error { _, err := cat.Replace(ctx, "App", definition("App", "9"), nil); return err },
		"add": func() error {
			_, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("3")}, nil)
			return err
		},
		"remove":   func() error { _, err := cat.RemoveVersion(ctx, "App", "2", nil); return err },
		"delete":   func() error { return cat.Delete(ctx, "App", nil) },
		"put":      func() error { _, _, err := cat.Put(ctx, definition("App", "9"), nil); return err },
		"reserve":  func() error { _, err := cat.Reserve(ctx, definition("New", "1"), nil); return err },
		"publish":  func() error { _, err := r.Publish(ctx); return err },
		"withdraw": func() error { _, err := r.Withdraw(ctx); return err },
		"restore": func() error {
			merge := &catalog.RestoreOptions{Mode: catalog.RestoreMerge}
			_, err := cat.Restore(ctx, yields(definition("App", "9")), merge)
			return err
		},
	} {
		if err := call(); !errors.Is(err, catalog.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
	if got := versions(t, cat, "App"); len(got) != 2 || cat.Len() != 1 {
		t.Errorf("%q, %d titles", got, cat.Len())
	}
	if all, err := cat.History(ctx, "App"); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	if got := records(t, s, "titles"); got != 2 {
		t.Errorf("%d records", got)
	}
}

// A slow store holds a Put until it is let go.
type slow struct {
	store.Store
	reached, goOn chan struct{}
}

func (s *slow) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if s.reached != nil {
		close(s.reached)
		<-s.goOn
		s.reached = nil
	}
	return s.Store.Put(ctx, key, value, cond)
}

// Close waits for a change in progress.
func TestCloseWaitsForChanges(t *testing.T) {
	s := &slow{Store: solitary{memstore.New()}}
	cat, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.reached, s.goOn = make(chan struct{}), make(chan struct{})
	reached := s.reached
	var group sync.WaitGroup
	group.Go(func() { create(t, cat, "App", "1") })
	<-reached
	group.Go(func() {
		if err := cat.Close(); err != nil {
			t.Error(err)
		}
		if cat.Len() != 1 {
			t.Error("it is closed while a title is being written")
		}
	})
	close(s.goOn)
	group.Wait()
}

// A notice names a bounded number of changes.
func TestNoticesAreBounded(t *testing.T) {
	told := &courier{}
	cat := open(t, memstore.New(), &catalog.Options{Couriers: []catalog.Courier{told}})
	many := make([]string, 300)
	for i := range many {
		many[i] = strconv.Itoa(300 - i)
	}
	create(t, cat, "App", "0")
	if _, err := cat.Replace(t.Context(), "App", definition("App", many...), nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(told.told()) == 2 })
	changes := told.told()[1].Changes
	if len(changes) != 101 || changes[100] != fmt.Sprint("and ", 301-100, " more changes") {
		t.Errorf("%d changes, at last %q", len(changes), changes[len(changes)-1])
	}
}
