package patchsync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
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

// Approve adds the versions of a proposal to its title, all of those that the title does not have. by identifies the
// person in the history of the title.
//
// The error is [ErrNoProposal], an error of catalog.Catalog.AddVersions, catalog.ErrUnavailable or that of ctx. The
// proposal stays if its versions cannot be added.
func (w *Watches) Approve(ctx context.Context, proposal, by string) (catalog.Result, error) {
	var res catalog.Result
	err := w.decide(ctx, proposal, func(ctx context.Context, saved savedWatch) (err error) {
		res, err = w.approve(ctx, saved, proposal, by)
		return err
	})
	return res, err
}

// decide calls f with the record that has a proposal, while it has the record's turn, and again after a conflict.
func (w *Watches) decide(
	ctx context.Context, proposal string, f func(ctx context.Context, saved savedWatch) error,
) error {
	if err := w.records.load(ctx); err != nil {
		return err
	}
	found, ok := w.findProposal(proposal)
	if !ok {
		return ErrNoProposal
	}
	uid := found.record.UID
	turn := w.records.turn(uid)
	if err := turn.lock(ctx); err != nil {
		return err
	}
	defer turn.unlock()
	err := store.RetryConflicts(ctx, func() error {
		if _, err := w.records.read(ctx, uid); err != nil {
			return err
		}
		saved, err := w.settled(ctx, uid)
		switch {
		case errors.Is(err, ErrNotWatched), err == nil && !hasProposal(saved.record, proposal):
			return ErrNoProposal
		case err != nil:
			return err
		}
		return f(ctx, saved)
	})
	if errors.Is(err, store.ErrConflict) {
		err = &watchStoreError{err}
	}
	return err
}

// approve adds the versions of a proposal that the title does not have, and removes the proposal.
func (w *Watches) approve(ctx context.Context, saved savedWatch, id, by string) (catalog.Result, error) {
	none := catalog.Result{}
	def, title, err := w.catalog.Load(ctx, saved.record.Title)
	switch {
	case err == nil && title.UID != saved.record.UID:
		return none, ErrNoProposal
	case err != nil:
		return none, err
	}
	proposal := saved.record.proposal(id)
	patches := lacking(def, proposal.Patches)
	next := saved.record.clone()
	next.Adder = ""
	next.Proposals = slices.DeleteFunc(next.Proposals, func(p recipe.Proposal) bool { return p.ID == id })
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	res := catalog.Result{Title: title}
	if len(patches) > 0 {
		before := saved.record
		// The claim keeps the proposal, in case the server is killed.
		if saved, err = w.claim(ctx, saved, before, patches); err != nil {
			return none, err
		}
		res, err = w.edit(ctx, title, patches, by)
		switch {
		case errors.Is(err, catalog.ErrPrecondition):
			return none, errors.Join(store.ErrConflict, w.release(ctx, saved, before))
		case err != nil && !isUnknown(err):
			return none, errors.Join(err, w.release(ctx, saved, before))
		case err != nil:
			return none, err
		}
		w.counts.added.Add(uint64(len(patches)))
		w.log.Info("a proposal was approved", "title", title.ID, "versions", versionsIn(patches), "by", by)
	}
	now := w.now()
	for _, p := range proposal.Patches {
		next.mark(p.Version, recipe.Added, now)
	}
	_, err = w.records.write(ctx, next.UID, next, saved.revision)
	if errors.Is(err, store.ErrConflict) {
		err = w.settle(ctx, next.UID, versionsIn(proposal.Patches))
	}
	if err != nil {
		// The title has the versions. The next check finds that out and removes the proposal.
		w.log.Warn("a proposal was approved, but could not be removed yet", "title", title.ID, "error", err)
	}
	return res, nil
}

// Reject removes a proposal. Its versions are remembered as rejected, and neither added nor proposed again. by
// identifies the person in the log.
//
// The error is [ErrNoProposal], catalog.ErrUnavailable or that of ctx.
func (w *Watches) Reject(ctx context.Context, proposal, by string) error {
	return w.decide(ctx, proposal, func(ctx context.Context, saved savedWatch) error {
		next := saved.record.clone()
		next.Adder = ""
		now := w.now()
		versions := versionsIn(next.proposal(proposal).Patches)
		for _, version := range versions {
			next.mark(version, recipe.Rejected, now)
		}
		next.Proposals = slices.DeleteFunc(next.Proposals, func(p recipe.Proposal) bool { return p.ID == proposal })
		_, err := w.records.write(ctx, next.UID, next, saved.revision)
		if err == nil {
			w.log.Info("a proposal was rejected", "title", next.Title, "versions", versions, "by", by)
		}
		return err
	})
}

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
