package catalog_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// Events do not share memory with the definitions of callers, who may reuse them. The race detector checks it.
func TestSubscribersShareNothingWithCallers(t *testing.T) {
	ctx := t.Context()
	cat := open(t, memstore.New(), nil)
	var reading sync.WaitGroup
	events := make(chan *patch.Definition, 10)
	cat.Subscribe(func(e catalog.Event) {
		reading.Go(func() {
			if data, err := e.After.MarshalJSON(); err != nil || strings.Contains(string(data), "mine") {
				t.Errorf("the event has %s, %v", data, err)
			}
		})
		events <- e.After
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
		t.Errorf("the difference is %s, want that of the edit", got)
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
	if len(events) != 4 {
		t.Errorf("%d events, want 4", len(events))
	}
}

// Each subscriber gets definitions of its own. The race detector checks it.
func TestSubscribersShareNothing(t *testing.T) {
	ctx := t.Context()
	cat := open(t, memstore.New(), nil)
	var wg sync.WaitGroup
	for range 3 {
		cat.Subscribe(func(e catalog.Event) {
			wg.Go(func() {
				for _, d := range []*patch.Definition{e.Before, e.After} {
					if d != nil {
						d.Patches[0].Version += "!"
						d.Requirements[0].Value += "!"
					}
				}
			})
		})
	}
	create(t, cat, "App", "1")
	if _, err := cat.Replace(ctx, "App", definition("App", "2", "1"), nil); err != nil {
		t.Fatal(err)
	}
	if err := cat.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}

// Each change is one event, after the index has it.
func TestEvents(t *testing.T) {
	ctx := t.Context()
	cat := open(t, memstore.New(), nil)
	var got []string
	cancel := cat.Subscribe(func(e catalog.Event) {
		current := func(d *patch.Definition) string {
			if d == nil {
				return "-"
			}
			return d.CurrentVersion
		}
		got = append(got, fmt.Sprintf("%s %s %s>%s", e.Kind, e.Title.ID, current(e.Before), current(e.After)))
		if e.Kind == catalog.Updated {
			got = append(got, e.Difference().String())
		}
		if e.Kind != catalog.Deleted {
			if title, err := cat.Title(e.Title.ID); err != nil || title != e.Title {
				t.Errorf("an event before the index has the change: %+v, %v", title, err)
			}
		}
	})
	create(t, cat, "App", "1")
	calls := []func() error{
		func() error {
			_, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("2")}, nil)
			return err
		},
		func() error { _, err := cat.Replace(ctx, "App", definition("App", "2", "1"), nil); return err }, // nothing new
		func() error { _, err := cat.RemoveVersion(ctx, "App", "2", nil); return err },
		func() error { return cat.Delete(ctx, "App", nil) },
	}
	for _, call := range calls {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	create(t, cat, "App", "1")
	want := []string{
		"created App ->1",
		"updated App 1>2",
		"version 2 added in front",
		"updated App 2>1",
		"version 2 removed",
		"deleted App 1>-",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
