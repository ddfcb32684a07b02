package catalog_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

func TestEdit(t *testing.T) {
	ctx := t.Context()
	errMine := fmt.Errorf("mine: %w, %w", store.ErrConflict, store.ErrNotFound)
	for _, c := range []struct {
		name   string
		id     string
		opts   *catalog.EditOptions
		change func(d *patch.Definition) error
		err    error
		want   string // App's publisher and current version afterwards
	}{
		{"a change", "aPP", nil, func(d *patch.Definition) error { d.Publisher = "New"; return nil }, nil, "New 2"},
		{"no change", "App", nil, func(*patch.Definition) error { return nil }, nil, "Example 2"},
		{"a new version", "App", nil, func(d *patch.Definition) error {
			d.Patches = append([]patch.Patch{version("3")}, d.Patches...)
			return nil
		}, nil, "Example 3"},
		{"an error", "App", nil, func(d *patch.Definition) error { d.Publisher = "New"; return errMine }, errMine, "Example 2"},
		{"an invalid definition", "App", nil, func(d *patch.Definition) error {
			d.Patches = nil
			return nil
		}, patch.ErrInvalid, "Example 2"},
		{"the id in another case", "App", nil, func(d *patch.Definition) error {
			d.ID, d.Publisher = "APP", "New"
			return nil
		}, nil, "New 2"},
		{"another id", "App", nil, func(d *patch.Definition) error {
			d.ID = "Other"
			return nil
		}, catalog.ErrIDDiffers, "Example 2"},
		{"a missing title", "Nope", nil, nil, catalog.ErrNotFound, "Example 2"},
		{"a synced title", "Synced", nil, nil, catalog.ErrSynced, "Example 2"},
		{"another state", "App", &catalog.EditOptions{IfMatch: `"stale"`}, nil, catalog.ErrPrecondition, "Example 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cat := open(t, memstore.New(), nil)
			before := create(t, cat, "App", "2", "1")
			follows := &catalog.CreateOptions{Follows: "https://example.com/d.json"}
			if _, err := cat.Create(ctx, definition("Synced", "2", "1"), follows); err != nil {
				t.Fatal(err)
			}
			if c.change == nil {
				c.change = func(*patch.Definition) error { t.Error("change was called"); return nil }
			}
			calls := 0
			res, err := cat.Edit(ctx, c.id, func(d *patch.Definition) error { calls++; return c.change(d) }, c.opts)
			if !errors.Is(err, c.err) || calls > 1 {
				t.Fatalf("error %v after %d calls, want %v", err, calls, c.err)
			}
			now, err := cat.Title("App")
			if err != nil {
				t.Fatal(err)
			}
			if got := now.Publisher + " " + now.CurrentVersion; got != c.want || now.ID != "App" {
				t.Errorf("the title is %s, %s; want %s", now.ID, got, c.want)
			}
			changed := now.ETag != before.ETag
			if err == nil && res.Changed != changed || changed && now.LastModified <= before.LastModified {
				t.Errorf("Changed is %t, lastModified is %s and was %s", res.Changed, now.LastModified, before.LastModified)
			}
			for _, w := range res.Warnings {
				if strings.HasPrefix(w.Path, "/currentVersion") || strings.HasPrefix(w.Path, "/lastModified") {
					t.Errorf("a warning about what Edit sets itself: %+v", w)
				}
			}
		})
	}
}

// Edit calls its function again, with what other servers have written meanwhile, and none of the changes is lost.
func TestEditLosesNothing(t *testing.T) {
	const servers, edits = 3, 10
	s := memstore.New()
	create(t, open(t, s, nil), "App", "1")
	var wg sync.WaitGroup
	for server := range servers {
		cat := open(t, s, nil)
		wg.Go(func() {
			for i := range edits {
				err := catalog.ErrUnavailable
				for errors.Is(err, catalog.ErrUnavailable) { // after too many conflicts
					_, err = cat.Edit(t.Context(), "App", func(d *patch.Definition) error {
						d.Requirements = append(d.Requirements, patch.Criterion{
							Name: fmt.Sprint(server, " ", i), Operator: "is", Value: "x", Type: "recon", And: d.Requirements[0].And,
						})
						return nil
					}, nil)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	d, err := open(t, s, nil).Revision(t.Context(), "App", 1+servers*edits)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(d.Requirements); got != 1+servers*edits {
		t.Errorf("%d requirements, want %d", got, 1+servers*edits)
	}
}

// The function gets a definition that nothing else uses, and may go on changing it later.
func TestEditGivesACopy(t *testing.T) {
	ctx := t.Context()
	cat := open(t, memstore.New(), nil)
	create(t, cat, "App", "1")
	var events sync.WaitGroup
	cat.Subscribe(func(e catalog.Event) {
		events.Go(func() {
			for _, d := range []*patch.Definition{e.Before, e.After} {
				if data, err := d.MarshalJSON(); err != nil || strings.Contains(string(data), "mine") {
					t.Errorf("the event has %s, %v", data, err)
				}
			}
		})
	})
	var mine *patch.Definition
	_, err := cat.Edit(ctx, "App", func(d *patch.Definition) error {
		mine = d
		d.Requirements[0].Value = "com.example.new"
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	mine.Requirements[0].Value, mine.Patches[0].Version = "mine", "mine"
	events.Wait()
	d, _, err := cat.Load(ctx, "App")
	if err != nil || d.Requirements[0].Value != "com.example.new" {
		t.Errorf("%+v, %v", d, err)
	}
}

// Each subscriber gets definitions of its own.
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
