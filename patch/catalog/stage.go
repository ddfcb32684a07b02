package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// stage stages in each title's record the definition that the restore gives the title.
func (r *restore) stage(ctx context.Context, defs iter.Seq2[*patch.Definition, error]) error {
	if err := r.stageAll(ctx, defs); err != nil {
		return err
	}
	if r.opts.Mode != RestoreReplace {
		return nil
	}
	if err := r.refreshIndex(ctx); err != nil {
		return err
	}
	var others []*entry
	var deleted []string
	for e := range r.w.index.get().all() {
		if !r.seen[e.key] && e.Follows == "" {
			others = append(others, e)
			deleted = append(deleted, e.ID)
		}
	}
	if r.opts.Confirm != nil && len(deleted) > 0 {
		if err := r.opts.Confirm(deleted); err != nil {
			return err
		}
	}
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(maxRestoreWriters)
	for _, e := range others {
		if working.Err() != nil {
			break
		}
		group.Go(func() error { return r.stageOne(working, e.key, nil) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// stageAll stages all definitions. If it returns nil, r.seen is complete.
func (r *restore) stageAll(ctx context.Context, defs iter.Seq2[*patch.Definition, error]) error {
	group, working := errgroup.WithContext(ctx)
	places := semaphore.NewWeighted(maxRestoreWriters)
	var failed error
	for def, err := range defs {
		if err != nil {
			failed = err
			break
		}
		weight := restoreWeight(def)
		if places.Acquire(working, weight) != nil {
			break
		}
		key := titleKey(def.ID)
		if r.seen[key] {
			failed = &TitleError{ID: def.ID, Err: fmt.Errorf("%w: the id occurs twice", ErrExists)}
			break
		}
		r.seen[key] = true
		group.Go(func() error {
			defer places.Release(weight)
			return r.stageOne(working, key, def)
		})
	}
	if err := errors.Join(failed, group.Wait()); err != nil {
		return err
	}
	return context.Cause(ctx) // it may have ended before all were read
}

// restoreWeight returns how many of the maxRestoreWriters places a definition takes. A large one takes several, so that
// the memory for all of them is bounded.
func restoreWeight(d *patch.Definition) int64 {
	const (
		patches = 500
		bytes   = 256 << 10 // about those of so many patches
	)
	weight := 1 + len(d.Patches)/patches
	for _, a := range d.ExtensionAttributes {
		weight += len(a.Value) / bytes
	}
	return int64(min(weight, maxRestoreWriters))
}

// stageOne stages a definition, or the deletion of a title if def is nil.
func (r *restore) stageOne(ctx context.Context, key string, def *patch.Definition) error {
	t, err := r.w.lock(ctx, key)
	if err != nil {
		return err
	}
	defer t.unlock()
	// Other servers may be changing the title, and the leader may be removing its notices.
	return retryConflicts(ctx, key, func() error { return r.stageLocked(ctx, t, def) })
}

// stageLocked is stageOne for a caller that holds the title's lock. The error is store.ErrConflict if another server
// has changed the title meanwhile.
func (r *restore) stageLocked(ctx context.Context, t *lockedTitle, def *patch.Definition) error {
	rec, err := r.w.readSettled(ctx, t)
	isNew := errors.Is(err, store.ErrNotFound) || err == nil && rec.State != live
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	switch {
	case isNew && def == nil:
		return nil
	case isNew && rec != nil && rec.State == disabled:
		return &TitleError{ID: def.ID, Err: ErrExistsDisabled}
	case isNew:
		return r.stageNew(ctx, t, rec, def)
	case rec.Follows != nil && def != nil:
		r.addOutcome(Restored{ID: def.ID, Follows: rec.Follows.URL}, "")
		return nil
	case rec.Follows != nil:
		return nil // a backup does not contain titles that follow a source
	default:
		return r.stageOver(ctx, t, rec, def)
	}
}

// stageNew stages a title that does not exist: it is pending until the restore is committed. was is the record under
// the title's key, nil if there is none.
func (r *restore) stageNew(ctx context.Context, t *lockedTitle, was *record, def *patch.Definition) error {
	if was != nil && was.State == pending && !r.w.expired(was) {
		return &TitleError{ID: def.ID, Err: fmt.Errorf("%w: it is being published at this moment", ErrExists)}
	}
	rec, _, err := r.w.newRecord(ctx, def, &CreateOptions{By: r.opts.By})
	if err != nil {
		return err
	}
	rec.State = pending
	rec.Staged = &staged{Batch: r.batch, Definition: rec.definition, Disabled: rec.Disabled, By: r.opts.By}
	if was != nil {
		if err := r.w.takeOver(ctx, was, rec); err != nil {
			return err
		}
	}
	if _, err := r.w.put(ctx, t, rec); err != nil {
		return err
	}
	r.addOutcome(Restored{ID: def.ID}, t.key)
	return nil
}

// stageOver stages another definition of an existing title, or its deletion if def is nil.
func (r *restore) stageOver(ctx context.Context, t *lockedTitle, rec *record, def *patch.Definition) error {
	rec.Staged = &staged{Batch: r.batch, By: r.opts.By}
	if def == nil {
		r.addOutcome(Restored{}, t.key)
		return r.w.rewrite(ctx, t, rec) // settling a title in which nothing is staged does nothing
	}
	after := *rec
	d, changed, err := r.successor(ctx, &after, def)
	if err != nil {
		return err
	}
	if !changed {
		r.addOutcome(Restored{ID: d.ID}, "")
		return nil
	}
	if err := r.w.rules.setDefinition(&after, d); err != nil {
		return err
	}
	rec.Staged.Definition, rec.Staged.Disabled = after.definition, after.Disabled
	r.addOutcome(Restored{}, t.key)
	err = r.w.rewrite(ctx, t, rec)
	if err == nil {
		r.addOutcome(Restored{ID: d.ID}, "")
	}
	return err
}

// successor returns the definition that takes the place of an existing title's, and whether it says anything new. It
// sets the disabled patches of rec.
func (r *restore) successor(
	ctx context.Context, rec *record, def *patch.Definition,
) (d *patch.Definition, changed bool, err error) {
	before, err := rec.parse()
	if err != nil {
		return nil, false, fmt.Errorf("%w: title %q: %w", ErrUnavailable, def.ID, err)
	}
	after := *def
	if err := after.ValidateOver(before); err != nil {
		return nil, false, err
	}
	if _, err := r.w.rules.lint(ctx, &after, r.w.now(), selection{}); err != nil {
		return nil, false, err
	}
	was := rec.Disabled
	served, err := r.w.rules.split(rec, successor{before, &after, true})
	if err != nil {
		return nil, false, err
	}
	return served, served.Supersede(before, r.w.now()) || !sameSlice(was, rec.Disabled), nil
}

// titlesPerReport is the number of titles after each of which a restore reports its progress.
const titlesPerReport = 100

// addOutcome records the outcome for a title, unless its ID is empty, and the title's key if something is staged in it.
func (r *restore) addOutcome(one Restored, key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if key != "" {
		r.staged = append(r.staged, key)
	}
	if one.ID == "" {
		return
	}
	r.all = append(r.all, one)
	if n := len(r.all); r.opts.Progress != nil && n%titlesPerReport == 0 {
		r.opts.Progress(n)
	}
}
