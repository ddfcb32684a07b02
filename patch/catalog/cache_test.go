package catalog_test

import (
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// It is counted how well the caches serve.
func TestCaches(t *testing.T) {
	s := memstore.New()
	first, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	c := []patch.Criterion{{Name: "Application Bundle ID", Operator: "is", Value: "x", Type: "recon", And: &yes}}
	def := &patch.Definition{
		ID:           "A",
		Name:         "A",
		Requirements: c,
		Patches:      []patch.Patch{{Version: "1", ReleaseDate: "2018-02-02T17:39:58Z"}},
	}
	if _, err := first.Create(t.Context(), def, nil); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Open(t.Context(), s, nil) // which holds nothing yet
	if err != nil {
		t.Fatal(err)
	}
	defer cat.Close()
	for range 3 {
		if _, err := cat.Definition(t.Context(), "A"); err != nil {
			t.Fatal(err)
		}
		cat.Select("A")
		cat.Select("a,A")
	}
	definitions, selections := cat.Caches()
	if definitions.Hits != 2 || definitions.Misses != 1 || definitions.Bytes == 0 {
		t.Errorf("definitions: %+v", definitions)
	}
	if selections.Hits != 4 || selections.Misses != 2 || selections.Bytes == 0 {
		t.Errorf("selections: %+v", selections)
	}
}
