package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// Definitions yields every title with its definition as JSON, in the order of their
// ids' bytes, reading one at a time. Each is one that existed in full while the
// sequence went on; a title that is there from beginning to end is among them. The
// bytes are the receiver's.
//
// The error, [ErrUnavailable] or that of ctx, ends the sequence.
func (c *Catalog) Definitions(ctx context.Context) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		for _, e := range c.index.Load().sorted {
			r, rec, err := c.read(ctx, e.key)
			if errors.Is(err, store.ErrNotFound) || err == nil && rec.State != live {
				continue // deleted meanwhile
			}
			if errors.Is(err, store.ErrCorrupt) {
				continue // it has left the index
			}
			var now *entry
			if err == nil {
				now, err = rec.entry(e.key, r.Revision)
			}
			if err != nil {
				yield(Stored{}, err)
				return
			}
			if !yield(Stored{now.Title, rec.definition}, nil) {
				return
			}
		}
	}
}

// A Stored is a title and its definition.
type Stored struct {
	Title      Title
	Definition []byte
}

// PutOptions are options of [Catalog.Put]. Nil means the zero value.
type PutOptions struct {
	// DryRun says what would happen, and changes nothing.
	DryRun bool
	// By is who makes the change, for [Catalog.History]: the id of a token.
	By string
}

// Put creates a title, or puts def in its place if it is there. kind says which of
// that it was; with a Result that says that nothing changed, it is Updated.
//
// The errors are those of [Catalog.Create] and [Catalog.Replace].
func (c *Catalog) Put(
	ctx context.Context,
	def *patch.Definition,
	opts *PutOptions,
) (res Result, kind EventKind, err error) {
	var o PutOptions
	if opts != nil {
		o = *opts
	}
	if o.DryRun {
		return c.wouldPut(ctx, def)
	}
	for try := 0; ; try++ {
		res, err := c.Replace(ctx, def.ID, def, &EditOptions{Rename: true, By: o.By})
		if !errors.Is(err, ErrNotFound) {
			return res, Updated, err
		}
		res, err = c.Create(ctx, def, &CreateOptions{By: o.By})
		if !errors.Is(err, ErrExists) || try == 2 { // it may be reserved for somebody
			return res, Created, err
		}
	}
}

// wouldPut says what Put would do.
func (c *Catalog) wouldPut(ctx context.Context, def *patch.Definition) (Result, EventKind, error) {
	doc, e, err := c.definition(ctx, def.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		rec, warnings, err := c.newRecord(ctx, def, nil)
		if err != nil {
			return Result{}, Created, err
		}
		summary, err := readSummary(rec.definition)
		return Result{Title: Title{Summary: summary}, Changed: true, Warnings: warnings}, Created, err
	case err != nil:
		return Result{}, "", err
	case e.Follows != "":
		return Result{}, Updated, &TitleError{ID: e.ID, Follows: e.Follows, Err: ErrSynced}
	}
	old, err := parseStored(doc.body)
	if err != nil {
		return Result{}, Updated, fmt.Errorf("%w: title %q: %w", ErrUnavailable, e.ID, err)
	}
	if err := def.ValidateOver(old); err != nil {
		return Result{}, Updated, err
	}
	d, now := *def, c.now()
	warnings, err := c.lint(ctx, &d, now, nil)
	if !d.Supersede(old, now) {
		return Result{Title: e.Title, Warnings: warnings}, Updated, nil
	}
	rec := &record{definition: doc.body}
	if err == nil {
		err = c.setDefinition(rec, &d)
	}
	if err != nil {
		return Result{}, Updated, err
	}
	title := e.Title
	title.Summary = d.Summary()
	return Result{
		Title:    title,
		Changed:  true,
		Warnings: warnings,
		before:   doc.body,
		after:    rec.definition,
	}, Updated, nil
}
