package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// maxRestoreWriters bounds the titles that a restore writes concurrently. A store that syncs each write can combine
// them.
const maxRestoreWriters = 32

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
	// Progress, if not nil, is called after every 100 titles with the number of titles that are written. Calls do not
	// overlap.
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

// WithoutRestore runs f while restores are locked out, so that f does not read half of one from the store. If several
// servers share the store, a record in it locks out theirs too. Other changes are possible meanwhile. The error is
// [ErrUnavailable] if a restore is in progress, or if the store could not be reached for so long that one may have
// begun, [ErrClosed], or that of f.
func (c *Catalog) WithoutRestore(f func() error) error {
	if err := c.titles.gate.check(); err != nil {
		return err
	}
	return c.titles.gate.withoutRestore(func() error {
		if !c.titles.shared {
			return f()
		}
		return c.writer.withoutRestore(f)
	})
}

// withoutRestore runs f while no other server that shares the store restores.
func (w *titleWriter) withoutRestore(f func() error) (err error) {
	b, working, err := w.beginBatch(context.Background(), true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.end(working)) }() // also if f panics: a record that is renewed stays
	err = f()
	if err == nil && working.Err() != nil {
		err = context.Cause(working) // a restore may have begun
	}
	return err
}

// Restore restores the titles that defs yields, all or none. If the process is killed, the next start finishes a
// restore that was committed, and undoes one that was not. While it runs, titles can be read, and changes return
// ErrUnavailable. An existing title keeps its owner and its history; one that follows a source is not changed.
// Restore reads one definition at a time.
//
// If several servers share the store, one of them restores at a time, and not while another makes a full backup. The
// others refuse changes as soon as they learn of the restore; a title that is created just before may survive a
// RestoreReplace. If the server dies, or loses the store, for Options.Lease, the leader of the others finishes or
// undoes the restore (see [Courier]).
//
// The error is one that defs yields, that of RestoreOptions.Confirm, [patch.ErrInvalid], [patch.ErrTooLarge],
// [ErrNotEmpty], [ErrExists] if an id occurs twice, [ErrUnavailable] or that of ctx. After ErrUnavailable the restore
// may have happened.
func (c *Catalog) Restore(
	ctx context.Context, defs iter.Seq2[*patch.Definition, error], opts *RestoreOptions,
) ([]Restored, error) {
	r := &restore{w: c.writer, seen: map[string]bool{}}
	if opts != nil {
		r.opts = *opts
	}
	leave, err := c.titles.gate.enterRestore()
	if err != nil {
		return nil, err
	}
	defer leave()
	if !c.titles.shared && r.opts.Mode == RestoreEmpty && c.Len() > 0 {
		return nil, ErrNotEmpty // before anything is written
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
	b, working, err := r.w.beginBatch(ctx, false)
	if err != nil {
		return nil, err
	}
	r.batch = b.id
	returned := false
	defer func() {
		if !returned { // a function of the caller has panicked: a record that is renewed would stay
			if b.undo(ctx) == nil {
				_ = r.settle(ctx) // what cannot be settled now is settled when it is read
			}
		}
	}()
	err = r.check(working)
	if err == nil {
		err = r.stage(working, defs)
	}
	returned = true
	if working.Err() != nil && ctx.Err() == nil {
		err = context.Cause(working)
	}
	if err == nil {
		err = b.write(ctx, true)
	}
	if err != nil {
		// Without the restore's record, staged definitions are invalid. If the record cannot be deleted, it says
		// whether the restore is committed, and the leader or the next start goes by it.
		undoErr := b.undo(ctx)
		if undoErr == nil {
			undoErr = r.settle(ctx)
		}
		return nil, errors.Join(err, undoErr)
	}
	// The record is deleted last, because the leader or the next start finishes the restore by it.
	if err = r.settle(ctx); err == nil {
		err = b.complete(ctx)
	} else {
		b.abandon(ctx)
	}
	if errors.Is(err, errCommitDeleted) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("the restore is committed, and the next start finishes it: %w", err)
	}
	slices.SortFunc(r.all, func(a, b Restored) int { return cmp.Compare(a.ID, b.ID) })
	return r.all, nil
}

// check returns ErrNotEmpty if there are titles and RestoreEmpty forbids them. If the store is shared, it first brings
// the index up to date.
func (r *restore) check(ctx context.Context) error {
	if err := r.refreshIndex(ctx); err != nil {
		return err
	}
	if r.opts.Mode == RestoreEmpty && r.w.index.get().size > 0 {
		return ErrNotEmpty
	}
	return nil
}

// refreshIndex updates the index with the changes of other servers that are durable now.
func (r *restore) refreshIndex(ctx context.Context) error {
	if !r.w.shared {
		return nil
	}
	if err := r.w.followAll(ctx); err != nil {
		return unavailable(err)
	}
	return nil
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
