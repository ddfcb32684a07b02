package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/store"
)

// load reads all titles into the index. It returns the keys of the records in which an earlier process has left a
// restore or a reservation, and the entries whose records were not read. The error is store.ErrFormat, ErrUnavailable
// or that of ctx.
func (w *titleWriter) load(ctx context.Context) (unsettled []string, unverified []*entry, err error) {
	l := &loader{titleWriter: w}
	err = w.index.load(func() ([]*entry, error) {
		l.known = w.snapshot.read(ctx)
		if _, ok := store.As[store.Revisioner](w.store); ok && len(l.known) > 0 {
			err := l.readChanged(ctx)
			return l.entries, err
		}
		for r, err := range w.store.List(ctx, titleKind) {
			if err != nil {
				return nil, openError(err)
			}
			if l.knows(r.Key.ID, r.Revision) {
				continue
			}
			if err := l.add(r); err != nil {
				return nil, err
			}
		}
		return l.entries, nil
	})
	if err == nil && len(l.since) > 0 {
		err = w.removeTwins(ctx, renamedTwins(l.entries, func(key string) int64 { return l.since[key] }))
	}
	return l.unsettled, l.unverified, err
}

// removeTwins deletes the records that renames have left behind.
func (w *titleWriter) removeTwins(ctx context.Context, keys []string) error {
	for _, key := range keys {
		err := w.changeAny(ctx, key, EditOptions{}, func(t *lockedTitle, rec *record) error {
			if rec.State != disabled {
				return nil
			}
			return w.remove(ctx, t, rec)
		})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// A loader collects the titles when a catalog is opened. It is safe for concurrent use.
type loader struct {
	*titleWriter
	known map[string]*entry // from the snapshot, by key

	mu         sync.Mutex
	entries    []*entry
	unsettled  []string         // see titleWriter.load
	since      map[string]int64 // the times at which titles were disabled, by key
	unverified []*entry         // whose records were not read
}

// knows reports whether the snapshot has the entry of a title's record with a revision, and adds the entry.
func (l *loader) knows(key string, rev store.Revision) bool {
	e := l.known[key]
	if e == nil || e.rev != rev {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
	return true
}

// add adds the title of a record. The error is store.ErrFormat.
func (l *loader) add(r store.Record) error {
	rec, e, err := readEntry(r)
	if errors.Is(err, store.ErrFormat) {
		return fmt.Errorf("record %v: %w", r.Key, err)
	}
	if err != nil {
		l.log.Error("a title cannot be read and is left out", "record", r.Key.String(), "error", err)
		l.damaged.add(r.Key.ID)
		return nil
	}
	l.noteWork(r.Key.ID, rec)
	l.mu.Lock()
	defer l.mu.Unlock()
	if rec.Staged != nil || l.leftBehind(rec) {
		l.unsettled = append(l.unsettled, r.Key.ID)
	}
	if e != nil {
		l.entries = append(l.entries, e)
	}
	if rec.State == disabled {
		if l.since == nil {
			l.since = map[string]int64{}
		}
		l.since[r.Key.ID] = rec.Since.UnixNano()
	}
	return nil
}

// maxLoadReads bounds the records that are read at once when a catalog is opened.
const maxLoadReads = 16

// readChanged reads the titles that the snapshot does not have.
func (l *loader) readChanged(ctx context.Context) error {
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(maxLoadReads)
	for c, err := range store.Revisions(reading, l.store, titleKind) {
		if err != nil {
			group.Go(func() error { return openError(err) })
			break
		}
		if l.knows(c.Key.ID, c.Revision) {
			continue
		}
		group.Go(func() error {
			r, err := l.store.Get(reading, c.Key)
			switch {
			case errors.Is(err, store.ErrNotFound): // deleted meanwhile
				return nil
			case errors.Is(err, store.ErrCorrupt):
				l.log.Error("a title cannot be read and is left out", "record", c.Key.String(), "error", err)
				l.damaged.add(c.Key.ID)
				return nil
			case err != nil:
				return openError(err)
			}
			return l.add(r)
		})
	}
	err := group.Wait()
	if !l.shared {
		l.unverified = slices.DeleteFunc(slices.Clone(l.entries), func(e *entry) bool { return l.known[e.key] != e })
	}
	return err
}

const (
	// verifyTitles is the number of titles that are verified between two pauses.
	verifyTitles = 16
	// verifyPause is how much longer a pause is than the verification before it.
	verifyPause = 4
)

// verify reads the records of the titles that were loaded from the snapshot, slowly, until ctx ends. A title whose
// record is corrupt leaves the index, as if it had been read when the catalog was opened.
func (w *titleWriter) verify(ctx context.Context, entries []*entry) {
	for some := range slices.Chunk(entries, verifyTitles) {
		begun := time.Now()
		for _, e := range some {
			if err := w.verifyOne(ctx, e); err != nil && ctx.Err() == nil {
				w.log.Error("a title could not be verified", "title", e.key, "error", err)
			}
		}
		if sleep(ctx, verifyPause*time.Since(begun)); ctx.Err() != nil {
			return
		}
	}
}

// verifyOne verifies one title; see verify. The error is ErrUnavailable or that of ctx.
func (w *titleWriter) verifyOne(ctx context.Context, e *entry) error {
	if w.index.get().byKey(e.key) != e {
		return nil // it was written, and so it was read
	}
	rec, err := w.read(ctx, e.key)
	var now *entry
	if err == nil && rec.rev == e.rev {
		now, err = rec.indexEntry(e.key)
	}
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrCorrupt): // it has left the index
		return nil
	case err == nil && (now == nil || now.Title == e.Title):
		return nil
	case err != nil && !errors.Is(err, errUnreadable) && errors.Is(err, ErrUnavailable):
		return err
	case ctx.Err() != nil:
		return err
	}
	t, lockErr := w.lock(ctx, e.key)
	if lockErr != nil {
		return lockErr
	}
	defer t.unlock()
	if w.index.get().byKey(e.key) != e {
		return nil
	}
	if err != nil {
		w.log.Error("a title cannot be read and is left out", "record", storeKey(e.key).String(), "error", err)
		w.damaged.add(e.key)
	}
	w.index.publish(e.key, now)
	return nil
}

// readEntry decodes a title's record. The entry is nil if the title is neither live nor disabled.
func readEntry(r store.Record) (*record, *entry, error) {
	rec, err := decodeRecord(r.Value)
	if err != nil {
		return nil, nil, err
	}
	rec.rev = r.Revision
	e, err := rec.indexEntry(r.Key.ID)
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
