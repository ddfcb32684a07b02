package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/patchsource/patchsource/store"
)

// A Group is what the store has of a title: its record, and those of the earlier
// revisions that it lists, the oldest first.
type Group struct {
	Title     store.Record
	Revisions []store.Record
}

// Records yields every record of a title with those of its revisions, as a full backup
// holds them, in the order of the titles' keys. Each Group is one that existed in full
// while the sequence went on. Titles that nobody sees yet, or any more, are among
// them. A record that cannot be read is logged and left out.
//
// The error, [ErrUnavailable] or that of ctx, ends the sequence.
func (c *Catalog) Records(ctx context.Context) iter.Seq2[Group, error] {
	return func(yield func(Group, error) bool) {
		seen := map[string]bool{}
		for r, err := range c.store.List(ctx, kind) {
			if err != nil {
				yield(Group{}, fmt.Errorf("%w: %w", ErrUnavailable, err))
				return
			}
			seen[r.Key.ID] = true
			group, err := c.group(ctx, r)
			if errors.Is(err, store.ErrNotFound) {
				continue // deleted meanwhile
			}
			if errors.Is(err, errUnreadable) || errors.Is(err, store.ErrCorrupt) {
				c.log.Error("a title that cannot be read is left out of a backup",
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
		// A store may have set a damaged record aside that memory holds.
		for _, e := range c.index.Load().sorted {
			if seen[e.key] {
				continue
			}
			r, _, err := c.read(ctx, e.key)
			var group Group
			if err == nil {
				group, err = c.group(ctx, r)
			}
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if !yield(group, err) || err != nil {
				return
			}
		}
	}
}

// group reads the revisions of the title whose record is r. If one is missing, the
// title may have changed meanwhile: it is read again. The error is store.ErrNotFound,
// ErrUnavailable or that of ctx.
func (c *Catalog) group(ctx context.Context, r store.Record) (Group, error) {
	r, rec, err := decode(ctx, r, nil)
	if err == nil && rec.Staged != nil {
		r, rec, err = c.settled(ctx, r.Key.ID) // a restore that was not finished
	}
	for try := 0; err == nil; try++ {
		group := Group{Title: r}
		var missing []uint64
		if group.Revisions, missing, err = c.revisionsOf(ctx, rec); err != nil {
			break
		}
		if len(missing) == 0 || !rec.indexed() {
			return group, nil
		}
		was := r.Revision
		if r, rec, err = c.read(ctx, r.Key.ID); err != nil {
			break
		}
		if r.Revision == was || try == maxTries {
			c.log.Error("a backup lacks earlier revisions of a title that cannot be read",
				"record", r.Key.String(), "revisions", missing)
			return group, nil
		}
	}
	return Group{}, err
}

// settled reads a title's record and settles what a restore has left in it.
func (c *Catalog) settled(ctx context.Context, key string) (store.Record, *record, error) {
	unlock, err := c.writers.lock(ctx, key)
	if err != nil {
		return store.Record{}, nil, err
	}
	defer unlock()
	return c.readSettled(ctx, key)
}

// revisionsOf reads the records of the revisions that rec lists, or that there may be if
// it has no index, and returns which of them cannot be read.
func (c *Catalog) revisionsOf(ctx context.Context, rec *record) (there []store.Record, missing []uint64, err error) {
	var numbers []uint64
	switch {
	case rec.State == gone: // they are being deleted
	case rec.indexed():
		for _, e := range rec.Revisions {
			numbers = append(numbers, e.Number)
		}
	default:
		for n := c.oldestUnindexed(rec); n < rec.number(); n++ {
			numbers = append(numbers, n)
		}
	}
	for _, n := range numbers {
		r, err := c.store.Get(ctx, historyKey(rec.UID, n))
		switch {
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrCorrupt):
			missing = append(missing, n)
		case err != nil:
			return nil, nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		default:
			there = append(there, r)
		}
	}
	return there, missing, nil
}
