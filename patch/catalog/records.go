package catalog

import (
	"context"
	"errors"
	"iter"

	"github.com/patchsource/patchsource/store"
)

// Records yields the records of all titles for a full backup: each title's record after those of the earlier
// revisions in its index, the oldest first. The titles are sorted by their keys. The records of a title are those of
// one moment of the iteration. Titles that readers do not see, because they are pending or gone, are included. A
// record that cannot be read is logged and left out.
//
// An error, which is [ErrUnavailable] or that of ctx, ends the sequence.
func (c *Catalog) Records(ctx context.Context) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		if err := c.titles.gate.check(); err != nil {
			yield(store.Record{}, err)
			return
		}
		for group, err := range c.writer.groups(ctx) {
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			for _, r := range group {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// groups yields the records of each title, its own last.
func (w *titleWriter) groups(ctx context.Context) iter.Seq2[[]store.Record, error] {
	return func(yield func([]store.Record, error) bool) {
		seen := map[string]bool{}
		records := func(yield func(store.Record, error) bool) {
			for r, err := range w.store.List(ctx, titleKind) {
				if err != nil {
					yield(store.Record{}, unavailable(err))
					return
				}
				seen[r.Key.ID] = true
				if !yield(r, nil) {
					return
				}
			}
		}
		for group, err := range readAhead(ctx, records, w.readableGroup) {
			if group == nil && err == nil {
				continue
			}
			if !yield(group, err) || err != nil {
				return
			}
		}
		// A store may have set a corrupt record aside that is still in memory.
		for e := range w.index.get().all() {
			if seen[e.key] {
				continue
			}
			group, err := w.groupInMemory(ctx, e.key)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if !yield(group, err) || err != nil {
				return
			}
		}
	}
}

// readableGroup is like group, but returns nil if there is no such title any more, or if it cannot be read.
func (w *titleWriter) readableGroup(ctx context.Context, r store.Record) ([]store.Record, error) {
	group, err := w.group(ctx, r)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil // deleted meanwhile
	}
	if errors.Is(err, errUnreadable) || errors.Is(err, store.ErrCorrupt) {
		w.log.Error("a title that cannot be read is left out of a backup", "record", r.Key.String(), "error", err)
		return nil, nil
	}
	return group, err
}

// groupInMemory returns the records of a title that a list of the store did not have.
func (w *titleWriter) groupInMemory(ctx context.Context, key string) ([]store.Record, error) {
	rec, err := w.read(ctx, key)
	if err != nil {
		return nil, err
	}
	return w.group(ctx, rec.stored(key))
}

// stored returns a record as it was read from the store.
func (r *record) stored(key string) store.Record {
	return store.Record{Key: storeKey(key), Value: r.raw, Revision: r.rev}
}

// maxGroupReads bounds how often a title that changes is read again.
const maxGroupReads = 10

// group returns the records of the title with this record, its own last. If a revision is missing, the title may have
// changed meanwhile, and is read again. The error is store.ErrNotFound, ErrUnavailable or that of ctx.
func (w *titleWriter) group(ctx context.Context, r store.Record) ([]store.Record, error) {
	key := r.Key.ID
	rec, err := decode(ctx, r, nil)
	if err == nil && rec.Staged != nil {
		rec, err = w.lockAndSettle(ctx, key) // a restore was not finished
	}
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		revisions, missing, err := w.history.records(ctx, rec)
		if err != nil {
			return nil, err
		}
		group := append(revisions, rec.stored(key))
		if len(missing) == 0 || !rec.indexed() {
			return group, nil
		}
		was := rec.rev
		if rec, err = w.read(ctx, key); err != nil {
			return nil, err
		}
		if rec.rev == was || try == maxGroupReads {
			w.log.Error("a backup lacks earlier revisions of a title that cannot be read",
				"record", r.Key.String(), "revisions", missing)
			return group, nil
		}
	}
}
