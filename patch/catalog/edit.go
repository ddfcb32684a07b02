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
	"github.com/patchsource/patchsource/store"
)

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
	// Held are the patches that the source has in front of the definition's first and
	// holds back. They are kept with the title and not served. [Catalog.Replace] with
	// From keeps exactly these; without From, Held does not count. If they alone
	// differ from what is kept, the title does not change for those who read it: not
	// its ETag, lastModified or revisions, and no event tells of it.
	Held []patch.Patch
	// Rename lets the edit take the author's name out of the title's name, as an
	// administrator may. Otherwise [Catalog.Replace] puts it back into a name that
	// differs from the present one; see [patch.Definition.KeepAuthor].
	Rename bool
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

	before, after []byte // the definition's JSON
}

// Difference returns what an edit has changed; it is worked out when it is asked
// for. Of a creation, or an edit that changed nothing, it is empty.
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

// Replace puts def in the place of the title that id names. What def says of
// lastModified does not count; a definition that says nothing new changes
// nothing. def is not changed, nor kept. A value that newer rules refuse is accepted
// where the title has it already; see [patch.Definition.ValidateOver].
//
// The error is [patch.ErrInvalid], [patch.ErrTooLarge], [ErrTooMuch], [ErrNotFound],
// [ErrIDDiffers], [ErrSynced], [ErrNotSynced], [ErrPrecondition],
// [ErrUnavailable] or that of ctx.
func (c *Catalog) Replace(ctx context.Context, id string, def *patch.Definition, opts *EditOptions) (Result, error) {
	var o EditOptions
	if opts != nil {
		o = *opts
	}
	if !strings.EqualFold(id, def.ID) {
		return Result{}, &TitleError{ID: id, Err: fmt.Errorf("%w: %q", ErrIDDiffers, def.ID)}
	}
	if o.From == "" {
		o.Held = nil
	}
	held, err := c.heldJSON(o.Held)
	if err != nil {
		return Result{}, err
	}
	return c.edit(ctx, id, o, func(rec *record, old *patch.Definition, now time.Time) (
		*patch.Definition, []patch.Warning, error,
	) {
		d := *def
		// A name that stays as it is was given by an administrator.
		if author := rec.Owner.Author; author != "" && !o.Rename && d.Name != old.Name {
			if err := d.KeepAuthor(author); err != nil {
				return nil, nil, err
			}
		}
		if err := whole(&d, o.Held).ValidateOver(old); err != nil {
			return nil, nil, err
		}
		if o.From != "" {
			rec.Held = held
		}
		warnings, err := c.lint(ctx, &d, now, nil)
		if !d.Supersede(old, now) {
			return nil, warnings, nil // as it was, and lint cannot refuse that
		}
		return &d, warnings, err
	})
}

// whole returns d with the patches in front of it that its source holds back.
func whole(d *patch.Definition, held []patch.Patch) *patch.Definition {
	if len(held) == 0 {
		return d
	}
	all := *d
	all.Patches = slices.Concat(held, d.Patches)
	return &all
}

// heldJSON returns patches that are held back as a record has them.
func (c *Catalog) heldJSON(held []patch.Patch) ([]json.RawMessage, error) {
	var all []json.RawMessage
	n := 0
	for _, p := range held {
		data, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", patch.ErrInvalid, err)
		}
		if n += len(data); n > c.max {
			return nil, fmt.Errorf("%w: the patches that the source holds back would have more than %d bytes",
				patch.ErrTooLarge, c.max)
		}
		all = append(all, data)
	}
	return all, nil
}

// AddVersions adds versions to a title, all or none; see
// [patch.Definition.AddPatches]. Without versions it changes nothing. If the title's
// current version becomes an older one, although [patch.Ordered] was not asked for,
// the result has the warning [patch.CodeCurrentVersionOlder].
//
// The error is [patch.ErrInvalid], [patch.ErrVersionExists],
// [patch.ErrPosition], [patch.ErrTooLarge], [ErrTooMuch], [ErrNotFound],
// [ErrSynced], [ErrPrecondition], [ErrUnavailable] or that of ctx.
func (c *Catalog) AddVersions(
	ctx context.Context, id string, at patch.Position, versions []patch.Patch, opts *EditOptions,
) (Result, error) {
	var o EditOptions
	if opts != nil {
		o = *opts
	}
	return c.edit(ctx, id, o, func(_ *record, old *patch.Definition, now time.Time) (
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
		warnings, err := c.lint(ctx, &d, now, aboutVersions(&d, versions))
		// Ordered places never make it older.
		if was, is := old.CurrentVersion, d.CurrentVersion; patch.CompareVersions(is, was) < 0 {
			warnings = append(warnings, patch.Warning{
				Code: patch.CodeCurrentVersionOlder,
				Path: "/currentVersion",
				Message: fmt.Sprintf("the current version was %.50s and is now %.50s, which is older: "+
					"remove the version, and add it again with ?insert=ordered", was, is),
			})
		}
		return &d, warnings, err
	})
}

