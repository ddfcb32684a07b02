package patchsync_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A check adds what is newer at its place, in the name of the watch, and writes nothing when it finds nothing new.
func TestWatchAddsVersions(t *testing.T) {
	w, st := newWorld(t), newStore()
	s := open(t, st, w, withLines(patchsync.Options{}))
	w.lines(feedURL, "1.1.0", "1.2.0", "1.0.0", "0.9.0")
	s.watch("App", lineWatch(feedURL), "1.0.0")
	c := s.check("App")
	expect(t, "added", c.Added, "[1.1.0 1.2.0]")
	expect(t, "error", c.Err, nil)
	expect(t, "versions", s.versions("App"), "1.2.0 1.1.0 1.0.0")
	expect(t, "newest", c.State.Newest, "1.2.0")
	expect(t, "proposals", s.proposals(), "")
	history, err := s.catalog.History(t.Context(), "App")
	if err != nil || history[0].By != "watch" {
		t.Errorf("the history is %+v (%v), want a change by the watch", history, err)
	}
	writes, titles := st.written("watches"), st.written("titles")
	c = s.check("App")
	expect(t, "added again", c.Added, "[]")
	expect(t, "note", c.Plan.Note, "the title has the newest release, 1.2.0")
	expect(t, "writes of a check without news", st.written("watches")-writes+st.written("titles")-titles, 0)
}

// A dry run says what a check would do, and writes nothing.
func TestWatchDryRun(t *testing.T) {
	w, st := newWorld(t), newStore()
	s := open(t, st, w, withLines(patchsync.Options{}))
	w.lines(feedURL, "1.1.0", "2024")
	s.watch("App", lineWatch(feedURL), "1.0.0")
	before := st.written("watches") + st.written("titles")
	for range 2 {
		c, err := s.sync.Watches().Check(t.Context(), "App", "", true)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Plan.Add) != 1 || c.Plan.Add[0].Patch.Version != "1.1.0" {
			t.Errorf("a check would add %+v, want 1.1.0", c.Plan.Add)
		}
		if c.Proposal == nil || c.Proposal.Version != "2024" || c.Proposal.ID != "" {
			t.Errorf("a check would propose %+v, want 2024 without an id", c.Proposal)
		}
		expect(t, "added", c.Added, "[]")
	}
	w.put(feedURL, page{status: 500})
	if c, err := s.sync.Watches().Check(t.Context(), "App", "", true); err != nil || c.Err == nil {
		t.Errorf("a dry run of a feed that fails: %v, %v; want Check.Err", c.Err, err)
	}
	expect(t, "failures", s.watchState("App").Failures, 0)
	expect(t, "versions", s.versions("App"), "1.0.0")
	expect(t, "writes", st.written("watches")+st.written("titles")-before, 0)
}

// A version that a person removed never comes back: neither in another spelling, nor with a later watch, nor after a
// restart.
func TestWatchRemovedVersionsStayAway(t *testing.T) {
	for _, c := range []struct {
		name string
		had  []string // before the watch
		feed []string
		gone string
		then func(t *testing.T, s *server)
		want string
	}{
		{"one that the watch added", []string{"1.0.0"}, []string{"1.1.0"}, "1.1.0", nil, "1.0.0"},
		{"one that the title had before", []string{"1.1.0", "1.0.0"}, []string{"1.1.0"}, "1.1.0", nil, "1.0.0"},
		{"another spelling", []string{"1.1.0", "1.0.0"}, []string{"1.1"}, "1.1.0", nil, "1.0.0"},
		{"a later watch", []string{"1.0.0"}, []string{"1.1.0"}, "1.1.0", func(t *testing.T, s *server) {
			watches := s.sync.Watches()
			if err := watches.End(t.Context(), "App", ""); err != nil {
				t.Fatal(err)
			}
			err := watches.Set(t.Context(), "App", lineWatch(feedURL), patchsync.WatchOptions{})
			if err != nil {
				t.Fatal(err)
			}
		}, "1.0.0"},
		{"beside a newer one", []string{"1.0.0"}, []string{"1.1.0"}, "1.1.0", func(t *testing.T, s *server) {
			s.check("App")
		}, "1.0.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, st := newWorld(t), newStore()
			s := open(t, st, w, withLines(patchsync.Options{}))
			w.lines(feedURL, c.feed...)
			s.watch("App", lineWatch(feedURL), c.had...)
			s.check("App")
			if _, err := s.catalog.RemoveVersion(t.Context(), "App", c.gone, nil); err != nil {
				t.Fatal(err)
			}
			if c.then != nil {
				c.then(t, s)
			}
			s.check("App")
			expect(t, "versions", s.versions("App"), c.want)
			_ = s.catalog.Close()
			s = open(t, st, w, withLines(patchsync.Options{}))
			out := s.check("App")
			expect(t, "versions after a restart", s.versions("App"), c.want)
			expect(t, "proposals", s.proposals(), "")
			if len(out.Plan.Skipped) != 1 || !strings.Contains(out.Plan.Skipped[0].Reason, "a person removed") {
				t.Errorf("skipped %+v, want the version that a person removed", out.Plan.Skipped)
			}
			w.lines(feedURL, append(c.feed, "1.2.0")...)
			expect(t, "added later", s.check("App").Added, "[1.2.0]")
		})
	}
}

