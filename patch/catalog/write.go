package catalog

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	// Account names whom the title is counted for, opaque to the catalog.
	Account string
	// By is who creates it, for [Catalog.History]: the id of a token.
	By string
}

// EditOptions are options of an edit. Nil means the zero value.
type EditOptions struct {
	// IfMatch is the ETag (of [Document.ETag] or [Title]) of what the edit was
	// made for; if the title is no longer that, the edit is ErrPrecondition.
	// Empty: whatever the title is.
	IfMatch string
	// UID is that of the [Title] that the caller may change; a title that has
	// come to be in its place is ErrNotFound. Empty: any.
	UID string
	// From says that the edit comes from the source that the title follows: it is
	// the title's [Title.From]. A title that follows none, or another, is
	// ErrNotSynced. Empty: a title that follows any is ErrSynced.
	From string
	// By is who makes the edit, for [Catalog.History]: the id of a token.
	By string
}

// A Result is what came of a change.
type Result struct {
	// Title is the title after it.
	Title Title
	// Changed says whether it changed anything.
	Changed bool
	// Warnings name what was put right, and what lint says (see [patch.Lint]):
	// of the whole definition, or of the versions that were added. Their paths
	// lead into the definition as it is after the change.
	Warnings []patch.Warning

	before, after *patch.Definition
}

// Difference returns what an edit has changed; it is worked out when it is asked
// for. Of a creation, or an edit that changed nothing, it is empty.
func (r Result) Difference() patch.Difference {
	if r.before == nil || r.after == nil {
		return nil
	}
	return patch.Diff(r.before, r.after)
}

func lintOptions(o *patch.LintOptions) patch.LintOptions {
	if o == nil {
		return patch.LintOptions{}
	}
	return *o
}

