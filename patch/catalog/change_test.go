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
	reading.Wait()
	if len(told) != 4 {
		t.Errorf("%d events", len(told))
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
