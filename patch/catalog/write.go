package catalog

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// CreateOptions are options of [Catalog.Create]. Nil means the zero value.
type CreateOptions struct {
	// Author is the name under which the title is published, as typed. It is
	// shown beside the title, and changes neither id nor name; see
	// [patch.Definition.Namespace].
	Author string
	// Follows is the URL of the source that the title is kept in step with:
	// from then on it refuses edits.
	Follows string
	// Source is the key of the whole source that the title comes with, if it was
	// not followed by itself. Needs Follows.
	Source string
	// Contributor is the id of the contributor whose title it is.
	Contributor string
	// Mailbox is a hash of its author's address, opaque to the catalog.
	Mailbox json.RawMessage
	// Account is for whom the bytes of the title are counted, opaque to the catalog;
	// see [Options]. Empty: they are counted for Mailbox or else Contributor, and if
	// there is none of them, not at all.
	Account string
	// Held are the patches that the source has in front of the definition's first and
	// holds back; see [EditOptions]. Needs Follows.
	Held []patch.Patch
	// By is who creates it, for [Catalog.History]: the id of a token.
	By string
}

func lintOptions(o *patch.LintOptions) patch.LintOptions {
	if o == nil {
		return patch.LintOptions{}
	}
	return *o
}

// lint returns what lint says of a definition, as far as about says that it is
// about what was changed; nil: all of it. What is made an error is an error; so is
// the end of ctx.
func (c *Catalog) lint(
	ctx context.Context, d *patch.Definition, now time.Time, about func(code, path string) bool,
) ([]patch.Warning, error) {
	opts := c.rules
	opts.Now, opts.About = now, about
	all, err := patch.LintContext(ctx, d, &opts)
	if err != nil {
		return nil, err
	}
	var warnings []patch.Warning
	refused := &patch.ValidationError{}
	for _, w := range all {
		if w.Error {
			refused.Failures = append(refused.Failures, patch.Failure{Path: w.Path, Message: w.Message})
		} else {
			warnings = append(warnings, w)
		}
	}
	if len(refused.Failures) > 0 {
		return nil, refused
	}
	return warnings, nil
}

// Create adds a title. lastModified is kept, in UTC and whole seconds, or set if
// it is empty; currentVersion is set. def is not changed, nor kept.
//
// The error is [patch.ErrInvalid], [patch.ErrTooLarge], [ErrTooMuch], [ErrExists],
// [ErrUnavailable] or that of ctx.
func (c *Catalog) Create(ctx context.Context, def *patch.Definition, opts *CreateOptions) (Result, error) {
	rec, warnings, err := c.newRecord(ctx, def, opts)
	if err != nil {
		return Result{}, err
	}
	e, err := c.create(ctx, titleKey(def.ID), rec, func(e *entry) {
		c.tell(Event{Kind: Created, Title: e.Title, At: rec.Since}, nil, rec.definition)
	})
	if err != nil {
		return Result{}, err
	}
	return Result{Title: e.Title, Changed: true, Warnings: warnings}, nil
}

// newRecord makes the record of a new title.
func (c *Catalog) newRecord(
	ctx context.Context, def *patch.Definition, opts *CreateOptions,
) (*record, []patch.Warning, error) {
	var o CreateOptions
	if opts != nil {
		o = *opts
	}
	if o.Follows == "" {
		o.Held = nil
	}
	if err := whole(def, o.Held).Validate(); err != nil {
		return nil, nil, err
	}
	held, err := c.heldJSON(o.Held)
	if err != nil {
		return nil, nil, err
	}
	d := *def
	now := c.now()
	// Later than all that anybody was served of a title that had the id before.
	changed := later(c.index.Load().changed, now)
	changed = later(now, changed)
	// As it was given: Complete puts some of it right.
	warnings, err := c.lint(ctx, &d, now, nil)
	if err != nil {
		return nil, nil, err
	}
	d.Complete(now)
	rec := &record{head: head{
		UID:     rand.Text(),
		State:   live,
		Since:   now.UTC(),
		Changed: changed,
		Number:  1,
		By:      o.By,
		Held:    held,
		Owner:   owner{Author: o.Author, Contributor: o.Contributor, Mailbox: o.Mailbox, Account: o.Account},
	}}
	if o.Follows != "" {
		rec.Follows = &source{URL: o.Follows, Source: o.Source}
	}
	if err := c.setDefinition(rec, &d); err != nil {
		return nil, nil, err
	}
	return rec, warnings, c.checkAccount(d.ID, rec, 0)
}

