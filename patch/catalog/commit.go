package catalog

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/patchsource/patchsource/store"
)

// commitKind is the kind of the records of restores, and of backups of shared stores.
const commitKind = "commits"

// A commit is the record of a restore. Changes that are staged with its key as their batch are valid if it is
// committed.
type commit struct {
	Format    int       `json:"format"`
	Committed bool      `json:"committed"`
	At        time.Time `json:"at"` // for people
	// Beat is higher with every write, and at least 1. Servers that share the store take the server that made the
	// record for dead when the record does not change. Older versions write no beats.
	Beat uint64 `json:"beat,omitempty"`
	// Backup says that no restore is made, but a backup, during which there must be none.
	Backup bool `json:"backup,omitempty"`
}

func commitKey(batch string) store.Key { return store.Key{Kind: commitKind, ID: batch} }

// errAbandoned reports a restore that took so long to write its next beat that another server has undone it.
var errAbandoned = fmt.Errorf("%w: another server took this one for dead, and has undone the restore", ErrUnavailable)

// errCommitDeleted reports a restore whose record was gone before it was finished. The operator may have deleted it, so
// that some titles are not restored, or another server may have finished the restore.
var errCommitDeleted = fmt.Errorf("%w: the record of the restore was deleted: check the titles, or repeat the restore "+
	"in the mode replace or merge", ErrUnavailable)

// A batch is a restore in progress, or a backup, of which this server keeps the record alive. It is safe for concurrent
// use.
type batch struct {
	w  *titleWriter
	id string // of its record

	mu     sync.Mutex
	commit commit
	rev    store.Revision

	stop    context.CancelFunc
	beating sync.WaitGroup
}

// beginBatch writes the record of a restore, or of a backup. The context ends with ctx, and when the record is lost.
// The error is errRestoring if another server over the store is restoring or, for a restore, makes a backup;
// ErrUnavailable, also for a record that cannot be read; or that of ctx.
func (w *titleWriter) beginBatch(ctx context.Context, backup bool) (*batch, context.Context, error) {
	b := &batch{w: w, id: rand.Text(), commit: commit{Format: plainFormat, Backup: backup}}
	w.restores.own(b.id)
	err := b.write(ctx, false)
	if err == nil && w.shared {
		err = b.exclude(ctx)
	}
	if err != nil {
		b.stop = func() {}
		return nil, nil, errors.Join(err, b.end(ctx))
	}
	working, lost := context.WithCancelCause(ctx)
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	b.stop = func() { stop(); lost(nil) }
	if w.shared {
		b.beating.Go(func() { b.beat(beating, lost) })
	}
	return b, working, nil
}

// exclude returns errRestoring if the record of another restore excludes this one, or the error of reading it. Every
// server writes its own record before it looks for others, so that of two at least one finds the other.
func (b *batch) exclude(ctx context.Context) error {
	// A list would end at a record that cannot be read.
	for change, err := range store.Revisions(ctx, b.w.store, commitKind) {
		if err != nil {
			return unavailable(err)
		}
		if change.Key.ID == b.id {
			continue
		}
		c, err := b.w.readCommit(ctx, change.Key.ID)
		if err != nil {
			return err
		}
		if c != nil && !(c.Backup && b.commit.Backup) {
			return errRestoring
		}
	}
	return nil
}

// beat renews the record until ctx ends, or the record is lost.
func (b *batch) beat(ctx context.Context, lost context.CancelCauseFunc) {
	for {
		sleep(ctx, b.w.lease/6)
		if ctx.Err() != nil {
			return
		}
		err := b.write(ctx, false)
		if errors.Is(err, errAbandoned) {
			lost(err)
			return
		}
		if err != nil && ctx.Err() == nil {
			b.w.log.Error("the record of a restore or backup could not be renewed yet", "error", err)
		}
	}
}

// write writes the next beat, and commits the restore if committed is true. The error is errAbandoned if another server
// has deleted the record, ErrUnavailable or that of ctx.
func (b *batch) write(ctx context.Context, committed bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return retryConflicts(ctx, b.id, func() error {
		next := b.commit
		next.Committed = next.Committed || committed
		next.At = b.w.now().UTC()
		next.Beat++
		value, err := json.Marshal(next)
		if err != nil {
			return err
		}
		var rev store.Revision
		err = finish(ctx, func(ctx context.Context) error {
			rev, err = b.w.store.Put(ctx, commitKey(b.id), value, store.IfUnchanged(b.rev))
			return err
		})
		if err != nil && b.rev != "" {
			rev, err = b.readBack(ctx, next, err)
		}
		if err == nil {
			b.commit, b.rev = next, rev
		}
		return err
	})
}

