package patchsync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A fragile store fails from the write of a title or watch with a number on, as if the process were killed: before that
// write, or after it without an answer.
type fragile struct {
	store.Store
	writes atomic.Int32
	dies   atomic.Int32 // the number of the fatal write, 0 for none
	after  bool         // the fatal write is durable
}

var errKilled = errors.New("the process was killed")

// Unwrap returns the store, so that [store.As] finds its capabilities.
func (f *fragile) Unwrap() store.Store { return f.Store }

// Put implements [store.Store].
func (f *fragile) Put(ctx context.Context, key store.Key, value []byte, c store.Condition) (store.Revision, error) {
	if key.Kind != "titles" && key.Kind != "watches" {
		return f.Store.Put(ctx, key, value, c)
	}
	n, dies := f.writes.Add(1), f.dies.Load()
	switch {
	case dies == 0 || n < dies:
		return f.Store.Put(ctx, key, value, c)
	case n == dies && f.after:
		_, _ = f.Store.Put(ctx, key, value, c)
	}
	return "", errKilled
}

// A kill at any write of a check neither adds a version twice nor loses it: the title has it, or the next check adds or
// proposes it.
func TestWatchKilledDuringCheck(t *testing.T) {
	for _, shared := range []bool{false, true} {
		for _, c := range []struct {
			name     string
			write    int32
			after    bool
			versions string // after the next check
			proposal string
		}{
			{"before the version is marked", 1, false, "1.1.0 1.0.0", ""},
			{"after the version is marked", 1, true, "1.0.0", "App 1.1.0"},
			{"before the title is written", 2, false, "1.0.0", "App 1.1.0"},
			{"after the title is written", 2, true, "1.1.0 1.0.0", ""},
			{"before the version is marked as added", 3, false, "1.1.0 1.0.0", ""},
			{"after the version is marked as added", 3, true, "1.1.0 1.0.0", ""},
		} {
			t.Run(fmt.Sprintf("%s, shared %v", c.name, shared), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					var disk store.Store = alone{memstore.New()}
					if shared {
						disk = memstore.New()
					}
					w.lines(feedURL, "1.1.0")
					st := &fragile{Store: disk, after: c.after}
					s := open(t, st, w, withLines(patchsync.Options{}))
					s.watch("App", lineWatch(feedURL), "1.0.0")
					st.dies.Store(st.writes.Load() + c.write)
					_, err := s.sync.Watches().Check(t.Context(), "App", "", false)
					if err != nil && !errors.Is(err, catalog.ErrUnavailable) {
						t.Errorf("the check that was killed returns %v, want an ErrUnavailable", err)
					}
					_ = s.catalog.Close()

					s = open(t, disk, w, withLines(patchsync.Options{}))
					for range 2 {
						s.check("App")
						expect(t, "versions", s.versions("App"), c.versions)
						expect(t, "proposals", s.proposals(), c.proposal)
					}
					if c.proposal != "" {
						reasons := ""
						for p := range s.sync.Watches().Proposals() {
							reasons = strings.Join(p.Reasons, "; ")
						}
						if !strings.Contains(reasons, "stopped while it added") {
							t.Errorf("the reasons are %q, want that the server stopped", reasons)
						}
						res, err := s.sync.Watches().Approve(t.Context(), s.proposalOf("App"), "someone")
						if err != nil || res.Title.CurrentVersion != "1.1.0" {
							t.Errorf("approved: %+v, %v", res, err)
						}
					}
					if _, err := s.catalog.RemoveVersion(t.Context(), "App", "1.1.0", nil); err != nil {
						t.Fatal(err)
					}
					s.check("App")
					expect(t, "versions after a removal", s.versions("App"), "1.0.0")
					_ = s.catalog.Close()
				})
			})
		}
	}
}

