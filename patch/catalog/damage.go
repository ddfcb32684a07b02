package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/patchsource/patchsource/store"
)

// damaged is the set of titles that cannot be read. The zero value is empty.
type damaged struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (d *damaged) add(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.keys == nil {
		d.keys = map[string]bool{}
	}
	d.keys[key] = true
}

func (d *damaged) remove(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.keys, key)
}

// Damaged returns how many titles could not be read, when the catalog was opened or
// since, because their records are damaged. A title counts until it is written again.
func (c *Catalog) Damaged() int {
	c.damaged.mu.Lock()
	defer c.damaged.mu.Unlock()
	return len(c.damaged.keys)
}

// read reads a title's record. The error is store.ErrNotFound, ErrUnavailable or that
// of ctx; ErrUnavailable is store.ErrCorrupt too if the record is damaged and was not
// in memory. The caller must not hold the title's lock.
func (c *Catalog) read(ctx context.Context, key string) (store.Record, *record, error) {
	r, err := c.store.Get(ctx, storeKey(key))
	if !c.isLost(key, err) {
		return decode(ctx, r, err)
	}
	unlock, lockErr := c.writers.lock(ctx, key)
	if lockErr != nil {
		return r, nil, lockErr
	}
	defer unlock()
	again, rec, againErr := c.readLocked(ctx, key)
	if errors.Is(err, store.ErrCorrupt) && errors.Is(againErr, store.ErrNotFound) {
		return decode(ctx, r, err) // this says why it is not there
	}
	return again, rec, againErr
}

// readLocked is read for a caller that holds the title's lock.
func (c *Catalog) readLocked(ctx context.Context, key string) (store.Record, *record, error) {
	r, err := c.store.Get(ctx, storeKey(key))
	if c.isLost(key, err) {
		r, err = c.mend(ctx, key, err)
	}
	return decode(ctx, r, err)
}

// isLost reports whether an error of reading a title's record means that the record is
// damaged. A store may set a damaged record aside when it is first read: then one that
// is not there, although no other server can have deleted it, was damaged too.
func (c *Catalog) isLost(key string, err error) bool {
	return errors.Is(err, store.ErrCorrupt) ||
		errors.Is(err, store.ErrNotFound) && !c.shared && c.index.Load().byKey(key) != nil
}

// errUnreadable is a record that this version cannot read.
var errUnreadable = errors.New("unreadable record")

// decode decodes what the store returned for a title's record.
func decode(ctx context.Context, r store.Record, err error) (store.Record, *record, error) {
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, ErrUnavailable), err != nil && ctx.Err() != nil:
		return r, nil, err
	case err != nil:
		return r, nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	rec, err := decodeRecord(r.Value)
	if err != nil {
		return r, nil, fmt.Errorf("%w: %w: record %v: %w", ErrUnavailable, errUnreadable, r.Key, err)
	}
	return r, rec, nil
}

// inMemory returns the record of a live title from memory, nil if it is not there.
func (c *Catalog) inMemory(key string) *record {
	e := c.index.Load().byKey(key)
	doc, from := c.definitions.get(key)
	if e == nil || doc == nil || from.rev != e.rev {
		return nil
	}
	return &record{head: *from.head, definition: doc.body}
}

// mend writes a record that the store has lost, as err says, back from memory and
// returns it as it is in the store then. If memory does not hold it, the title leaves
// the index, and the error is err. The caller must hold the title's lock.
func (c *Catalog) mend(ctx context.Context, key string, err error) (store.Record, error) {
	rec := c.inMemory(key)
	if rec == nil {
		c.log.Error("a title's record is damaged and not in memory: the title is left out", "title", key, "error", err)
		c.damaged.add(key)
		c.definitions.remove(key)
		c.publish(key, nil)
		return store.Record{}, err
	}
	if !c.closing.TryRLock() {
		return store.Record{}, ErrClosed
	}
	defer c.closing.RUnlock()
	putErr := c.writeSame(ctx, key, rec, store.IfAbsent())
	switch {
	case errors.Is(putErr, store.ErrConflict): // another server has written the title
	case putErr != nil:
		// The title stays listed and served from memory. What the store says of it now, such as that it is not there,
		// is not so.
		c.damaged.add(key)
		c.chores.add(key)
		return store.Record{}, fmt.Errorf(
			"%w: title %q is damaged and cannot be written back yet: %v",
			ErrUnavailable,
			key,
			putErr,
		)
	default:
		c.log.Error("a title's record was damaged and has been written back from memory", "title", key, "error", err)
	}
	return c.store.Get(ctx, storeKey(key))
}
