package catalog

import (
	"context"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// Len returns the number of titles.
func (c *Catalog) Len() int { return c.titles.index.get().size }

// Generation returns a number that grows with every change of a title, made by this catalog or by another server.
func (c *Catalog) Generation() uint64 { return c.titles.index.get().number }

// Changed returns the time at which any title last changed, in whole seconds. It is Document.Changed of
// [Catalog.Software].
func (c *Catalog) Changed() time.Time { return c.titles.index.serve().changed }

// Damaged returns the number of titles that could not be read because their records are corrupt. A title counts until
// it is written again.
func (c *Catalog) Damaged() int { return c.titles.damaged.len() }

// IsDamaged reports whether the title with an id is one that [Catalog.Damaged] counts. It is without regard to case.
func (c *Catalog) IsDamaged(id string) bool { return c.titles.damaged.has(titleKey(id)) }

// Software returns the summaries of all titles as a JSON array, sorted by the bytes of their ids.
func (c *Catalog) Software() *Document { return c.titles.index.serve().list() }

// Select returns the summaries of some titles as a JSON array, in the order of ids: a list separated by commas, without
// regard to case. Each title occurs once; ids that name no title are ignored.
func (c *Catalog) Select(ids string) *Document { return c.lists.selection(c.titles.index.serve(), ids) }

// Definition returns a title's definition as JSON.
//
// The error is [ErrNotFound], [ErrUnavailable] or that of ctx.
func (c *Catalog) Definition(ctx context.Context, id string) (*Document, error) {
	if err := c.titles.gate.check(); err != nil {
		return nil, err
	}
	doc, _, err := c.titles.definition(ctx, id)
	return doc, err
}

// Load returns a title's definition, and the title at the same moment: its ETag and UID go into the [EditOptions] of an
// edit that is made from the definition. The definition belongs to the caller.
//
// The error is [ErrNotFound], [ErrUnavailable] or that of ctx.
func (c *Catalog) Load(ctx context.Context, id string) (*patch.Definition, Title, error) {
	if err := c.titles.gate.check(); err != nil {
		return nil, Title{}, err
	}
	doc, e, err := c.titles.definition(ctx, id)
	if err != nil {
		return nil, Title{}, err
	}
	d, err := parseStored(doc.Bytes())
	if err != nil {
		return nil, Title{}, fmt.Errorf("%w: title %q: %w", ErrUnavailable, id, err)
	}
	return d, e.Title, nil
}

// Title returns a title. It does not read the store. The error is [ErrNotFound] or [ErrClosed].
func (c *Catalog) Title(id string) (Title, error) {
	if err := c.titles.gate.check(); err != nil {
		return Title{}, err
	}
	e := c.titles.index.get().byID(id)
	if e == nil {
		return Title{}, notFound(id)
	}
	return e.Title, nil
}

// Lookup returns a title, which may be disabled: Title.Disabled reports that. It does not read the store. The error is
// [ErrNotFound] or [ErrClosed].
func (c *Catalog) Lookup(id string) (Title, error) {
	if err := c.titles.gate.check(); err != nil {
		return Title{}, err
	}
	e := c.titles.index.get().anyByKey(titleKey(id))
	if e == nil {
		return Title{}, notFound(id)
	}
	return e.Title, nil
}

// ByUID returns the title with this UID, which may be disabled. It does not read the store. The error is [ErrNotFound]
// or [ErrClosed].
func (c *Catalog) ByUID(uid string) (Title, error) {
	if err := c.titles.gate.check(); err != nil {
		return Title{}, err
	}
	e := c.titles.index.get().byUID(uid)
	if e == nil {
		return Title{}, notFound("")
	}
	return e.Title, nil
}