// An outage of the store is no failure of the feed, and the check is run again soon after it.
func TestWatchStoreOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		st := &mortal{Store: alone{memstore.New()}}
		s := open(t, st, w, withLines(patchsync.Options{}))
		w.lines(feedURL, "1.0.0")
		s.watch("App", lineWatch(feedURL), "1.0.0")
		defer run(t, s)()
		time.Sleep(time.Minute)
		st.readOnly.Store(true)
		w.lines(feedURL, "1.1.0")
		time.Sleep(70 * time.Minute)
		before := w.requests(feedURL)
		time.Sleep(30 * time.Minute)
		expect(t, "requests in 30 min of an outage", w.requests(feedURL)-before, 0)
		st.readOnly.Store(false)
		time.Sleep(2 * time.Minute)
		expect(t, "versions", s.versions("App"), "1.1.0 1.0.0")
		expect(t, "failures", s.watchState("App").Failures, 0)
	})
}

// Two servers that check a title at once add a version once, and neither proposes it.
func TestWatchTwoChecksAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, w := memstore.New(), newWorld(t)
		var servers []*server
		for range 2 {
			s := open(t, shared, w, withLines(patchsync.Options{}))
			defer run(t, s)()
			servers = append(servers, s)
		}
		w.lines(feedURL, "1.1.0")
		servers[0].watch("App", lineWatch(feedURL), "1.0.0")
		synctest.Wait()
		for round := range 20 {
			version := fmt.Sprintf("1.%d.0", round+2)
			w.lines(feedURL, version)
			var checks sync.WaitGroup
			var added atomic.Int32
			for _, s := range append(servers, servers...) {
				checks.Go(func() { added.Add(int32(len(s.check("App").Added))) })
			}
			checks.Wait()
			synctest.Wait()
			for _, s := range servers {
				expect(t, "added", added.Load(), 1)
				expect(t, "current version", s.version("App"), version)
				expect(t, "proposals", s.proposals(), "")
			}
		}
		history, err := servers[1].catalog.History(t.Context(), "App")
		if err != nil || len(history) < 20 {
			t.Errorf("%d revisions (%v)", len(history), err)
		}
	})
}

// Of two people who decide about a proposal at once, on two servers, one wins.
func TestWatchTwoDecisionsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, w := memstore.New(), newWorld(t)
		var servers []*server
		for range 2 {
			s := open(t, shared, w, withLines(patchsync.Options{}))
			defer run(t, s)()
			servers = append(servers, s)
		}
		watch := lineWatch(feedURL)
		watch.Policy.Mode = recipe.Propose
		servers[0].watch("App", watch, "1.0.0")
		synctest.Wait()
		for round := range 10 {
			version := fmt.Sprintf("1.%d.0", round+1)
			w.lines(feedURL, version)
			servers[0].check("App")
			synctest.Wait()
			id := servers[1].proposalOf("App")
			var deciders sync.WaitGroup
			var approved, rejected atomic.Int32
			for _, s := range servers {
				deciders.Go(func() {
					_, err := s.sync.Watches().Approve(t.Context(), id, "someone")
					switch {
					case err == nil:
						approved.Add(1)
					case !errors.Is(err, patchsync.ErrNoProposal):
						t.Error(err)
					}
				})
				deciders.Go(func() {
					err := s.sync.Watches().Reject(t.Context(), id, "someone else")
					switch {
					case err == nil:
						rejected.Add(1)
					case !errors.Is(err, patchsync.ErrNoProposal):
						t.Error(err)
					}
				})
			}
			deciders.Wait()
			synctest.Wait()
			if a, r := approved.Load(), rejected.Load(); a+r != 1 {
				t.Fatalf("%d approved and %d rejected, want one", a, r)
			}
			for _, s := range servers {
				has := strings.Contains(" "+s.versions("App")+" ", " "+version+" ")
				expect(t, "the title has the version", has, approved.Load() == 1)
				expect(t, "proposals", s.proposals(), "")
			}
			servers[1].check("App")
			expect(t, "proposals after another check", servers[1].proposals(), "")
		}
	})
}
