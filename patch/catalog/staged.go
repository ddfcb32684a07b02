package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/patchsource/patchsource/store"
)

// readSettled reads a title's record, and first settles what a restore has staged in
// it. Who calls it has the title's lock.
func (c *Catalog) readSettled(ctx context.Context, key string) (store.Record, *record, error) {
	for range maxTries {
		old, rec, err := c.readLocked(ctx, key)
		if err != nil || rec.Staged == nil {
			return old, rec, err
		}
		it, err := c.readCommit(ctx, rec.Staged.Batch)
		switch {
		case err != nil:
			return old, nil, err
		case it != nil && it.Committed:
			err = c.applyStaged(ctx, key, old.Revision, rec)
		case it != nil && c.shared && c.now().Sub(it.At) < restoreTimeout:
			return old, nil, errRestoring // on another server
		default:
			err = c.dropStaged(ctx, key, old.Revision, rec)
		}
		if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
			return old, nil, err
		}
	}
	return store.Record{}, nil, fmt.Errorf("%w: title %q is changed by others too fast", ErrUnavailable, key)
}

// readCommit reads the record of a restore, nil if there is none.
func (c *Catalog) readCommit(ctx context.Context, batch string) (*commit, error) {
	r, err := c.store.Get(ctx, store.Key{Kind: commitKind, ID: batch})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var it commit
	err = json.Unmarshal(r.Value, &it)
	if err == nil {
		err = checkFormat(it.Format, plainFormat)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: record %v: %w", ErrUnavailable, r.Key, err)
	}
	return &it, nil
}

// dropStaged undoes what a restore has staged.
func (c *Catalog) dropStaged(ctx context.Context, key string, rev store.Revision, rec *record) error {
	rec.Staged = nil
	if rec.State == live {
		return c.rewrite(ctx, key, rec, rev)
	}
	return c.giveUp(ctx, key, rev, rec)
}

// applyStaged makes what a restore has staged good.
func (c *Catalog) applyStaged(ctx context.Context, key string, rev store.Revision, rec *record) error {
	now := c.now().UTC()
	to := rec.Staged
	rec.Staged = nil
	if rec.State != live {
		rec.State, rec.Since, rec.Changed = live, now, later(rec.Changed, now)
		if err := c.noteCreation(key, rec); err != nil {
			return err
		}
		e, err := c.put(ctx, key, rec, store.IfRevision(rev))
		if err != nil {
			return err
		}
		c.definitions.remove(key) // nobody has asked for it yet
		c.tell(Event{Kind: Created, Title: e.Title, At: now}, nil, rec.definition)
		return nil
	}
	if to.Definition == nil {
		e, err := rec.entry(key, rev)
		if err != nil {
			return err
		}
		if err := c.remove(ctx, key, rev, rec, e); err != nil {
			return err
		}
		c.tell(Event{Kind: Deleted, Title: e.Title, At: now}, rec.definition, nil)
		return nil
	}
	before, err := rec.parse()
	if err != nil {
		return fmt.Errorf("%w: title %q: %w", ErrUnavailable, key, err)
	}
	was := *rec
	rec.definition = to.Definition
	after, err := rec.parse()
	if err != nil {
		return fmt.Errorf("%w: title %q: %w", ErrUnavailable, key, err)
	}
	// Of what the title is now: its lastModified must not go back.
	if !after.Supersede(before, now) {
		rec.definition = was.definition
		return c.rewrite(ctx, key, rec, rev)
	}
	if err := c.setDefinition(rec, after); err != nil {
		return err
	}
	if err := c.prepare(ctx, key, &was, rec, now, to.By); err != nil {
		return err
	}
	e, err := c.succeed(ctx, key, rev, &was, rec, Event{Kind: Updated, Before: before, After: after, At: now})
	if err != nil {
		return err
	}
	c.definitions.remove(key)
	c.tell(Event{Kind: Updated, Title: e.Title, At: now}, was.definition, rec.definition)
	return nil
}
