package patchsync_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// requestRecords returns the ids of the requests that a store holds.
func requestRecords(t *testing.T, s store.Store) (ids []string) {
	t.Helper()
	for r, err := range s.List(t.Context(), "syncs") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(r.Key.ID, "request/") {
			ids = append(ids, r.Key.ID)
		}
	}
	return ids
}

// A request on a server that does not lead is served by the leader, at most once in ten seconds, whoever asks.
func TestTriggerReachesTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, w := memstore.New(), newWorld(t)
		w.define(here, definition("App", "1"))
		var n [3]atomic.Int32
		var last [3]time.Time
		var servers [3]*server
		for i := range servers {
			opts := patchsync.Options{Interval: 24 * time.Hour}
			servers[i] = open(t, shared, tagged{w, &n[i], &last[i]}, opts)
			stop := run(t, servers[i])
			defer stop()
			synctest.Wait()
		}
		servers[1].follow(here, definition("App", "1"), nil)
		time.Sleep(time.Minute)
		n[0].Store(0)
		w.define(here, definition("App", "2"))
		for range 5 {
			for _, s := range servers {
				if err := s.sync.Trigger("App"); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
		}
		for i, s := range servers {
			if got := s.version("App"); got != "2" {
				t.Errorf("server %d serves version %s, want 2", i, got)
			}
		}
		time.Sleep(time.Minute)
		if a, b, c := n[0].Load(), n[1].Load(), n[2].Load(); a != 2 || b+c != 0 {
			t.Errorf("%d, %d and %d requests, want 2 by the leader, ten seconds apart, and no others", a, b, c)
		}
		if ids := requestRecords(t, shared); len(ids) != 0 {
			t.Errorf("the requests %v are left", ids)
		}
	})
}

// A request outlives the leader that did not see it, and one for a job that no server knows is removed.
func TestRequestsWaitForALeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, w := memstore.New(), newWorld(t)
		w.define(here, definition("App", "1"))
		dies := &mortal{Store: shared}
		first := open(t, dies, w, patchsync.Options{Interval: 24 * time.Hour})
		stop := run(t, first)
		defer stop()
		synctest.Wait()
		second := open(t, shared, w, patchsync.Options{Interval: 24 * time.Hour})
		defer run(t, second)()
		second.follow(here, definition("App", "1"), nil)
		synctest.Wait()
		dies.dead.Store(true)
		w.define(here, definition("App", "2"))
		stray := store.Key{Kind: "syncs", ID: "request/title/nope"}
		if _, err := shared.Put(t.Context(), stray, []byte(`{"format":1}`), store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
		if err := second.sync.Trigger("App"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if ids := requestRecords(t, shared); len(ids) != 2 {
			t.Errorf("the requests are %v, want 2", ids)
		}
		time.Sleep(3 * time.Minute)
		if got, ids := second.version("App"), requestRecords(t, shared); got != "2" || len(ids) != 0 {
			t.Errorf("version %s is served, and the requests %v are left; want version 2 and none", got, ids)
		}
	})
}

// Of two rounds at once, the one that ends later does not overwrite the state of the other: it is run again.
func TestTwoRoundsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, w := memstore.New(), newWorld(t)
		w.define(here, definition("App", "1"))
		var n [2]atomic.Int32
		var last [2]time.Time
		a := open(t, shared, tagged{w, &n[0], &last[0]}, patchsync.Options{})
		b := open(t, shared, tagged{w, &n[1], &last[1]}, patchsync.Options{})
		a.follow(here, definition("App", "1"), nil)
		synctest.Wait()
		w.slow(10 * time.Second)
		var rounds sync.WaitGroup
		rounds.Go(func() {
			if _, err := a.sync.Sync(t.Context(), "App"); err != nil { // reads version 1
				t.Error(err)
			}
		})
		synctest.Wait()
		w.define(here, definition("App", "2"))
		w.slow(time.Second)
		if _, err := b.sync.Sync(t.Context(), "App"); err != nil {
			t.Fatal(err)
		}
		rounds.Wait()
		if n[0].Load() != 2 || n[1].Load() != 1 {
			t.Errorf("%d and %d requests, want 2 and 1", n[0].Load(), n[1].Load())
		}
		for _, s := range []*server{a, b} {
			if state := s.state("App"); s.version("App") != "2" || state.LastError != "" {
				t.Errorf("version %s, state %+v; want version 2 and no error", s.version("App"), state)
			}
		}
	})
}

// A server whose mirrors differ from those of the leader says so, and one whose mirrors are the same does not.
func TestMirrorsDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, w := memstore.New(), newWorld(t)
		w.source("https://one.example")
		w.source("https://two.example")
		mirrors := func(urls ...string) (all []patchsync.Mirror) {
			for _, url := range urls {
				all = append(all, patchsync.Mirror{Source: patchsync.PatchSource(url, nil)})
			}
			return all
		}
		var logs [3]bytes.Buffer
		for i, m := range [][]patchsync.Mirror{
			mirrors("https://one.example", "https://two.example"),
			mirrors("https://two.example", "https://one.example"),
			mirrors("https://one.example"),
		} {
			opts := patchsync.Options{Mirrors: m, Logger: slog.New(slog.NewTextHandler(&logs[i], nil))}
			defer run(t, open(t, shared, w, opts))()
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for i, want := range []int{0, 0, 1} {
			if n := strings.Count(logs[i].String(), "follow different mirrors"); n != want {
				t.Errorf("server %d warned %d times, want %d", i, n, want)
			}
		}
	})
}
