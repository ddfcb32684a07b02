package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// A Stored is a title and its definition.
type Stored struct {
	Title      Title
	Definition []byte
}

// Definitions yields every title with its definition as JSON, sorted by the bytes of their ids. It reads a few titles
// ahead. Each definition was the title's at one moment of the iteration; a title that exists from its beginning to its
// end is yielded. The bytes belong to the receiver.
//
// An error, which is [ErrUnavailable] or that of ctx, ends the sequence.
func (c *Catalog) Definitions(ctx context.Context) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		if err := c.titles.gate.check(); err != nil {
			yield(Stored{}, err)
			return
		}
		entries := func(yield func(*entry, error) bool) {
			for e := range c.titles.index.get().all() {
				if !yield(e, nil) {
					return
				}
			}
		}
		for s, err := range readAhead(ctx, entries, c.readStored) {
			if err == nil && s == nil {
				continue
			}
			if err != nil {
				yield(Stored{}, err)
				return
			}
			if !yield(*s, nil) {
				return
			}
		}
	}
}

// readStored reads a title, which was that of an entry. It returns nil if there is none any more.
func (c *Catalog) readStored(ctx context.Context, was *entry) (*Stored, error) {
	rec, err := c.titles.read(ctx, was.key)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && rec.State != live:
		return nil, nil // deleted meanwhile
	case errors.Is(err, store.ErrCorrupt):
		return nil, nil // the title has left the index
	case err == nil && rec.rev == was.rev:
		return &Stored{was.Title, rec.definition}, nil
	case err != nil:
		return nil, err
	}
	now, err := rec.entry(was.key)
	if err != nil {
		return nil, err
	}
	return &Stored{now.Title, rec.definition}, nil
}

// PutOptions are options of [Catalog.Put]. Nil means the zero value.
type PutOptions struct {
	// DryRun returns the result without changing anything.
	DryRun bool
	// By identifies the maker of the change in [Catalog.History], such as the id of a token.
	By string
}

// Put creates a title, or replaces its definition by def if it exists. kind says which of the two it did; it is Updated
// if nothing has changed.
//
// The errors are those of [Catalog.Create] and [Catalog.Replace].
func (c *Catalog) Put(
	ctx context.Context, def *patch.Definition, opts *PutOptions,
) (res Result, kind EventKind, err error) {
	var o PutOptions
	if opts != nil {
		o = *opts
	}
	if err := c.titles.gate.check(); err != nil {
		return Result{}, "", err
	}
	if o.DryRun {
		return c.dryPut(ctx, def)
	}
	for try := 0; ; try++ {
		res, err := c.Replace(ctx, def.ID, def, &EditOptions{Rename: true, By: o.By})
		if !errors.Is(err, ErrNotFound) {
			return res, Updated, err
		}
		res, err = c.Create(ctx, def, &CreateOptions{By: o.By})
		if !errors.Is(err, ErrExists) || try == 2 { // the id may be reserved
			return res, Created, err
		}
	}
}

// dryPut returns the result that Put would have, and changes nothing.
func (c *Catalog) dryPut(ctx context.Context, def *patch.Definition) (Result, EventKind, error) {
	doc, e, err := c.titles.definition(ctx, def.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		rec, warnings, err := c.writer.newRecord(ctx, def, nil)
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
	old, err := parseStored(doc.Bytes())
	if err != nil {
		return Result{}, Updated, fmt.Errorf("%w: title %q: %w", ErrUnavailable, e.ID, err)
	}
	if err := def.ValidateOver(old); err != nil {
		return Result{}, Updated, err
	}
	now := c.writer.now()
	warnings, err := c.writer.rules.lint(ctx, def, now, selection{})
	served, _ := def.Split()
	d := *served
	if !d.Supersede(old, now) {
		return Result{Title: e.Title, Warnings: warnings}, Updated, nil
	}
	rec := &record{definition: doc.Bytes()}
	if err == nil {
		err = c.writer.rules.setDefinition(rec, &d)
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
		before:   doc.Bytes(),
		after:    rec.definition,
	}, Updated, nil
}
