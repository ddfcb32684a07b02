package patchsync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// maxProposed bounds the versions of a proposal: the newest by version order.
const maxProposed = 50

// Proposals yields the proposals of all titles that exist, sorted by the ids of the titles.
func (w *Watches) Proposals() iter.Seq[recipe.Proposal] {
	return func(yield func(recipe.Proposal) bool) {
		if err := w.records.load(context.Background()); err != nil {
			w.log.Error("the proposals cannot be read", "error", err)
			return
		}
		for _, s := range w.existing() {
			for _, p := range s.record.Proposals {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// Proposal returns a proposal. The error is [ErrNoProposal] or catalog.ErrUnavailable.
func (w *Watches) Proposal(id string) (recipe.Proposal, error) {
	if err := w.records.load(context.Background()); err != nil {
		return recipe.Proposal{}, err
	}
	saved, ok := w.findProposal(id)
	if !ok {
		return recipe.Proposal{}, ErrNoProposal
	}
	return *saved.record.proposal(id), nil
}

// findProposal returns the record that has a proposal.
func (w *Watches) findProposal(id string) (savedWatch, bool) {
	for _, s := range w.records.all() {
		if !hasProposal(s.record, id) {
			continue
		}
		if _, err := w.catalog.ByUID(s.record.UID); err == nil {
			return s, true
		}
	}
	return savedWatch{}, false
}

// proposal returns a proposal of the record, nil if it has none with this id.
func (rec *watchRecord) proposal(id string) *recipe.Proposal {
	for i := range rec.Proposals {
		if rec.Proposals[i].ID == id && id != "" {
			return &rec.Proposals[i]
		}
	}
	return nil
}

// hasProposal reports whether a record has a proposal.
func hasProposal(rec *watchRecord, id string) bool { return rec.proposal(id) != nil }

// notePropose makes the proposal of a plan that of the record, together with the versions of the earlier proposal that
// still wait: a feed that lists its newest release alone has forgotten them. A proposal that says the same as the
// earlier one does not replace it.
func (c *check) notePropose(plan *releases.Plan) {
	rec := c.next
	fresh := recipe.Proposal{Title: c.title.ID}
	if plan.Proposal != nil {
		fresh = *plan.Proposal
		fresh.Title = c.title.ID
	}
	var old recipe.Proposal
	if len(rec.Proposals) > 0 {
		old = rec.Proposals[0]
	}
	waiting := c.stillWaiting(plan, fresh.Patches, old.Patches)
	if len(waiting) > 0 {
		fresh.Patches = append(slices.Clone(fresh.Patches), waiting...)
		slices.SortStableFunc(fresh.Patches, func(a, b patch.Patch) int {
			return patch.OrderVersions(a.Version, b.Version)
		})
		fresh.Patches = fresh.Patches[max(0, len(fresh.Patches)-maxProposed):]
		for _, reason := range old.Reasons {
			if !slices.Contains(fresh.Reasons, reason) {
				fresh.Reasons = append(fresh.Reasons, reason)
			}
		}
	}
	switch {
	case len(fresh.Patches) == 0:
		rec.Proposals = nil
		return
	case samePatches(fresh.Patches, old.Patches):
		return
	}
	fresh.Version = fresh.Patches[len(fresh.Patches)-1].Version
	fresh.ID = proposalID(rec.UID, fresh.Patches)
	if fresh.Found.IsZero() {
		fresh.Found = old.Found
	}
	rec.Proposals = []recipe.Proposal{fresh}
	before := versionsIn(old.Patches)
	if slices.ContainsFunc(fresh.Patches, func(p patch.Patch) bool { return !slices.Contains(before, p.Version) }) {
		c.proposed = true
		c.announce(rec, WatchEvent{
			Kind:    VersionProposed,
			Version: fresh.Version,
			Message: fmt.Sprintf("version %s of %q waits for a person: %s", shorten(fresh.Version), c.title.ID,
				firstOf(fresh.Reasons)),
		})
	}
}

// stillWaiting returns the versions of an earlier proposal that are neither in the title nor among fresh ones, and that
// the plan does not decide about.
func (c *check) stillWaiting(plan *releases.Plan, fresh, old []patch.Patch) (waiting []patch.Patch) {
	decided := map[string]bool{}
	for _, step := range plan.Add {
		decided[step.Release.Version] = true
	}
	for _, d := range plan.Skipped {
		decided[d.Version] = true
	}
	for _, p := range fresh {
		decided[p.Version] = true
	}
	for _, p := range lacking(c.def, old) {
		memory := c.next.Seen[p.Version].Memory
		if !decided[p.Version] && memory != recipe.Added && memory != recipe.Rejected {
			waiting = append(waiting, p)
		}
	}
	return waiting
}

// lacking returns the patches whose versions a definition does not have, in any spelling.
func lacking(def *patch.Definition, patches []patch.Patch) (out []patch.Patch) {
	for _, p := range patches {
		has := slices.ContainsFunc(def.Patches, func(q patch.Patch) bool {
			return patch.CompareVersions(p.Version, q.Version) == 0
		})
		if !has {
			out = append(out, p.Clone())
		}
	}
	return out
}

// samePatches reports whether two lists of patches say the same, whatever their release dates: that of a release whose
// feed has no date is the time of the check.
func samePatches(a, b []patch.Patch) bool {
	return slices.EqualFunc(a, b, func(p, q patch.Patch) bool {
		p.ReleaseDate, q.ReleaseDate = "", ""
		x, errX := json.Marshal(p)
		y, errY := json.Marshal(q)
		return errX == nil && errY == nil && string(x) == string(y)
	})
}

// proposalID returns the id of a proposal. It differs if anything that a person approves differs.
func proposalID(uid string, patches []patch.Patch) string {
	h := sha256.New()
	_, _ = h.Write([]byte(uid))
	for _, p := range patches {
		data, err := json.Marshal(p)
		if err != nil {
			data = []byte(p.Version)
		}
		_, _ = h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil)[:10])
}

// firstOf returns the first of some sentences.
func firstOf(sentences []string) string {
	if len(sentences) == 0 {
		return "see the proposal"
	}
	return sentences[0]
}
