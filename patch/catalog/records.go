package catalog

import (
	"context"
	"errors"
	"iter"

	"github.com/patchsource/patchsource/store"
)

// A Group is the records of a title: its own, and those of the earlier revisions in its index, the oldest first.
type Group struct {
	Title     store.Record
	Revisions []store.Record
}

// Records yields the records of every title, sorted by the titles' keys, for a full backup. Each Group existed in
// full at one moment of the iteration. Titles that readers do not see, because they are pending or gone, are
// included. A record that cannot be read is logged and left out.
//
// An error, which is [ErrUnavailable] or that of ctx, ends the sequence.
func (c *Catalog) Records(ctx context.Context) iter.Seq2[Group, error] {
	return func(yield func(Group, error) bool) {
		if err := c.titles.gate.check(); err != nil {
			yield(Group{}, err)
			return
		}
		seen := map[string]bool{}
		for r, err := range c.titles.store.List(ctx, titleKind) {
			if err != nil {
				yield(Group{}, unavailable(err))
				return
			}
			seen[r.Key.ID] = true
			group, err := c.writer.group(ctx, r)
			if errors.Is(err, store.ErrNotFound) {
				continue // deleted meanwhile
			}
			if errors.Is(err, errUnreadable) || errors.Is(err, store.ErrCorrupt) {
				c.titles.log.Error("a title that cannot be read is left out of a backup",
					"record", r.Key.String(), "error", err)
				continue
			}
			if err != nil {
				yield(Group{}, err)
				return
			}
			if !yield(group, nil) {
				return
			}
		}
		// A store may have set a corrupt record aside that is still in memory.
		for _, e := range c.titles.index.get().sorted {
			if seen[e.key] {
				continue
			}
			group, err := c.writer.groupInMemory(ctx, e.key)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if !yield(group, err) || err != nil {
				return
			}
		}
	}
}

// groupInMemory returns the group of a title that a list of the store did not have.
func (w *titleWriter) groupInMemory(ctx context.Context, key string) (Group, error) {
	rec, err := w.read(ctx, key)
	if err != nil {
		return Group{}, err
	}
	return w.group(ctx, rec.stored(key))
}

// stored returns a record as it was read from the store.
func (r *record) stored(key string) store.Record {
	return store.Record{Key: storeKey(key), Value: r.raw, Revision: r.rev}
}

// group returns the group of the title with this record. If a revision is missing, the title may have changed
// meanwhile, and is read again. The error is store.ErrNotFound, ErrUnavailable or that of ctx.
func (w *titleWriter) group(ctx context.Context, r store.Record) (Group, error) {
	key := r.Key.ID
	rec, err := decode(ctx, r, nil)
	if err == nil && rec.Staged != nil {
		rec, err = w.lockAndSettle(ctx, key) // a restore was not finished
	}
	for try := 1; err == nil; try++ {
		group := Group{Title: rec.stored(key)}
		var missing []uint64
		if group.Revisions, missing, err = w.history.records(ctx, rec); err != nil {
			break
		}
		if len(missing) == 0 || !rec.indexed() {
			return group, nil
		}
		was := rec.rev
		if rec, err = w.read(ctx, key); err != nil {
			break
		}
		if rec.rev == was || try == maxGroupReads {
			w.log.Error("a backup lacks earlier revisions of a title that cannot be read",
				"record", r.Key.String(), "revisions", missing)
			return group, nil
		}
	}
	return Group{}, err
}

// maxGroupReads bounds how often a title that changes is read for its group.
const maxGroupReads = 10
