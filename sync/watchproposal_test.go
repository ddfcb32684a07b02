package patchsync_test

import (
	"errors"
	"fmt"
	"reflect"
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

// A proposal of a title with a large patch has the releases and not the patches, so that its record stays small. The
// patches are made from the version that is the newest when they are shown and added, and keep the date of the check
// that found them.
func TestWatchProposalsAreSmall(t *testing.T) {
	w, st := newWorld(t), newStore()
	s := open(t, st, w, withLines(patchsync.Options{}))
	watches := s.sync.Watches()
	def := application(t, "App", "1.0.0")
	for i := range 40 {
		def.Patches[0].Capabilities = append(def.Patches[0].Capabilities, patch.Criterion{
			Name: "Application Bundle ID", Operator: "is not", Value: fmt.Sprint(i, strings.Repeat("x", 1000)),
			Type: "recon", And: new(true),
		})
	}
	s.create(def)
	if err := watches.Set(t.Context(), "App", lineWatch(feedURL), patchsync.WatchOptions{}); err != nil {
		t.Fatal(err)
	}
	var many []string
	for i := range 50 {
		many = append(many, fmt.Sprintf("1.%d.0", i+1))
	}
	w.lines(feedURL, many...)
	if c := s.check("App"); len(c.Proposal.Patches) != len(many) || len(c.Proposal.Versions) != len(many) {
		t.Errorf("%d patches of %d versions are proposed", len(c.Proposal.Patches), len(c.Proposal.Versions))
	}
	for r, err := range st.List(t.Context(), "watches") {
		if err != nil || len(r.Value) > 16<<10 {
			t.Errorf("the record has %d bytes (%v)", len(r.Value), err)
		}
	}
	_, err := s.catalog.Edit(t.Context(), "App", func(d *patch.Definition) error {
		d.Patches[0].Capabilities = d.Patches[0].Capabilities[:1]
		d.Patches[0].Reboot = true
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	id := s.proposalOf("App")
	shown, err := watches.ProposedPatches(t.Context(), id)
	if err != nil || len(shown) != len(many) || !shown[0].Reboot || len(shown[0].Capabilities) != 1 {
		t.Fatalf("shown %d patches (%v), want %d made from the newest one", len(shown), err, len(many))
	}
	if _, err := watches.Approve(t.Context(), id, "someone"); err != nil {
		t.Fatal(err)
	}
	def, _, err = s.catalog.Load(t.Context(), "App")
	if err != nil || !reflect.DeepEqual(def.Patches[len(many)-1], shown[0]) {
		t.Errorf("added %+v (%v), want %+v as shown", def.Patches[len(many)-1], err, shown[0])
	}
	if _, err := watches.ProposedPatches(t.Context(), id); !errors.Is(err, patchsync.ErrNoProposal) {
		t.Errorf("the patches of a proposal that was approved: %v", err)
	}
}

// A proposal that cannot be made from the title's newest version any longer says so when it is approved, and stays.
func TestWatchApproveAnotherForm(t *testing.T) {
	w := newWorld(t)
	s := open(t, newStore(), w, withLines(patchsync.Options{}))
	s.watch("App", proposing(), "1.0.0")
	w.lines(feedURL, "1.1.0")
	s.check("App")
	_, err := s.catalog.Edit(t.Context(), "App", func(d *patch.Definition) error {
		for i := range d.Patches[0].Components[0].Criteria {
			d.Patches[0].Components[0].Criteria[i].Value = "another"
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.sync.Watches().Approve(t.Context(), s.proposalOf("App"), ""); !errors.Is(err, recipe.ErrForm) {
		t.Errorf("approved: %v, want recipe.ErrForm", err)
	}
	expect(t, "proposals", s.proposals(), "App 1.1.0")
	expect(t, "versions", s.versions("App"), "1.0.0")
}
