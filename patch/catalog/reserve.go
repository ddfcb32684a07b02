package catalog

import (
	"context"
	"errors"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// A reservation holds the id of a title that is published when CreateOptions.Confirm has succeeded. Until then the
// title is not visible, and its id cannot be taken. A reservation that is neither published nor withdrawn expires
// after reservationTimeout.
type reservation struct {
	w        *titleWriter
	key      string
	rec      *record
	title    Title
	warnings []patch.Warning
}

// reserve reserves the id of a title. It returns the errors of Create.
func (c *Catalog) reserve(ctx context.Context, def *patch.Definition, opts *CreateOptions) (*reservation, error) {
	rec, warnings, err := c.writer.newRecord(ctx, def, opts)
	if err != nil {
		return nil, err
	}
	rec.State = pending
	e, err := c.writer.create(ctx, rec)
	if err != nil {
		return nil, err
	}
	return &reservation{w: c.writer, key: e.key, rec: rec, title: e.Title, warnings: warnings}, nil
}

// publish makes the title live. It returns ErrNotFound if the reservation has expired, ErrUnavailable if the store
// fails, or the error of ctx. After ErrUnavailable the title may be live; withdraw reports whether it is.
func (r *reservation) publish(ctx context.Context) (Result, error) {
	if err := r.w.gate.check(); err != nil {
		return Result{}, err
	}
	t, err := r.w.lockForChange(ctx, r.key)
	if err != nil {
		return Result{}, err
	}
	defer t.unlock()
	var e *entry
	err = retryConflicts(ctx, r.title.ID, func() error {
		rec := *r.rec
		e, err = r.w.goLive(ctx, t, &rec)
		return r.refreshAfter(ctx, t, err)
	})
	if errors.Is(err, store.ErrNotFound) {
		return Result{}, notFound(r.title.ID)
	}
	if err != nil {
		return Result{}, err
	}
	return Result{Title: e.Title, Changed: true, Warnings: r.warnings}, nil
}

// refreshAfter reads the reservation's record again if err, the error of a write, is store.ErrConflict: the notices
// of an earlier title, which the record carries, may have been delivered meanwhile. It returns err, or
// store.ErrNotFound if the reservation no longer exists.
func (r *reservation) refreshAfter(ctx context.Context, t *lockedTitle, err error) error {
	if !errors.Is(err, store.ErrConflict) {
		return err
	}
	rec, readErr := r.w.readLocked(ctx, t)
	if readErr != nil {
		return readErr
	}
	if rec.UID != r.rec.UID || rec.State != pending {
		return store.ErrNotFound
	}
	r.rec.rev, r.rec.Undelivered, r.rec.Events = rec.rev, rec.Undelivered, rec.Events
	return err
}

// withdraw releases the id. If the title was published although publish returned an error, withdraw keeps it, and live
// is true. It returns ErrUnavailable if the store fails, or the error of ctx.
func (r *reservation) withdraw(ctx context.Context) (live bool, err error) {
	if err := r.w.gate.check(); err != nil {
		return false, err
	}
	t, err := r.w.lock(ctx, r.key)
	if err != nil {
		return false, err
	}
	defer t.unlock()
	leave, err := r.w.gate.enterRestoring()
	if err != nil {
		return false, err
	}
	defer leave()
	err = retryConflicts(ctx, r.title.ID, func() error {
		rec := *r.rec
		return r.refreshAfter(ctx, t, r.w.withdraw(ctx, t, &rec))
	})
	if !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	// The record was deleted, or no longer belongs to the reservation.
	if err := r.w.readBack(ctx, t); err != nil {
		return false, err
	}
	e := r.w.index.get().byKey(r.key)
	return e != nil && e.UID == r.rec.UID, nil
}
