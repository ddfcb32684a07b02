package patchsync_test

import (
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
)

// verifyProposal checks that a proposal has no version that a person removed or rejected.
func (l *law) verifyProposal(p recipe.Proposal) {
	gone := l.replay()
	for _, q := range p.Patches {
		if _, rejected := l.rejected[q.Version]; rejected || gone[q.Version] {
			l.t.Errorf("%s is proposed, which a person removed or rejected", q.Version)
		}
	}
}

// verify checks the history of the title and its versions.
func (l *law) verify() {
	gone := l.replay()
	def := l.load()
	byHand := l.newestByHand()
	for v := range l.checked {
		_, rejected := l.rejected[v]
		switch {
		case def.FindPatch(v) >= 0, gone[v], rejected, l.excused[v]:
		case patch.CompareVersions(v, byHand) < 0: // a person has put a newer one into the title before
		default:
			l.t.Errorf("%s is missing: the title has %s", v, l.any().versions("App"))
		}
	}
	l.t.Logf("%d versions of %d releases; %d were removed, %d rejected", len(def.Patches), l.number, len(gone),
		len(l.rejected))
}

// newestByHand returns the newest version that a person has added or approved.
func (l *law) newestByHand() (newest string) {
	l.eachRevision(func(r catalog.Revision, added, _ []string, _ *patch.Definition) {
		for _, v := range added {
			if r.By == "person" && patch.CompareVersions(v, newest) > 0 {
				newest = v
			}
		}
	})
	return newest
}

// replay checks all revisions of the title, and returns the versions that a person removed last.
func (l *law) replay() map[string]bool {
	gone := map[string]bool{}
	l.eachRevision(func(r catalog.Revision, added, removed []string, before *patch.Definition) {
		for _, v := range removed {
			gone[v] = true
			if r.By == "watch" {
				l.t.Errorf("revision %d: the watch has removed %s", r.Number, v)
			}
		}
		for _, v := range added {
			if r.By == "watch" {
				l.verifyAddition(r, v, before, gone)
			}
			delete(gone, v)
		}
	})
	return gone
}

// verifyAddition checks a version that the watch has added in a revision.
func (l *law) verifyAddition(r catalog.Revision, v string, before *patch.Definition, gone map[string]bool) {
	if gone[v] {
		l.t.Errorf("revision %d: the watch has added %s, which a person removed", r.Number, v)
	}
	if at, rejected := l.rejected[v]; rejected && at < r.Number {
		l.t.Errorf("revision %d: the watch has added %s, which a person rejected after %d", r.Number, v, at)
	}
	if !l.ever[v] {
		l.t.Errorf("revision %d: the watch has added %s, which the feed never listed", r.Number, v)
	}
	for _, p := range before.Patches {
		if patch.CompareVersions(p.Version, v) >= 0 {
			l.t.Errorf("revision %d: the watch has added %s, and the title had %s", r.Number, v, p.Version)
		}
	}
}

// eachRevision calls f with each revision of the title but the first: with the versions that it has added and removed,
// and the definition before it.
func (l *law) eachRevision(f func(r catalog.Revision, added, removed []string, before *patch.Definition)) {
	c := l.any().catalog
	history, err := c.History(l.t.Context(), "App")
	if err != nil {
		l.t.Fatal(err)
	}
	var before *patch.Definition
	for _, r := range slices.Backward(history) {
		def, err := c.Revision(l.t.Context(), "App", r.Number)
		if err != nil {
			l.t.Fatal(err)
		}
		if before != nil {
			f(r, without(def, before), without(before, def), before)
		} else if r.Number != 1 {
			l.t.Fatalf("the history begins with revision %d", r.Number)
		}
		for i, p := range def.Patches {
			for _, q := range def.Patches[:i] {
				if patch.CompareVersions(p.Version, q.Version) == 0 {
					l.t.Errorf("revision %d has %s and %s", r.Number, q.Version, p.Version)
				}
			}
		}
		before = def
	}
}

// without returns the versions of a that b does not have.
func without(a, b *patch.Definition) (versions []string) {
	for _, p := range a.Patches {
		if b.FindPatch(p.Version) < 0 {
			versions = append(versions, strings.Clone(p.Version))
		}
	}
	return versions
}
