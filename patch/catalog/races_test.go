package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

func TestWritersLoseNothing(t *testing.T) {
	s := memstore.New()
	// Two servers over one store, and writers at both.
	cats := []*catalog.Catalog{open(t, s, nil), open(t, s, nil)}
	create(t, cats[0], "Race", "0")
	var wg sync.WaitGroup
	for i := 1; i <= 40; i++ {
		wg.Go(func() {
			for {
				_, err := cats[i%2].AddVersions(
					context.Background(),
					"Race",
					patch.Position{},
					[]patch.Patch{version(strconv.Itoa(i))},
					nil,
				)
				if errors.Is(err, catalog.ErrUnavailable) {
					continue // too many others were faster: said openly, and tried again
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

func TestOneOfManyCreates(t *testing.T) {
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
		t.Errorf("%d succeeded", won.Load())
	}
}

// eventually waits for what another goroutine brings about.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("it did not come about")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestChangesMadeElsewhere(t *testing.T) {
	s := memstore.New()
	here, there := open(t, s, nil), open(t, s, nil)
	create(t, there, "App", "1")
	eventually(t, func() bool { return here.Len() == 1 })
	if _, err := there.AddVersions(t.Context(), "App", patch.Position{}, []patch.Patch{version("2")}, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { title, err := here.Title("App"); return err == nil && title.CurrentVersion == "2" })
	if err := there.Delete(t.Context(), "App", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return here.Len() == 0 })
}

func TestAMissFindsWhatOthersHaveChanged(t *testing.T) {
	s := memstore.New()
	here := open(t, blind{s}, &catalog.Options{CacheBytes: 1}) // nothing is held
	there := open(t, s, nil)
	create(t, here, "App", "1")
	if _, err := there.AddVersions(t.Context(), "App", patch.Position{}, []patch.Patch{version("2")}, nil); err != nil {
		t.Fatal(err)
	}
	if got := versions(t, here, "App"); !slices.Equal(got, []string{"2", "1"}) {
		t.Errorf("%q", got)
	}
	if title, _ := here.Title("App"); title.CurrentVersion != "2" {
		t.Errorf("the summary still says %s", title.CurrentVersion)
	}
	if err := there.Delete(t.Context(), "App", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := here.Definition(t.Context(), "App"); !errors.Is(err, catalog.ErrNotFound) || here.Len() != 0 {
		t.Errorf("%v; %d titles", err, here.Len())
	}
}

// A title that is being changed never shows a definition that its summary, read
// later, has not caught up with, or the other way round.
func TestSummaryAndDefinitionNeverDisagree(t *testing.T) {
	cat := open(t, memstore.New(), &catalog.Options{CacheBytes: 1})
	create(t, cat, "App", "0")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer func() { cancel(); wg.Wait() }()
	wg.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			if _, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version(strconv.Itoa(i))}, nil); err != nil &&
				ctx.Err() == nil {
				t.Error(err)
			}
			if i%20 == 0 { // keep it small
				if _, err := cat.Replace(ctx, "App", definition("App", strconv.Itoa(i)), nil); err != nil &&
					ctx.Err() == nil {
					t.Error(err)
				}
			}
		}
	})
	one := func(doc *catalog.Document) patch.Summary {
		var all []patch.Summary
		if err := json.Unmarshal(doc.Bytes(), &all); err != nil || len(all) != 1 {
			t.Fatalf("%s: %v", doc.Bytes(), err)
		}
		return all[0]
	}
	var last patch.Summary
	for i := range 800 {
		var now patch.Summary
		switch i % 4 {
		case 0:
			doc, err := cat.Definition(ctx, "App")
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(doc.Bytes(), &now); err != nil {
				t.Fatal(err)
			}
		case 1:
			now = one(cat.Software())
		case 2:
			now = one(cat.Select("app"))
		case 3:
			d, title, err := cat.Load(ctx, "App")
			if err != nil {
				t.Fatal(err)
			}
			if title.Summary != d.Summary() {
				t.Fatalf("Load: the title says %+v, the definition %+v", title.Summary, d.Summary())
			}
			now = d.Summary()
		}
		if now.LastModified < last.LastModified || now.LastModified == last.LastModified && now != last {
			t.Fatalf("after %+v was seen, call %d says %+v", last, i%4, now)
		}
		last = now
	}
}
