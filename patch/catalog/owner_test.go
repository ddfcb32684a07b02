package catalog_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// named returns a definition with another name.
func named(id, name, v string) *patch.Definition {
	d := definition(id, v)
	d.Name = name
	return d
}

// The author's name stays in the name of a title, whatever a replacement says, unless
// an administrator makes it.
func TestAuthorsNameStays(t *testing.T) {
	ctx := t.Context()
	const given = "Zoom (nobody)"
	const url = "https://example.com"
	author := catalog.CreateOptions{Author: "nobody"}
	contributor := catalog.CreateOptions{Author: "nobody", Contributor: "nobody"}
	follower := catalog.CreateOptions{Author: "nobody", Follows: url}
	for _, c := range []struct {
		name     string
		create   catalog.CreateOptions
		edit     catalog.EditOptions
		to, want string
	}{
		{"another name", author, catalog.EditOptions{}, "Google Chrome", "Google Chrome (nobody)"},
		{"another author", author, catalog.EditOptions{}, "Zoom (Google)", "Zoom (Google) (nobody)"},
		{"with it", author, catalog.EditOptions{}, "Chrome (nobody)", "Chrome (nobody)"},
		{"a contributor's", contributor, catalog.EditOptions{}, "Chrome", "Chrome (nobody)"},
		{"from the source", follower, catalog.EditOptions{From: url}, "Chrome", "Chrome (nobody)"},
		{"by an administrator", author, catalog.EditOptions{Rename: true}, "Chrome", "Chrome"},
		{"nobody's", catalog.CreateOptions{}, catalog.EditOptions{}, "Chrome", "Chrome"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cat := open(t, memstore.New(), nil)
			if _, err := cat.Create(ctx, named("Zoom_nobody", given, "1"), &c.create); err != nil {
				t.Fatal(err)
			}
			to := named("Zoom_nobody", c.to, "2")
			res, err := cat.Replace(ctx, "Zoom_nobody", to, &c.edit)
			if err != nil {
				t.Fatal(err)
			}
			if res.Title.Name != c.want || to.Name != c.to {
				t.Errorf("the name is %q, want %q; the caller's is %q", res.Title.Name, c.want, to.Name)
			}
		})
	}

	// What an administrator has named stays until the author names it anew.
	cat := open(t, memstore.New(), nil)
	if _, err := cat.Create(ctx, named("Zoom_nobody", given, "1"), &author); err != nil {
		t.Fatal(err)
	}
	if _, _, err := cat.Put(ctx, named("Zoom_nobody", "Zoom", "1"), nil); err != nil { // an import
		t.Fatal(err)
	}
	for _, step := range [][2]string{{"Zoom", "Zoom"}, {"Google", "Google (nobody)"}} {
		res, err := cat.Replace(ctx, "Zoom_nobody", named("Zoom_nobody", step[0], "3"), nil)
		if err != nil || res.Title.Name != step[1] {
			t.Errorf("%q, %v, want %q", res.Title.Name, err, step[1])
		}
	}
}

// A version that makes the current version an older one is pointed out.
func TestCurrentVersionOlderWarns(t *testing.T) {
	for _, c := range []struct {
		name    string
		at      patch.Position
		version string
		warns   bool
	}{
		{"an older one in front", patch.Position{}, "1.9", true},
		{"an older one before the first", patch.Before("2.0"), "1.9", true},
		{"an older one where it belongs", patch.Ordered(), "1.9", false},
		{"an older one behind the first", patch.After("2.0"), "1.9", false},
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
				if w.Code == patch.CodeCurrentVersionOlder {
					warned = true
					for _, part := range []string{c.version, "2.0", "?insert=ordered"} {
						if !strings.Contains(w.Message, part) {
							t.Errorf("%q does not name %s", w.Message, part)
						}
					}
				}
			}
			if warned != c.warns {
				t.Errorf("%+v", res.Warnings)
			}
		})
	}
}

// Titles of one account are refused more space than is allowed.
func TestBytesOfAnAccount(t *testing.T) {
	ctx := t.Context()
	large := func(id string, bytes int) *patch.Definition {
		d := definition(id, "1")
		d.Requirements[0].Value = strings.Repeat("x", bytes)
		return d
	}
	for name, owner := range map[string]catalog.CreateOptions{
		"account":     {Account: "a", Mailbox: []byte(`"m"`)},
		"mailbox":     {Mailbox: []byte(`"m"`), Contributor: "c"},
		"contributor": {Contributor: "c"},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New()
			cat := open(t, s, &catalog.Options{MaxAccountBytes: 10_000})
			for i := range 2 {
				if _, err := cat.Create(ctx, large(fmt.Sprint("T", i), 3500), &owner); err != nil {
					t.Fatal(err)
				}
			}
			cat = open(t, s, &catalog.Options{MaxAccountBytes: 10_000})
			refused := func(what string, err error) {
				t.Helper()
				if !errors.Is(err, catalog.ErrTooMuch) || !errors.Is(err, patch.ErrTooLarge) ||
					!strings.Contains(err.Error(), "delete titles") {
					t.Errorf("%s: %v, want ErrTooMuch", what, err)
				}
			}
			_, err := cat.Create(ctx, large("T2", 3500), &owner)
			refused("another title", err)
			_, err = cat.Reserve(ctx, large("T2", 3500), &owner)
			refused("a reservation", err)
			_, err = cat.Replace(ctx, "T0", large("T0", 3600), nil)
			refused("growth, with the earlier revision", err)
			if title, _ := cat.Title("T0"); title.Bytes > 4500 {
				t.Errorf("%d bytes", title.Bytes)
			}
			if _, err := cat.Create(ctx, large("Other", 9000), &catalog.CreateOptions{Account: "other"}); err != nil {
				t.Errorf("another account: %v", err)
			}
			for i := range 3 {
				if _, err := cat.Create(ctx, large(fmt.Sprint("Free", i), 9000), nil); err != nil {
					t.Errorf("no account: %v", err)
				}
			}
			if err := cat.Delete(ctx, "T1", nil); err != nil {
				t.Fatal(err)
			}
			if _, err := cat.Replace(ctx, "T0", large("T0", 3600), nil); err != nil {
				t.Errorf("after a title was deleted: %v", err)
			}
		})
	}
	// What is there already may shrink.
	s := memstore.New()
	owner := &catalog.CreateOptions{Account: "a"}
	if _, err := open(t, s, &catalog.Options{History: -1}).Create(ctx, large("T", 5000), owner); err != nil {
		t.Fatal(err)
	}
	cat := open(t, s, &catalog.Options{History: -1, MaxAccountBytes: 1000})
	if _, err := cat.Replace(ctx, "T", large("T", 4000), nil); err != nil {
		t.Errorf("smaller: %v", err)
	}
	if _, err := cat.Replace(ctx, "T", large("T", 4100), nil); !errors.Is(err, catalog.ErrTooMuch) {
		t.Errorf("larger: %v", err)
	}
}

