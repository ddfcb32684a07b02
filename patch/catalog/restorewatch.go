package catalog

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/patchsource/patchsource/store"
)

// plainRestoreTimeout is the time for which the record of a restore by a version that writes no beats may stay
// unchanged.
const plainRestoreTimeout = time.Hour

// A restoreWatch knows the records of the restores that other servers over a store make, and how long they have not
// changed. The clocks of the servers need not agree. It is empty if the store is not shared.
type restoreWatch struct {
	store store.Store
	log   *slog.Logger

	mu   sync.Mutex
	seen map[string]seenCommit // by batch
	mine map[string]bool       // the batches that this server keeps alive
	// reported has the batches whose records cannot be read, which is logged once.
	reported map[string]bool
}

// A seenCommit is the record of a restore as it was last read.
type seenCommit struct {
	commit
	rev     store.Revision
	since   time.Time // when this process first saw that revision
	corrupt error     // of a record that was read before and cannot be read any more
}

// follow keeps the records up to date until ctx ends.
func (w *restoreWatch) follow(ctx context.Context) {
	store.Follow(ctx, w.store, commitKind, store.Follower{
		Reload: w.reload,
		Apply:  func(ctx context.Context, c store.Change) error { return w.observe(ctx, c.Key.ID) },
		Report: func(err error) { w.log.Error("restores by other servers are seen late", "error", err) },
	})
}

// reload reads all records, also those after one that cannot be read, where a list would end.
func (w *restoreWatch) reload(ctx context.Context) error {
	batches := map[string]bool{}
	w.mu.Lock()
	for batch := range w.seen {
		batches[batch] = true
	}
	for batch := range w.reported {
		batches[batch] = true
	}
	w.mu.Unlock()
	for c, err := range store.Revisions(ctx, w.store, commitKind) {
		if err != nil {
			return err
		}
		batches[c.Key.ID] = true
	}
	for batch := range batches {
		if err := w.observe(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// observe reads the record of a restore.
func (w *restoreWatch) observe(ctx context.Context, batch string) error {
	r, err := w.store.Get(ctx, commitKey(batch))
	if errors.Is(err, store.ErrNotFound) {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.seen, batch)
		delete(w.reported, batch)
		return nil
	}
	if errors.Is(err, store.ErrCorrupt) {
		w.noteCorrupt(batch, corruptCommit(commitKey(batch), err))
		return nil
	}
	if err != nil {
		return err
	}
	w.note(r)
	return nil
}

// noteCorrupt logs once that a record cannot be read. What it has staged cannot be changed until the record is deleted.
// If it was that of a restore in progress, no title can be changed.
func (w *restoreWatch) noteCorrupt(batch string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, known := w.seen[batch]
	if !w.reported[batch] {
		w.log.Error("a restore cannot be finished or undone", "error", err)
		if w.reported == nil {
			w.reported = map[string]bool{}
		}
		w.reported[batch] = true
	}
	if known {
		c.corrupt = err
		w.seen[batch] = c
	}
}

// note remembers a record.
func (w *restoreWatch) note(r store.Record) {
	c, err := decodeCommit(r)
	if err != nil {
		w.noteCorrupt(r.Key.ID, err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.reported, r.Key.ID)
	if old := w.seen[r.Key.ID]; w.mine[r.Key.ID] || old.rev == r.Revision && old.corrupt == nil {
		return
	}
	if w.seen == nil {
		w.seen = map[string]seenCommit{}
	}
	w.seen[r.Key.ID] = seenCommit{commit: *c, rev: r.Revision, since: time.Now()}
}

// own says that this server keeps the record of a batch alive.
func (w *restoreWatch) own(batch string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mine == nil {
		w.mine = map[string]bool{}
	}
	w.mine[batch] = true
}

// forget forgets a batch of this server whose record is deleted.
func (w *restoreWatch) forget(batch string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.mine, batch)
}

// disown says that this server does not keep the record of a batch alive any more.
func (w *restoreWatch) disown(ctx context.Context, batch string) {
	w.mu.Lock()
	delete(w.mine, batch)
	if w.seen == nil {
		w.seen = map[string]seenCommit{}
	}
	w.seen[batch] = seenCommit{commit: commit{Beat: 1}, since: time.Now()} // if it cannot be read now
	w.mu.Unlock()
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	if err := w.observe(ctx, batch); err != nil {
		w.log.Error("the record of a restore is left over", "batch", batch, "error", err)
	}
}

// all returns all records that are known.
func (w *restoreWatch) all() map[string]seenCommit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.seen)
}

// check returns errRestoring while another server makes a restore that is not committed, or the error of reading its
// record. It reads the store only if there may be one.
func (w *restoreWatch) check(ctx context.Context) error {
	w.mu.Lock()
	none := len(w.seen) == 0
	w.mu.Unlock()
	if none {
		return nil
	}
	for batch, c := range w.all() {
		if c.Committed || c.Backup {
			continue
		}
		if err := w.observe(ctx, batch); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return unavailable(err)
		}
		c, ok := w.all()[batch]
		switch {
		case ok && c.corrupt != nil:
			return unavailable(c.corrupt)
		case ok && !c.Committed && !c.Backup:
			return errRestoring
		}
	}
	return nil
}

// sweepRestores finishes, or undoes, the restores of servers that have died, until ctx ends. Only the leader calls it.
func (w *titleWriter) sweepRestores(ctx context.Context) {
	for ; ctx.Err() == nil; sleep(ctx, w.lease/6) {
		for batch, c := range w.restores.all() {
			limit := w.lease
			if c.Beat == 0 {
				limit = plainRestoreTimeout
			}
			if c.corrupt != nil || time.Since(c.since) < limit {
				continue // a corrupt record waits for the operator
			}
			if err := w.settleAbandoned(ctx, batch, c); err != nil && ctx.Err() == nil {
				w.log.Error("the restore of a server that has died could not be settled yet", "error", err)
			}
		}
	}
}

// settleAbandoned undoes the restore of a server that has died, or finishes it if it was committed.
func (w *titleWriter) settleAbandoned(ctx context.Context, batch string, c seenCommit) error {
	if !c.Committed {
		// From here on the restore cannot be committed, even if its server is alive after all.
		err := finish(ctx, func(ctx context.Context) error {
			return w.store.Delete(ctx, commitKey(batch), store.IfRevision(c.rev))
		})
		if errors.Is(err, store.ErrConflict) {
			return w.restores.observe(ctx, batch)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	if !c.Backup {
		if err := w.settleBatch(ctx, batch); err != nil {
			return err
		}
		w.log.Warn("settled the restore of a server that has died", "committed", c.Committed)
	}
	if c.Committed {
		err := finish(ctx, func(ctx context.Context) error {
			return w.store.Delete(ctx, commitKey(batch), store.Condition{})
		})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return w.restores.observe(ctx, batch)
}

// settleBatch applies, or drops, what a restore has staged in all titles.
func (w *titleWriter) settleBatch(ctx context.Context, batch string) error {
	for r, err := range w.store.List(ctx, titleKind) {
		if err != nil {
			return unavailable(err)
		}
		rec, err := decodeRecord(r.Value)
		if err != nil || rec.Staged == nil || rec.Staged.Batch != batch {
			continue
		}
		if _, err := w.lockAndSettle(ctx, r.Key.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}
