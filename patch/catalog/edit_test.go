package catalog_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

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
		{"an error", "App", nil, func(d *patch.Definition) error {
			d.Publisher = "New"
			return errMine
		}, errMine, "Example 2"},
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
				t.Errorf("Changed is %t, lastModified is %s and was %s",
					res.Changed, now.LastModified, before.LastModified)
			}
			for _, w := range res.Warnings {
				if strings.HasPrefix(w.Path, "/currentVersion") || strings.HasPrefix(w.Path, "/lastModified") {
					t.Errorf("a warning about a member that Edit sets: %+v", w)
				}
			}
		})
	}
}

// Edit calls its function again after another server has changed the title: no change is lost.
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
						next := d.Requirements[0]
						next.Name = fmt.Sprint(server, " ", i)
						d.Requirements = append(d.Requirements, next)
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
		t.Errorf("the definition is %+v, %v", d, err)
	}
}

// AddVersions without versions changes nothing.
func TestAddNoVersions(t *testing.T) {
	ctx := t.Context()
	cat := open(t, memstore.New(), nil)
	before := create(t, cat, "App", "1")
	cat.Subscribe(func(e catalog.Event) { t.Errorf("an event: %+v", e) })
	res, err := cat.AddVersions(ctx, "App", patch.Position{}, nil, nil)
	if err != nil || res.Changed || res.Title != before {
		t.Errorf("the result is %+v, %v; want no change", res, err)
	}
	if all, err := cat.History(ctx, "App"); err != nil || len(all) != 1 {
		t.Errorf("%d revisions, %v; want 1", len(all), err)
	}
	if _, err := cat.AddVersions(ctx, "Nope", patch.Position{}, nil, nil); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("a missing title: error %v, want ErrNotFound", err)
	}
}

func TestEdits(t *testing.T) {
	ctx := t.Context()
	type call func(*catalog.Catalog) error
	add := func(id, v string, at patch.Position, opts *catalog.EditOptions) call {
		return func(c *catalog.Catalog) error {
			_, err := c.AddVersions(ctx, id, at, []patch.Patch{version(v)}, opts)
			return err
		}
	}
	replace := func(id string, d *patch.Definition, opts *catalog.EditOptions) call {
		return func(c *catalog.Catalog) error {
			_, err := c.Replace(ctx, id, d, opts)
			return err
		}
	}
	remove := func(id, v string) call {
		return func(c *catalog.Catalog) error {
			_, err := c.RemoveVersion(ctx, id, v, nil)
			return err
		}
	}
	deleteTitle := func(id string, opts *catalog.EditOptions) call {
		return func(c *catalog.Catalog) error { return c.Delete(ctx, id, opts) }
	}
	newTitle := func(id string) call {
		return func(c *catalog.Catalog) error {
			_, err := c.Create(ctx, definition(id, "1"), nil)
			return err
		}
	}
	stale := &catalog.EditOptions{IfMatch: `"stale"`}
	for _, c := range []struct {
		name string
		call call
		err  error
		want string // the versions of App afterwards, "-" if it is deleted
	}{
		{"add", add("App", "3", patch.Position{}, nil), nil, "3 2 1"},
		{"add in other case", add("aPP", "3", patch.Position{}, nil), nil, "3 2 1"},
		{"add an existing version", add("App", "1", patch.Position{}, nil), patch.ErrVersionExists, "2 1"},
		{"add at a position that does not exist", add("App", "3", patch.After("9"), nil), patch.ErrPosition, "2 1"},
		{"add to a missing title", add("Nope", "3", patch.Position{}, nil), catalog.ErrNotFound, "2 1"},
		{"add to an invalid id", add("../x", "3", patch.Position{}, nil), catalog.ErrNotFound, "2 1"},
		{"add to another state", add("App", "3", patch.Position{}, stale), catalog.ErrPrecondition, "2 1"},
		{"add an invalid one", add("App", "", patch.Position{}, nil), patch.ErrInvalid, "2 1"},
		{"add to a synced title", add("Synced", "3", patch.Position{}, nil), catalog.ErrSynced, "2 1"},
		{"replace", replace("app", definition("App", "9", "8"), nil), nil, "9 8"},
		{"replace keeps the case of the id", replace("App", definition("APP", "9"), nil), nil, "9"},
		{"replace by another id", replace("App", definition("Other", "9"), nil), catalog.ErrIDDiffers, "2 1"},
		{"replace by an invalid one", replace("App", definition("App"), nil), patch.ErrInvalid, "2 1"},
		{"replace a missing title", replace("Nope", definition("Nope", "9"), nil), catalog.ErrNotFound, "2 1"},
		{"replace another state", replace("App", definition("App", "9"), stale), catalog.ErrPrecondition, "2 1"},
		{"replace a synced title", replace("Synced", definition("Synced", "9"), nil), catalog.ErrSynced, "2 1"},
		{"remove", remove("App", "2"), nil, "1"},
		{"remove a missing version", remove("App", "9"), patch.ErrVersionNotFound, "2 1"},
		{"remove from a synced title", remove("Synced", "2"), catalog.ErrSynced, "2 1"},
		{"delete", deleteTitle("aPp", nil), nil, "-"},
		{"delete a synced title", deleteTitle("Synced", nil), nil, "2 1"},
		{"delete a missing title", deleteTitle("Nope", nil), catalog.ErrNotFound, "2 1"},
		{"delete another state", deleteTitle("App", stale), catalog.ErrPrecondition, "2 1"},
		{"create an existing title", newTitle("App"), catalog.ErrExists, "2 1"},
		{"create in other case", newTitle("aPP"), catalog.ErrExists, "2 1"},
		{"create an invalid one", newTitle("a/b"), patch.ErrInvalid, "2 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			cat := open(t, s, nil)
			create(t, cat, "App", "2", "1")
			follows := &catalog.CreateOptions{Follows: "https://example.com/d.json"}
			if _, err := cat.Create(ctx, definition("Synced", "2", "1"), follows); err != nil {
				t.Fatal(err)
			}
			before := cat.Software().ETag()
			err := c.call(cat)
			if !errors.Is(err, c.err) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			if c.err != nil && cat.Software().ETag() != before {
				t.Error("the list has changed although the call failed")
			}
			// A second catalog over the store has the same state.
			for _, cat := range []*catalog.Catalog{cat, open(t, s, nil)} {
				if c.want == "-" {
					if _, err := cat.Definition(ctx, "App"); !errors.Is(err, catalog.ErrNotFound) {
						t.Errorf("the deleted title: error %v, want ErrNotFound", err)
					}
					continue
				}
				if got := strings.Join(versions(t, cat, "App"), " "); got != c.want {
					t.Errorf("versions %s, want %s", got, c.want)
				}
				title, err := cat.Title("app")
				if err != nil || title.ID != "App" || title.CurrentVersion != strings.Fields(c.want)[0] {
					t.Errorf("the title is %+v, %v", title, err)
				}
			}
		})
	}
}

