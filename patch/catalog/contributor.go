package catalog

import (
	"context"
	"fmt"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// Plain returns the id and the name of a title without its author, as they stand
// in a contributor's own feed: Slack for Slack_macman, and Slack for Slack
// (macman). What does not end in the author stays as it is.
func (t Title) Plain() (id, name string) {
	id, name = t.ID, t.Name
	if suffix, err := patch.AuthorID(t.Author); err == nil {
		if plain, ok := strings.CutSuffix(id, "_"+suffix); ok && patch.ValidID(plain) {
			id = plain
		}
		if plain, ok := strings.CutSuffix(name, " ("+t.Author+")"); ok && plain != "" {
			name = plain
		}
	}
	return id, name
}

// plain returns the entry as a contributor's own feed has it.
func (e *entry) plain() (*entry, error) {
	p := *e
	p.ID, p.Name = e.Plain()
	var err error
	p.line, err = summaryLine(p.Summary)
	return &p, err
}

// SoftwareOf returns the summaries of a contributor's titles as a JSON array, under
// their plain ids and names, in the order of those ids' bytes.
func (c *Catalog) SoftwareOf(contributor string) (*Document, error) {
	return c.ofContributor(contributor, "")
}

// SelectOf returns the summaries of some of a contributor's titles, as
// [Catalog.Select] does of all.
func (c *Catalog) SelectOf(contributor, ids string) (*Document, error) {
	return c.ofContributor(contributor, ids)
}

// ofContributor makes a contributor's list, or the part of it that ids name. It is
// made once for each state of the index that somebody asks about.
func (c *Catalog) ofContributor(contributor, ids string) (*Document, error) {
	x := c.current()
	key := "list " + contributor + " " + ids // no contributor's id has a space
	if doc, from := c.others.get(key); doc != nil && from == x.number {
		return doc, nil
	}
	all, err := x.of(contributor)
	if err != nil {
		return nil, err
	}
	if ids != "" {
		byID := make(map[string]*entry, len(all))
		for _, e := range all {
			byID[titleKey(e.ID)] = e
		}
		all = nil
		for id := range strings.SplitSeq(ids, ",") {
			if e := byID[titleKey(id)]; e != nil {
				all = append(all, e)
				delete(byID, titleKey(id)) // each once
			}
		}
	}
	body := writeArray(all)
	doc := newDocument(body, etag(body), x.changed, func(of *content, n int) { c.others.grow(key, of, n) })
	if len(all) > 0 {
		c.others.put(key, doc, x.number, 0)
	}
	return doc, nil
}

// of returns a contributor's titles under their plain ids, sorted by these.
func (x *index) of(contributor string) ([]*entry, error) {
	var all []*entry
	for _, e := range x.sorted {
		if e.Contributor == contributor && contributor != "" {
			p, err := e.plain()
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	sortEntries(all)
	return all, nil
}

// DefinitionOf returns the definition of a contributor's title, under its plain id
// and name; id is the plain one, in any case.
//
// The error is [ErrNotFound], [ErrUnavailable] or that of ctx.
func (c *Catalog) DefinitionOf(ctx context.Context, contributor, id string) (*Document, error) {
	notFound := &TitleError{ID: id, Err: ErrNotFound}
	full := ""
	for _, e := range c.index.Load().sorted {
		if e.Contributor != contributor || contributor == "" {
			continue
		}
		if plain, _ := e.Plain(); strings.EqualFold(plain, id) {
			full = e.ID
			break
		}
	}
	if full == "" {
		return nil, notFound
	}
	stored, e, err := c.definition(ctx, full)
	if err != nil {
		return nil, err
	}
	if e.Contributor != contributor {
		return nil, notFound // another's by now
	}
	// The ETag says what it was made of, as the number of an index does of a list.
	key := "definition " + e.UID + " " + stored.ETag()
	if doc, _ := c.others.get(key); doc != nil {
		return doc, nil
	}
	d, err := parseStored(stored.body)
	if err != nil {
		return nil, fmt.Errorf("%w: title %q: %w", ErrUnavailable, full, err)
	}
	d.ID, d.Name = e.Plain()
	body, err := d.MarshalJSON()
	if err != nil {
		return nil, err
	}
	doc := newDocument(body, etag(body), stored.changed, func(of *content, n int) { c.others.grow(key, of, n) })
	c.others.put(key, doc, 0, 0)
	return doc, nil
}
