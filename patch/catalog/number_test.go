package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/patchtest"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// counterRecord is the key of the record with the next number.
var counterRecord = store.Key{Kind: "numbers", ID: "next"}

// numberAll numbers all titles, and fails if that does not end.
func numberAll(t testing.TB, c *catalog.Catalog) {
	t.Helper()
	var err error
	for range 1000 {
		if err = c.NumberTitles(t.Context()); err == nil {
			return
		}
		if !errors.Is(err, catalog.ErrNumbering) {
			t.Fatal(err)
		}
	}
	t.Fatalf("the titles are never numbered: %v", err)
}

// createMany creates n titles.
func createMany(t testing.TB, c *catalog.Catalog, n int) {
	t.Helper()
	var group sync.WaitGroup
	for part := range 8 {
		group.Go(func() {
			for i := part; i < n; i += 8 {
				if _, err := c.Create(context.Background(), definition(fmt.Sprint("Title", i), "1"), nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

// numbersOf returns the ids of all titles by their numbers, and fails if two have the same or one has none.
func numbersOf(t testing.TB, c *catalog.Catalog) map[uint64]string {
	t.Helper()
	all := map[uint64]string{}
	for title := range c.Find(catalog.Filter{}) {
		if other, ok := all[title.Number]; ok || title.Number == 0 {
			t.Fatalf("%s has the number %d, and so has %q", title.ID, title.Number, other)
		}
		all[title.Number] = title.ID
	}
	return all
}

// A catalog that is opened from a snapshot knows the numbers, and does not give others.
func TestNumbersAfterSnapshot(t *testing.T) {
	s := memstore.New()
	c, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	createMany(t, c, 1100)
	numberAll(t, c)
	before := numbersOf(t, c)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if records(t, s, "snapshots") == 0 {
		t.Fatal("there is no snapshot")
	}
	counter, err := s.Get(t.Context(), counterRecord)
	if err != nil {
		t.Fatal(err)
	}
	c = open(t, s, nil)
	after := numbersOf(t, c)
	for number, id := range before {
		title, err := c.ByNumber(number)
		if err != nil || title.ID != id || after[number] != id || title.PatchCount != 1 || title.RequirementCount != 1 {
			t.Fatalf("the title with number %d is %+v (error %v), not %s", number, title, err, id)
		}
	}
	numberAll(t, c)
	if again, err := s.Get(t.Context(), counterRecord); err != nil || again.Revision != counter.Revision {
		t.Errorf("numbers were taken again (error %v)", err)
	}
}

// Two servers that number the titles of one store at the same time give each title one number.
func TestNumberTitlesOnTwoServers(t *testing.T) {
	s := memstore.New()
	a, b := open(t, s, nil), open(t, s, nil)
	createMany(t, a, 500)
	eventually(t, func() bool { return b.Len() == 500 })
	var group sync.WaitGroup
	for _, c := range []*catalog.Catalog{a, b} {
		group.Go(func() { numberAll(t, c) })
	}
	group.Wait()
	for number, id := range numbersOf(t, a) {
		if n, err := b.Numbered(t.Context(), id); err != nil || n.Numbers.Title != number {
			t.Fatalf("%s has the number %d on one server, and %+v on the other (error %v)", id, number, n, err)
		}
	}
}

// A title that cannot be read does not keep the others from being numbered.
func TestNumberTitlesSkipsCorruptTitles(t *testing.T) {
	s := memstore.New()
	c := open(t, s, nil)
	createMany(t, c, 300)
	for i := range 150 {
		key := titleRecord(fmt.Sprint("title", i))
		if _, err := s.Put(t.Context(), key, []byte("{"), store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	numberAll(t, c)
	for i := 150; i < 300; i++ {
		if title, err := c.Title(fmt.Sprint("Title", i)); err != nil || title.Number == 0 {
			t.Fatalf("a title that can be read is %+v (error %v)", title, err)
		}
	}
}

// Without the counter, a new title gets a number above all that titles have.
func TestNumbersWithoutCounter(t *testing.T) {
	s := memstore.New()
	c := open(t, s, nil)
	createMany(t, c, 20)
	numberAll(t, c)
	if err := s.Delete(t.Context(), counterRecord, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	create(t, c, "New")
	numberAll(t, c)
	numbersOf(t, c)
}

// The time of numbering grows with the number of titles, and not with its square.
func TestNumberTitlesIsLinear(t *testing.T) {
	patchtest.Linear(t, func(n int) func() {
		return func() { // titles can be numbered only once
			c := open(t, memstore.New(), nil)
			createMany(t, c, n)
			numberAll(t, c)
		}
	}, 2500)
}

// The work that NumberTitles leaves ends with the catalog.
func TestNumberTitlesEndsWithCatalog(t *testing.T) {
	c := open(t, memstore.New(), nil)
	createMany(t, c, 3000)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.NumberTitles(ctx); err != nil && !errors.Is(err, catalog.ErrNumbering) {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.NumberTitles(ctx); !errors.Is(err, catalog.ErrClosed) {
		t.Errorf("the error is %v, want ErrClosed", err)
	}
}

// A title made again under an id that was used before gets another number.
func TestNumberOfDeletedTitleIsNotUsedAgain(t *testing.T) {
	c := open(t, memstore.New(), nil)
	create(t, c, "A")
	numberAll(t, c)
	first, err := c.Title("A")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), "A", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ByNumber(first.Number); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("the error is %v, want ErrNotFound", err)
	}
	create(t, c, "A")
	numberAll(t, c)
	if second, err := c.Title("A"); err != nil || second.Number <= first.Number {
		t.Errorf("the new title has the number %d (error %v); the earlier one had %d", second.Number, err, first.Number)
	}
}

// A list shows the counts of what is served after each edit.
func TestCountsFollowEdits(t *testing.T) {
	c := open(t, memstore.New(), nil)
	create(t, c, "A")
	numberAll(t, c)
	check := func(patches int, appName string) {
		t.Helper()
		title, err := c.Title("A")
		if err != nil || title.PatchCount != patches || title.AppName != appName {
			t.Errorf("the title is %+v (error %v), want %d patches and the app name %q", title, err, patches, appName)
		}
	}
	check(1, "")
	add(t, c, "A", "2")
	check(2, "")
	if _, err := c.RemoveVersion(t.Context(), "A", "1", nil); err != nil {
		t.Fatal(err)
	}
	check(1, "")
	name := "A.app"
	_, err := c.Edit(t.Context(), "A", func(d *patch.Definition) error { d.AppName = &name; return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	check(1, name)
}

// Another server over the store learns of numbers and drafts, and its readers see no change.
func TestNumbersOnOtherServer(t *testing.T) {
	s := memstore.New()
	a, b := open(t, s, nil), open(t, s, nil)
	create(t, a, "A")
	eventually(t, func() bool { return b.Len() == 1 })
	list, generation := b.Software().ETag(), b.Generation()
	numberAll(t, a)
	eventually(t, func() bool { title, err := b.Title("A"); return err == nil && title.Number != 0 })
	if _, _, err := a.SaveDraft(t.Context(), "A", []byte(`{"name":"x"}`), nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { title, err := b.Title("A"); return err == nil && title.Draft.Name == "x" })
	if b.Software().ETag() != list || b.Generation() != generation {
		t.Error("readers see a change")
	}
}
