package catalog_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// A title that follows a source accepts edits only from that source, also after a restart.
func TestEditsFromASource(t *testing.T) {
	ctx := t.Context()
	const url = sourceURL
	for _, c := range []struct {
		name, id, from string
		err            error
		want           string
	}{
		{"from the URL that it follows", "One", url, nil, "3 2"},
		{"from another URL", "One", url + "x", catalog.ErrNotSynced, "2 1"},
		{"from the mirror that it belongs to", "Of", "vendor", nil, "3 2"},
		{"from the URL of a title that belongs to a mirror", "Of", url, catalog.ErrNotSynced, "2 1"},
		{"to a title that follows no source", "Own", url, catalog.ErrNotSynced, "2 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			cat := open(t, s, nil)
			create(t, cat, "Own", "2", "1")
			for id, opts := range map[string]*catalog.CreateOptions{
				"One": {Follows: url},
				"Of":  {Follows: url, Source: "vendor"},
			} {
				if _, err := cat.Create(ctx, definition(id, "2", "1"), opts); err != nil {
					t.Fatal(err)
				}
			}
			cat = open(t, s, nil)
			title, err := cat.Title(c.id)
			if err != nil {
				t.Fatal(err)
			}
			if (title.From() == c.from) != (c.err == nil) {
				t.Errorf("the title follows %q", title.From())
			}
			opts := &catalog.EditOptions{From: c.from}
			if _, err := cat.Replace(ctx, c.id, definition(c.id, "3", "2"), opts); !errors.Is(err, c.err) {
				t.Errorf("replace: %v, want %v", err, c.err)
			}
			if got := strings.Join(versions(t, cat, c.id), " "); got != c.want {
				t.Errorf("versions %s, want %s", got, c.want)
			}
			if err := cat.Delete(ctx, c.id, opts); !errors.Is(err, c.err) {
				t.Errorf("delete: %v, want %v", err, c.err)
			}
		})
	}
}

const sourceURL = "https://example.com/d.json"

// replaceFromSource replaces App by a definition with these held back patches.
func replaceFromSource(t *testing.T, cat *catalog.Catalog, d *patch.Definition, held []patch.Patch) catalog.Result {
	t.Helper()
	res, err := cat.Replace(t.Context(), "App", d, &catalog.EditOptions{From: sourceURL, Held: held})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// Patches that a title's source holds back are kept, and readers see neither them nor their changes.
func TestHeldBackPatches(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	cat := open(t, s, nil)
	held := []patch.Patch{version("3<&>"), version("2.9")}
	res, err := cat.Create(ctx, definition("App", "2", "1"), &catalog.CreateOptions{Follows: sourceURL, Held: held})
	if err != nil || res.Title.Held != 2 || res.Title.CurrentVersion != "2" {
		t.Fatalf("Create: the title is %+v, %v", res.Title, err)
	}
	doc, err := cat.Definition(ctx, "App")
	if err != nil || strings.Contains(string(doc.Bytes()), "2.9") {
		t.Errorf("a held back patch is served: %s, %v", doc.Bytes(), err)
	}
	cat.Subscribe(func(e catalog.Event) { t.Errorf("an event: %+v", e) })
	before, list := res.Title, cat.Software().ETag()
	for _, n := range []int{1, 0, 2} {
		after := replaceFromSource(t, cat, definition("App", "2", "1"), held[:n])
		want := before
		want.Held, want.Bytes = n, after.Title.Bytes
		if after.Changed || after.Title != want || cat.Software().ETag() != list {
			t.Errorf("with %d held back patches, the title is %+v, want %+v", n, after.Title, want)
		}
		for _, cat := range []*catalog.Catalog{cat, open(t, s, nil)} {
			if title, _ := cat.Title("App"); title.Held != n {
				t.Errorf("%d patches are held back, want %d", title.Held, n)
			}
		}
	}
	if all, err := cat.History(ctx, "App"); err != nil || len(all) != 1 {
		t.Errorf("%d revisions, %v; want 1", len(all), err)
	}
}

// An edit from a source that changes neither the definition nor the held back patches writes nothing. One that releases
// a patch is an ordinary change.
func TestReleasedPatches(t *testing.T) {
	s := memstore.New()
	cat := open(t, s, nil)
	var events int
	cat.Subscribe(func(catalog.Event) { events++ })
	held := []patch.Patch{version("3"), version("2.9")}
	create := &catalog.CreateOptions{Follows: sourceURL, Held: held}
	if _, err := cat.Create(t.Context(), definition("App", "2", "1"), create); err != nil {
		t.Fatal(err)
	}
	before, err := s.Get(t.Context(), titleRecord("app"))
	if err != nil {
		t.Fatal(err)
	}
	res := replaceFromSource(t, cat, definition("App", "2", "1"), held)
	after, err := s.Get(t.Context(), titleRecord("app"))
	if err != nil || res.Changed || after.Revision != before.Revision {
		t.Errorf("an edit without a change was written: %+v, %v", res.Title, err)
	}
	res = replaceFromSource(t, cat, definition("App", "2.9", "2", "1"), held[:1])
	if !res.Changed || res.Title.Held != 1 || events != 2 {
		t.Errorf("after a patch was released, the title is %+v, with %d events", res.Title, events)
	}
}

// Held back patches must be valid together with those that are served.
func TestInvalidHeldBackPatches(t *testing.T) {
	ctx := t.Context()
	cat := open(t, memstore.New(), nil)
	create := &catalog.CreateOptions{Follows: sourceURL}
	if _, err := cat.Create(ctx, definition("App", "2", "1"), create); err != nil {
		t.Fatal(err)
	}
	for name, held := range map[string][]patch.Patch{
		"invalid": {version("")},
		"served":  {version("2")},
		"twice":   {version("9"), version("9")},
	} {
		edit := &catalog.EditOptions{From: sourceURL, Held: held}
		if _, err := cat.Replace(ctx, "App", definition("App", "2", "1"), edit); !errors.Is(err, patch.ErrInvalid) {
			t.Errorf("Replace, %s: error %v, want ErrInvalid", name, err)
		}
		create := &catalog.CreateOptions{Follows: sourceURL, Held: held}
		if _, err := cat.Create(ctx, definition("New", "2", "1"), create); !errors.Is(err, patch.ErrInvalid) {
			t.Errorf("Create, %s: error %v, want ErrInvalid", name, err)
		}
	}
}

// Without a source, held back patches are ignored.
func TestHeldBackPatchesWithoutSource(t *testing.T) {
	cat := open(t, memstore.New(), nil)
	create(t, cat, "Own", "1")
	held := &catalog.EditOptions{Held: []patch.Patch{version("3")}}
	own, err := cat.Replace(t.Context(), "Own", definition("Own", "2"), held)
	if err != nil || own.Title.Held != 0 {
		t.Errorf("the title is %+v, %v; want no held back patches", own.Title, err)
	}
}
