package catalog_test

import (
	"fmt"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// An edit that changes only the patches that are held back is written with the update before it.
func TestHeldPatchesAreWrittenWithUpdates(t *testing.T) {
	const url = "https://example.com/App"
	s := &gated{Store: memstore.New()}
	cat := open(t, s, nil)
	if _, err := cat.Create(t.Context(), definition("App", "1"), &catalog.CreateOptions{Follows: url}); err != nil {
		t.Fatal(err)
	}
	replace := func(held ...patch.Patch) func() error {
		return func() error {
			res, err := cat.Replace(t.Context(), "App", definition("App", "2", "1"),
				&catalog.EditOptions{From: url, Held: held})
			if err == nil && res.Title.Held != len(held) {
				err = fmt.Errorf("the result says that %d patches are held back, want %d", res.Title.Held, len(held))
			}
			return err
		}
	}
	before := s.puts.Load()
	for i, err := range s.together(t, cat, []func() error{replace(), replace(version("3"))}, nil) {
		if err != nil {
			t.Errorf("edit %d: %v", i, err)
		}
	}
	if n := s.puts.Load() - before; n != 1 {
		t.Errorf("%d writes, want 1", n)
	}
	for _, cat := range []*catalog.Catalog{cat, open(t, s.Store, nil)} {
		if title, err := cat.Title("App"); err != nil || title.Held != 1 || title.CurrentVersion != "2" {
			t.Errorf("the title is %+v, %v; want version 2 and one patch that is held back", title, err)
		}
	}
}
