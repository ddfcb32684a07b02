package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// Len returns the number of titles.
func (c *Catalog) Len() int { return len(c.index.Load().sorted) }

// Generation returns a number that grows with every change of a title, made here
// or seen from elsewhere.
func (c *Catalog) Generation() uint64 { return c.index.Load().number }

// Software returns the summaries of all titles as a JSON array, in the order of
// their ids' bytes.
func (c *Catalog) Software() *Document { return c.current().list() }

// Select returns the summaries of some titles as a JSON array: ids is their ids,
// separated by commas, in any case. They stand in the order asked for, each
// once; an id that names no title is left out.
func (c *Catalog) Select(ids string) *Document {
	x := c.current()
	old, from := c.selections.get(ids)
	fresh := old != nil && from == x.number
	c.selections.note(fresh)
	if fresh {
		return old
	}
	ids = strings.Clone(ids) // it is kept, and may be part of something larger
	var chosen []*entry
	taken := map[*entry]bool{}
	for id := range strings.SplitSeq(ids, ",") {
		if e := x.byID(id); e != nil && !taken[e] {
			taken[e] = true
			chosen = append(chosen, e)
		}
	}
	body := writeArray(chosen)
	var doc *Document
	if old != nil && bytes.Equal(body, old.body) {
		// Only other titles have changed: what is compressed already stays so.
		doc = &Document{old.content, x.changed}
	} else {
		doc = newDocument(body, etag(body), x.changed, func(of *content, n int) { c.selections.grow(ids, of, n) })
	}
	if len(chosen) > 0 {
		c.selections.put(ids, doc, x.number, 0)
	}
	return doc
}

// Definition returns a title's definition as JSON.
//
// The error is [ErrNotFound], [ErrUnavailable] or that of ctx.
func (c *Catalog) Definition(ctx context.Context, id string) (*Document, error) {
	doc, _, err := c.definition(ctx, id)
	return doc, err
}

// definition returns a title's definition and the entry that it belongs to.
func (c *Catalog) definition(ctx context.Context, id string) (*Document, *entry, error) {
	for try := 0; ; try++ {
		e := c.index.Load().byID(id)
		if e == nil {
			return nil, nil, &TitleError{ID: id, Err: ErrNotFound}
		}
		doc, from := c.definitions.get(e.key)
		fresh := doc != nil && from.rev == e.rev
		if try == 0 {
			c.definitions.note(fresh)
		}
		if fresh {
			return doc, e, nil
		}
		if try == 2 {
			// It changes faster than it can be read: let it stand still.
			return c.readStill(ctx, e.key, id)
		}
		doc, err := c.readDefinition(ctx, e)
		if doc != nil || err != nil {
			return doc, e, err
		}
	}
}

