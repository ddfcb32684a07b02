package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/patchsource/patchsource/store"
)

// load reads all titles into the index. It returns the keys of the records in which an earlier process has left a
// restore or a reservation. The error is store.ErrFormat, ErrUnavailable or that of ctx.
func (w *titleWriter) load(ctx context.Context) (unsettled []string, err error) {
	err = w.index.load(func() ([]*entry, error) {
		var entries []*entry
		for r, err := range w.store.List(ctx, titleKind) {
			if err != nil {
				return nil, openError(err)
			}
			rec, e, err := readEntry(r)
			if errors.Is(err, store.ErrFormat) {
				return nil, fmt.Errorf("record %v: %w", r.Key, err)
			}
			if err != nil {
				w.log.Error("a title cannot be read and is left out", "record", r.Key.String(), "error", err)
				w.damaged.add(r.Key.ID)
				continue
			}
			if rec.Staged != nil || w.leftBehind(rec) {
				unsettled = append(unsettled, r.Key.ID)
			}
			w.noteWork(r.Key.ID, rec)
			if e != nil {
				entries = append(entries, e)
			}
		}
		return entries, nil
	})
	return unsettled, err
}

// readEntry decodes a title's record. The entry is nil if the title is not live.
func readEntry(r store.Record) (*record, *entry, error) {
	rec, err := decodeRecord(r.Value)
	if err != nil {
		return nil, nil, err
	}
	rec.rev = r.Revision
	e, err := rec.liveEntry(r.Key.ID)
	return rec, e, err
}

// leftBehind reports whether a record that exists when the catalog is opened belongs to a reservation that will not be
// published. If the store is not shared, that is every reservation.
func (w *titleWriter) leftBehind(rec *record) bool {
	return rec.Staged == nil && (w.expired(rec) || !w.shared && rec.State == pending)
}

// settleAll finishes, or undoes, the restores and reservations that an earlier process has left in the records with
// these keys. The error is ErrUnavailable or that of ctx.
func (w *titleWriter) settleAll(ctx context.Context, keys []string) error {
	for _, key := range keys {
		err := w.settleLeftBehind(ctx, key)
		// Another caller, or another server, may have been faster. If the record of a restore is corrupt, the servers
		// over a shared store serve the feed all the same until the operator deletes the record.
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) &&
			!errors.Is(err, errRestoring) && !(w.shared && errors.Is(err, errCorruptCommit)) {
			return err
		}
	}
	if w.shared {
		return nil // another server may be restoring; the leader settles the restores of those that have died
	}
	var done []store.Key
	for r, err := range w.store.List(ctx, commitKind) {
		if err != nil {
			return unavailable(err)
		}
		done = append(done, r.Key)
	}
	for _, key := range done {
		if err := w.store.Delete(ctx, key, store.Condition{}); err != nil && !errors.Is(err, store.ErrNotFound) {
			return unavailable(err)
		}
	}
	return nil
}

// settleLeftBehind settles one record; see settleAll.
func (w *titleWriter) settleLeftBehind(ctx context.Context, key string) error {
	t, err := w.lock(ctx, key)
	if err != nil {
		return err
	}
	defer t.unlock()
	rec, err := w.readSettled(ctx, t)
	if err == nil && w.leftBehind(rec) {
		err = w.withdraw(ctx, t, rec)
	}
	return err
}

// openError returns the error of Open for one of the store.
func openError(err error) error {
	if errors.Is(err, store.ErrFormat) {
		return err
	}
	return unavailable(err)
}
