package catalog

import "context"

// SoftwareOf returns the summaries of a contributor's titles as a JSON array, under their plain ids and names (see
// [Title.Plain]), sorted by the bytes of those ids.
func (c *Catalog) SoftwareOf(contributor string) (*Document, error) {
	return c.SelectOf(contributor, "")
}

// SelectOf returns the summaries of some of a contributor's titles, as [Catalog.Select] does of all titles. Without ids
// it returns those of all.
func (c *Catalog) SelectOf(contributor, ids string) (*Document, error) {
	if err := c.titles.gate.check(); err != nil {
		return nil, err
	}
	return c.lists.ofContributor(c.titles.index.serve(), contributor, ids), nil
}

// DefinitionOf returns the definition of a contributor's title, under its plain id and name. id is the plain id,
// without regard to case.
//
// The error is [ErrNotFound], [ErrUnavailable] or that of ctx.
func (c *Catalog) DefinitionOf(ctx context.Context, contributor, id string) (*Document, error) {
	if err := c.titles.gate.check(); err != nil {
		return nil, err
	}
	found := c.titles.index.get().byPlainID(contributor, id)
	if found == nil {
		return nil, notFound(id)
	}
	stored, e, err := c.titles.definition(ctx, found.ID)
	if err != nil {
		return nil, err
	}
	if e.Contributor != contributor {
		return nil, notFound(id) // the title has changed hands meanwhile
	}
	return c.lists.definition(e, stored)
}
