package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// A Result is the outcome of a change.
type Result struct {
	// Title is the title after the change.
	Title Title
	// Changed reports whether anything was changed.
	Changed bool
	// Warnings are corrections that were made, and the warnings of lint (see [patch.Lint]) about the whole definition
	// or about the versions that were added. Their paths point into the definition after the change.
	Warnings []patch.Warning

	before, after []byte // the definition's JSON
}

// Difference returns the difference between the definitions before and after an edit. It is empty if nothing was
// changed, and for a creation. Each call computes it.
func (r Result) Difference() patch.Difference {
	if r.before == nil || r.after == nil {
		return nil
	}
	before, err := parseStored(r.before)
	if err != nil {
		return nil
	}
	after, err := parseStored(r.after)
	if err != nil {
		return nil
	}
	return patch.Diff(before, after)
}

// Edit changes a title's definition by a function: it calls change with a copy of the definition, and stores the copy
// afterwards. If change returns an error, Edit changes nothing and returns that error. A change that another server
// makes meanwhile is not lost: Edit then calls change again, with the new definition.
//
// The title is locked while change runs. change must therefore not use the catalog, must return soon, and may be called
// several times. It does not need to set lastModified or currentVersion. The rules are those of [Catalog.Replace].
//
// The error is that of change, or one of those of Replace.
func (c *Catalog) Edit(
	ctx context.Context, id string, change func(*patch.Definition) error, opts *EditOptions,
) (Result, error) {
	return c.replace(ctx, id, opts, func(old *patch.Definition) (*patch.Definition, error) {
		d := old.Clone()
		if err := change(d); err != nil {
			return nil, err
		}
		if !strings.EqualFold(d.ID, old.ID) {
			return nil, &TitleError{ID: id, Err: fmt.Errorf("%w: %q", ErrIDDiffers, d.ID)}
		}
		if d.CurrentVersion == old.CurrentVersion && len(d.Patches) > 0 {
			d.CurrentVersion = d.Patches[0].Version // so that lint does not warn of it
		}
		return d, nil
	})
}

// Replace replaces the definition of the title id by def. It ignores def's lastModified, and changes nothing if def
// says nothing new. A value that newer rules reject is accepted if the title has it already; see
// [patch.Definition.ValidateOver]. Replace neither changes def nor keeps a reference to it.
//
// The error is [patch.ErrInvalid], [patch.ErrTooLarge], [ErrTooMuch], [ErrNotFound], [ErrIDDiffers], [ErrSynced],
// [ErrNotSynced], [ErrPrecondition], [ErrUnavailable] or that of ctx.
func (c *Catalog) Replace(ctx context.Context, id string, def *patch.Definition, opts *EditOptions) (Result, error) {
	if err := c.titles.gate.check(); err != nil {
		return Result{}, err
	}
	if !strings.EqualFold(id, def.ID) {
		return Result{}, &TitleError{ID: id, Err: fmt.Errorf("%w: %q", ErrIDDiffers, def.ID)}
	}
	return c.replace(ctx, id, opts, func(*patch.Definition) (*patch.Definition, error) {
		d := *def
		return &d, nil
	})
}

// replace replaces the definition of a title by the one that next makes from it. next must not change the old one.
func (c *Catalog) replace(
	ctx context.Context, id string, opts *EditOptions, next func(old *patch.Definition) (*patch.Definition, error),
) (Result, error) {
	o := opts.orZero()
	if o.From == "" {
		o.Held = nil
	}
	held, err := c.writer.rules.heldJSON(o.Held)
	if err != nil {
		return Result{}, err
	}
	return c.edit(ctx, id, o, func(rec *record, old *patch.Definition, now time.Time) (
		*patch.Definition, []patch.Warning, error,
	) {
		d, err := next(old)
		if err != nil {
			return nil, nil, err
		}
		// A name that does not change was given by an administrator.
		if author := rec.Owner.Author; author != "" && !o.Rename && d.Name != old.Name {
			if err := d.KeepAuthor(author); err != nil {
				return nil, nil, err
			}
		}
		if err := withHeld(d, o.Held).ValidateOver(old); err != nil {
			return nil, nil, err
		}
		if o.From != "" {
			rec.Held = held
		}
		warnings, err := c.writer.rules.lint(ctx, d, now, nil)
		if !d.Supersede(old, now) {
			return nil, warnings, nil // lint cannot reject a definition that does not change
		}
		return d, warnings, err
	})
}

// AddVersions adds versions to a title, all or none; see [patch.Definition.AddPatches]. Without versions it changes
// nothing. If the current version becomes an older one, the result has the warning current-version-older;
// [patch.Ordered] avoids that.
//
// The error is [patch.ErrInvalid], [patch.ErrVersionExists], [patch.ErrPosition], [patch.ErrTooLarge], [ErrTooMuch],
// [ErrNotFound], [ErrSynced], [ErrPrecondition], [ErrUnavailable] or that of ctx.
func (c *Catalog) AddVersions(
	ctx context.Context, id string, at patch.Position, versions []patch.Patch, opts *EditOptions,
) (Result, error) {
	return c.edit(ctx, id, opts.orZero(), func(_ *record, old *patch.Definition, now time.Time) (
		*patch.Definition, []patch.Warning, error,
	) {
		if len(versions) == 0 {
			return nil, nil, nil
		}
		d := *old
		if err := d.AddPatches(at, now, versions...); err != nil {
			return nil, nil, err
		}
		if err := d.ValidateOver(old); err != nil {
			return nil, nil, err
		}
		warnings, err := c.writer.rules.lint(ctx, &d, now, aboutVersions(&d, versions))
		if was, is := old.CurrentVersion, d.CurrentVersion; patch.CompareVersions(is, was) < 0 {
			warnings = append(warnings, patch.Warning{
				Code: codeCurrentVersionOlder,
				Path: "/currentVersion",
				Message: fmt.Sprintf("the current version was %.50s and is now %.50s, which is older: "+
					"remove the version, and add it again with ?insert=ordered", was, is),
			})
		}
		return &d, warnings, err
	})
}

