package catalog

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// maxRestoreWriters bounds the titles that a restore writes concurrently.
const maxRestoreWriters = 8

// A RestoreMode determines the fate of existing titles in a restore.
type RestoreMode string

const (
	// RestoreEmpty restores only into an empty catalog.
	RestoreEmpty RestoreMode = ""
	// RestoreMerge replaces the titles that are restored, and keeps others.
	RestoreMerge RestoreMode = "merge"
	// RestoreReplace replaces the titles that are restored, and deletes others.
	RestoreReplace RestoreMode = "replace"
)

// RestoreOptions are options of [Catalog.Restore]. Nil means the zero value.
type RestoreOptions struct {
	Mode RestoreMode
	// By identifies the maker of the restored definitions in [Catalog.History], such as the id of a token.
	By string
	// Progress, if not nil, is called now and then with the number of titles that are written. Calls do not overlap.
	Progress func(titles int)
	// Confirm, if not nil, is called before RestoreReplace deletes titles, with their ids in order. No title can change
	// meanwhile. If it returns an error, the restore changes nothing and returns that error.
	Confirm func(deleted []string) error
}

// A Restored is the outcome of a restore for one title.
type Restored struct {
	ID string
	// Follows, if not empty, is the source that the title follows. The restore did not change the title.
	Follows string
}

// WithoutRestore runs f while restores are locked out, so that f does not read half of one from the store. Other
// changes are possible meanwhile. The error is [ErrUnavailable] if a restore is in progress, [ErrClosed], or that of
// f.
func (c *Catalog) WithoutRestore(f func() error) error {
	if err := c.titles.gate.check(); err != nil {
		return err
	}
	return c.titles.gate.withoutRestore(f)
}

// Restore restores the titles that defs yields, all or none. If the process is killed, the next start finishes a
// restore that was committed, and undoes one that was not. While it runs, titles can be read, and changes return
// ErrUnavailable. An existing title keeps its owner and its history; one that follows a source is not changed.
// Restore reads one definition at a time.
//
// The error is one that defs yields, that of RestoreOptions.Confirm, [patch.ErrInvalid], [patch.ErrTooLarge],
// [ErrNotEmpty], [ErrExists] if an id occurs twice, [ErrUnavailable] or that of ctx. After ErrUnavailable the restore
// may have happened.
func (c *Catalog) Restore(
	ctx context.Context, defs iter.Seq2[*patch.Definition, error], opts *RestoreOptions,
) ([]Restored, error) {
	r := &restore{w: c.writer, batch: rand.Text(), seen: map[string]bool{}}
	if opts != nil {
		r.opts = *opts
	}
	leave, err := c.titles.gate.enterRestore()
	if err != nil {
		return nil, err
	}
	defer leave()
	if r.opts.Mode == RestoreEmpty && c.Len() > 0 {
		return nil, ErrNotEmpty
	}
	return r.run(ctx, defs)
}

// A restore is a restore in progress. It first stages every definition in the record of its title, then commits by
// writing a record of its own, and then applies the staged definitions.
type restore struct {
	w     *titleWriter
	opts  RestoreOptions
	batch string          // the key of the restore's record
	seen  map[string]bool // the keys of the titles that are restored

	mu     sync.Mutex
	staged []string // the keys of the titles in which something is staged
	all    []Restored
}

func (r *restore) run(ctx context.Context, defs iter.Seq2[*patch.Definition, error]) ([]Restored, error) {
	if err := r.writeCommit(ctx, false); err != nil {
		return nil, err
	}
	err := r.stage(ctx, defs)
	if err == nil {
		err = r.writeCommit(ctx, true)
	}
	if err != nil {
		// Without the restore's record, staged definitions are invalid. If the record cannot be deleted, it says that
		// the restore is not committed, and the next start undoes it.
		undoErr := r.deleteCommit(ctx)
		if undoErr == nil {
			undoErr = r.settle(ctx)
		}
		return nil, errors.Join(err, undoErr)
	}
	// The record is deleted last, because the next start finishes the restore by it.
	err = r.settle(ctx)
	if err == nil {
		err = r.deleteCommit(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("the restore is committed, and the next start finishes it: %w", err)
	}
	slices.SortFunc(r.all, func(a, b Restored) int { return cmp.Compare(a.ID, b.ID) })
	return r.all, nil
}

// writeCommit writes the record of the restore.
func (r *restore) writeCommit(ctx context.Context, committed bool) error {
	value, err := json.Marshal(commit{Format: plainFormat, Committed: committed, At: r.w.now().UTC()})
	if err != nil {
		return err
	}
	return finish(ctx, func(ctx context.Context) error {
		_, err := r.w.store.Put(ctx, commitKey(r.batch), value, store.Condition{})
		return err
	})
}

// deleteCommit deletes the record of the restore, even if ctx has ended.
func (r *restore) deleteCommit(ctx context.Context) error {
	err := finish(context.WithoutCancel(ctx), func(ctx context.Context) error {
		return r.w.store.Delete(ctx, commitKey(r.batch), store.Condition{})
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// settle applies the staged definitions, or drops them, as the restore's record says, even if ctx has ended.
func (r *restore) settle(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var group errgroup.Group
	group.SetLimit(maxRestoreWriters)
	for _, key := range r.staged {
		group.Go(func() error {
			_, err := r.w.lockAndSettle(ctx, key)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}
