package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A flaky store fails some Puts of titles and revisions, before or after they have happened.
type flaky struct{ store.Store }

// Unwrap returns the inner store, so that [store.As] finds its capabilities.
func (s *flaky) Unwrap() store.Store { return s.Store }

func (s *flaky) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if k.Kind != "titles" && k.Kind != "history" {
		return s.Store.Put(ctx, k, v, c)
	}
	yield(500)
	switch rand.IntN(30) {
	case 0:
		return "", errStopped
	case 1:
		_, _ = s.Store.Put(ctx, k, v, c)
		return "", errStopped
	}
	return s.Store.Put(ctx, k, v, c)
}

// yield lets other goroutines run, at most n times.
func yield(n int) {
	for range rand.IntN(n) {
		runtime.Gosched()
	}
}

// A storm is the edits of App by many callers, each of which adds a version, and their outcomes.
type storm struct {
	mu                      sync.Mutex
	made, unknown, canceled []string
	events                  map[string]int // by version
}

// subscribe counts the events of a catalog, and changes their definitions, which belong to the subscriber.
func (s *storm) subscribe(t *testing.T, cat *catalog.Catalog) {
	cat.Subscribe(func(e catalog.Event) {
		if e.Kind != catalog.Updated {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(e.After.Patches) != len(e.Before.Patches)+1 || e.Title.CurrentVersion != e.After.CurrentVersion {
			t.Errorf("an event leads from %d versions to %d", len(e.Before.Patches), len(e.After.Patches))
		}
		s.events[e.After.Patches[0].Version]++
		e.After.Patches[0].Version = "changed by a subscriber"
		e.Before.Patches[0].Version = "changed by a subscriber"
	})
}

// add adds a version in one of two ways. Some callers hang up meanwhile.
func (s *storm) add(t *testing.T, cat *catalog.Catalog, v string) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if rand.IntN(4) == 0 {
		go func() { yield(2000); cancel() }()
	}
	p := version(v)
	var err error
	if rand.IntN(3) == 0 {
		_, err = cat.Edit(ctx, "App", func(d *patch.Definition) error {
			d.Patches = slices.Insert(d.Patches, 0, p)
			return nil
		}, nil)
	} else {
		_, err = cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{p}, nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.made = append(s.made, v)
	case errors.Is(err, catalog.ErrUnavailable):
		s.unknown = append(s.unknown, v)
	case errors.Is(err, context.Canceled):
		s.canceled = append(s.canceled, v)
	default:
		t.Errorf("%s: %v", v, err)
	}
}

// check compares the outcomes with the title and the events.
func (s *storm) check(t *testing.T, cat *catalog.Catalog) {
	have := map[string]int{}
	for _, v := range versions(t, cat, "App") {
		have[v]++
	}
	for _, v := range s.made {
		if have[v] != 1 || s.events[v] != 1 {
			t.Errorf("%s was added: it is in the title %d times, with %d events", v, have[v], s.events[v])
		}
	}
	for _, v := range s.canceled {
		if have[v] != 0 || s.events[v] != 0 {
			t.Errorf("%s was canceled: it is in the title %d times, with %d events", v, have[v], s.events[v])
		}
	}
	for _, v := range s.unknown {
		if have[v] > 1 || s.events[v] > have[v] {
			t.Errorf("%s failed: it is in the title %d times, with %d events", v, have[v], s.events[v])
		}
	}
}

// Two servers edit one title over a store that fails now and then, while callers hang up. Each edit has one outcome,
// and the history and the notices are complete.
func TestManyEditsOfOneTitle(t *testing.T) {
	inner := memstore.New()
	couriers := []*courier{{}, {}}
	create(t, open(t, inner, withCourier(couriers[0])), "App", "0")
	s := &storm{events: map[string]int{}}
	var cats []*catalog.Catalog
	for i := range 2 {
		cat := open(t, &flaky{inner}, &catalog.Options{History: 30, Couriers: []catalog.Courier{couriers[i]}})
		s.subscribe(t, cat)
		cats = append(cats, cat)
	}
	var group sync.WaitGroup
	for g := range 12 {
		group.Go(func() {
			for i := range 25 {
				s.add(t, cats[g%2], fmt.Sprintf("%d.%d", g+1, i))
			}
		})
	}
	group.Wait()
	end := open(t, inner, &catalog.Options{History: 30})
	s.check(t, end)
	all, err := end.History(t.Context(), "App")
	if err != nil || len(all) < 31 {
		t.Fatalf("%d revisions, %v; want at least 31", len(all), err)
	}
	for i, r := range all {
		d, err := end.Revision(t.Context(), "App", r.Number)
		if err != nil || r.Number != all[0].Number-uint64(i) ||
			len(d.Patches) != int(r.Number) || d.CurrentVersion != r.Version {
			t.Errorf("revision %d at %d after %d: %v", r.Number, i, all[0].Number, err)
		}
	}
	eventually(t, func() bool {
		taken := map[uint64]bool{}
		for _, c := range couriers {
			for _, n := range c.all() {
				taken[n.Number] = true
			}
		}
		return len(taken) == int(all[0].Number)
	})
}
