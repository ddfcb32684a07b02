package catalog

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// maxTries is how often a change is tried against others over the same store.
const maxTries = 10

// change runs f on a live title's record, with the title's lock, and again on
// what has become of it when f loses against another server.
func (c *Catalog) change(
	ctx context.Context,
	id string,
	opts *EditOptions,
	f func(key string, old store.Record, rec *record) error,
) error {
	if !patch.ValidID(id) {
		return &TitleError{ID: id, Err: ErrNotFound}
	}
	key := titleKey(id)
	unlock, err := c.writers.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	end, err := c.begin()
	if err != nil {
		return err
	}
	defer end()
	for try := range maxTries {
		old, rec, err := c.readSettled(ctx, key)
		if err == nil && rec.State != live {
			err = store.ErrNotFound
		}
		if errors.Is(err, store.ErrNotFound) {
			c.definitions.remove(key)
			c.publish(key, nil)
			return &TitleError{ID: id, Err: ErrNotFound}
		}
		if err != nil {
			return err
		}
		if opts != nil && opts.UID != "" && opts.UID != rec.UID {
			return &TitleError{ID: id, Err: ErrNotFound}
		}
		if opts != nil && opts.IfMatch != "" && opts.IfMatch != etag(rec.definition) {
			return &TitleError{ID: id, Err: ErrPrecondition}
		}
		if opts != nil && opts.From != "" && (rec.Follows == nil || opts.From != rec.Follows.from()) {
			return &TitleError{ID: id, Err: ErrNotSynced}
		}
		err = f(key, old, rec)
		// A record that is gone by now reads as such the next time.
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Duration(mathrand.Int64N(int64(try+1) * int64(10*time.Millisecond)))):
		}
	}
	return fmt.Errorf("%w: title %q is changed by others too fast", ErrUnavailable, id)
}

// setDefinition gives a record a definition, which has to be valid.
func (c *Catalog) setDefinition(rec *record, d *patch.Definition) error {
	data, err := d.MarshalJSON()
	if err != nil {
		return fmt.Errorf("%w: %w", patch.ErrInvalid, err)
	}
	if err := patch.CheckSyntax(data, &patch.ParseOptions{MaxBytes: len(data)}); err != nil {
		return err // nobody could read it again
	}
	if len(data) > c.max && len(data) > len(rec.definition) { // one that shrinks may still be too large
		return fmt.Errorf(
			"%w: the definition would have %d bytes, at most %d are kept",
			patch.ErrTooLarge,
			len(data),
			c.max,
		)
	}
	rec.definition = data
	return nil
}

// put writes a record and puts it into the index. Who calls it has the title's
// lock. The error is store.ErrConflict, ErrUnavailable or that of ctx.
func (c *Catalog) put(ctx context.Context, key string, rec *record, cond store.Condition) (*entry, error) {
	value, err := rec.encode()
	if err != nil {
		return nil, err
	}
	// Before the write: after it, nothing may fail.
	e, err := rec.entry(key, "")
	if err != nil {
		return nil, err
	}
	err = c.settle(ctx, func(ctx context.Context) (err error) {
		e.rev, err = c.store.Put(ctx, storeKey(key), value, cond)
		return err
	})
	if err != nil {
		if errors.Is(err, ErrUnavailable) {
			c.learn(ctx, key)
		}
		return nil, err
	}
	if rec.State == live {
		c.holdDefinition(e, rec)
		c.publish(key, e)
	}
	if len(rec.Undelivered) > 0 {
		c.chores.add(key)
	}
	return e, nil
}

// settleTimeout bounds a write that has begun.
const settleTimeout = 30 * time.Second

// settle runs a write of the store to its end, whoever goes away meanwhile: what
// became of a write that was broken off, nobody knows.
func (c *Catalog) settle(ctx context.Context, write func(context.Context) error) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	err := write(ctx)
	if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// learn finds out what became of a write that failed, so that the index does not
// say something else than the store. Who calls it has the title's lock.
func (c *Catalog) learn(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := c.refreshLocked(ctx, key); err != nil {
		c.log.Error(
			"a write failed, and what became of it is not known: it will be read when it is asked for",
			"title",
			key,
			"error",
			err,
		)
	}
}

// later returns now, or a second past last if now is not a later second.
func later(last, now time.Time) time.Time {
	now = now.UTC()
	if earliest := last.Truncate(time.Second).Add(time.Second); now.Before(earliest) {
		return earliest
	}
	return now
}
