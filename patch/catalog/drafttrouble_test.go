package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/numbered"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A rename that fails must not leave two titles in a running server.
func TestRenameFailingDelete(t *testing.T) {
	f := &failDelete{Store: memstore.New()}
	c := open(t, f, nil)
	was := begin(t, c, "Old")
	f.fail = true
	err := c.Rename(t.Context(), "Old", "New", nil)
	if err == nil {
		t.Fatal("no error")
	}
	f.fail = false
	err = c.Rename(t.Context(), "Old", "New", nil)
	var ids []string
	for d := range c.Drafts() {
		ids = append(ids, d.ID)
	}
	if err != nil || len(ids) != 1 {
		t.Errorf("after a failed rename and another try: %v, titles %v with one UID %s", err, ids, was.UID)
	}
}

// failDelete fails deletions.
type failDelete struct {
	store.Store
	fail bool
}

func (f *failDelete) Delete(ctx context.Context, k store.Key, c store.Condition) error {
	if f.fail && k.Kind == "titles" {
		return errDown
	}
	return f.Store.Delete(ctx, k, c)
}

// After a crash in a rename, a title that another server then publishes is alone after the next start.
func TestRenameTwinLive(t *testing.T) {
	f := &failDelete{Store: memstore.New()}
	c := open(t, f, nil)
	was := begin(t, c, "Old")
	f.fail = true
	_ = c.Rename(t.Context(), "Old", "New", nil)
	f.fail = false
	if _, _, err := c.PublishDraft(t.Context(), "New", nil); err != nil {
		t.Fatal(err)
	}
	begin(t, c, "Other")
	again := open(t, f, nil)
	if old, err := again.Lookup("Old"); !errors.Is(err, catalog.ErrNotFound) {
		is, _ := again.ByUID(was.UID)
		t.Errorf("the old title is still there: %v %v; the UID %s is that of %s", old.ID, err, was.UID, is.ID)
	}
}

// A record that says that a title is disabled and has no draft must not panic.
func TestDisabledWithoutDraft(t *testing.T) {
	s := memstore.New()
	c := open(t, s, nil)
	begin(t, c, "A")
	r, err := s.Get(t.Context(), titleRecord("a"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(r.Value)
	i, j := strings.Index(text, `"draft":`), strings.Index(text, `"numbers":`)
	if _, err := s.Put(t.Context(), titleRecord("a"), []byte(text[:i]+text[j:]), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	again := open(t, s, nil)
	for name, f := range map[string]func() error{
		"Numbered": func() error { _, err := again.Numbered(t.Context(), "A"); return err },
		"SaveDraft": func() error {
			_, _, err := again.SaveDraft(t.Context(), "A", []byte(`{}`), &catalog.DraftOptions{Base: "x"})
			return err
		},
		"PublishDraft": func() error { _, _, err := again.PublishDraft(t.Context(), "A", nil); return err },
		"Rename":       func() error { return again.Rename(t.Context(), "A", "B", nil) },
		"DiscardDraft": func() error { return again.DiscardDraft(t.Context(), "A", nil) },
		"EditNumbered": func() error {
			_, err := again.EditNumbered(t.Context(), "A", func(*numbered.Title) error { return nil }, nil)
			return err
		},
	} {
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%s panics: %v", name, p)
				}
			}()
			if err := f(); err == nil {
				t.Errorf("%s of a corrupt record is no error", name)
			}
		}()
	}
}

// An old value that newer rules reject does not stop a title from being enabled again.
func TestLegacyValueEnable(t *testing.T) {
	s := memstore.New()
	c := open(t, s, nil)
	create(t, c, "A")
	r, err := s.Get(t.Context(), titleRecord("a"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(r.Value), `"name":"A App"`, `"name":"A\u200b App"`, 1)
	if _, err := s.Put(t.Context(), titleRecord("a"), []byte(text), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	c = open(t, s, nil)
	if _, err := c.AddVersions(t.Context(), "A", patch.Position{}, []patch.Patch{version("2")}, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Disable(t.Context(), "A", nil); err != nil {
		t.Fatal(err)
	}
	d, err := c.Draft(t.Context(), "A")
	if err != nil {
		t.Fatal(err)
	}
	failures, _, err := c.CheckDraft(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = c.PublishDraft(t.Context(), "A", nil)
	if err != nil {
		t.Errorf("CheckDraft has %d failures, the list %d, and PublishDraft says: %v",
			len(failures), d.Title.Draft.Errors, err)
	}
	_, err = c.EditNumbered(t.Context(), "A", func(n *numbered.Title) error { n.Enabled = true; return nil }, nil)
	if err != nil {
		t.Errorf("EditNumbered: %v", err)
	}
}

// A draft can be saved where a reservation has expired, as a title can be created there.
func TestDraftOverExpiredReservation(t *testing.T) {
	s := memstore.New()
	c := open(t, s, nil)
	create(t, c, "A")
	r, _ := s.Get(t.Context(), titleRecord("a"))
	var head map[string]json.RawMessage
	if err := json.Unmarshal(r.Value, &head); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(r.Value), `"state":"live"`, `"state":"pending"`, 1)
	text = strings.Replace(text, string(head["since"]), `"2020-01-01T00:00:00Z"`, 1)
	other := open(t, s, nil)
	_ = other
	if _, err := s.Put(t.Context(), titleRecord("a"), []byte(text), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	_, _, err := c.SaveDraft(t.Context(), "A", textOf(t, definition("A", "1")), nil)
	_, err2 := c.Create(t.Context(), definition("A", "1"), nil)
	if err != nil && err2 == nil {
		t.Errorf("SaveDraft: %v; Create: %v", err, err2)
	}
}

// counting counts the writes of the counter of numbers.
type counting struct {
	store.Store
	puts int
}

func (s *counting) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if k.Kind == "numbers" {
		s.puts++
	}
	return s.Store.Put(ctx, k, v, c)
}

// A title that became corrupt does not make each NumberTitles write.
func TestNumberTitlesCorrupt(t *testing.T) {
	s := &counting{Store: memstore.New()}
	c := open(t, s, nil)
	create(t, c, "A")
	if _, err := s.Store.Put(t.Context(), titleRecord("a"), []byte(`{"format":1`), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if err := c.NumberTitles(t.Context()); err != nil {
		}
	}
	if s.puts > 2 {
		t.Errorf("20 calls of NumberTitles have taken numbers %d times for a title that cannot be read", s.puts)
	}
}

// disabledOf returns the disabled patches of a title.
func disabledOf(ctx context.Context, c *catalog.Catalog, id string) ([]patch.Placed, error) {
	whole, _, err := c.LoadWhole(ctx, id)
	if err != nil {
		return nil, err
	}
	_, d := whole.Split()
	return d, nil
}
