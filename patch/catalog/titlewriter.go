package catalog

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// reservationTimeout is the time after which a reservation that was neither published nor withdrawn may be taken over,
// or is deleted when a server that shares the store starts. A server that does not share its store deletes all
// reservations when it starts. It is longer than publishing takes, because the clocks of servers differ.
const reservationTimeout = 10 * time.Minute

// A titleWriter changes titles. A change writes the title's record, which carries the last revisions and the notice for
// the couriers, and then publishes an event.
type titleWriter struct {
	*titleStore
	rules    rules
	history  *history
	snapshot *snapshot
	couriers *couriers
	events   *subscriptions
	edits    editQueue
	// numbering says that titles are being numbered in the background.
	numbering atomic.Bool
	// unreadable has the titles that got no number because they cannot be read: their *entry by key.
	unreadable sync.Map
}

// expired reports whether a record belongs to a reservation that was neither published nor withdrawn in time.
func (w *titleWriter) expired(rec *record) bool {
	return rec.State == pending && w.now().Sub(rec.Since) > reservationTimeout
}

// noteCreation adds the notice of its creation to a record.
func (w *titleWriter) noteCreation(t *lockedTitle, rec *record) error {
	e, err := rec.entry(t.key)
	if err != nil {
		return err
	}
	return w.couriers.addNotice(rec, Event{Kind: Created, Title: e.Title, At: rec.Since}, nil)
}

// goLive makes a pending title live. The error is store.ErrConflict, ErrUnavailable or that of ctx.
func (w *titleWriter) goLive(ctx context.Context, t *lockedTitle, rec *record) (*entry, error) {
	now := w.now()
	rec.State, rec.Since, rec.Changed = live, now.UTC(), later(rec.Changed, now)
	if err := w.noteCreation(t, rec); err != nil {
		return nil, err
	}
	e, err := w.put(ctx, t, rec)
	if err == nil {
		w.events.publish(t, Event{Kind: Created, Title: e.Title, At: rec.Since}, nil, rec)
	}
	return e, err
}

// prepareUpdate makes rec, which has another definition than was, the record of the next revision. It writes nothing.
// more is the number of changes that are written together with it and follow it. moves reports whether was has to be
// kept; see history.advance. The error is ErrUnavailable or that of ctx.
func (w *titleWriter) prepareUpdate(
	ctx context.Context, t *lockedTitle, was, rec *record, now time.Time, by string, more int,
) (moves bool, err error) {
	if err := w.history.index(ctx, t.key, was); err != nil {
		return false, err
	}
	rec.Changed = later(was.Changed, now)
	rec.Number, rec.By = was.number()+1, by
	if moves, err = w.history.advance(was, rec, more); err != nil {
		return false, unavailable(err)
	}
	return moves, nil
}

// An update is a change of a title's definition that is being written.
type update struct {
	was, rec *record
	moves    bool // see history.advance
	event    Event
}

// newUpdate returns the update, made now, to a record that prepareUpdate has made in the place of was, and adds its
// notice.
func (w *titleWriter) newUpdate(t *lockedTitle, was, rec *record, moves bool, now time.Time) (*update, error) {
	after, err := rec.entry(t.key)
	if err != nil {
		return nil, err
	}
	u := &update{was, rec, moves, Event{Kind: Updated, Title: after.Title, At: now}}
	return u, w.couriers.addNotice(rec, u.event, was)
}

// writeUpdates writes rec, the record after some updates, each of which is made from the one before it. It does not
// publish their events. Only the first may have moved revisions. If it has, these are written first: wherever
// writeUpdates is interrupted, no revision is missing. The error is store.ErrConflict, ErrUnavailable or that of ctx.
func (w *titleWriter) writeUpdates(ctx context.Context, t *lockedTitle, rec *record, all ...*update) error {
	was := all[0].was
	rec.Oldest = w.history.sweep(ctx, was)
	if all[0].moves {
		if err := w.history.keep(ctx, was); err != nil {
			return err
		}
	}
	if _, err := w.put(ctx, t, rec); err != nil {
		return err
	}
	w.facts.put(t.key, rec)
	w.history.drop(ctx, t.key, was, rec)
	return nil
}

// remove deletes a title that is live or disabled. If there are notices to deliver, or revisions to delete with it, its
// record stays as one that is gone until that is done. The error is store.ErrConflict, store.ErrNotFound,
// ErrUnavailable or that of ctx.
func (w *titleWriter) remove(ctx context.Context, t *lockedTitle, rec *record) error {
	e, err := rec.entry(t.key)
	if err != nil {
		return err
	}
	event := Event{Kind: Deleted, Title: e.Title, At: w.now().UTC()}
	served := rec.State == live
	if served {
		if err := w.couriers.addNotice(rec, event, nil); err != nil {
			return err
		}
	}
	if len(rec.Undelivered) > 0 || rec.number() > 1 {
		rec.State, rec.Since, rec.Staged, rec.Recent = gone, event.At, nil, nil
		rec.Draft, rec.Disabled, rec.Numbers = nil, nil, nil
		_, err = w.put(ctx, t, rec)
	} else {
		err = w.delete(ctx, t, rec)
		w.readBackAfter(ctx, t, err)
		if err == nil {
			w.history.dropCurrent(ctx, rec)
		}
	}
	if err != nil {
		return err
	}
	w.unpublish(t)
	if served {
		w.events.publish(t, event, rec, nil)
	}
	return nil
}

// withdraw deletes the record of a reservation. Notices of an earlier title with the id stay until they are delivered.
// The error is store.ErrConflict, store.ErrNotFound, ErrUnavailable or that of ctx.
func (w *titleWriter) withdraw(ctx context.Context, t *lockedTitle, rec *record) error {
	if len(rec.Undelivered) == 0 {
		return w.delete(ctx, t, rec)
	}
	rest := *rec
	rest.State, rest.Staged = gone, nil
	_, err := w.put(ctx, t, &rest)
	return err
}

// takeOver makes rec, a new record, take the place of was, whose title is gone or whose reservation has expired. It
// writes nothing. The error is ErrUnavailable.
func (w *titleWriter) takeOver(ctx context.Context, was, rec *record) error {
	if was.State == gone {
		if err := w.history.dropAll(ctx, was); err != nil {
			return err
		}
	}
	// The notices of the earlier title are delivered first.
	for i := range rec.Undelivered {
		rec.Undelivered[i].Number += was.Events
	}
	rec.Undelivered = append(slices.Clip(was.Undelivered), rec.Undelivered...)
	rec.Events += was.Events
	rec.rev = was.rev
	return nil
}
