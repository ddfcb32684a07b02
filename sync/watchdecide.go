package patchsync

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
)

// Approve adds the versions of a proposal to its title, all of those that the title does not have. by identifies the
// person in the history of the title.
//
// The versions are made from the newest version that the title has now. The error is [ErrNoProposal], recipe.ErrForm if
// they cannot be made from it, an error of catalog.Catalog.AddVersions, catalog.ErrUnavailable or that of ctx. The
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
	patches, err := saved.record.patchesOf(def, proposal, w.now(), math.MaxInt)
	if err != nil {
		return none, err
	}
	next := saved.record.clone()
	next.Adder = ""
	next.Proposals = slices.DeleteFunc(next.Proposals, func(p proposalRecord) bool { return p.ID == id })
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	res := catalog.Result{Title: title}
	if len(patches) > 0 {
		if res, saved, err = w.addProposed(ctx, saved, title, patches, by); err != nil {
			return none, err
		}
	}
	next.noteAdded(proposal.versions(), w.now())
	_, err = w.records.write(ctx, next.UID, next, saved.revision)
	switch {
	case errors.Is(err, store.ErrConflict) && len(patches) == 0:
		return none, err // another server may have decided about the proposal
	case errors.Is(err, store.ErrConflict):
		_, err = w.settle(ctx, next.UID, proposal.versions())
	case err != nil && len(patches) == 0:
		return none, err
	}
	if err != nil {
		// The title has the versions. The next check finds that out and removes the proposal.
		w.log.Warn("a proposal was approved, but could not be removed yet", "title", title.ID, "error", err)
	}
	return res, nil
}

// addProposed adds the versions of a proposal to the title. The record that it returns keeps the proposal, in case the
// server is killed. The error is [store.ErrConflict] if the record or the title has changed meanwhile, or that of the
// catalog.
func (w *Watches) addProposed(
	ctx context.Context, saved savedWatch, title catalog.Title, patches []patch.Patch, by string,
) (res catalog.Result, claimed savedWatch, err error) {
	if claimed, err = w.claim(ctx, saved, saved.record, patches); err != nil {
		return res, saved, err
	}
	res, err = w.edit(ctx, title, patches, by)
	switch {
	case err == nil:
		w.counts.added.Add(uint64(len(patches)))
		w.log.Info("a proposal was approved", "title", title.ID, "versions", versionsIn(patches), "by", by)
	case errors.Is(err, catalog.ErrPrecondition):
		if err = w.release(ctx, saved.record, patches); err == nil {
			err = store.ErrConflict
		}
	case !isUnknown(err):
		if releaseErr := w.release(ctx, saved.record, patches); releaseErr != nil {
			w.log.Warn("the versions of a proposal are still marked as being added",
				"title", title.ID, "error", releaseErr)
		}
	}
	return res, claimed, err
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
		versions := next.proposal(proposal).versions()
		for _, version := range versions {
			next.mark(version, recipe.Rejected, now)
		}
		next.Proposals = slices.DeleteFunc(next.Proposals, func(p proposalRecord) bool { return p.ID == proposal })
		_, err := w.records.write(ctx, next.UID, next, saved.revision)
		if err == nil {
			w.log.Info("a proposal was rejected", "title", next.Title, "versions", versions, "by", by)
		}
		return err
	})
}
