package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/numbered"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// numberedTitle returns a title with its numbers.
func numberedTitle(t testing.TB, c *catalog.Catalog, id string) *numbered.Title {
	t.Helper()
	n, err := c.Numbered(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// editNumbered changes a title by its numbers.
func editNumbered(
	t testing.TB, c *catalog.Catalog, id string, change func(*numbered.Title) error,
) *numbered.Title {
	t.Helper()
	n, err := c.EditNumbered(t.Context(), id, change, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// An error of change is that of EditNumbered, whatever it is, and nothing changes.
func TestEditNumberedReturnsErrorOfChange(t *testing.T) {
	s := memstore.New()
	c := open(t, s, nil)
	create(t, c, "A")
	numberedTitle(t, c, "A")
	before, err := s.Get(t.Context(), titleRecord("a"))
	if err != nil {
		t.Fatal(err)
	}
	for _, is := range []error{catalog.ErrNotFound, numbered.ErrFull, store.ErrNotFound, errBroken} {
		want, calls := fmt.Errorf("part 7: %w", is), 0
		_, err := c.EditNumbered(t.Context(), "A", func(n *numbered.Title) error {
			calls++
			n.Definition.Name = "Changed"
			return want
		}, nil)
		if !errors.Is(err, want) || calls != 1 {
			t.Errorf("after %d calls the error is %v, want %v", calls, err, want)
		}
	}
	if after, err := s.Get(t.Context(), titleRecord("a")); err != nil || after.Revision != before.Revision {
		t.Errorf("the record has changed (error %v)", err)
	}
}

// Edits of disabled patches move Modified, and nothing that readers see.
func TestEditNumberedOfDisabledPatch(t *testing.T) {
	c := open(t, memstore.New(), nil)
	create(t, c, "A")
	before := numberedTitle(t, c, "A")
	title, err := c.Title("A")
	if err != nil {
		t.Fatal(err)
	}
	list := c.Software().ETag()
	defer c.Subscribe(func(e catalog.Event) { t.Errorf("there is an event %v", e.Kind) })()
	last := before.Modified
	for i := range 10 {
		after := editNumbered(t, c, "A", func(n *numbered.Title) error {
			if i == 0 {
				p := version("2")
				p.Disabled = true
				n.AddPatch(0, p)
				return nil
			}
			n.AddKillApp(0, patch.KillApp{BundleID: fmt.Sprint("k", i), AppName: "K.app"})
			return nil
		})
		if !after.Modified.After(last) {
			t.Errorf("after edit %d Modified is %v, and was %v", i, after.Modified, last)
		}
		last = after.Modified
	}
	after, err := c.Title("A")
	if err != nil {
		t.Fatal(err)
	}
	if after.ETag != title.ETag || after.LastModified != title.LastModified || c.Software().ETag() != list {
		t.Errorf("readers see a change from %+v to %+v", title, after)
	}
	if all, err := c.History(t.Context(), "A"); err != nil || len(all) != 1 {
		t.Errorf("there are %d revisions (error %v), want 1", len(all), err)
	}
}

// A change of disabled patches by way of a definition moves Modified too.
func TestModifiedMovesWithDisabledPatches(t *testing.T) {
	c := open(t, memstore.New(), nil)
	create(t, c, "A")
	editNumbered(t, c, "A", func(n *numbered.Title) error { n.Definition.Publisher = "P"; return nil })
	last := numberedTitle(t, c, "A").Modified
	check := func(name string, err error) {
		t.Helper()
		now := numberedTitle(t, c, "A").Modified
		if err != nil || !now.After(last) {
			t.Errorf("%s: Modified is %v, and was %v (error %v)", name, now, last, err)
		}
		last = now
	}
	p := version("2")
	p.Disabled = true
	_, err := c.AddVersions(t.Context(), "A", patch.Position{}, []patch.Patch{p}, nil)
	check("AddVersions", err)
	_, err = c.RemoveVersion(t.Context(), "A", "2", nil)
	check("RemoveVersion", err)
	d, _, err := c.Load(t.Context(), "A")
	if err != nil {
		t.Fatal(err)
	}
	d = d.Clone()
	d.Patches = append(d.Patches, p)
	_, err = c.Replace(t.Context(), "A", d, nil)
	check("Replace", err)
}

// An edit of what is served gives one revision and one event, and keeps the numbers.
func TestEditNumberedOfServedPatch(t *testing.T) {
	c := open(t, memstore.New(), nil)
	create(t, c, "A", "2", "1")
	before := numberedTitle(t, c, "A")
	events := 0
	defer c.Subscribe(func(e catalog.Event) {
		if events++; e.Kind != catalog.Updated {
			t.Errorf("there is an event %v", e.Kind)
		}
	})()
	after := editNumbered(t, c, "A", func(n *numbered.Title) error {
		n.Definition.Requirements[0].Value = "other"
		return nil
	})
	if events != 1 {
		t.Errorf("there are %d events", events)
	}
	if all, err := c.History(t.Context(), "A"); err != nil || len(all) != 2 {
		t.Errorf("there are %d revisions (error %v), want 2", len(all), err)
	}
	if a, b := fmt.Sprint(before.Numbers), fmt.Sprint(after.Numbers); a != b {
		t.Errorf("the numbers were %s, and are %s", a, b)
	}
}

// A title that follows a source has numbers, and cannot be edited by them.
func TestEditNumberedOfFollowedTitle(t *testing.T) {
	c := open(t, memstore.New(), nil)
	_, err := c.Create(t.Context(), definition("A", "1"), &catalog.CreateOptions{Follows: "https://example.com/A"})
	if err != nil {
		t.Fatal(err)
	}
	if n := numberedTitle(t, c, "A"); n.Numbers.Missing() != 0 {
		t.Errorf("%d parts have no number", n.Numbers.Missing())
	}
	for _, enabled := range []bool{true, false} {
		_, err := c.EditNumbered(t.Context(), "A", func(n *numbered.Title) error {
			n.Enabled = enabled
			return nil
		}, nil)
		if !errors.Is(err, catalog.ErrSynced) {
			t.Errorf("the error is %v, want ErrSynced", err)
		}
	}
}

// Numbered writes the numbers that are missing, once.
func TestNumberedWritesOnce(t *testing.T) {
	s := memstore.New()
	c := open(t, s, nil)
	create(t, c, "A", "2", "1")
	first := numberedTitle(t, c, "A")
	before, err := s.Get(t.Context(), titleRecord("a"))
	if err != nil {
		t.Fatal(err)
	}
	second := numberedTitle(t, c, "A")
	after, err := s.Get(t.Context(), titleRecord("a"))
	if err != nil || before.Revision != after.Revision {
		t.Errorf("the record has changed (error %v)", err)
	}
	if a, b := fmt.Sprint(first.Numbers), fmt.Sprint(second.Numbers); a != b || first.Numbers.Missing() != 0 {
		t.Errorf("the numbers were %s, and are %s", a, b)
	}
}

// A title that has used up a block of numbers gets another, by which it is found, also after a start.
func TestNumbersBeyondOneBlock(t *testing.T) {
	s := memstore.New()
	c, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	create(t, c, "A")
	create(t, c, "B")
	numberAll(t, c)
	seen := map[uint64]bool{}
	var last uint64
	for round := range 5 {
		n := editNumbered(t, c, "A", func(n *numbered.Title) error {
			for len(n.Numbers.Patches[0].KillApps) > 0 {
				i := len(n.Numbers.Patches[0].KillApps) - 1
				n.Remove(numbered.Place{Kind: numbered.KillApp, Index: i})
			}
			for i := range 15_000 {
				n.AddKillApp(0, patch.KillApp{BundleID: fmt.Sprint(round, ".", i), AppName: "K"})
			}
			return nil
		})
		for _, number := range n.Numbers.Patches[0].KillApps {
			if seen[number] || number == 0 {
				t.Fatalf("in round %d a kill app has the number %d", round, number)
			}
			seen[number] = true
			last = number
		}
	}
	if block, title := numbered.Block(last), numberedTitle(t, c, "A"); block == title.Numbers.Title {
		t.Fatalf("the number %d is in the first block", last)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = open(t, s, nil)
	if title, err := c.ByPartNumber(last); err != nil || title.ID != "A" {
		t.Errorf("the title of part %d is %q (error %v)", last, title.ID, err)
	}
	if err := s.Delete(t.Context(), counterRecord, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	create(t, c, "C")
	numberAll(t, c)
	if title, err := c.Title("C"); err != nil || title.Number <= numbered.Block(last) {
		t.Errorf("a title has the number %d of a block (error %v)", title.Number, err)
	}
}

// Enabling and disabling a title by its numbers keeps them, and gives one event each.
func TestEditNumberedEnables(t *testing.T) {
	c := open(t, memstore.New(), nil)
	d := definition("A")
	d.Patches = []patch.Patch{fullVersion("1")}
	made, err := c.CreateNumbered(t.Context(), numbered.NewTitle(numbered.Numbers{}, d, false, time.Time{}), nil)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []catalog.EventKind
	defer c.Subscribe(func(e catalog.Event) { kinds = append(kinds, e.Kind) })()
	for _, enabled := range []bool{true, false, true} {
		n := editNumbered(t, c, "A", func(n *numbered.Title) error { n.Enabled = enabled; return nil })
		if a, b := fmt.Sprint(made.Numbers), fmt.Sprint(n.Numbers); a != b || n.Enabled != enabled {
			t.Errorf("enabled is %t, and the numbers are %s and were %s", n.Enabled, b, a)
		}
		if _, err := c.Title("A"); (err == nil) != enabled {
			t.Errorf("the title is served: %t, want %t", err == nil, enabled)
		}
	}
	want := []catalog.EventKind{catalog.Created, catalog.Deleted, catalog.Created}
	if !slices.Equal(kinds, want) {
		t.Errorf("the events are %v, want %v", kinds, want)
	}
	if _, err := c.CreateNumbered(context.Background(), made, nil); !errors.Is(err, catalog.ErrExists) {
		t.Errorf("the error is %v, want ErrExists", err)
	}
}
