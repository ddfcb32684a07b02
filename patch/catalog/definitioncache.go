package catalog

import "github.com/patchsource/patchsource/store"

// A definitionCache is a cache of definitions, by title key.
type definitionCache struct{ *cache[origin] }

// An origin is the record that a cached definition was read from.
type origin struct {
	rev store.Revision
	// head is the rest of the record: the record can be written again from it and the definition. It must not be
	// changed.
	head *head
}

// originOf returns the origin of a record's definition.
func originOf(rec *record) origin {
	h := rec.head
	return origin{rec.rev, &h}
}

// add stores the definition of a live title's record. e is the record's entry.
func (c *definitionCache) add(e *entry, rec *record) *Document {
	grown := func(of *content, n int) { c.grow(e.key, of, n) }
	doc := newDocument(rec.definition, e.ETag, e.Changed, grown)
	c.put(e.key, doc, originOf(rec), rec.headBytes())
	return doc
}

// renew updates the origin of a definition that has not changed.
func (c *definitionCache) renew(e *entry, rec *record) {
	if doc, _ := c.get(e.key); doc != nil && doc.etag == e.ETag {
		c.put(e.key, doc, originOf(rec), rec.headBytes())
	}
}

// record returns the record that e is the entry of, nil if its definition is not cached.
func (c *definitionCache) record(e *entry) *record {
	doc, from := c.get(e.key)
	if doc == nil || from.rev != e.rev {
		return nil
	}
	return &record{head: *from.head, definition: doc.Bytes()}
}