// lint returns what lint says of a definition, as far as about says that it is
// about what was changed; nil: all of it. What is made an error is an error.
func (c *Catalog) lint(d *patch.Definition, now time.Time, about func(code, path string) bool) ([]patch.Warning, error) {
	opts := c.rules
	opts.Now, opts.About = now, about
	var warnings []patch.Warning
	refused := &patch.ValidationError{}
	for _, w := range patch.Lint(d, &opts) {
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
// it is empty; currentVersion is set. def is not changed, here or by an edit
// later; who subscribes to events may keep what it points to.
//
// The error is [patch.ErrInvalid], [patch.ErrTooLarge], [ErrExists],
// [ErrUnavailable] or that of ctx.
func (c *Catalog) Create(ctx context.Context, def *patch.Definition, opts *CreateOptions) (Result, error) {
	rec, d, warnings, err := c.newRecord(def, opts)
	if err != nil {
		return Result{}, err
	}
	e, err := c.create(ctx, titleKey(d.ID), rec, func(e *entry) {
		c.tell(Event{Kind: Created, Title: e.Title, After: d, At: rec.Since})
	})
	if err != nil {
		return Result{}, err
	}
	return Result{Title: e.Title, Changed: true, Warnings: warnings}, nil
}

// newRecord makes the record of a new title, and its definition as it will be.
func (c *Catalog) newRecord(def *patch.Definition, opts *CreateOptions) (*record, *patch.Definition, []patch.Warning, error) {
	if err := def.Validate(); err != nil {
		return nil, nil, nil, err
	}
	var o CreateOptions
	if opts != nil {
		o = *opts
	}
	d := *def
	now := c.now()
	// Later than all that anybody was served of a title that had the id before.
	changed := later(c.index.Load().changed, now)
	changed = later(now, changed)
	// As it was given: Complete puts some of it right.
	warnings, err := c.lint(&d, now, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	d.Complete(now)
	rec := &record{head: head{UID: rand.Text(), State: live, Since: now.UTC(), Changed: changed, Edition: 1, By: o.By, Owner: owner{Author: o.Author, Contributor: o.Contributor, Mailbox: o.Mailbox, Account: o.Account}}}
	if o.Follows != "" {
		rec.Follows = &source{URL: o.Follows, Source: o.Source}
	}
	if err := c.setDefinition(rec, &d); err != nil {
		return nil, nil, nil, err
	}
	return rec, &d, warnings, nil
}

// create writes the record of a new title and, still with its lock, calls then.
// The error is ErrExists, ErrUnavailable or that of ctx.
func (c *Catalog) create(ctx context.Context, key string, rec *record, then func(*entry)) (*entry, error) {
	unlock, err := c.writers.lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if !c.restoring.TryRLock() {
		return nil, errRestoring
	}
	defer c.restoring.RUnlock()
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
		if err := c.forgetEditions(ctx, was.UID, was.Edition); err != nil {
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

// Replace puts def in the place of the title that id names. What def says of
// lastModified does not count; a definition that says nothing new changes
// nothing. def is not changed.
//
// The error is [patch.ErrInvalid], [patch.ErrTooLarge], [ErrNotFound],
// [ErrIDDiffers], [ErrSynced], [ErrNotSynced], [ErrPrecondition],
// [ErrUnavailable] or that of ctx.
func (c *Catalog) Replace(ctx context.Context, id string, def *patch.Definition, opts *EditOptions) (Result, error) {
	if err := def.Validate(); err != nil {
		return Result{}, err
	}
	if !strings.EqualFold(id, def.ID) {
		return Result{}, &TitleError{ID: id, Err: fmt.Errorf("%w: %q", ErrIDDiffers, def.ID)}
	}
	return c.edit(ctx, id, opts, func(old *patch.Definition, now time.Time) (*patch.Definition, []patch.Warning, error) {
		d := *def
		warnings, err := c.lint(&d, now, nil)
		if !d.Supersede(old, now) {
			return nil, warnings, nil // as it was, and lint cannot refuse that
		}
		return &d, warnings, err
	})
}

// AddVersions adds versions to a title, all or none; see
// [patch.Definition.AddPatches].
//
// The error is [patch.ErrInvalid], [patch.ErrVersionExists],
// [patch.ErrPosition], [patch.ErrTooLarge], [ErrNotFound], [ErrSynced],
// [ErrPrecondition], [ErrUnavailable] or that of ctx.
func (c *Catalog) AddVersions(ctx context.Context, id string, at patch.Position, versions []patch.Patch, opts *EditOptions) (Result, error) {
	return c.edit(ctx, id, opts, func(old *patch.Definition, now time.Time) (*patch.Definition, []patch.Warning, error) {
		d := *old
		if err := d.AddPatches(at, now, versions...); err != nil {
			return nil, nil, err
		}
		if err := d.Validate(); err != nil {
			return nil, nil, err
		}
		warnings, err := c.lint(&d, now, aboutVersions(&d, versions))
		return &d, warnings, err
	})
}

// aboutVersions tells the warnings that are about versions that were added. One
// that is about two neighbours may stand at the other.
func aboutVersions(d *patch.Definition, versions []patch.Patch) func(code, path string) bool {
	added := map[int]bool{}
	for i := range versions {
		added[d.FindPatch(versions[i].Version)] = true
	}
	return func(code, path string) bool {
		var i int
		if _, err := fmt.Sscanf(path, "/patches/%d/", &i); err != nil {
			return false
		}
		switch code {
		case patch.CodeOrder, patch.CodeSameVersion: // of i and the one in front
			return added[i-1] || added[i]
		case patch.CodeDates: // of i and a neighbour
			return added[i-1] || added[i] || added[i+1]
		}
		return added[i]
	}
}

// RemoveVersion removes a version of a title.
//
// The error is [patch.ErrVersionNotFound], [patch.ErrLastVersion],
// [ErrNotFound], [ErrSynced], [ErrPrecondition], [ErrUnavailable] or that of ctx.
func (c *Catalog) RemoveVersion(ctx context.Context, id, version string, opts *EditOptions) (Result, error) {
	return c.edit(ctx, id, opts, func(old *patch.Definition, now time.Time) (*patch.Definition, []patch.Warning, error) {
		d := *old
		if err := d.RemovePatch(version, now); err != nil {
			return nil, nil, err
		}
		return &d, nil, nil
	})
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
		if c.hasSubscribers() {
			before, err := rec.parse()
			if err != nil {
				c.log.Error("a deleted title cannot be read any more", "title", e.ID, "error", err)
			}
			c.tell(Event{Kind: Deleted, Title: e.Title, Before: before, At: c.now().UTC()})
		}
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
	if len(rec.Undelivered) > 0 || rec.edition() > 1 {
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
	}
	if err != nil {
		return err
	}
	c.definitions.remove(key)
	c.publish(key, nil)
	return nil
}

// edit changes a title's definition: f makes the new one from the old, or
// returns nil if nothing is to change.
func (c *Catalog) edit(ctx context.Context, id string, opts *EditOptions, f func(old *patch.Definition, now time.Time) (*patch.Definition, []patch.Warning, error)) (res Result, err error) {
	err = c.change(ctx, id, opts, func(key string, old store.Record, rec *record) error {
		if rec.Follows != nil && (opts == nil || opts.From == "") {
			return &TitleError{ID: id, Follows: rec.Follows.URL, Err: ErrSynced}
		}
		before, err := rec.parse()
		if err != nil {
			return fmt.Errorf("%w: title %q: %w", ErrUnavailable, id, err)
		}
		now := c.now()
		after, warnings, err := f(before, now)
		if err != nil {
			return err
		}
		if after == nil {
			e, err := rec.entry(key, old.Revision)
			if err != nil {
				return err
			}
			res = Result{Title: e.Title, Warnings: warnings}
			return nil
		}
		was := *rec
		if err := c.setDefinition(rec, after); err != nil {
			return err
		}
		by := ""
		if opts != nil {
			by = opts.By
		}
		e, err := c.succeed(ctx, key, old.Revision, &was, rec, Event{Kind: Updated, Before: before, After: after, At: now.UTC()}, by)
		if err != nil {
			return err
		}
		c.tell(Event{Kind: Updated, Title: e.Title, Before: before, After: after, At: now.UTC()})
		res = Result{Title: e.Title, Changed: true, Warnings: warnings, before: before, after: after}
		return nil
	})
	return res, err
}

// succeed writes a record with another definition in the place of was, which becomes
// an earlier edition. Who calls it has the title's lock.
func (c *Catalog) succeed(ctx context.Context, key string, rev store.Revision, was, rec *record, event Event, by string) (*entry, error) {
	rec.Changed = later(rec.Changed, event.At)
	rec.Edition, rec.By = was.edition()+1, by
	shown, err := rec.entry(key, "")
	if err != nil {
		return nil, err
	}
	event.Title = shown.Title
	if err := c.note(rec, event); err != nil {
		return nil, err
	}
	// Both at once: an edition that is there although the change was not made says
	// what is so.
	kept := make(chan error, 1)
	if c.history > 0 {
		keeping, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		go func() { kept <- c.keepEdition(keeping, was) }()
	} else {
		kept <- nil
	}
	e, err := c.put(ctx, key, rec, store.IfRevision(rev))
	if keptErr := <-kept; keptErr != nil && err == nil {
		c.log.Error("a title was changed, and what it was before could not be kept", "title", e.ID, "error", keptErr)
	}
	return e, err
}
