package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/store"
)

// watch follows what others change until ctx ends. begun is closed when from
// then on nothing is missed.
func (c *Catalog) watch(ctx context.Context, w store.Watcher, begun chan struct{}) {
	first := true
	for ctx.Err() == nil {
		for change, err := range w.Watch(ctx, kind) {
			switch {
			case err != nil:
				c.log.Error("changes made elsewhere may be seen late", "error", err)
			case change.Key != (store.Key{}):
				c.follow(ctx, change)
			case first:
				first = false
				close(begun)
			default:
				c.followAll(ctx)
			}
		}
		select { // the watch broke off: try again, not at once
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// follow brings the index to what the store has of one title.
func (c *Catalog) follow(ctx context.Context, change store.Change) {
	x := c.loaded()
	if x == nil {
		return
	}
	if e := x.byKey(change.Key.ID); e != nil && e.rev == change.Revision {
		return // our own write
	}
	c.insist(ctx, func() error {
		err := c.refresh(ctx, change.Key.ID)
		if errors.Is(err, store.ErrCorrupt) {
			return nil // it has left the index
		}
		if errors.Is(err, errUnreadable) {
			c.log.Error(
				"a title that was changed elsewhere cannot be read and stays as it was",
				"record",
				change.Key.String(),
				"error",
				err,
			)
			c.damaged.add(change.Key.ID)
			return nil // nor will it be the next time
		}
		return err
	})
}

// loaded waits for the index to be loaded and returns it. It is nil if it is not
// yet being loaded: then all that has happened until now will be in it.
func (c *Catalog) loaded() *index {
	if x := c.index.Load(); x != nil {
		return x
	}
	// load holds publishing until the index is stored.
	c.publishing.Lock()
	defer c.publishing.Unlock()
	return c.index.Load()
}

// insist tries what follows a change made elsewhere until it succeeds or ctx
// ends.
func (c *Catalog) insist(ctx context.Context, try func() error) {
	for wait := 10 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, time.Second) {
		err := try()
		if err == nil || ctx.Err() != nil {
			return
		}
		c.log.Error("changes made elsewhere are not seen yet", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// followAll brings the index to what the store has, after a gap.
func (c *Catalog) followAll(ctx context.Context) {
	if c.loaded() == nil {
		return
	}
	c.insist(ctx, func() error {
		there := map[string]bool{}
		for r, err := range c.store.List(ctx, kind) {
			if err != nil {
				return err
			}
			there[r.Key.ID] = true
			c.follow(ctx, store.Change{Key: r.Key, Revision: r.Revision})
		}
		for _, e := range c.index.Load().sorted {
			if !there[e.key] {
				c.follow(ctx, store.Change{Key: storeKey(e.key)})
			}
		}
		return nil
	})
}

// refresh brings the index to what the store has of one title.
func (c *Catalog) refresh(ctx context.Context, key string) error {
	unlock, err := c.writers.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	r, rec, err := c.readLocked(ctx, key)
	return c.adopt(key, r, rec, err)
}

// refreshLocked is refresh after a write of the caller, who holds the title's lock: a
// record that is not there was deleted.
func (c *Catalog) refreshLocked(ctx context.Context, key string) error {
	r, err := c.store.Get(ctx, storeKey(key))
	r, rec, err := decode(ctx, r, err)
	return c.adopt(key, r, rec, err)
}

// adopt puts into the index what was read of a title. The caller must hold the title's
// lock.
func (c *Catalog) adopt(key string, r store.Record, rec *record, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		c.publish(key, nil)
		return nil
	}
	if err != nil {
		return err
	}
	if e := c.index.Load().byKey(key); e != nil && e.rev == r.Revision {
		return nil
	}
	e, err := rec.liveEntry(r)
	if err != nil {
		return fmt.Errorf("%w: %w: record %v: %w", ErrUnavailable, errUnreadable, r.Key, err)
	}
	c.publish(key, e)
	return nil
}

// publish puts a title's new entry into the index, or takes the title out. Who
// calls it has the title's lock.
func (c *Catalog) publish(key string, e *entry) {
	if e != nil {
		c.damaged.remove(key)
	}
	c.publishing.Lock()
	defer c.publishing.Unlock()
	x := c.index.Load()
	if next := x.with(key, e); next != x {
		x.supersede(next, c.now())
		c.index.Store(next)
	}
}