// aboutVersions tells the warnings that are about versions that were added. One
// that is about two neighbours may stand at the other.
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
		case patch.CodeOrder, patch.CodeSameVersion: // of i and the one in front
			return added(i-1) || added(i)
		case patch.CodeDates: // of i and a neighbour
			return added(i-1) || added(i) || added(i+1)
		}
		return added(i)
	}
}

// RemoveVersion removes a version of a title.
//
// The error is [patch.ErrVersionNotFound], [patch.ErrLastVersion],
// [ErrNotFound], [ErrSynced], [ErrPrecondition], [ErrUnavailable] or that of ctx.
func (c *Catalog) RemoveVersion(ctx context.Context, id, version string, opts *EditOptions) (Result, error) {
	var o EditOptions
	if opts != nil {
		o = *opts
	}
	return c.edit(ctx, id, o, func(_ *record, old *patch.Definition, now time.Time) (
		*patch.Definition, []patch.Warning, error,
	) {
		d := *old
		if err := d.RemovePatch(version, now); err != nil {
			return nil, nil, err
		}
		return &d, nil, nil
	})
}

// An editor makes the new definition of a title from its old one, which it must not
// change, or returns nil if the definition stays as it is. It may change what else is
// in the title's record.
type editor func(rec *record, old *patch.Definition, now time.Time) (*patch.Definition, []patch.Warning, error)

// edit changes a title's definition.
func (c *Catalog) edit(ctx context.Context, id string, opts EditOptions, f editor) (res Result, err error) {
	err = c.change(ctx, id, &opts, func(key string, old store.Record, rec *record) error {
		if rec.Follows != nil && opts.From == "" {
			return &TitleError{ID: id, Follows: rec.Follows.URL, Err: ErrSynced}
		}
		before, err := rec.parse()
		if err != nil {
			return fmt.Errorf("%w: title %q: %w", ErrUnavailable, id, err)
		}
		was := *rec
		now := c.now()
		after, warnings, err := f(rec, before, now)
		if err != nil {
			return err
		}
		if after == nil {
			title, err := c.editHeld(ctx, key, old.Revision, &was, rec)
			res = Result{Title: title, Warnings: warnings}
			return err
		}
		if err := c.setDefinition(rec, after); err != nil {
			return err
		}
		if err := c.prepare(ctx, key, &was, rec, now, opts.By); err != nil {
			return err
		}
		if err := c.checkAccount(id, rec, was.bytes()); err != nil {
			return err
		}
		event := Event{Kind: Updated, Before: before, After: after, At: now.UTC()}
		e, err := c.succeed(ctx, key, old.Revision, &was, rec, event)
		if err != nil {
			return err
		}
		c.tell(Event{Kind: Updated, Title: e.Title, At: now.UTC()}, was.definition, rec.definition)
		res = Result{
			Title:    e.Title,
			Changed:  true,
			Warnings: warnings,
			before:   was.definition,
			after:    rec.definition,
		}
		return nil
	})
	return res, err
}

// editHeld writes a record whose definition stays as it is, if the patches that are
// held back have changed. The caller must hold the title's lock.
func (c *Catalog) editHeld(ctx context.Context, key string, rev store.Revision, was, rec *record) (Title, error) {
	same := func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }
	if !slices.EqualFunc(was.Held, rec.Held, same) {
		if err := c.indexRevisions(ctx, key, rec); err != nil {
			return Title{}, err
		}
		if err := c.checkAccount(key, rec, was.bytes()); err != nil {
			return Title{}, err
		}
		if err := c.rewrite(ctx, key, rec, rev); err != nil {
			return Title{}, err
		}
	}
	e, err := rec.entry(key, rev)
	if err != nil {
		return Title{}, err
	}
	return e.Title, nil
}

// prepare makes rec, which has another definition than was, the record of the next
// revision. It writes nothing. The error is [ErrUnavailable] or that of ctx.
func (c *Catalog) prepare(ctx context.Context, key string, was, rec *record, now time.Time, by string) error {
	if err := c.indexRevisions(ctx, key, was); err != nil {
		return err
	}
	rec.Changed = later(was.Changed, now)
	rec.Number, rec.By = was.number()+1, by
	rec.Revisions, rec.Oldest = []revisionHead{}, was.Oldest
	if c.history == 0 {
		return nil
	}
	last, err := was.current().head()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	rec.Revisions = c.trimRevisions(append(slices.Clone(was.Revisions), last))
	return nil
}

// succeed writes a record that prepare has made in the place of was, which becomes an
// earlier revision. First the revision, then the title: wherever it is interrupted, no
// revision is missing. The caller must hold the title's lock. The error is
// store.ErrConflict, [ErrUnavailable] or that of ctx.
func (c *Catalog) succeed(
	ctx context.Context, key string, rev store.Revision, was, rec *record, event Event,
) (*entry, error) {
	shown, err := rec.entry(key, "")
	if err != nil {
		return nil, err
	}
	event.Title = shown.Title
	if err := c.note(rec, event); err != nil {
		return nil, err
	}
	rec.Oldest = c.sweepRevisions(ctx, was)
	if err := c.keepRevision(ctx, was); err != nil {
		return nil, err
	}
	e, err := c.put(ctx, key, rec, store.IfRevision(rev))
	if err == nil {
		c.dropRevisions(ctx, key, rec)
	}
	return e, err
}
