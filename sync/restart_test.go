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

// What failed before a start is tried again soon after it, since a setting may have
// been corrected, unless the source has asked to be left alone; how often it has failed
// is still known.
func TestFailuresAreTriedAgainAfterAStart(t *testing.T) {
	for _, c := range []struct {
		name  string
		page  page
		again bool
	}{
		{"an address that was refused", page{err: errors.New("this address is not allowed")}, true},
		{"credentials that were missing", page{status: 401}, true},
		{"no definition", page{body: []byte("<html>")}, true},
		{"too many requests", page{status: 429}, false},
		{"a source that is unavailable", page{status: 503}, false},
	} {
		for _, shared := range []bool{false, true} {
			name := c.name
			if shared {
				name += ", by a server that takes over the work"
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
					if c.again {
						want = 2
					}
					if n := w.requests("") - before; n != want {
						t.Errorf("%d requests after a start, want %d", n, want)
					}
					if got := s.state("App").Failures; got != failures+want/2 {
						t.Errorf("%d failures, before the start %d", got, failures)
					}
					time.Sleep(10 * time.Minute) // and not again and again
					if n := w.requests("") - before; n > want {
						t.Errorf("%d requests ten minutes after a start", n)
					}
				})
			})
		}
	}
}

// A title of a whole source that was refused under other settings is tried again after
// a start.
func TestRefusedTitlesAreTriedAgainAfterAStart(t *testing.T) {
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
			t.Fatalf("%+v", s.round(vendor))
		}
		stop()
		mirror.AllowDowngrade = true
		s = open(t, st, w, patchsync.Options{Interval: time.Hour, Mirrors: []patchsync.Mirror{mirror}})
		asked := w.requests(vendor + "/patch/B")
		stop = run(t, s)
		defer stop()
		synctest.Wait()
		if s.version("A") != "1" || s.round(vendor).LastError != "" || w.requests(vendor+"/patch/B") != asked {
			t.Errorf("A is at %s, %+v", s.version("A"), s.round(vendor))
		}
	})
}

func TestNewNeedsItsParts(t *testing.T) {
	s := open(t, newStore(), newWorld(t), patchsync.Options{})
	if _, err := patchsync.New(nil, newStore(), nil); err == nil {
		t.Error("without a catalog: no error")
	}
	if _, err := patchsync.New(s.cat, nil, nil); err == nil {
		t.Error("without a store: no error")
	}
}

// A Runner runs once at a time, and again when it has ended.
func TestSecondRunIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, newStore(), newWorld(t), patchsync.Options{})
		for range 2 {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.sync.Run(ctx) }()
			synctest.Wait()
			if err := s.sync.Run(ctx); !errors.Is(err, patchsync.ErrRunning) {
				t.Errorf("a second Run: %v", err)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		_ = s.cat.Close()
	})
}

// A Runner ends when its catalog is closed, while it waits and while it works, and
// counts that against no source.
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
			title, err := s.cat.Title("App")
			if err != nil {
				t.Fatal(err)
			}
			_ = s.cat.Close()
			if err := <-done; !errors.Is(err, catalog.ErrClosed) {
				t.Errorf("%v", err)
			}
			if state, ok := s.sync.State(title); !ok || state.Failures != 0 {
				t.Errorf("%+v", state)
			}
		})
	}
}
