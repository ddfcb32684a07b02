package patchsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
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

// A state that is saved after its title was deleted is removed, here and when another server saved it.
func TestStatesWithoutJobsAreRemoved(t *testing.T) {
	ctx, s := t.Context(), &failingDeletes{Store: memstore.New()}
	c, err := catalog.Open(ctx, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r, err := New(c, s, &Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	follow := &catalog.CreateOptions{Follows: "http://a.example/App"}
	if _, err := c.Create(ctx, benchDefinition("App", "1"), follow); err != nil {
		t.Fatal(err)
	}
	title, err := c.Title("App")
	if err != nil {
		t.Fatal(err)
	}
	key := keyOf(title)
	r.reconcile()
	j := r.agenda.job(key)
	if err := c.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	r.reconcile()
	r.removeStates(ctx, r.strayStates())
	expect := func(after string, want bool) {
		t.Helper()
		r.removeStates(ctx, r.strayStates())
		_, err := s.Get(ctx, store.Key{Kind: stateKind, ID: key})
		if got := err == nil; got != want {
			t.Errorf("after %s, the state exists: %v (%v), want %v", after, got, err, want)
		}
	}
	save := func() {
		t.Helper()
		if _, err := r.states.write(ctx, key, state{}, ""); err != nil {
			t.Fatal(err)
		}
	}
	save()
	r.endRound(j) // which was requested
	expect("a round of a title that was deleted", false)

	save()
	saved, _ := r.states.saved(key)
	r.agenda.adopt(key, saved) // as followStates does
	expect("another server has saved it", false)

	s.fail = true
	save()
	r.endRound(j)
	expect("a failure to remove it", true)
	s.fail = false
	now = now.Add(tidyRetryInterval - time.Second)
	expect("a while", true)
	now = now.Add(time.Second)
	expect("another attempt", false)
}

// failingDeletes is a store that deletes nothing while fail is set.
type failingDeletes struct {
	store.Store
	fail bool
}

func (s *failingDeletes) Delete(ctx context.Context, key store.Key, cond store.Condition) error {
	if s.fail {
		return errors.New("the store is down")
	}
	return s.Store.Delete(ctx, key, cond)
}
