package patchsync_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// holding returns a watch of feedURL that holds versions.
func holding(hold time.Duration) recipe.Watch {
	watch := lineWatch(feedURL)
	watch.Policy.Hold = recipe.Duration(hold)
	return watch
}

// A feed that lists its newest release alone, and changes more often than the policy holds releases, loses none of
// them, also over restarts.
func TestWatchHoldsReplacedReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		s := open(t, st, w, withLines(patchsync.Options{}))
		w.lines(feedURL, "1.0.0")
		s.watch("App", holding(48*time.Hour), "1.0.0")
		stop := run(t, s)
		for day := range 12 {
			w.lines(feedURL, fmt.Sprintf("1.%d.0", day+1))
			time.Sleep(24 * time.Hour)
			stop()
			s = open(t, st, w, withLines(patchsync.Options{}))
			stop = run(t, s)
		}
		time.Sleep(72 * time.Hour)
		expect(t, "versions", s.versions("App"),
			"1.12.0 1.11.0 1.10.0 1.9.0 1.8.0 1.7.0 1.6.0 1.5.0 1.4.0 1.3.0 1.2.0 1.1.0 1.0.0")
		expect(t, "held", len(s.watchState("App").Held), 0)
		expect(t, "proposals", s.proposals(), "")
		stop()
	})
}

// A held version becomes a patch with all that the feed said of it while it was listed.
func TestWatchHeldReleaseIsComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		s := open(t, st, w, withLines(patchsync.Options{}))
		w.lines(feedURL, "1.1.0 1999-12-31")
		s.watch("App", holding(48*time.Hour), "1.0.0")
		expect(t, "added", s.check("App").Added, "[]")
		w.lines(feedURL, "1.2.0 2000-01-01")
		time.Sleep(24*time.Hour + time.Minute)
		expect(t, "added", s.check("App").Added, "[1.1.0]")
		def, _, err := s.catalog.Load(t.Context(), "App")
		if err != nil || !strings.HasPrefix(def.Patches[0].ReleaseDate, "1999-12-31") {
			t.Errorf("the patch is %+v (%v), want the date of the feed", def.Patches[0], err)
		}
		_ = s.catalog.Close()
	})
}

// A held version that the feed withdraws is dropped, and held again from the same time if it comes back.
func TestWatchHeldReleaseIsWithdrawn(t *testing.T) {
	for _, c := range []struct {
		name         string
		before, then []string
		withdrawn    bool
	}{
		{"replaced by a newer one", []string{"1.1.0"}, []string{"1.2.0"}, false},
		{"removed from a list", []string{"1.1.0", "1.0.0"}, []string{"1.0.0"}, true},
		{"removed from a list that has a newer one", []string{"1.1.0", "1.0.0"}, []string{"1.2.0", "1.0.0"}, true},
		{"the latest release is an older one again", []string{"1.1.0"}, []string{"1.0.0"}, true},
		{"still in a list", []string{"1.1.0", "1.0.0"}, []string{"1.2.0", "1.1.0", "1.0.0"}, false},
		{"in another spelling", []string{"1.1.0", "1.0.0"}, []string{"1.2.0", "1.1.00", "1.0.0"}, false},
		{"excluded as a pre-release", []string{"1.1.0"}, []string{"1.2.0", "1.1.0-pre"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, st := newWorld(t), newStore()
				var log bytes.Buffer
				s := open(t, st, w, withLines(patchsync.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}))
				defer func() { _ = s.catalog.Close() }()
				w.lines(feedURL, c.before...)
				s.watch("App", holding(48*time.Hour), "1.0.0")
				s.check("App")
				time.Sleep(24 * time.Hour)
				w.lines(feedURL, c.then...)
				s.check("App")
				held := false
				for _, h := range s.watchState("App").Held {
					held = held || h.Version == "1.1.0" || h.Version == "1.1.00"
				}
				expect(t, "1.1.0 is withdrawn", !held, c.withdrawn)
				expect(t, "the log says so", strings.Contains(log.String(), "withdrawn by its vendor"), c.withdrawn)
				if c.withdrawn {
					w.lines(feedURL, c.before...)
				}
				time.Sleep(24*time.Hour + time.Minute)
				if added := s.check("App").Added; len(added) == 0 || !strings.HasPrefix(added[0], "1.1") {
					t.Errorf("added %v after two days, want 1.1.0", added)
				}
			})
		})
	}
}

// A release that waits for its rollout is kept with the last share that the feed gave. Once it has reached enough
// users, it need not stay in the feed. One that was replaced before that is never added.
func TestWatchHoldsRollouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		s := open(t, st, w, withLines(patchsync.Options{}))
		defer func() { _ = s.catalog.Close() }()
		w.lines(feedURL, "1.1.0 50%")
		s.watch("App", holding(48*time.Hour), "1.0.0")
		for _, step := range []struct{ feed, held, added string }{
			{"1.1.0 50%", "1.1.0", "[]"},
			{"1.1.0 100%", "1.1.0", "[]"},
			{"1.2.0 10%", "1.2.0", "[1.1.0]"},
			{"1.3.0 100%", "1.2.0 1.3.0", "[]"},
			{"1.4.0 10%", "1.2.0 1.3.0 1.4.0", "[]"},
			{"1.5.0 10%", "1.4.0 1.5.0", "[1.3.0]"},
		} {
			w.lines(feedURL, step.feed)
			expect(t, "added with "+step.feed, s.check("App").Added, step.added)
			s.check("App") // versions that are older than the title's newest one are forgotten
			var held []string
			for _, h := range s.watchState("App").Held {
				held = append(held, h.Version)
			}
			expect(t, "held with "+step.feed, strings.Join(held, " "), step.held)
			time.Sleep(25 * time.Hour)
		}
	})
}

// A watch keeps at most 20 releases, the oldest ones, and adds them when they are due.
func TestWatchHeldReleasesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		s := open(t, st, w, withLines(patchsync.Options{}))
		defer func() { _ = s.catalog.Close() }()
		title := s.watch("App", holding(30*24*time.Hour), "1.0.0").UID
		for i := range 45 {
			w.lines(feedURL, fmt.Sprintf("1.%d.0", i+1))
			s.check("App")
			time.Sleep(24 * time.Hour)
		}
		rec, err := st.Get(t.Context(), store.Key{Kind: "watches", ID: title})
		if err != nil {
			t.Fatal(err)
		}
		var stored struct {
			Held []struct{ Version string } `json:"held"`
		}
		if err := json.Unmarshal(rec.Value, &stored); err != nil || len(stored.Held) != 20 {
			t.Errorf("the record keeps %d releases (%v), want 20", len(stored.Held), err)
		}
		expect(t, "current version", s.version("App"), "1.15.0")
	})
}

// A version that was being added when the server was killed is proposed, although the feed no longer lists it.
func TestWatchKilledBeforeReplacement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		disk := alone{memstore.New()}
		st := &fragile{Store: disk}
		s := open(t, st, w, withLines(patchsync.Options{}))
		w.lines(feedURL, "1.1.0")
		s.watch("App", lineWatch(feedURL), "1.0.0")
		st.dies.Store(st.writes.Load() + 2)
		if _, err := s.sync.Watches().Check(t.Context(), "App", "", false); err == nil {
			t.Error("the check succeeded")
		}
		_ = s.catalog.Close()
		s = open(t, disk, w, withLines(patchsync.Options{}))
		defer func() { _ = s.catalog.Close() }()
		w.lines(feedURL, "1.2.0")
		expect(t, "added", s.check("App").Added, "[1.2.0]")
		expect(t, "proposals", s.proposals(), "App 1.1.0")
	})
}
