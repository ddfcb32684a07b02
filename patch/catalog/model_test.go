package catalog_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// FuzzHistory edits a title at random, with restarts, changes of the limits and records of older formats in between,
// and compares its history with a list of whole definitions.
func FuzzHistory(f *testing.F) {
	f.Add([]byte{20, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 9, 0, 3, 0, 2, 1, 0, 6, 7})
	f.Add([]byte(strings.Repeat("\x00\x01\x14", 30)))
	f.Add([]byte("\x32" + strings.Repeat("\x00", 36) + "\x05\x0d\x00\x09"))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) < 2 || len(script) > 200 {
			return
		}
		s := memstore.New()
		limit := 1 + int(script[0]%60)
		restart := func(old *catalog.Catalog) *catalog.Catalog {
			if old != nil {
				_ = old.Close()
			}
			cat, err := catalog.Open(t.Context(), unwatched{s}, &catalog.Options{History: limit})
			if err != nil {
				t.Fatal(err)
			}
			return cat
		}
		cat := restart(nil)
		defer func() { _ = cat.Close() }()
		create(t, cat, "App", "1")
		model := []string{definitionOf(t, cat)}
		kept := 1 // how many of them the limits have let live, with the current one
		for i, b := range script[1:] {
			var res catalog.Result
			var err error
			switch b % 10 {
			case 8:
				limit = 1 + int(b/10)
				cat = restart(cat)
			case 9:
				if b >= 128 {
					writeOld(t, cat, 1+int(b)%2)
				}
				cat = restart(cat)
			default:
				res, err = randomEdit(t, cat, b, i, uint64(len(model)-int(b/10)%kept))
			}
			if err != nil {
				t.Fatalf("step %d (%d): %v", i, b, err)
			}
			if res.Changed {
				model = append(model, definitionOf(t, cat))
				kept++
			}
			kept = checkHistory(t, cat, model, kept, limit)
		}
		if n := records(t, s, "history"); n > 200 {
			t.Errorf("%d records of revisions", n)
		}
		if err := cat.Delete(t.Context(), "App", nil); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return records(t, s, "history") == 0 })
	})
}

// randomEdit edits App, or restores a revision of it, as b says.
func randomEdit(t *testing.T, cat *catalog.Catalog, b byte, i int, revision uint64) (catalog.Result, error) {
	ctx := t.Context()
	switch b % 10 {
	case 0, 1, 2:
		at := patch.Position{}
		if b%10 == 1 {
			at = patch.Ordered()
		}
		return cat.AddVersions(ctx, "App", at, []patch.Patch{fullVersion(fmt.Sprint(b, ".", i))}, nil)
	case 3, 4: // undo
		d, err := cat.Revision(ctx, "App", revision)
		if err != nil {
			return catalog.Result{}, err
		}
		return cat.Replace(ctx, "App", d, nil)
	case 5: // all of it changes
		return cat.Replace(ctx, "App", large(fmt.Sprint(b, i), 100+20*int(b)), nil)
	case 6:
		d, _, err := cat.Load(ctx, "App")
		if err != nil {
			return catalog.Result{}, err
		}
		res, err := cat.RemoveVersion(ctx, "App", d.Patches[int(b)%len(d.Patches)].Version, nil)
		if errors.Is(err, patch.ErrLastVersion) {
			err = nil
		}
		return res, err
	}
	return cat.Edit(ctx, "App", func(d *patch.Definition) error {
		d.Publisher = strings.Repeat("é€😀", int(b/10)) + fmt.Sprint(i)
		return nil
	}, nil)
}

// definitionOf returns the JSON of App's definition.
func definitionOf(t *testing.T, cat *catalog.Catalog) string {
	t.Helper()
	doc, err := cat.Definition(t.Context(), "App")
	if err != nil {
		t.Fatal(err)
	}
	return string(doc.Bytes())
}

// checkHistory compares the history of App with its definitions. At least as many revisions as the limits allow, of
// those that were kept before, must be listed, and exactly those that are listed can be read. It returns how many are.
func checkHistory(t *testing.T, cat *catalog.Catalog, model []string, kept, limit int) int {
	t.Helper()
	all, err := cat.History(t.Context(), "App")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < min(kept, limit+1) || len(all) > min(len(model), limit+1) {
		t.Fatalf("%d revisions are listed of %d, of which %d were kept; the limit is %d earlier ones",
			len(all), len(model), kept, limit)
	}
	for i, e := range all {
		if e.Number != uint64(len(model)-i) || e.Current != (i == 0) {
			t.Fatalf("revision %d of %d is %+v", i, len(model), e)
		}
		d, err := cat.Revision(t.Context(), "App", e.Number)
		if err != nil {
			t.Fatal(err)
		}
		want := model[e.Number-1]
		if got, err := d.MarshalJSON(); err != nil || string(got) != want || d.CurrentVersion != e.Version {
			t.Fatalf("revision %d of %d is %s, %v; want %s", e.Number, len(model), got, err, want)
		}
	}
	next := uint64(len(model) - len(all))
	if _, err := cat.Revision(t.Context(), "App", next); !errors.Is(err, catalog.ErrNoRevision) {
		t.Fatalf("revision %d, which is not listed: %v, want ErrNoRevision", next, err)
	}
	return len(all)
}