// create writes the record of a new title and, still with its lock, calls then.
// The error is ErrExists, ErrUnavailable or that of ctx.
func (c *Catalog) create(ctx context.Context, key string, rec *record, then func(*entry)) (*entry, error) {
	unlock, err := c.writers.lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	end, err := c.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	if rec.State == live {
		if err := c.noteCreation(key, rec); err != nil {
			return nil, err
		}
	}
	e, err := c.put(ctx, key, rec, store.IfAbsent())
	if errors.Is(err, store.ErrConflict) {
		e, err = c.createOver(ctx, key, rec)
	}
	if errors.Is(err, store.ErrConflict) {
		summary, _ := readSummary(rec.definition)
		err = &TitleError{ID: summary.ID, Err: ErrExists}
	}
	if err == nil {
		then(e)
	}
	return e, err
}

// createOver creates a title where there is a record already: it may be of a
// title that is gone. The error is store.ErrConflict if it is not.
func (c *Catalog) createOver(ctx context.Context, key string, rec *record) (*entry, error) {
	old, was, err := c.readSettled(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return c.put(ctx, key, rec, store.IfAbsent())
	}
	if err != nil {
		return nil, err
	}
	abandoned := was.State == pending && c.now().Sub(was.Since) > reservationTimeout
	if was.State != gone && !abandoned {
		// If it is another server's, the index may not know it yet.
		return nil, errors.Join(store.ErrConflict, c.refreshLocked(ctx, key))
	}
	if was.State == gone {
		if err := c.forgetRevisions(ctx, was); err != nil {
			return nil, err
		}
	}
	// What the other one carries is told first.
	for i := range rec.Undelivered {
		rec.Undelivered[i].Number += was.Events
	}
	rec.Undelivered = append(slices.Clip(was.Undelivered), rec.Undelivered...)
	rec.Events += was.Events
	return c.put(ctx, key, rec, store.IfRevision(old.Revision))
}

// errRestoring is a change while a restore is under way.
var errRestoring = fmt.Errorf("%w: a restore is under way: try again when it is done", ErrUnavailable)

// noteCreation has a record carry what the courier is to be told of its creation.
func (c *Catalog) noteCreation(key string, rec *record) error {
	e, err := rec.entry(key, "")
	if err != nil {
		return err
	}
	return c.note(rec, Event{Kind: Created, Title: e.Title, At: rec.Since})
}

// Delete removes a title, also one that follows a source elsewhere.
//
// The error is [ErrNotFound], [ErrNotSynced], [ErrPrecondition], [ErrUnavailable] or that of
// ctx.
func (c *Catalog) Delete(ctx context.Context, id string, opts *EditOptions) error {
	return c.change(ctx, id, opts, func(key string, old store.Record, rec *record) error {
		e, err := rec.entry(key, old.Revision)
		if err != nil {
			return err
		}
		if err := c.remove(ctx, key, old.Revision, rec, e); err != nil {
			return err
		}
		c.tell(Event{Kind: Deleted, Title: e.Title, At: c.now().UTC()}, rec.definition, nil)
		return nil
	})
}

// remove removes a live title. What has to be told, or to be removed with it, stands
// in its record until that is done. Who calls it has the title's lock.
func (c *Catalog) remove(ctx context.Context, key string, rev store.Revision, rec *record, e *entry) error {
	now := c.now().UTC()
	if err := c.note(rec, Event{Kind: Deleted, Title: e.Title, At: now}); err != nil {
		return err
	}
	var err error
	if len(rec.Undelivered) > 0 || rec.number() > 1 {
		rec.State, rec.Since, rec.Staged = gone, now, nil
		_, err = c.put(ctx, key, rec, store.IfRevision(rev))
		c.chores.add(key)
	} else {
		err = c.settle(ctx, func(ctx context.Context) error {
			return c.store.Delete(ctx, storeKey(key), store.IfRevision(rev))
		})
		if errors.Is(err, ErrUnavailable) {
			c.learn(ctx, key)
		}
		if err == nil {
			c.forgetUnused(ctx, rec)
		}
	}
	if err != nil {
		return err
	}
	c.definitions.remove(key)
	c.publish(key, nil)
	return nil
}

// forgetUnused removes the revision that a change has kept which was never made, of a title that is deleted.
func (c *Catalog) forgetUnused(ctx context.Context, rec *record) {
	if c.history == 0 {
		return
	}
	err := c.settle(ctx, func(ctx context.Context) error {
		return c.store.Delete(ctx, historyKey(rec.UID, rec.number()), store.Condition{})
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		c.log.Warn("a revision of a deleted title is left over", "error", err)
	}
}
