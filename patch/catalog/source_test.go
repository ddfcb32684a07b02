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
	const url = "https://example.com/d.json"
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

// Patches that a title's source holds back are kept, and readers do not see them.
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
		t.Fatalf("Create: the title is %+v, %v", res.Title, err)
	}
	doc, err := cat.Definition(ctx, "App")
	if err != nil || strings.Contains(string(doc.Bytes()), "2.9") {
		t.Errorf("a held back patch is served: %s, %v", doc.Bytes(), err)
	}
	revision := func() string { r, _ := s.Get(ctx, titleRecord("app")); return string(r.Revision) }
	replace := func(d *patch.Definition, held ...patch.Patch) catalog.Result {
		t.Helper()
		res, err := cat.Replace(ctx, "App", d, &catalog.EditOptions{From: url, Held: held})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	changed, list := res.Title.Changed, cat.Software().ETag()
	rev := revision()
	if res := replace(definition("App", "2", "1"), held...); res.Changed || revision() != rev {
		t.Errorf("an edit without a change was written: %+v", res.Title)
	}
	for _, n := range []int{1, 0, 2} {
		after := replace(definition("App", "2", "1"), held[:n]...)
		if after.Changed || after.Title.Held != n || after.Title.ETag != res.Title.ETag ||
			!after.Title.Changed.Equal(changed) || cat.Software().ETag() != list {
			t.Errorf("with %d held back patches, the title is %+v", n, after.Title)
		}
		for _, cat := range []*catalog.Catalog{cat, open(t, s, nil)} {
			if title, _ := cat.Title("App"); title.Held != n {
				t.Errorf("%d patches are held back, want %d", title.Held, n)
			}
		}
	}
	if all, err := cat.History(ctx, "App"); err != nil || len(all) != 1 || events != 1 {
		t.Errorf("%d revisions, %d events, %v; want 1 and 1", len(all), events, err)
	}
	after := replace(definition("App", "2.9", "2", "1"), held[0])
	if !after.Changed || after.Title.Held != 1 || events != 2 {
		t.Errorf("after a patch was released, the title is %+v, with %d events", after.Title, events)
	}
	// They must be valid together with the patches that are served.
	for name, held := range map[string][]patch.Patch{
		"invalid": {version("")},
		"served":  {version("2")},
		"twice":   {version("9"), version("9")},
	} {
		_, err := cat.Replace(ctx, "App", definition("App", "2", "1"), &catalog.EditOptions{From: url, Held: held})
		if !errors.Is(err, patch.ErrInvalid) {
			t.Errorf("Replace, %s: error %v, want ErrInvalid", name, err)
		}
		_, err = cat.Create(ctx, definition("New", "2", "1"), &catalog.CreateOptions{Follows: url, Held: held})
		if !errors.Is(err, patch.ErrInvalid) {
			t.Errorf("Create, %s: error %v, want ErrInvalid", name, err)
		}
	}
	// Without a source they are ignored.
	create(t, cat, "Own", "1")
	own, err := cat.Replace(ctx, "Own", definition("Own", "2"), &catalog.EditOptions{Held: held})
	if err != nil || own.Title.Held != 0 {
		t.Errorf("without a source, the title is %+v, %v", own.Title, err)
	}
}
