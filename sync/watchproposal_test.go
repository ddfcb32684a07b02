package patchsync_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	patchsync "github.com/patchsource/patchsource/sync"
)

// proposing returns a watch of feedURL that proposes every version.
func proposing() recipe.Watch {
	watch := lineWatch(feedURL)
	watch.Policy.Mode = recipe.Propose
	return watch
}

// A proposal gathers versions while they wait, also those that the feed no longer lists, and stays the same while it
// says the same.
func TestWatchProposalsGather(t *testing.T) {
	w, st := newWorld(t), newStore()
	s := open(t, st, w, withLines(patchsync.Options{}))
	s.watch("App", proposing(), "1.0.0")
	for _, step := range []struct {
		name string
		feed []string
		do   func() error
		want string
		same bool // the id stays
	}{
		{"one version", []string{"1.1.0"}, nil, "App 1.1.0", false},
		{"the same again", []string{"1.1.0"}, nil, "App 1.1.0", true},
		{"a newer one alone", []string{"1.2.0"}, nil, "App 1.1.0+1.2.0", false},
		{"nothing but the old one", []string{"1.0.0"}, nil, "App 1.1.0+1.2.0", true},
		{"one was added by hand", []string{"1.2.0"}, func() error {
			def := application(t, "App", "1.1.0", "1.0.0")
			_, err := s.catalog.AddVersions(t.Context(), "App", patch.Ordered(), def.Patches[:1], nil)
			return err
		}, "App 1.2.0", false},
	} {
		before := ""
		for p := range s.sync.Watches().Proposals() {
			before = p.ID
		}
		if step.do != nil {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
		}
		w.lines(feedURL, step.feed...)
		s.check("App")
		expect(t, step.name, s.proposals(), step.want)
		if same := s.proposalOf("App") == before; same != step.same {
			t.Errorf("%s: the id stays: %v, want %v", step.name, same, step.same)
		}
		writes := st.written("watches")
		s.check("App")
		expect(t, step.name+": writes of the same check again", st.written("watches")-writes, 0)
	}
}

// An approved proposal adds its versions at their places, in the name of the person. A rejected one does not come back.
func TestWatchDecisions(t *testing.T) {
	w := newWorld(t)
	s := open(t, newStore(), w, withLines(patchsync.Options{}))
	watches := s.sync.Watches()
	s.watch("App", proposing(), "1.0.0")
	w.lines(feedURL, "1.1.0", "1.2.0")
	s.check("App")
	id := s.proposalOf("App")
	if p, err := watches.Proposal(id); err != nil || p.Version != "1.2.0" || len(p.Reasons) == 0 || p.Found.IsZero() {
		t.Errorf("the proposal is %+v (%v)", p, err)
	}
	res, err := watches.Approve(t.Context(), id, "token-1")
	if err != nil || !res.Changed || res.Title.CurrentVersion != "1.2.0" {
		t.Fatalf("approved: %+v, %v", res, err)
	}
	expect(t, "versions", s.versions("App"), "1.2.0 1.1.0 1.0.0")
	history, err := s.catalog.History(t.Context(), "App")
	if err != nil || history[0].By != "token-1" {
		t.Errorf("the history is %+v (%v), want a change by token-1", history, err)
	}
	if _, err := watches.Approve(t.Context(), id, ""); !errors.Is(err, patchsync.ErrNoProposal) {
		t.Errorf("a second approval returns %v, want ErrNoProposal", err)
	}
	w.lines(feedURL, "1.3.0")
	s.check("App")
	if err := watches.Reject(t.Context(), s.proposalOf("App"), "someone"); err != nil {
		t.Fatal(err)
	}
	w.lines(feedURL, "1.3.0", "1.3")
	c := s.check("App")
	expect(t, "proposals after a rejection", s.proposals(), "")
	if len(c.Plan.Skipped) == 0 {
		t.Error("the rejected version is not among those skipped")
	}
	w.lines(feedURL, "1.4.0")
	s.check("App")
	expect(t, "proposals of a newer version", s.proposals(), "App 1.4.0")
}

// A proposal whose versions the title has by now, in any spelling, is approved without a change.
func TestWatchApproveAfterChanges(t *testing.T) {
	w := newWorld(t)
	s := open(t, newStore(), w, withLines(patchsync.Options{}))
	watches := s.sync.Watches()
	s.watch("App", proposing(), "1.0.0")
	w.lines(feedURL, "1.1.0")
	s.check("App")
	id := s.proposalOf("App")
	def := application(t, "App", "1.1", "1.0.0")
	if _, err := s.catalog.AddVersions(t.Context(), "App", patch.Ordered(), def.Patches[:1], nil); err != nil {
		t.Fatal(err)
	}
	res, err := watches.Approve(t.Context(), id, "someone")
	if err != nil || res.Changed {
		t.Errorf("approved: %+v, %v; want no change", res, err)
	}
	expect(t, "versions", s.versions("App"), "1.1 1.0.0")
	expect(t, "proposals", s.proposals(), "")
}

// More than three newer versions become one proposal.
func TestWatchManyVersions(t *testing.T) {
	w := newWorld(t)
	s := open(t, newStore(), w, withLines(patchsync.Options{}))
	s.watch("App", lineWatch(feedURL), "1.0.0")
	w.lines(feedURL, "1.1.0", "1.2.0", "1.3.0", "1.4.0")
	c := s.check("App")
	expect(t, "added", c.Added, "[]")
	expect(t, "proposals", s.proposals(), "App 1.1.0+1.2.0+1.3.0+1.4.0")
	if !strings.Contains(strings.Join(c.Proposal.Reasons, " "), "at most 3") {
		t.Errorf("the reasons are %q", c.Proposal.Reasons)
	}
}
