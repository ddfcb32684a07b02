package catalog_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// A title that follows a source takes edits from that source alone, and says so
// after a restart too.
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
		{"from the source it came with", "Of", "vendor", nil, "3 2"},
		{"from the URL alone of what came with a source", "Of", url, catalog.ErrNotSynced, "2 1"},
		{"to what follows nothing", "Own", url, catalog.ErrNotSynced, "2 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			cat := open(t, s, nil)
			create(t, cat, "Own", "2", "1")
			for id, opts := range map[string]*catalog.CreateOptions{"One": {Follows: url}, "Of": {Follows: url, Source: "vendor"}} {
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
