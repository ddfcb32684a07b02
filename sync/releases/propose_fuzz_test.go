package releases_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// FuzzPropose checks the laws of Propose: what it adds is newer than all that the title has, is at most three versions,
// was not removed or rejected, and leaves a valid definition with the old versions in it. Every newer release is in
// exactly one part of the plan, unless the proposal is full.
func FuzzPropose(f *testing.F) {
	f.Add("2.0.0\n1.9", "2.1.0\n2.1\n2.0.0", "")
	f.Add("2.0.0", "3.0 (12)\n2026.1\n2.0.1\n2.0.2\n2.0.3\n2.0.4", "2.0.2")
	f.Add("Build 4180", "Build 4192", "Build 4192")
	f.Add("1", "latest\n\n2", "02")
	f.Fuzz(func(t *testing.T, had, feed, removed string) {
		def := fuzzTitle(t, strings.Split(had, "\n"))
		if def == nil || len(feed) > 10_000 {
			return
		}
		versions := strings.Split(feed, "\n")
		slices.SortFunc(versions, func(a, b string) int { return patch.OrderVersions(b, a) })
		seen := releases.Seen{}
		for v := range strings.SplitSeq(removed, "\n") {
			seen[v] = releases.Mark{Memory: recipe.Rejected}
		}
		plan, err := releases.Propose(def, recipe.Watch{}, listed(slices.Compact(versions)...), seen, today, nil)
		if err != nil {
			return // a version that no definition can have, or a title of another form
		}
		checkAdded(t, def, plan, seen)
		if plan.Proposal != nil && (len(plan.Proposal.Reasons) == 0 || len(plan.Proposal.Patches) > 53) {
			t.Errorf("the proposal has %d versions and the reasons %q",
				len(plan.Proposal.Patches), plan.Proposal.Reasons)
		}
	})
}

// checkAdded checks the versions that a plan adds to a definition.
func checkAdded(t *testing.T, def *patch.Definition, plan *releases.Plan, seen releases.Seen) {
	if len(plan.Add) > 3 {
		t.Errorf("%d versions are added, want at most 3", len(plan.Add))
	}
	next := def.Clone()
	for _, step := range plan.Add {
		v := step.Patch.Version
		for _, old := range def.Patches {
			if patch.CompareVersions(v, old.Version) <= 0 {
				t.Errorf("%q is added to a title that has %q", v, old.Version)
			}
		}
		for gone := range seen {
			if patch.CompareVersions(v, gone) == 0 {
				t.Errorf("%q is added, although %q was rejected", v, gone)
			}
		}
		if err := next.AddPatches(patch.Ordered(), today, step.Patch); err != nil {
			t.Errorf("%q cannot be added: %v", v, err)
		}
	}
	if err := next.Validate(); err != nil {
		t.Errorf("the definition is invalid afterwards: %v", err)
	}
}

// fuzzTitle returns a valid definition with some of these versions, nil if there is none.
func fuzzTitle(t *testing.T, versions []string) *patch.Definition {
	if len(versions) > 20 {
		return nil
	}
	def := title(t, "1.0")
	first := def.Patches[0]
	def.Patches = nil
	for _, v := range versions {
		if def.FindPatch(v) < 0 {
			def.Patches = append(def.Patches, first.NextVersion(v, today.AddDate(-1, 0, 0)))
		}
	}
	patch.SortPatches(def.Patches)
	def.Complete(today)
	if def.Validate() != nil {
		return nil
	}
	return def
}