// codeCurrentVersionOlder is the code of the warning that an edit has made currentVersion older than before. It is not
// one of patch.Rules, because a definition alone does not show it.
const codeCurrentVersionOlder = "current-version-older"

// aboutVersions returns a function that reports whether a warning concerns versions that were added to d. A warning
// about two neighbors may have the path of either.
func aboutVersions(d *patch.Definition, versions []patch.Patch) func(code, path string) bool {
	isNew := make(map[string]bool, len(versions))
	for i := range versions {
		isNew[versions[i].Version] = true
	}
	added := func(i int) bool { return i >= 0 && i < len(d.Patches) && isNew[d.Patches[i].Version] }
	return func(code, path string) bool {
		rest, ok := strings.CutPrefix(path, "/patches/")
		index, _, _ := strings.Cut(rest, "/")
		i, err := strconv.Atoi(index)
		if !ok || err != nil {
			return false
		}
		switch code {
		case "order", "same-version": // about i and the patch before it
			return added(i-1) || added(i)
		case "dates": // about i and a neighbor
			return added(i-1) || added(i) || added(i+1)
		}
		return added(i)
	}
}

// RemoveVersion removes a version of a title.
//
// The error is [patch.ErrVersionNotFound], [patch.ErrLastVersion], [ErrNotFound], [ErrSynced], [ErrPrecondition],
// [ErrUnavailable] or that of ctx.
func (c *Catalog) RemoveVersion(ctx context.Context, id, version string, opts *EditOptions) (Result, error) {
	return c.edit(ctx, id, opts.orZero(), func(_ *record, old *patch.Definition, now time.Time) (
		*patch.Definition, []patch.Warning, error,
	) {
		d := *old
		if err := d.RemovePatch(version, now); err != nil {
			return nil, nil, err
		}
		return &d, nil, nil
	})
}

// An editor makes the new definition of a title from its old one, which it must not change. It returns nil if the
// definition stays as it is. It may change other members of the record.
type editor func(rec *record, old *patch.Definition, now time.Time) (*patch.Definition, []patch.Warning, error)

// edit changes a title's definition. The error is that of f, ErrSynced, ErrTooMuch, patch.ErrTooLarge or one of those
// of change.
func (c *Catalog) edit(ctx context.Context, id string, opts EditOptions, f editor) (res Result, err error) {
	var rejected error // by f: not a reason to retry, whatever it is
	err = c.writer.change(ctx, id, opts, func(t *lockedTitle, rec *record) error {
		if rec.Follows != nil && opts.From == "" {
			return &TitleError{ID: id, Follows: rec.Follows.URL, Err: ErrSynced}
		}
		before, err := rec.parse()
		if err != nil {
			return fmt.Errorf("%w: title %q: %w", ErrUnavailable, id, err)
		}
		was, now := *rec, c.writer.now()
		after, warnings, err := f(rec, before, now)
		if err != nil {
			rejected = err
			return nil
		}
		if after == nil {
			title, err := c.writer.updateHeld(ctx, t, &was, rec)
			res = Result{Title: title, Warnings: warnings}
			return err
		}
		event := Event{Before: before, After: after, At: now.UTC()}
		e, err := c.writer.updateDefinition(ctx, t, &was, rec, event, opts.By)
		if err != nil {
			return err
		}
		res = Result{
			Title:    e.Title,
			Changed:  true,
			Warnings: warnings,
			before:   was.definition,
			after:    rec.definition,
		}
		return nil
	})
	if err == nil {
		err = rejected
	}
	return res, err
}

// updateDefinition writes a record with the definition after an edit in the place of was. The error is
// patch.ErrTooLarge, ErrTooMuch, store.ErrConflict, ErrUnavailable or that of ctx.
func (w *titleWriter) updateDefinition(
	ctx context.Context, t *lockedTitle, was, rec *record, event Event, by string,
) (*entry, error) {
	if err := w.rules.setDefinition(rec, event.After); err != nil {
		return nil, err
	}
	if err := w.prepareUpdate(ctx, t, was, rec, event.At, by); err != nil {
		return nil, err
	}
	if err := w.rules.checkAccount(w.index.get(), event.Before.ID, rec, was.bytes()); err != nil {
		return nil, err
	}
	return w.update(ctx, t, was, rec, event)
}

// updateHeld writes a record whose definition stays as it is, if the patches that are held back have changed.
func (w *titleWriter) updateHeld(ctx context.Context, t *lockedTitle, was, rec *record) (Title, error) {
	same := func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }
	if !slices.EqualFunc(was.Held, rec.Held, same) {
		if err := w.history.index(ctx, t.key, rec); err != nil {
			return Title{}, err
		}
		if err := w.rules.checkAccount(w.index.get(), t.key, rec, was.bytes()); err != nil {
			return Title{}, err
		}
		if err := w.rewrite(ctx, t, rec); err != nil {
			return Title{}, err
		}
	}
	e, err := rec.entry(t.key)
	if err != nil {
		return Title{}, err
	}
	return e.Title, nil
}