// A person who adds a version again after its removal is followed.
func TestWatchRemovedVersionAddedByHand(t *testing.T) {
	w := newWorld(t)
	s := open(t, newStore(), w, withLines(patchsync.Options{}))
	w.lines(feedURL, "2.0.0")
	s.watch("App", recipe.Watch{
		Feed:   recipe.Feed{Kind: "lines", URL: feedURL},
		Policy: recipe.Policy{Mode: recipe.Propose},
	}, "1.0.0")
	s.check("App")
	if err := s.sync.Watches().Reject(t.Context(), s.proposalOf("App"), "someone"); err != nil {
		t.Fatal(err)
	}
	expect(t, "proposals after a rejection", s.check("App").Proposal, (*recipe.Proposal)(nil))
	def := application(t, "App", "2.0.0", "1.0.0")
	if _, err := s.catalog.AddVersions(t.Context(), "App", patch.Ordered(), def.Patches[:1], nil); err != nil {
		t.Fatal(err)
	}
	c := s.check("App")
	expect(t, "note", c.Plan.Note, "the title has the newest release, 2.0.0")
	expect(t, "versions", s.versions("App"), "2.0.0 1.0.0")
}

// What cannot be watched is refused with the reason.
func TestWatchErrors(t *testing.T) {
	w := newWorld(t)
	w.define(here, definition("Followed", "1"))
	s := open(t, newStore(), w, withLines(patchsync.Options{}))
	s.follow(here, definition("Followed", "1"), nil)
	s.create(application(t, "Plain", "1.0"))
	watches := s.sync.Watches()
	set := func(id string, feed recipe.Feed) error {
		return watches.Set(t.Context(), id, recipe.Watch{Feed: feed}, patchsync.WatchOptions{})
	}
	good := recipe.Feed{Kind: "lines", URL: feedURL}
	for _, c := range []struct {
		name string
		call func() error
		want error
		text string
	}{
		{"a title that follows a source", func() error { return set("Followed", good) }, catalog.ErrSynced,
			"cannot follow a release feed too"},
		{"a missing title", func() error { return set("Nope", good) }, catalog.ErrNotFound, "Nope"},
		{"an unknown kind", func() error { return set("Plain", recipe.Feed{Kind: "gopher"}) }, patch.ErrInvalid,
			"kind"},
		{"a title without a watch", func() error { _, err := watches.State("Plain"); return err },
			patchsync.ErrNotWatched, "Plain"},
		{"a check without a watch", func() error {
			_, err := watches.Check(t.Context(), "Plain", "", false)
			return err
		}, patchsync.ErrNotWatched, "Plain"},
		{"the end of no watch", func() error { return watches.End(t.Context(), "Plain", "") },
			patchsync.ErrNotWatched, "Plain"},
		{"a later title", func() error {
			return watches.Set(t.Context(), "Plain", recipe.Watch{Feed: good}, patchsync.WatchOptions{UID: "earlier"})
		}, catalog.ErrNotFound, "Plain"},
		{"a check of a later title", func() error {
			_, err := watches.Check(t.Context(), "Plain", "earlier", false)
			return err
		}, catalog.ErrNotFound, "Plain"},
		{"the end of the watch of a later title", func() error { return watches.End(t.Context(), "Plain", "earlier") },
			catalog.ErrNotFound, "Plain"},
		{"an unknown proposal", func() error { return watches.Reject(t.Context(), "nope", "") },
			patchsync.ErrNoProposal, "proposal"},
		{"an empty id of a proposal", func() error { _, err := watches.Approve(t.Context(), "", ""); return err },
			patchsync.ErrNoProposal, "proposal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.call(); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want %v with %q", err, c.want, c.text)
			}
		})
	}
}

