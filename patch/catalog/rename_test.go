package catalog_test

import (
	"errors"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// begin saves the draft of a new title, and returns the title with a number.
func begin(t *testing.T, c *catalog.Catalog, id string) catalog.Title {
	t.Helper()
	text, err := definition(id, "1").MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.SaveDraft(t.Context(), id, text, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Numbered(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	title, err := c.Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	return title
}

// A title that was never served gets another id, and keeps its UID, number and draft.
func TestRename(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	c := open(t, s, nil)
	was := begin(t, c, "Old")
	create(t, c, "Taken")
	for id, target := range map[string]error{"Taken": catalog.ErrExists, "a/b": patch.ErrInvalid} {
		if err := c.Rename(ctx, "Old", id, nil); !errors.Is(err, target) {
			t.Errorf("renaming to %q: error %v, want %v", id, err, target)
		}
	}
	if err := c.Rename(ctx, "Taken", "Other", nil); !errors.Is(err, catalog.ErrServed) {
		t.Errorf("renaming a title that is served: error %v, want ErrServed", err)
	}
	for _, id := range []string{"New", "NEW"} {
		if err := c.Rename(ctx, was.ID, id, nil); err != nil {
			t.Fatal(err)
		}
		for _, cat := range []*catalog.Catalog{c, open(t, s, nil)} {
			is, err := cat.Lookup(id)
			if err != nil || is.ID != id || is.UID != was.UID || is.Number != was.Number {
				t.Errorf("after renaming to %s: %+v, %v", id, is, err)
			}
			if found, err := cat.ByNumber(was.Number); err != nil || found.ID != id {
				t.Errorf("the number %d is that of %q: %v", was.Number, found.ID, err)
			}
			if found, err := cat.ByUID(was.UID); err != nil || found.ID != id {
				t.Errorf("the UID is that of %q: %v", found.ID, err)
			}
		}
		if _, err := c.Lookup("Old"); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("the old id: error %v, want ErrNotFound", err)
		}
		was.ID = id
	}
	if r, _, err := c.PublishDraft(ctx, "NEW", nil); err != nil || r.Title.ID != "NEW" {
		t.Errorf("published: %+v, %v", r.Title, err)
	}
}

// A crash while a title is renamed leaves one title: the next start removes the old record.
func TestRenameInterrupted(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	c := open(t, s, nil)
	begin(t, c, "Old")
	old, err := s.Get(ctx, titleRecord("old"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Rename(ctx, "Old", "New", nil); err != nil {
		t.Fatal(err)
	}
	// As if it was not removed yet.
	if _, err := s.Put(ctx, titleRecord("old"), old.Value, store.IfAbsent()); err != nil {
		t.Fatal(err)
	}
	again := open(t, s, nil)
	if _, err := again.Lookup("Old"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("the old id: error %v, want ErrNotFound", err)
	}
	if _, err := again.Lookup("New"); err != nil {
		t.Error(err)
	}
	if _, err := s.Get(ctx, titleRecord("old")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the old record: error %v, want ErrNotFound", err)
	}
}
