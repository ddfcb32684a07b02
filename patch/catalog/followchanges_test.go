package catalog_test

import (
	"fmt"
	"testing"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// TestFollowChanges checks that a catalog tells which titles have begun or ceased to follow a source, and that changes
// of their definitions are not among them.
func TestFollowChanges(t *testing.T) {
	c := open(t, memstore.New(), nil)
	check := func(since uint64, want ...string) (generation uint64) {
		t.Helper()
		changes, generation, ok := c.FollowChanges(since)
		var got []string
		for _, one := range changes {
			got = append(got, fmt.Sprint(one.Title.ID, " ", one.Follows))
		}
		if !ok || fmt.Sprint(got) != fmt.Sprint(want) || generation != c.Generation() {
			t.Errorf("FollowChanges = %v, %d, %v; want %v, %d, true", got, generation, ok, want, c.Generation())
		}
		return generation
	}
	start := c.Generation()
	create := func(id, url string) {
		if _, err := c.Create(t.Context(), definition(id, "1"), &catalog.CreateOptions{Follows: url}); err != nil {
			t.Fatal(err)
		}
	}
	create("A", "https://example.com/a")
	create("B", "")
	create("C", "https://example.com/c")
	middle := check(start, "A true", "C true")
	check(middle)
	add(t, c, "B", "2")
	from := &catalog.EditOptions{From: "https://example.com/a"}
	if _, err := c.Replace(t.Context(), "A", definition("A", "2"), from); err != nil {
		t.Fatal(err)
	}
	check(middle)
	for _, id := range []string{"A", "B"} {
		if err := c.Delete(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
	}
	check(middle, "A false")
	check(start, "A true", "C true", "A false")
}
