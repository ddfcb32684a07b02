package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/patchsource/patchsource/store"
)

// readSettled reads a title's record. If a restore has staged a change in it, readSettled first applies or drops
// that. The error is store.ErrNotFound, errRestoring if another server is restoring, ErrUnavailable or that of ctx.
func (w *titleWriter) readSettled(ctx context.Context, t *lockedTitle) (rec *record, err error) {
	err = retryConflicts(ctx, t.key, func() error {
		if rec, err = w.readLocked(ctx, t); err != nil || rec.Staged == nil {
			return err
		}
		if err = w.settle(ctx, t, rec); err != nil {
			return deletedIsConflict(err)
		}
		if rec, err = w.readLocked(ctx, t); err == nil && rec.Staged != nil {
			return store.ErrConflict // with another restore, by another server
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return rec, nil
}

// lockAndSettle is readSettled for a caller that does not hold the title's lock.
func (w *titleWriter) lockAndSettle(ctx context.Context, key string) (*record, error) {
	t, err := w.lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer t.unlock()
	return w.readSettled(ctx, t)
}

// settle applies, or drops, the change that a restore has staged in a record. The error is store.ErrConflict,
// store.ErrNotFound, errRestoring, ErrUnavailable or that of ctx.
func (w *titleWriter) settle(ctx context.Context, t *lockedTitle, rec *record) error {
	c, err := w.readCommit(ctx, rec.Staged.Batch)
	switch {
	case err != nil:
		return err
	case c != nil && c.Committed:
		err := w.applyStaged(ctx, t, rec)
		if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) ||
			errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		// The error is hidden: nothing is wrong with the caller's change.
		return fmt.Errorf("%w: title %q: the definition of a committed restore cannot be applied: %v",
			ErrUnavailable, t.key, err)
	case c != nil && w.shared:
		return errRestoring // by another server; the leader undoes it if that server has died
	}
	rec.Staged = nil
	if rec.State == live {
		return w.rewrite(ctx, t, rec)
	}
	return w.withdraw(ctx, t, rec)
}

// applyStaged makes the change that a restore has staged. The error is store.ErrConflict, store.ErrNotFound,
// ErrUnavailable or that of ctx.
func (w *titleWriter) applyStaged(ctx context.Context, t *lockedTitle, rec *record) error {
	to := rec.Staged
	rec.Staged = nil
	switch {
	case rec.State != live:
		if _, err := w.goLive(ctx, t, rec); err != nil {
			return err
		}
		w.definitions.remove(t.key) // no reader has asked for it yet
		return nil
	case to.Definition == nil:
		return w.remove(ctx, t, rec)
	default:
		return w.applyDefinition(ctx, t, rec, to)
	}
}

// applyDefinition gives a live title the definition that a restore has staged.
func (w *titleWriter) applyDefinition(ctx context.Context, t *lockedTitle, rec *record, to *staged) error {
	now := w.now().UTC()
	before, err := rec.parse()
	if err != nil {
		return fmt.Errorf("%w: title %q: %w", ErrUnavailable, t.key, err)
	}
	was := *rec
	rec.definition, rec.Disabled = to.Definition, to.Disabled
	after, err := rec.parse()
	if err != nil {
		return fmt.Errorf("%w: title %q: %w", ErrUnavailable, t.key, err)
	}
	// Compared with the title as it is now, because its lastModified must not go back.
	if !after.Supersede(before, now) {
		rec.definition = was.definition
		if err := rec.carryNumbers(&was, &edited{}, now); err != nil {
			return err
		}
		return w.rewrite(ctx, t, rec)
	}
	if err := w.rules.setDefinition(rec, after); err != nil {
		return err
	}
	if err := rec.carryNumbers(&was, &edited{}, now); err != nil {
		return err
	}
	moves, err := w.prepareUpdate(ctx, t, &was, rec, now, to.By, 0)
	if err != nil {
		return err
	}
	u, err := w.newUpdate(t, &was, rec, moves, now)
	if err == nil {
		err = w.writeUpdates(ctx, t, rec, u)
	}
	if err != nil {
		return err
	}
	w.definitions.remove(t.key) // no reader has asked for it yet
	w.events.publish(t, u.event, u.was, u.rec)
	return nil
}
