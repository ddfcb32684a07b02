package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

func open(t testing.TB, s store.Store, opts *catalog.Options) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(context.Background(), s, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// definition makes a small definition with these versions.
func definition(id string, versions ...string) *patch.Definition {
	yes := true
	d := &patch.Definition{ID: id, Name: id + " App", Publisher: "Example",
		Requirements: []patch.Criterion{
			{Name: "Application Bundle ID", Operator: "is", Value: "com.example.app", Type: "recon", And: &yes},
		}}
	for _, v := range versions {
		d.Patches = append(d.Patches, version(v))
	}
	return d
}

func version(v string) patch.Patch {
	return patch.Patch{Version: v, ReleaseDate: "2018-02-02T17:39:58Z"}
}

func create(t testing.TB, c *catalog.Catalog, id string, versions ...string) catalog.Title {
	t.Helper()
	if versions == nil {
		versions = []string{"1"}
	}
	r, err := c.Create(context.Background(), definition(id, versions...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r.Title
}

func versions(t testing.TB, c *catalog.Catalog, id string) []string {
	t.Helper()
	d, _, err := c.Load(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	var vs []string
	for _, p := range d.Patches {
		vs = append(vs, p.Version)
	}
	return vs
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
	stale := &catalog.EditOptions{IfMatch: `"stale"`}
	for _, c := range []struct {
		name string
		call call
		err  error
		want string // the versions of App afterwards; "-": it is gone
	}{
		{"add", add("App", "3", patch.Position{}, nil), nil, "3 2 1"},
		{"add in other case", add("aPP", "3", patch.Position{}, nil), nil, "3 2 1"},
		{"add what is there", add("App", "1", patch.Position{}, nil), patch.ErrVersionExists, "2 1"},
		{"add at no position", add("App", "3", patch.After("9"), nil), patch.ErrPosition, "2 1"},
		{"add to nothing", add("Nope", "3", patch.Position{}, nil), catalog.ErrNotFound, "2 1"},
		{"add to what no id is", add("../x", "3", patch.Position{}, nil), catalog.ErrNotFound, "2 1"},
		{"add to another state", add("App", "3", patch.Position{}, stale), catalog.ErrPrecondition, "2 1"},
		{"add an invalid one", add("App", "", patch.Position{}, nil), patch.ErrInvalid, "2 1"},
		{"add to a synced title", add("Synced", "3", patch.Position{}, nil), catalog.ErrSynced, "2 1"},
		{"replace", replace("app", definition("App", "9", "8"), nil), nil, "9 8"},
		{"replace keeps the id as it was", replace("App", definition("APP", "9"), nil), nil, "9"},
		{"replace by another id", replace("App", definition("Other", "9"), nil), catalog.ErrIDDiffers, "2 1"},
		{"replace by an invalid one", replace("App", definition("App"), nil), patch.ErrInvalid, "2 1"},
		{"replace nothing", replace("Nope", definition("Nope", "9"), nil), catalog.ErrNotFound, "2 1"},
		{"replace another state", replace("App", definition("App", "9"), stale), catalog.ErrPrecondition, "2 1"},
		{"replace a synced title", replace("Synced", definition("Synced", "9"), nil), catalog.ErrSynced, "2 1"},
		{"remove", func(c *catalog.Catalog) error { _, err := c.RemoveVersion(ctx, "App", "2", nil); return err }, nil, "1"},
		{"remove what is not there", func(c *catalog.Catalog) error { _, err := c.RemoveVersion(ctx, "App", "9", nil); return err }, patch.ErrVersionNotFound, "2 1"},
		{"remove from a synced title", func(c *catalog.Catalog) error { _, err := c.RemoveVersion(ctx, "Synced", "2", nil); return err }, catalog.ErrSynced, "2 1"},
		{"delete", func(c *catalog.Catalog) error { return c.Delete(ctx, "aPp", nil) }, nil, "-"},
		{"delete a synced title", func(c *catalog.Catalog) error { return c.Delete(ctx, "Synced", nil) }, nil, "2 1"},
		{"delete nothing", func(c *catalog.Catalog) error { return c.Delete(ctx, "Nope", nil) }, catalog.ErrNotFound, "2 1"},
		{"delete another state", func(c *catalog.Catalog) error { return c.Delete(ctx, "App", stale) }, catalog.ErrPrecondition, "2 1"},
		{"create what is there", func(c *catalog.Catalog) error { _, err := c.Create(ctx, definition("App", "1"), nil); return err }, catalog.ErrExists, "2 1"},
		{"create in other case", func(c *catalog.Catalog) error { _, err := c.Create(ctx, definition("aPP", "1"), nil); return err }, catalog.ErrExists, "2 1"},
		{"create an invalid one", func(c *catalog.Catalog) error { _, err := c.Create(ctx, definition("a/b", "1"), nil); return err }, patch.ErrInvalid, "2 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			cat := open(t, s, nil)
			create(t, cat, "App", "2", "1")
			if _, err := cat.Create(ctx, definition("Synced", "2", "1"), &catalog.CreateOptions{Follows: "https://example.com/d.json"}); err != nil {
				t.Fatal(err)
			}
			before := cat.Software().ETag()
			err := c.call(cat)
			if !errors.Is(err, c.err) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			if c.err != nil && cat.Software().ETag() != before {
				t.Error("a failed call has changed the list")
			}
			// What was acknowledged is in the store: a second catalog finds the same.
			for _, cat := range []*catalog.Catalog{cat, open(t, s, nil)} {
				if c.want == "-" {
					if _, err := cat.Definition(ctx, "App"); !errors.Is(err, catalog.ErrNotFound) {
						t.Errorf("%v, want ErrNotFound", err)
					}
					continue
				}
				if got := strings.Join(versions(t, cat, "App"), " "); got != c.want {
					t.Errorf("versions %s, want %s", got, c.want)
				}
				title, err := cat.Title("app")
				if err != nil || title.ID != "App" || title.CurrentVersion != strings.Fields(c.want)[0] {
					t.Errorf("%+v, %v", title, err)
				}
			}
		})
	}
}

func TestCreateCompletesAndKeeps(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	cat := open(t, memstore.New(), &catalog.Options{Now: func() time.Time { return now }})
	d := definition("A", "2", "1")
	d.LastModified, d.CurrentVersion = "2018-02-02T18:39:58.5+01:00", "1"
	r, err := cat.Create(ctx, d, &catalog.CreateOptions{Author: "Bryson"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Title.LastModified != "2018-02-02T17:39:58Z" || r.Title.CurrentVersion != "2" || len(r.Warnings) == 0 ||
		r.Warnings[0].Code != patch.CodeCurrentVersion ||
		r.Title.Author != "Bryson" ||
		!r.Changed {
		t.Errorf("%+v", r)
	}
	if d.LastModified != "2018-02-02T18:39:58.5+01:00" || d.CurrentVersion != "1" {
		t.Error("the caller's definition was changed")
	}
	again := definition("A", "2", "1")
	again.LastModified = "2001-01-01T00:00:00Z"
	if r, err := cat.Replace(ctx, "A", again, nil); err != nil || r.Changed ||
		r.Title.LastModified != "2018-02-02T17:39:58Z" {
		t.Errorf("replaced by the same: %+v, %v", r, err)
	}
	if r, err := cat.AddVersions(ctx, "A", patch.Position{}, []patch.Patch{version("3")}, &catalog.EditOptions{IfMatch: r.Title.ETag}); err != nil ||
		r.Title.LastModified != "2026-01-02T03:04:05Z" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := cat.AddVersions(ctx, "A", patch.Position{}, []patch.Patch{version("4")}, nil); err != nil ||
		r.Title.LastModified != "2026-01-02T03:04:06Z" {
		t.Errorf("in the same second: %+v, %v", r, err)
	}
}

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
				t.Errorf("told before the index knows: %+v, %v", title, err)
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

// A title made again under an old id is another title.
func TestUIDs(t *testing.T) {
	cat := open(t, memstore.New(), nil)
	first := create(t, cat, "App")
	if err := cat.Delete(t.Context(), "App", nil); err != nil {
		t.Fatal(err)
	}
	second := create(t, cat, "App")
	if err := cat.Delete(t.Context(), "App", &catalog.EditOptions{UID: first.UID}); !errors.Is(
		err,
		catalog.ErrNotFound,
	) {
		t.Errorf("a change of the old title reaches the new one: %v", err)
	}
	if first.UID == "" || second.UID == first.UID {
		t.Errorf("UIDs %q and %q", first.UID, second.UID)
	}
}

func TestADefinitionCannotGrowWithoutEnd(t *testing.T) {
	cat := open(t, memstore.New(), &catalog.Options{MaxDefinitionBytes: 1000})
	create(t, cat, "App", "1")
	var err error
	for i := 2; i < 20 && err == nil; i++ {
		_, err = cat.AddVersions(t.Context(), "App", patch.Position{}, []patch.Patch{version(strconv.Itoa(i))}, nil)
	}
	if !errors.Is(err, patch.ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
}

func TestLint(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := func() time.Time { return now }
	codes := func(ws []patch.Warning) (s string) {
		for _, w := range ws {
			if w.Code != patch.CodeComponents &&
				w.Code != patch.CodeCapabilities { // of which the definitions here have none
				s += w.Code + w.Path + " "
			}
		}
		return s
	}
	cat := open(t, memstore.New(), &catalog.Options{Now: clock})
	r, err := cat.Create(ctx, definition("App", "1", "2"), nil)
	if err != nil || codes(r.Warnings) != "order/patches/1/version " {
		t.Errorf("%s %v", codes(r.Warnings), err)
	}
	// Of an added version, only what is about it.
	soon := version("3")
	soon.ReleaseDate = "2027-01-01T00:00:00Z"
	r, err = cat.AddVersions(ctx, "App", patch.After("2"), []patch.Patch{soon}, nil)
	if err != nil || codes(r.Warnings) != "order/patches/2/version future-date/patches/2/releaseDate " {
		t.Errorf("%s %v", codes(r.Warnings), err)
	}

	// The likeliest mistake: an old version, in front, where it goes by default.
	r, err = cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("0.9")}, nil)
	if err != nil || codes(r.Warnings) != "order/patches/1/version current-version-older/currentVersion " {
		t.Errorf("%s %v", codes(r.Warnings), err)
	}

	strict := open(
		t,
		memstore.New(),
		&catalog.Options{
			Now: clock,
			Lint: &patch.LintOptions{
				Errors: []string{patch.CodeOrder},
				Off:    []string{patch.CodeComponents, patch.CodeCapabilities},
			},
		},
	)
	_, err = strict.Create(ctx, definition("App", "1", "2"), nil)
	var refused *patch.ValidationError
	if !errors.As(err, &refused) || refused.Failures[0].Path != "/patches/1/version" || strict.Len() != 0 {
		t.Errorf("%v", err)
	}
	if r, err := strict.Create(ctx, definition("App", "2", "1"), nil); err != nil || len(r.Warnings) != 0 {
		t.Errorf("%+v %v", r, err)
	}
	for _, at := range []patch.Position{patch.After("2"), {}} {
		v := map[patch.Position]string{patch.After("2"): "3", {}: "0.1"}[at]
		if _, err := strict.AddVersions(ctx, "App", at, []patch.Patch{version(v)}, nil); !errors.Is(
			err,
			patch.ErrInvalid,
		) {
			t.Errorf("%s: %v", v, err)
		}
	}
	if _, err := strict.AddVersions(ctx, "App", patch.Ordered(), []patch.Patch{version("3")}, nil); err != nil {
		t.Errorf("%v", err)
	}
}

// What is acknowledged can be read again, and edited: a version is not accepted
// that would make of its title something that is refused.
func TestATitleStaysEditable(t *testing.T) {
	ctx := t.Context()
	cat := open(t, memstore.New(), nil)
	d := definition("App", "1")
	d.LastModified = "9998-12-31T23:59:59Z"
	if r, err := cat.Create(ctx, d, nil); err != nil || len(r.Warnings) == 0 ||
		r.Warnings[0].Code != patch.CodeLastModified {
		t.Fatalf("%+v %v", r, err)
	}
	deep := version("2")
	for n := 58; n < 66; n++ {
		deep.Extra = []patch.Field{{Name: "x", Value: json.RawMessage(strings.Repeat("[", n) + strings.Repeat("]", n))}}
		deep.Version = strconv.Itoa(n)
		_, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{deep}, nil)
		if err != nil && !errors.Is(err, patch.ErrInvalid) {
			t.Fatal(err)
		}
		if _, _, err := cat.Load(ctx, "App"); err != nil {
			t.Fatalf("%d levels were taken and cannot be read: %v", n, err)
		}
	}
	if _, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("9")}, nil); err != nil {
		t.Error(err)
	}
	if got := len(versions(t, cat, "App")); got < 3 {
		t.Errorf("%d versions", got)
	}
}

// A title that is made again is never taken for the one before it, whatever the
// clock says.
func TestRecreatedTitlesHaveLaterTimes(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := memstore.New()
	opts := &catalog.Options{Now: func() time.Time { return now }}
	cat := open(t, s, opts)
	for i := range 4 {
		create(t, cat, "App", strconv.Itoa(i))
		doc, err := cat.Definition(t.Context(), "App")
		if err != nil {
			t.Fatal(err)
		}
		// What a client is told is never ahead of the clock.
		if !doc.Changed().After(now) {
			t.Errorf("changed %v: who was served the old one at %v takes the new one for it", doc.Changed(), now)
		}
		cat.Software()
		seen := cat.Changed()
		if again := open(t, s, opts); !again.Changed().After(now) || again.Changed().Before(seen) {
			t.Errorf("after a restart the list is of %v, before it of %v", again.Changed(), seen)
		}
		if err := cat.Delete(t.Context(), "App", nil); err != nil {
			t.Fatal(err)
		}
	}
}