// What a title's source holds back is kept, and nobody who reads the title sees it.
func TestHeldBackPatches(t *testing.T) {
	ctx := t.Context()
	const url = "https://example.com/d.json"
	s := memstore.New()
	cat := open(t, s, nil)
	var events int
	cat.Subscribe(func(catalog.Event) { events++ })
	held := []patch.Patch{version("3<&>"), version("2.9")}
	res, err := cat.Create(ctx, definition("App", "2", "1"), &catalog.CreateOptions{Follows: url, Held: held})
	if err != nil || res.Title.Held != 2 || res.Title.CurrentVersion != "2" {
		t.Fatalf("%+v, %v", res.Title, err)
	}
	doc, err := cat.Definition(ctx, "App")
	if err != nil || strings.Contains(string(doc.Bytes()), "2.9") {
		t.Errorf("it is served: %s, %v", doc.Bytes(), err)
	}
	puts := func() string { r, _ := s.Get(ctx, titleRecord("app")); return string(r.Revision) }
	replace := func(d *patch.Definition, held ...patch.Patch) catalog.Result {
		t.Helper()
		res, err := cat.Replace(ctx, "App", d, &catalog.EditOptions{From: url, Held: held})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	changed, list := res.Title.Changed, cat.Software().ETag()
	rev := puts()
	if res := replace(definition("App", "2", "1"), held...); res.Changed || puts() != rev {
		t.Errorf("nothing has changed, and %+v was written", res.Title)
	}
	for _, n := range []int{1, 0, 2} {
		after := replace(definition("App", "2", "1"), held[:n]...)
		if after.Changed || after.Title.Held != n || after.Title.ETag != res.Title.ETag ||
			!after.Title.Changed.Equal(changed) || cat.Software().ETag() != list {
			t.Errorf("%d are held: %+v", n, after.Title)
		}
		for _, cat := range []*catalog.Catalog{cat, open(t, s, nil)} {
			if title, _ := cat.Title("App"); title.Held != n {
				t.Errorf("%d are held, want %d", title.Held, n)
			}
		}
	}
	if all, err := cat.History(ctx, "App"); err != nil || len(all) != 1 || events != 1 {
		t.Errorf("%d revisions, %d events, %v", len(all), events, err)
	}
	after := replace(definition("App", "2.9", "2", "1"), held[0])
	if !after.Changed || after.Title.Held != 1 || events != 2 {
		t.Errorf("one is released: %+v, %d events", after.Title, events)
	}
	// Together with what is served they must be valid.
	for name, held := range map[string][]patch.Patch{
		"invalid": {version("")},
		"served":  {version("2")},
		"twice":   {version("9"), version("9")},
	} {
		_, err := cat.Replace(ctx, "App", definition("App", "2", "1"), &catalog.EditOptions{From: url, Held: held})
		if !errors.Is(err, patch.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		_, err = cat.Create(ctx, definition("New", "2", "1"), &catalog.CreateOptions{Follows: url, Held: held})
		if !errors.Is(err, patch.ErrInvalid) {
			t.Errorf("create %s: %v", name, err)
		}
	}
	// They belong to a source.
	create(t, cat, "Own", "1")
	own, err := cat.Replace(ctx, "Own", definition("Own", "2"), &catalog.EditOptions{Held: held})
	if err != nil || own.Title.Held != 0 {
		t.Errorf("%+v, %v", own.Title, err)
	}
}

// A value that was accepted when it was stored keeps no edit from being made.
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
		t.Fatalf("%q, %v", title.Name, err)
	}
	d.Publisher = "Other"
	if res, err := cat.Replace(ctx, "App", d, nil); err != nil || !res.Changed {
		t.Errorf("%+v, %v", res, err)
	}
	if _, err := cat.RemoveVersion(ctx, "App", "2", nil); err != nil {
		t.Error(err)
	}
	if _, err := cat.Restore(ctx, yields(d), &catalog.RestoreOptions{Mode: catalog.RestoreMerge}); err != nil {
		t.Error(err)
	}
}
