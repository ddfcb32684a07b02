package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// breakRecent makes the difference of one of the revisions in App's record corrupt. The newest is number 0.
func breakRecent(t *testing.T, s store.Store, number int, corrupt string) {
	t.Helper()
	const start = `"difference":[[0,`
	rest := recordOf(t, s)
	parts := strings.Split(rest, start)
	i := len(parts) - 1 - number
	if i < 1 {
		t.Fatalf("the record has %d recent revisions", len(parts)-1)
	}
	broken := strings.Join(parts[:i], start) + `"difference":[` + corrupt + `,[0,` + strings.Join(parts[i:], start)
	changeRecord(t, s, rest, broken)
}

// numbers returns the numbers of App's revisions, the newest first. Those that cannot be read have a minus sign.
func numbers(t *testing.T, cat *catalog.Catalog) string {
	t.Helper()
	all, err := cat.History(t.Context(), "App")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range all {
		sign := ""
		if _, err := cat.Revision(t.Context(), "App", r.Number); err != nil {
			sign = "-"
		}
		fmt.Fprintf(&b, " %s%d", sign, r.Number)
	}
	return b.String()
}

// A corrupt difference in the title's record does not hide revisions that have records of their own.
func TestCorruptRecentRevision(t *testing.T) {
	s := memstore.New()
	cat := open(t, s, &catalog.Options{History: 100})
	create(t, cat, "App")
	for v := range 35 {
		add(t, cat, "App", fmt.Sprint(v+2))
	}
	if n := records(t, s, "history"); n == 0 {
		t.Fatal("no revision has a record of its own")
	}
	breakRecent(t, s, 0, "[9999999,1]")
	want := " 36 -35 -34"
	for n := 33; n > 0; n-- {
		want += fmt.Sprintf(" %d", n)
	}
	if got := numbers(t, cat); got != want {
		t.Errorf("the revisions are%s, want%s", got, want)
	}
}

// Revisions that can no longer be made are dropped when they move, and do not hold up edits.
func TestCorruptRecentRevisionsAreDropped(t *testing.T) {
	for _, c := range []struct {
		revisions, broken int
		corrupt           string
		want              string // the revisions after an edit that moves the recent ones
	}{
		{11, 0, "[9999999,1]", " 12 11"},
		{11, 2, "[9999999,1]", " 12 11 10 9"},
		{11, 2, `"not JSON"`, " 12 11 10 9"},
		{11, 7, `"not JSON"`, " 12 11 10 9 8 7 6 5 4"}, // with which a group begins
		{25, 20, "[9999999,1]", " 26 25 24 23 22 21 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5"},
	} {
		s := memstore.New()
		cat := open(t, s, &catalog.Options{History: 100})
		create(t, cat, "App")
		for v := range c.revisions - 1 {
			add(t, cat, "App", fmt.Sprint(v+2))
		}
		breakRecent(t, s, c.broken, c.corrupt)
		for i, def := range []string{"90", "91"} {
			if _, err := cat.Replace(t.Context(), "App", large(def, 4000), nil); err != nil {
				t.Fatalf("edit %d: %v", i, err)
			}
			if got := numbers(t, cat); i == 0 && got != c.want {
				t.Errorf("%+v: the revisions are%s", c, got)
			}
		}
		if got := numbers(t, cat); strings.Contains(got, "-") {
			t.Errorf("%+v: in the end, the revisions are%s", c, got)
		}
	}
}