// readBack reads the record after a failed write. It returns its revision if the write has happened. Otherwise it
// returns the error of the write, or errAbandoned if there is no record.
func (b *batch) readBack(ctx context.Context, next commit, writeErr error) (store.Revision, error) {
	r, err := b.w.store.Get(ctx, commitKey(b.id))
	if errors.Is(err, store.ErrNotFound) {
		return "", errAbandoned
	}
	if err != nil {
		return "", writeErr
	}
	c, err := decodeCommit(r)
	if err != nil {
		return "", writeErr
	}
	if c.Beat == next.Beat && c.Committed == next.Committed {
		return r.Revision, nil
	}
	b.commit, b.rev = *c, r.Revision // an earlier write has happened after all
	return "", writeErr
}

// undo deletes the record, even if ctx has ended, unless it has changed since it was last written: after that, the
// staged changes are invalid. The record's outcome is unknown after an error.
func (b *batch) undo(ctx context.Context) error {
	b.halt()
	err := finish(context.WithoutCancel(ctx), func(ctx context.Context) error {
		return b.w.store.Delete(ctx, commitKey(b.id), store.IfRevision(b.rev))
	})
	return b.left(ctx, err)
}

// end deletes the record, even if ctx has ended.
func (b *batch) end(ctx context.Context) error {
	if err := b.complete(ctx); !errors.Is(err, errCommitDeleted) {
		return err
	}
	return nil
}

// complete deletes the record of a restore that is settled, even if ctx has ended. The error is errCommitDeleted if the
// record is gone, so that staged definitions may have been dropped.
func (b *batch) complete(ctx context.Context) error {
	b.halt()
	err := finish(context.WithoutCancel(ctx), func(ctx context.Context) error {
		return b.w.store.Delete(ctx, commitKey(b.id), store.Condition{})
	})
	gone := errors.Is(err, store.ErrNotFound)
	if err = b.left(ctx, err); err == nil && gone {
		err = errCommitDeleted
	}
	return err
}

// halt ends the beats.
func (b *batch) halt() {
	b.stop()
	b.beating.Wait()
}

// left returns the error of deleting the record. If the record may still exist, it is abandoned.
func (b *batch) left(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, store.ErrNotFound) {
		b.w.restores.forget(b.id)
		return nil
	}
	b.abandon(ctx)
	// A conflict is hidden: for the caller, this is an outage.
	return fmt.Errorf("%w: the record of the restore or backup is left: %v", ErrUnavailable, err)
}

// abandon leaves the record to the leader, as if this server had died.
func (b *batch) abandon(ctx context.Context) {
	b.halt()
	if b.w.shared {
		b.w.restores.disown(context.WithoutCancel(ctx), b.id)
	}
}

// decodeCommit decodes the record of a restore. The error is [store.ErrFormat], or says that the record is corrupt.
func decodeCommit(r store.Record) (*commit, error) {
	var c commit
	if err := json.Unmarshal(r.Value, &c); err != nil {
		return nil, corruptCommit(r.Key, err)
	}
	if err := checkFormat(c.Format, plainFormat); err != nil {
		return nil, fmt.Errorf("record %v: %w", r.Key, err)
	}
	return &c, nil
}

// corruptCommit returns the error of a corrupt record of a restore, which tells the operator the way out. Without the
// record, definitions that are still staged are dropped: those of a restore in progress, and those that a committed one
// has not applied yet.
func corruptCommit(key store.Key, err error) error {
	return fmt.Errorf("%w, %v, cannot be read: make sure that no server is restoring, delete this record from the "+
		"store, and repeat the restore in the mode replace or merge: %w", errCorruptCommit, key, err)
}

var errCorruptCommit = errors.New("the record of a restore or backup")

// readCommit reads the record of a restore, nil if there is none. The error is ErrUnavailable or that of
// ctx.
func (w *titleWriter) readCommit(ctx context.Context, batch string) (*commit, error) {
	r, err := w.store.Get(ctx, commitKey(batch))
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if errors.Is(err, store.ErrCorrupt) {
		err = corruptCommit(commitKey(batch), err)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	c, err := decodeCommit(r)
	if err != nil {
		return nil, unavailable(err)
	}
	return c, nil
}