// readStill reads a title's definition while nobody in this process changes it.
func (c *Catalog) readStill(ctx context.Context, key, id string) (*Document, *entry, error) {
	unlock, err := c.writers.lock(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	r, rec, err := c.readLocked(ctx, key)
	if errors.Is(err, store.ErrNotFound) || err == nil && rec.State != live {
		c.publish(key, nil)
		return nil, nil, &TitleError{ID: id, Err: ErrNotFound}
	}
	if err != nil {
		return nil, nil, err
	}
	e := c.index.Load().byKey(key)
	if e == nil || e.rev != r.Revision {
		if e, err = readEntry(r); err != nil {
			return nil, nil, fmt.Errorf("%w: title %q: %w", ErrUnavailable, id, err)
		}
		c.publish(key, e)
	}
	return c.holdDefinition(e, rec), e, nil
}

// readTimeout bounds a read of the store that several may wait for, so that it
// does not end with the first of them.
const readTimeout = 30 * time.Second

// readDefinition reads the definition that e is the summary of, once for all who
// want it. It returns nil when the store has another by now, and the index knows
// it.
func (c *Catalog) readDefinition(ctx context.Context, e *entry) (*Document, error) {
	result := c.reads.DoChan(e.key+" "+string(e.rev), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		r, rec, err := c.read(ctx, e.key)
		if errors.Is(err, store.ErrNotFound) || err == nil && r.Revision != e.rev {
			return (*Document)(nil), c.refresh(ctx, e.key)
		}
		if err != nil {
			return (*Document)(nil), err
		}
		return c.holdDefinition(e, rec), nil
	})
	select {
	case r := <-result:
		return r.Val.(*Document), r.Err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// An origin is the record that a definition in memory was read from.
type origin struct {
	rev store.Revision
	// head is the rest of the record; with it and the definition, the record can be
	// written again. It must not be changed.
	head *head
}

// origin returns where the definition of a record that has been read or written in
// revision rev comes from.
func (r *record) origin(rev store.Revision) origin {
	h := r.head
	return origin{rev, &h}
}

// holdDefinition keeps the definition of a record in memory. e is the record's entry.
func (c *Catalog) holdDefinition(e *entry, rec *record) *Document {
	grown := func(of *content, n int) { c.definitions.grow(e.key, of, n) }
	doc := newDocument(rec.definition, e.ETag, e.Changed, grown)
	c.definitions.put(e.key, doc, rec.origin(e.rev), rec.headBytes())
	return doc
}

// Load returns a title's definition for reading in Go, and what the index knows
// of the title, both of one moment: an edit that is made of the one goes with the
// other's ETag and UID as its [EditOptions].
//
// The error is [ErrNotFound], [ErrUnavailable] or that of ctx.
func (c *Catalog) Load(ctx context.Context, id string) (*patch.Definition, Title, error) {
	doc, e, err := c.definition(ctx, id)
	if err != nil {
		return nil, Title{}, err
	}
	d, err := parseStored(doc.body)
	if err != nil {
		return nil, Title{}, fmt.Errorf("%w: title %q: %w", ErrUnavailable, id, err)
	}
	return d, e.Title, nil
}

// Title returns what the index knows of a title, or [ErrNotFound].
func (c *Catalog) Title(id string) (Title, error) {
	e := c.index.Load().byID(id)
	if e == nil {
		return Title{}, &TitleError{ID: id, Err: ErrNotFound}
	}
	return e.Title, nil
}

// ByUID returns what the index knows of the title with this UID, or
// [ErrNotFound]. It looks at all titles.
func (c *Catalog) ByUID(uid string) (Title, error) {
	for _, e := range c.index.Load().sorted {
		if e.UID == uid {
			return e.Title, nil
		}
	}
	return Title{}, &TitleError{Err: ErrNotFound}
}

// A Filter chooses titles. The zero Filter chooses all.
type Filter struct {
	// Query is in the id, the name or the publisher, in any case.
	Query string
	// Publisher is the publisher, in any case; empty: any.
	Publisher string
	// Author is the author's name, in any case; empty: any.
	Author string
	// Synced, if not nil, says whether the title follows a source elsewhere.
	Synced *bool
	// After leaves out the titles up to and including the one with this id,
	// whether or not it is there still.
	After string
}

// Find yields the titles that a filter chooses, in the order of their ids'
// bytes, all as they are at one moment.
func (c *Catalog) Find(f Filter) iter.Seq[Title] {
	x := c.index.Load()
	return func(yield func(Title) bool) {
		start := 0
		if f.After != "" {
			at, found := x.search(f.After)
			if start = at; found {
				start++
			}
		}
		query := strings.ToLower(f.Query)
		for _, e := range x.sorted[start:] {
			if f.chooses(e, query) && !yield(e.Title) {
				return
			}
		}
	}
}

func (f *Filter) chooses(e *entry, query string) bool {
	return strings.Contains(e.search, query) &&
		(f.Publisher == "" || strings.EqualFold(f.Publisher, e.Publisher)) &&
		(f.Author == "" || strings.EqualFold(f.Author, e.Author)) &&
		(f.Synced == nil || *f.Synced == (e.Follows != ""))
}

// Changed returns when any title last changed, in whole seconds; it is that of
// [Catalog.Software]'s Document.
func (c *Catalog) Changed() time.Time { return c.current().changed }