// Create completes a definition without changing that of the caller, and edits move lastModified forward.
func TestCreateCompletes(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	cat := open(t, memstore.New(), &catalog.Options{Now: func() time.Time { return now }})
	d := definition("A", "2", "1")
	d.LastModified, d.CurrentVersion = "2018-02-02T18:39:58.5+01:00", "1"
	r, err := cat.Create(ctx, d, &catalog.CreateOptions{Author: "Bryson"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Title.LastModified != "2018-02-02T17:39:58Z" || r.Title.CurrentVersion != "2" || r.Title.Author != "Bryson" ||
		!r.Changed || !strings.HasPrefix(codesOf(r.Warnings), "current-version") {
		t.Errorf("the result is %+v", r)
	}
	if d.LastModified != "2018-02-02T18:39:58.5+01:00" || d.CurrentVersion != "1" {
		t.Error("the caller's definition was changed")
	}
	again := definition("A", "2", "1")
	again.LastModified = "2001-01-01T00:00:00Z"
	if r, err := cat.Replace(ctx, "A", again, nil); err != nil || r.Changed ||
		r.Title.LastModified != "2018-02-02T17:39:58Z" {
		t.Errorf("an equal definition: the result is %+v, %v", r, err)
	}
	match := &catalog.EditOptions{IfMatch: r.Title.ETag}
	if r, err := cat.AddVersions(ctx, "A", patch.Position{}, []patch.Patch{version("3")}, match); err != nil ||
		r.Title.LastModified != "2026-01-02T03:04:05Z" {
		t.Errorf("a new version: the result is %+v, %v", r, err)
	}
	if r, err := cat.AddVersions(ctx, "A", patch.Position{}, []patch.Patch{version("4")}, nil); err != nil ||
		r.Title.LastModified != "2026-01-02T03:04:06Z" {
		t.Errorf("another version in the same second: the result is %+v, %v", r, err)
	}
}
