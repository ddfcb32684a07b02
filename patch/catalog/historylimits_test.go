package catalog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// The history of a title that is edited at random is complete and can be read, while the limits of the number of
// revisions and of their bytes change, also to none and to no limit. Nothing of it is left after the title is deleted.
func TestHistoryLimits(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			s := memstore.New()
			cat, limit := openRandom(t, s, r)
			create(t, cat, "App", "1")
			model := []string{definitionOf(t, cat)}
			for i := range 120 {
				if r.IntN(40) == 0 {
					_ = cat.Close()
					cat, limit = openRandom(t, s, r)
				}
				var err error
				if r.IntN(10) == 0 {
					_, err = cat.Replace(t.Context(), "App", large(fmt.Sprint(i), 50+r.IntN(300)), nil)
				} else {
					p := []patch.Patch{version(fmt.Sprint("a", i))}
					_, err = cat.AddVersions(t.Context(), "App", patch.Position{}, p, nil)
				}
				if err != nil {
					t.Fatalf("edit %d: %v", i, err)
				}
				model = append(model, definitionOf(t, cat))
				if n := checkRevisions(t, cat, model); limit > 0 && n < 2 {
					t.Fatalf("edit %d cannot be undone", i)
				}
			}
			if err := cat.Delete(t.Context(), "App", nil); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() bool { return records(t, s, "titles") == 0 })
			if n := records(t, s, "history"); n > 0 {
				t.Errorf("%d records of revisions are left", n)
			}
		})
	}
}

// openRandom opens a catalog with random limits. It returns that of the number of revisions too.
func openRandom(t *testing.T, s *memstore.Store, r *rand.Rand) (*catalog.Catalog, int) {
	t.Helper()
	limit := []int{-1, 1, 3, 20, 50, 100}[r.IntN(6)]
	bytes := []int64{1, 600, 5000, 70000, -1}[r.IntN(5)]
	return open(t, unwatched{s}, &catalog.Options{History: limit, HistoryBytes: bytes}), limit
}

// checkRevisions compares the revisions of App that are listed, which must be the last ones, with a list of all, and
// returns how many they are.
func checkRevisions(t *testing.T, cat *catalog.Catalog, model []string) int {
	t.Helper()
	all, err := cat.History(t.Context(), "App")
	if err != nil {
		t.Fatal(err)
	}
	for i, h := range all {
		if h.Number != uint64(len(model)-i) {
			t.Fatalf("revision %d of %d has the number %d", i, len(model), h.Number)
		}
		d, err := cat.Revision(t.Context(), "App", h.Number)
		if err != nil {
			t.Fatalf("revision %d of %d: %v", h.Number, len(model), err)
		}
		if got, err := d.MarshalJSON(); err != nil || string(got) != model[h.Number-1] {
			t.Fatalf("revision %d of %d is %s, %v; want %s", h.Number, len(model), got, err, model[h.Number-1])
		}
	}
	if _, err := cat.Revision(t.Context(), "App", uint64(len(model)-len(all))); !errors.Is(err, catalog.ErrNoRevision) {
		t.Fatalf("a revision before those that are listed: %v, want ErrNoRevision", err)
	}
	return len(all)
}
