package patchsync

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// TestReconcileLooksAtChanges checks that the jobs follow the titles of the catalog without a look at all of them.
func TestReconcileLooksAtChanges(t *testing.T) {
	s := memstore.New()
	c, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	newRunner := func() *Runner {
		t.Helper()
		r, err := New(c, s, &Options{Mirrors: []Mirror{{Source: PatchSource("http://vendor.example/v1", nil)}}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	mirror := newRunner().mirrors[0].Name
	jobsOf := func(r *Runner) (jobs, orphans []string) {
		return slices.Sorted(maps.Keys(r.agenda.jobs)), slices.Sorted(maps.Values(r.agenda.orphans))
	}
	r := newRunner()
	r.reconcile()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		id := fmt.Sprint("T", random.IntN(40))
		var err error
		if title, missing := c.Title(id); missing != nil {
			opts := []catalog.CreateOptions{
				{},
				{Follows: "http://a.example/" + id},
				{Follows: "http://a.example/" + id},
				{Follows: "http://vendor.example/" + id, Source: mirror},
				{Follows: "http://gone.example/" + id, Source: "gone"},
			}[random.IntN(5)]
			_, err = c.Create(t.Context(), benchDefinition(id, "1"), &opts)
		} else if random.IntN(3) == 0 {
			err = c.Delete(t.Context(), title.ID, nil)
		} else {
			from := &catalog.EditOptions{From: cmp.Or(title.Source, title.Follows)}
			_, err = c.Replace(t.Context(), id, benchDefinition(id, fmt.Sprint(i)), from)
		}
		if err != nil {
			t.Fatal(err)
		}
		if random.IntN(3) > 0 {
			continue // several changes at once
		}
		r.reconcile()
		fresh := newRunner()
		fresh.reconcile()
		jobs, orphans := jobsOf(r)
		wantJobs, wantOrphans := jobsOf(fresh)
		if diff := gocmp.Diff([][]string{wantJobs, wantOrphans}, [][]string{jobs, orphans}); diff != "" {
			t.Fatalf("jobs and titles without a mirror: -want +got\n%s", diff)
		}
	}
	if r.agenda.walks != 1 {
		t.Errorf("all titles were looked at %d times, want once", r.agenda.walks)
	}
}
