package catalog

import (
	"bytes"
	"strings"
)

// A listCache makes lists of some of the titles, and caches them. A list is valid for one index, which its number
// identifies.
type listCache struct {
	selections   *cache[uint64] // by the ids asked for
	contributors *cache[uint64] // the documents of contributors' own feeds
}

// selection returns the summaries of the titles that ids name; see Catalog.Select.
func (l *listCache) selection(x *index, ids string) *Document {
	old, from := l.selections.get(ids)
	hit := old != nil && from == x.number
	l.selections.count(hit)
	if hit {
		return old
	}
	ids = strings.Clone(ids) // the cache keeps it, and it may be a part of something larger
	var selected []*entry
	seen := map[*entry]bool{}
	for id := range strings.SplitSeq(ids, ",") {
		if e := x.byID(id); e != nil && !seen[e] {
			seen[e] = true
			selected = append(selected, e)
		}
	}
	body := listJSON(selected)
	var doc *Document
	if old != nil && bytes.Equal(body, old.body) {
		// Only other titles have changed: the compressed form stays valid.
		doc = &Document{old.content, x.changed}
	} else {
		doc = newDocument(body, etag(body), x.changed, func(of *content, n int) { l.selections.grow(ids, of, n) })
	}
	if len(selected) > 0 {
		l.selections.put(ids, doc, x.number, 0)
	}
	return doc
}

// ofContributor returns the summaries of a contributor's titles, or of those that ids name if it is not empty, under
// their plain ids and names, sorted by the bytes of those ids.
func (l *listCache) ofContributor(x *index, contributor, ids string) (*Document, error) {
	key := "list " + contributor + " " + ids // no contributor's id contains a space
	if doc, from := l.contributors.get(key); doc != nil && from == x.number {
		return doc, nil
	}
	all, err := x.ofContributor(contributor)
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
	body := listJSON(all)
	doc := newDocument(body, etag(body), x.changed, func(of *content, n int) { l.contributors.grow(key, of, n) })
	if len(all) > 0 {
		l.contributors.put(key, doc, x.number, 0)
	}
	return doc, nil
}

// definition returns the definition of a contributor's title, under its plain id and name. stored is the definition
// that the catalog has.
func (l *listCache) definition(e *entry, stored *Document) (*Document, error) {
	// The entity tag identifies the definition that the document is made from.
	key := "definition " + e.UID + " " + stored.ETag()
	if doc, _ := l.contributors.get(key); doc != nil {
		return doc, nil
	}
	d, err := parseStored(stored.body)
	if err != nil {
		return nil, unavailable(err)
	}
	d.ID, d.Name = e.Plain()
	body, err := d.MarshalJSON()
	if err != nil {
		return nil, err
	}
	doc := newDocument(body, etag(body), stored.changed, func(of *content, n int) { l.contributors.grow(key, of, n) })
	l.contributors.put(key, doc, 0, 0)
	return doc, nil
}
