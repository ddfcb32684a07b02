package patchsync_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A source that failed before a start is retried soon after it, because a setting may have been corrected, unless the
// source has asked for a pause. The number of failures is kept.
func TestFailuresAreRetriedAfterAStart(t *testing.T) {
	for _, c := range []struct {
		name  string
		page  page
		retry bool
	}{
		{"a refused address", page{err: errors.New("this address is not allowed")}, true},
		{"missing credentials", page{status: 401}, true},
		{"an invalid definition", page{body: []byte("<html>")}, true},
		{"too many requests", page{status: 429}, false},
		{"an unavailable source", page{status: 503}, false},
	} {
		for _, shared := range []bool{false, true} {
			name := c.name
			if shared {
				name += ", on a server that takes over the work"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					var st store.Store = newStore()
					if shared {
						st = memstore.New()
					}
					opts := patchsync.Options{
						Interval: time.Hour,
						Mirrors:  []patchsync.Mirror{{Source: patchsync.PatchSource(vendor, nil)}},
					}
					s := open(t, st, w, opts)
					s.follow(here, definition("App", "1"), nil)
					w.put(here, c.page)
					w.put(vendor+"/software", c.page)
					stop := run(t, s)
					time.Sleep(20 * time.Hour)
					failures := s.state("App").Failures
					stop()

					s = open(t, st, w, opts)
					before := w.requests("")
					stop = run(t, s)
					defer stop()
					time.Sleep(11 * time.Second)
					want := 0
					if c.retry {
						want = 2
					}
					if n := w.requests("") - before; n != want {
						t.Errorf("%d requests after a start, want %d", n, want)
					}
					if got := s.state("App").Failures; got != failures+want/2 {
						t.Errorf("%d failures, want %d", got, failures+want/2)
					}
					time.Sleep(10 * time.Minute)
					if n := w.requests("") - before; n > want {
						t.Errorf("%d requests ten minutes after a start, want %d", n, want)
					}
				})
			})
		}
	}
}

// A title of a mirror that was rejected before a start is retried after it.
func TestRejectionsAreRetriedAfterAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		mirror := patchsync.Mirror{Source: patchsync.PatchSource(vendor, nil)}
		s := open(t, st, w, patchsync.Options{Interval: time.Hour, Mirrors: []patchsync.Mirror{mirror}})
		w.source(vendor, definition("A", "2"), definition("B", "1"))
		stop := run(t, s)
		synctest.Wait()
		w.source(vendor, definition("A", "1"), definition("B", "1"))
		time.Sleep(20 * time.Hour)
		if s.round(vendor).Refused["A"] == "" {
			t.Fatalf("A is not refused: %+v", s.round(vendor))
		}
		stop()
		mirror.AllowDowngrade = true
		s = open(t, st, w, patchsync.Options{Interval: time.Hour, Mirrors: []patchsync.Mirror{mirror}})
		before := w.requests(vendor + "/patch/B")
		stop = run(t, s)
		defer stop()
		synctest.Wait()
		if s.version("A") != "1" || s.round(vendor).LastError != "" || w.requests(vendor+"/patch/B") != before {
			t.Errorf("version %s of A is served, want 1; state %+v", s.version("A"), s.round(vendor))
		}
	})
}

// A second call of Run is refused until the first has ended.
func TestSecondRunIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, newStore(), newWorld(t), patchsync.Options{})
		for range 2 {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.sync.Run(ctx) }()
			synctest.Wait()
			if err := s.sync.Run(ctx); !errors.Is(err, patchsync.ErrRunning) {
				t.Errorf("second Run: %v, want ErrRunning", err)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		_ = s.catalog.Close()
	})
}

// Run ends when the catalog is closed, between rounds and during one, which does not count as a failure of a source.
func TestRunEndsWithItsCatalog(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.define(here, definition("App", "2"))
			s := open(t, newStore(), w, patchsync.Options{Timeout: time.Hour})
			s.follow(here, definition("App", "1"), nil)
			w.slow(delay)
			done := make(chan error, 1)
			go func() { done <- s.sync.Run(t.Context()) }()
			synctest.Wait()
			if err := s.sync.Trigger("App"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			title, err := s.catalog.Title("App")
			if err != nil {
				t.Fatal(err)
			}
			_ = s.catalog.Close()
			if err := <-done; !errors.Is(err, catalog.ErrClosed) {
				t.Errorf("Run: %v, want ErrClosed", err)
			}
			if state, ok := s.sync.State(title); !ok || state.Failures != 0 {
				t.Errorf("state %+v, want no failures", state)
			}
		})
	}
}

// A state that a newer version wrote is never overwritten.
func TestNewerStateIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, shared := range map[string]store.Store{"alone": alone{memstore.New()}, "shared": memstore.New()} {
			w := newWorld(t)
			s := open(t, shared, w, patchsync.Options{Interval: time.Minute})
			title := s.follow(here, definition("App", "1"), nil)
			w.define(here, definition("App", "1"))
			stop := run(t, s)
			time.Sleep(5 * time.Minute)
			key := store.Key{Kind: "syncs", ID: "title/" + title.UID}
			newer := []byte(`{"format":99}`)
			if _, err := shared.Put(t.Context(), key, newer, store.Condition{}); err != nil {
				t.Fatal(err)
			}
			w.define(here, definition("App", "2"))
			time.Sleep(5 * time.Minute)
			if s.version("App") != "2" {
				t.Errorf("%s: version %s is served, want 2", name, s.version("App"))
			}
			r, err := shared.Get(t.Context(), key)
			if err != nil || string(r.Value) != string(newer) {
				t.Errorf("%s: the record is %s, error %v", name, r.Value, err)
			}
			stop()
		}
	})
}
