package catalog

import (
	"context"
	"fmt"
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
// several times, in other goroutines than the caller's. If it panics, or ends its goroutine, Edit does the same. It
// does not need to set lastModified or currentVersion. The rules are those of [Catalog.Replace].
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
	return c.edit(ctx, id, o, func(rec *record, now time.Time) (edited, error) {
		old, err := rec.parse()
		if err != nil {
			return edited{}, unreadableDefinition(id, err)
		}
		d, err := next(old)
		if err != nil {
			return edited{}, err
		}
		if o.From != "" {
			rec.Held = held
		}
		return c.writer.rules.succeed(ctx, rec, successor{old, d, o.From == ""}, o, now)
	})
}

// A successor is a whole definition that takes the place of old. next may have disabled patches.
type successor struct {
	old, next *patch.Definition
	// keep says that the disabled patches of the title stay, unless next has the same versions.
	keep bool
}

// succeed returns the edit that makes a definition the successor of a title's. It sets the disabled patches of the
// title's record. The error is patch.ErrInvalid, patch.ErrTooLarge or that of ctx.
func (r *rules) succeed(
	ctx context.Context, rec *record, s successor, o EditOptions, now time.Time,
) (edited, error) {
	d := s.next
	// A name that does not change was given by an administrator.
	if author := rec.Owner.Author; author != "" && !o.Rename && d.Name != s.old.Name {
		if err := d.KeepAuthor(author); err != nil {
			return edited{}, err
		}
	}
	if err := withHeld(d, o.Held).ValidateOver(s.old); err != nil {
		return edited{}, err
	}
	warnings, err := r.lint(ctx, d, now, selection{})
	d, disabledErr := r.split(rec, s)
	if disabledErr != nil {
		return edited{}, disabledErr
	}
	if !d.Supersede(s.old, now) {
		return edited{warnings: warnings}, nil // lint cannot reject a definition that does not change
	}
	return edited{definition: d, warnings: warnings}, err
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
	return c.edit(ctx, id, opts.orZero(), func(rec *record, now time.Time) (edited, error) {
		if len(versions) == 0 {
			return edited{}, nil
		}
		s, err := newVersionEdit(id, rec)
		if err != nil {
			return edited{}, err
		}
		versions, at, err := c.writer.rules.addDisabled(rec, s.old, at, versions)
		if err != nil || len(versions) == 0 {
			return edited{}, err
		}
		if err := s.next.AddPatches(at, now, versions...); err != nil {
			return edited{}, err
		}
		if err := s.next.ValidateEdit(s.old); err != nil {
			return edited{}, err
		}
		if err := s.keep(versions); err != nil {
			return edited{}, err
		}
		if err := s.checkUnknown(); err != nil {
			return edited{}, err
		}
		about := aboutVersions(s.isAdded)
		if err := s.read(about.patches); err != nil {
			return edited{}, err
		}
		warnings, err := c.writer.rules.lint(ctx, &s.next, now, about)
		if err != nil {
			return edited{}, err
		}
		if was, is := s.old.CurrentVersion, s.next.CurrentVersion; patch.CompareVersions(is, was) < 0 {
			warnings = append(warnings, patch.Warning{
				Code: codeCurrentVersionOlder,
				Path: "/currentVersion",
				Message: fmt.Sprintf("the current version was %.50s and is now %.50s, which is older: "+
					"remove the version, and add it again with ?insert=ordered", was, is),
			})
		}
		return s.edited(warnings)
	})
}

// codeCurrentVersionOlder is the code of the warning that an edit has made currentVersion older than before. It is not
// one of patch.Rules, because a definition alone does not show it.
const codeCurrentVersionOlder = "current-version-older"

// aboutVersions selects the warnings that concern the patches that were added, as added reports by their indices. A
// warning about two neighbors may have the path of either.
func aboutVersions(added func(i int) bool) selection {
	warnings := func(code, path string) bool {
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
	// Each patch is compared with the one before it, and a warning about two has the path of either.
	patches := func(i int) bool { return added(i-2) || added(i-1) || added(i) || added(i+1) }
	return selection{warnings, patches}
}

// RemoveVersion removes a version of a title, which may be disabled.
//
// The error is [patch.ErrVersionNotFound], [patch.ErrLastVersion], [ErrNotFound], [ErrSynced], [ErrPrecondition],
// [ErrUnavailable] or that of ctx.
func (c *Catalog) RemoveVersion(ctx context.Context, id, version string, opts *EditOptions) (Result, error) {
	return c.edit(ctx, id, opts.orZero(), func(rec *record, now time.Time) (edited, error) {
		removed, err := rec.removeDisabled(version)
		if removed || err != nil {
			return edited{}, err
		}
		s, err := newVersionEdit(id, rec)
		if err != nil {
			return edited{}, err
		}
		if err := s.next.RemovePatch(version, now); err != nil {
			return edited{}, err
		}
		if err := rec.forgetVersion(s.old, version); err != nil {
			return edited{}, err
		}
		if err := s.keep(nil); err != nil {
			return edited{}, err
		}
		return s.edited(nil)
	})
}

// An editor makes the new definition of a title from that of its record. It may change other members of the record.
type editor func(rec *record, now time.Time) (edited, error)

// An edited is the outcome of an editor.
type edited struct {
	warnings []patch.Warning
	// definition is the new definition, nil if it stays as it is or if there is text.
	definition *patch.Definition
	// text is the JSON of the new definition, which is valid, with its outline and the parsed definition as far as
	// they are known.
	text    []byte
	outline *outline
	parsed  *patch.Definition
	// numbered says that the record has the numbers of the new definition already.
	numbered bool
}