// A watch that is paused is not asked, and a watch keeps its secrets when its redacted form is written back.
func TestWatchPauseAndSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		secret := feedURL + "?token=hunter2"
		w.lines(secret, "1.1.0")
		s := open(t, newStore(), w, withLines(patchsync.Options{}))
		s.watch("App", lineWatch(secret), "1.0.0")
		defer run(t, s)()
		state := s.watchState("App")
		if strings.Contains(state.Watch.Feed.URL, "hunter2") {
			t.Errorf("the state shows the address %s", state.Watch.Feed.URL)
		}
		state.Watch.Policy.Mode = recipe.Off
		watches := s.sync.Watches()
		if err := watches.Set(t.Context(), "App", state.Watch, patchsync.WatchOptions{}); err != nil {
			t.Fatal(err)
		}
		expect(t, "status", s.watchState("App").Status, patchsync.WatchPaused)
		before := w.requests(feedURL)
		time.Sleep(24 * time.Hour)
		s.check("App")
		expect(t, "requests while paused", w.requests(feedURL)-before, 0)
		state.Watch.Policy.Mode = recipe.Add
		if err := watches.Set(t.Context(), "App", state.Watch, patchsync.WatchOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(70 * time.Minute)
		expect(t, "versions", s.versions("App"), "1.1.0 1.0.0")
	})
}

// A version that a person removed stays away, although the feed lists many wrong versions meanwhile. The state shows
// a part of those that are held.
func TestWatchRemembersRemovalsOverManyVersions(t *testing.T) {
	w := newWorld(t)
	s := open(t, newStore(), w, withLines(patchsync.Options{}))
	w.lines(feedURL, "1.1.0")
	watch := lineWatch(feedURL)
	s.watch("App", watch, "1.0.0")
	expect(t, "added", s.check("App").Added, "[1.1.0]")
	if _, err := s.catalog.RemoveVersion(t.Context(), "App", "1.1.0", nil); err != nil {
		t.Fatal(err)
	}
	watch.Policy.Hold = recipe.Duration(time.Hour)
	if err := s.sync.Watches().Set(t.Context(), "App", watch, patchsync.WatchOptions{}); err != nil {
		t.Fatal(err)
	}
	many := []string{"1.1.0"}
	for i := range 1500 {
		many = append(many, fmt.Sprintf("2.%d.0", i))
	}
	w.lines(feedURL, many...)
	if n := len(s.check("App").State.Held); n != 50 {
		t.Errorf("the state shows %d held versions, want 50", n)
	}
	w.lines(feedURL, "1.1.0 1999-03-01")
	s.check("App")
	expect(t, "versions", s.versions("App"), "1.0.0")
}

// Versions that the title loses because an earlier revision is restored stay away, as those that a person removes. The
// check and the state say so, and a person can add them by hand.
func TestWatchAfterARestoredRevision(t *testing.T) {
	w := newWorld(t)
	s := open(t, newStore(), w, withLines(patchsync.Options{}))
	s.watch("App", lineWatch(feedURL), "1.0.0")
	before, _, err := s.catalog.Load(t.Context(), "App")
	if err != nil {
		t.Fatal(err)
	}
	w.lines(feedURL, "1.1.0", "1.2.0")
	expect(t, "added", s.check("App").Added, "[1.1.0 1.2.0]")
	after, _, err := s.catalog.Load(t.Context(), "App")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.catalog.Replace(t.Context(), "App", before, nil); err != nil {
		t.Fatal(err)
	}
	c := s.check("App")
	expect(t, "missing", c.State.Missing, "[1.2.0 1.1.0]")
	if len(c.Plan.Skipped) != 2 || !strings.Contains(c.Plan.Skipped[0].Reason, "add it by hand") {
		t.Errorf("skipped %+v", c.Plan.Skipped)
	}
	if _, err := s.catalog.AddVersions(t.Context(), "App", patch.Ordered(), after.Patches[:1], nil); err != nil {
		t.Fatal(err)
	}
	c = s.check("App")
	expect(t, "missing", c.State.Missing, "[]")
	expect(t, "versions", s.versions("App"), "1.2.0 1.0.0")
}
