package catalog_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// During an outage of the store, no title seems to be deleted: no error is ErrNotFound.
func TestOutage(t *testing.T) {
	ctx := t.Context()
	s := &faulty{Store: memstore.New()}
	cat := open(t, s, &catalog.Options{CacheBytes: 1})
	create(t, cat, "App")
	s.down.Store(true)
	_, readErr := cat.Definition(ctx, "App")
	_, createErr := cat.Create(ctx, definition("New", "1"), nil)
	_, addErr := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("2")}, nil)
	deleteErr := cat.Delete(ctx, "App", nil)
	for name, err := range map[string]error{"read": readErr, "create": createErr, "add": addErr, "delete": deleteErr} {
		if !errors.Is(err, catalog.ErrUnavailable) || errors.Is(err, catalog.ErrNotFound) || !errors.Is(err, errDown) {
			t.Errorf("%s: %v, want ErrUnavailable and its cause", name, err)
		}
	}
	if got := listed(t, cat.Software()); !slices.Equal(got, []string{"App"}) {
		t.Errorf("the list is %q, want App", got)
	}
	if _, err := catalog.Open(ctx, s, nil); !errors.Is(err, catalog.ErrUnavailable) {
		t.Errorf("Open: %v, want ErrUnavailable", err)
	}
	s.down.Store(false)
	if got := versions(t, cat, "App"); !slices.Equal(got, []string{"1"}) {
		t.Errorf("after the outage, the versions are %q, want 1", got)
	}
}

// After a write that failed with an unknown outcome, the index agrees with the store.
func TestUnknownOutcome(t *testing.T) {
	ctx := t.Context()
	s := &faulty{Store: memstore.New()}
	cat := open(t, s, &catalog.Options{History: -1}) // only the title is written
	create(t, cat, "App", "1")
	s.silent.Store(true)
	_, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("2")}, nil)
	if !errors.Is(err, catalog.ErrUnavailable) {
		t.Fatalf("AddVersions: error %v, want ErrUnavailable", err)
	}
	if title, err := cat.Title("App"); err != nil || title.CurrentVersion != "2" {
		t.Errorf("the title is %+v, %v; want version 2", title, err)
	}
	if got := versions(t, cat, "App"); !slices.Equal(got, []string{"2", "1"}) {
		t.Errorf("versions %q, want 2 and 1", got)
	}
	if err := cat.Delete(ctx, "App", nil); !errors.Is(err, catalog.ErrUnavailable) || cat.Len() != 0 {
		t.Errorf("Delete: error %v, %d titles; want ErrUnavailable and none", err, cat.Len())
	}
}
