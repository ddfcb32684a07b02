package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// Concurrent writers at two servers over one store lose no version.
func TestConcurrentWriters(t *testing.T) {
	s := memstore.New()
	cats := []*catalog.Catalog{open(t, s, nil), open(t, s, nil)}
	create(t, cats[0], "Race", "0")
	var wg sync.WaitGroup
	for i := 1; i <= 40; i++ {
		wg.Go(func() {
			for {
				next := []patch.Patch{version(strconv.Itoa(i))}
				_, err := cats[i%2].AddVersions(context.Background(), "Race", patch.Position{}, next, nil)
				if errors.Is(err, catalog.ErrUnavailable) {
					continue // after too many conflicts
				}
				if err != nil {
					t.Error(err)
				}
				return
			}
		})
	}
	wg.Wait()
	for _, cat := range cats {
		eventually(t, func() bool { return len(versions(t, cat, "Race")) == 41 })
		got := map[string]bool{}
		for _, v := range versions(t, cat, "Race") {
			got[v] = true
		}
		if len(got) != 41 {
			t.Errorf("%d versions, want 41", len(got))
		}
	}
}

// Of many concurrent creations of a title, one succeeds.
func TestConcurrentCreates(t *testing.T) {
	s := memstore.New()
	cats := []*catalog.Catalog{open(t, s, nil), open(t, s, nil)}
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			id := []string{"title", "Title", "TITLE"}[i%3]
			switch _, err := cats[i%2].Create(context.Background(), definition(id, "1"), nil); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, catalog.ErrExists):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d creations succeeded, want 1", won.Load())
	}
}

// readSummary reads the summary of App, the only title, in one of four ways.
func readSummary(t *testing.T, cat *catalog.Catalog, way int) (s patch.Summary) {
	t.Helper()
	only := func(doc *catalog.Document) patch.Summary {
		var all []patch.Summary
		if err := json.Unmarshal(doc.Bytes(), &all); err != nil || len(all) != 1 {
			t.Fatalf("the list is %s, %v", doc.Bytes(), err)
		}
		return all[0]
	}
	switch way % 4 {
	case 0:
		return only(cat.Software())
	case 1:
		return only(cat.Select("app"))
	case 2:
		d, title, err := cat.Load(t.Context(), "App")
		if err != nil {
			t.Fatal(err)
		}
		if title.Summary != d.Summary() {
			t.Fatalf("Load: the title has %+v, the definition %+v", title.Summary, d.Summary())
		}
		return title.Summary
	}
	doc, err := cat.Definition(t.Context(), "App")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(doc.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// While a title changes, a reader that alternates between its summary and its definition never sees an older state
// after a newer one.
func TestSummaryAndDefinitionAgree(t *testing.T) {
	cat := open(t, memstore.New(), &catalog.Options{CacheBytes: 1})
	create(t, cat, "App", "0")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer func() { cancel(); wg.Wait() }()
	wg.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			v := strconv.Itoa(i)
			_, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version(v)}, nil)
			if err == nil && i%20 == 0 { // the title stays small
				_, err = cat.Replace(ctx, "App", definition("App", v), nil)
			}
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	var last patch.Summary
	for i := range 800 {
		now := readSummary(t, cat, i)
		if now.LastModified < last.LastModified || now.LastModified == last.LastModified && now != last {
			t.Fatalf("after %+v, call %d returned %+v", last, i%4, now)
		}
		last = now
	}
}
