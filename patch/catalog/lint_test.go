package catalog_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// AddVersions warns of a version that makes the current version an older one.
func TestCurrentVersionOlderWarns(t *testing.T) {
	for _, c := range []struct {
		name    string
		at      patch.Position
		version string
		warns   bool
	}{
		{"an older one in front", patch.Position{}, "1.9", true},
		{"an older one before the first", patch.Before("2.0"), "1.9", true},
		{"an older one in order", patch.Ordered(), "1.9", false},
		{"an older one after the first", patch.After("2.0"), "1.9", false},
		{"a newer one in front", patch.Position{}, "2.1", false},
		{"the same in another notation", patch.Position{}, "2.0.0", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cat := open(t, memstore.New(), nil)
			create(t, cat, "App", "2.0", "1.0")
			res, err := cat.AddVersions(t.Context(), "App", c.at, []patch.Patch{version(c.version)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			warned := false
			for _, w := range res.Warnings {
				if w.Code == "current-version-older" {
					warned = true
					for _, part := range []string{c.version, "2.0", "?insert=ordered"} {
						if !strings.Contains(w.Message, part) {
							t.Errorf("the warning %q does not contain %s", w.Message, part)
						}
					}
				}
			}
			if warned != c.warns {
				t.Errorf("the warnings are %+v", res.Warnings)
			}
		})
	}
}

// codesOf returns the codes and paths of warnings, but for those about members that the definitions of tests omit.
func codesOf(warnings []patch.Warning) (codes string) {
	for _, w := range warnings {
		if w.Code != "components" && w.Code != "capabilities" {
			codes += w.Code + w.Path + " "
		}
	}
	return codes
}

// Writes return the warnings of lint that concern them.
func TestLint(t *testing.T) {
	ctx := t.Context()
	clock := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	cat := open(t, memstore.New(), &catalog.Options{Now: clock})
	r, err := cat.Create(ctx, definition("App", "1", "2"), nil)
	if err != nil || codesOf(r.Warnings) != "order/patches/1/version " {
		t.Errorf("the warnings are %q, %v", codesOf(r.Warnings), err)
	}
	// AddVersions returns only the warnings that concern the new version.
	soon := version("3")
	soon.ReleaseDate = "2027-01-01T00:00:00Z"
	r, err = cat.AddVersions(ctx, "App", patch.After("2"), []patch.Patch{soon}, nil)
	if err != nil || codesOf(r.Warnings) != "order/patches/2/version future-date/patches/2/releaseDate " {
		t.Errorf("the warnings are %q, %v", codesOf(r.Warnings), err)
	}

	// The most likely mistake is an old version at the default position, in front.
	r, err = cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("0.9")}, nil)
	if err != nil || codesOf(r.Warnings) != "order/patches/1/version current-version-older/currentVersion " {
		t.Errorf("the warnings are %q, %v", codesOf(r.Warnings), err)
	}
}

// Warnings that Options.Lint makes errors reject a write.
func TestLintErrors(t *testing.T) {
	ctx := t.Context()
	strict := open(t, memstore.New(), &catalog.Options{
		Lint: &patch.LintOptions{
			Errors: []string{"order"},
			Off:    []string{"components", "capabilities"},
		},
	})
	_, err := strict.Create(ctx, definition("App", "1", "2"), nil)
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) || invalid.Failures[0].Path != "/patches/1/version" || strict.Len() != 0 {
		t.Errorf("Create: error %v, want ErrInvalid", err)
	}
	if r, err := strict.Create(ctx, definition("App", "2", "1"), nil); err != nil || len(r.Warnings) != 0 {
		t.Errorf("Create in order: the result is %+v, %v", r, err)
	}
	for _, at := range []patch.Position{patch.After("2"), {}} {
		v := map[patch.Position]string{patch.After("2"): "3", {}: "0.1"}[at]
		_, err := strict.AddVersions(ctx, "App", at, []patch.Patch{version(v)}, nil)
		if !errors.Is(err, patch.ErrInvalid) {
			t.Errorf("version %s: error %v, want ErrInvalid", v, err)
		}
	}
	if _, err := strict.AddVersions(ctx, "App", patch.Ordered(), []patch.Patch{version("3")}, nil); err != nil {
		t.Errorf("a version in order: %v", err)
	}
}

// A title that was accepted can be read and edited: a version that would make its title unreadable is rejected.
func TestTitlesStayEditable(t *testing.T) {
	ctx := t.Context()
	cat := open(t, memstore.New(), nil)
	d := definition("App", "1")
	d.LastModified = "9998-12-31T23:59:59Z"
	if r, err := cat.Create(ctx, d, nil); err != nil || len(r.Warnings) == 0 ||
		r.Warnings[0].Code != "last-modified" {
		t.Fatalf("Create: the result is %+v, %v; want a warning", r, err)
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
			t.Fatalf("a version with %d levels was accepted, and the title cannot be read: %v", n, err)
		}
	}
	if _, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("9")}, nil); err != nil {
		t.Error(err)
	}
	if got := len(versions(t, cat, "App")); got < 3 {
		t.Errorf("%d versions, want at least 3", got)
	}
}

// A stored value that newer rules reject does not keep the title from being edited.
func TestStoredValuesStayEditable(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	cat := open(t, s, nil)
	create(t, cat, "App", "1")
	r, err := s.Get(ctx, titleRecord("app"))
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Replace(string(r.Value), `"name":"App App"`, `"name":"App\u202eApp"`, 1)
	if _, err := s.Put(ctx, r.Key, []byte(old), store.IfRevision(r.Revision)); err != nil {
		t.Fatal(err)
	}
	cat = open(t, s, nil)
	add(t, cat, "App", "2")
	d, title, err := cat.Load(ctx, "App")
	if err != nil || !strings.Contains(title.Name, "\u202e") {
		t.Fatalf("the name is %q, %v", title.Name, err)
	}
	d.Publisher = "Other"
	if res, err := cat.Replace(ctx, "App", d, nil); err != nil || !res.Changed {
		t.Errorf("Replace: the result is %+v, %v", res, err)
	}
	if _, err := cat.RemoveVersion(ctx, "App", "2", nil); err != nil {
		t.Error(err)
	}
	if _, err := cat.Restore(ctx, yields(d), &catalog.RestoreOptions{Mode: catalog.RestoreMerge}); err != nil {
		t.Error(err)
	}
}

// A definition cannot grow beyond Options.MaxDefinitionBytes.
func TestMaxDefinitionBytes(t *testing.T) {
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
