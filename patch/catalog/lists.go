package catalog

import (
	"cmp"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// A listCache makes lists of some of the titles, and caches them. A list is made again only if one of its own titles
// has changed.
type listCache struct {
	selections   *cache[*selected] // by the ids asked for
	contributors *cache[listOrigin]
}

// A selected is the origin of a selection.
type selected struct {
	number  uint64   // of the index for which the document was valid last
	entries []*entry // of the index for which it was made
}

// selection returns the summaries of the titles that ids name; see Catalog.Select.
func (l *listCache) selection(x *index, ids string) *Document {
	old, from := l.selections.get(ids)
	hit := old != nil && from.number == x.number
	l.selections.count(hit)
	if hit {
		return old
	}
	entries := x.selectEntries(ids)
	if old != nil && slices.EqualFunc(entries, from.entries, sameSummary) {
		doc := datedDocument(old.content, x.changed)
		l.selections.put(ids, doc, &selected{x.number, from.entries}, 0)
		return doc
	}
	ids = strings.Clone(ids) // the cache keeps it, and it may be a part of something larger
	summaries := make([]patch.Summary, len(entries))
	for i, e := range entries {
		summaries[i] = e.Summary
	}
	data := listJSON(summaries)
	doc := newDocument(data, etag(data), x.changed, func(of *content, n int) { l.selections.grow(ids, of, n) })
	if len(entries) > 0 {
		l.selections.put(ids, doc, &selected{x.number, entries}, 8*len(entries))
	}
	return doc
}

// selectEntries returns the titles that ids name, each once.
func (x *index) selectEntries(ids string) []*entry {
	n := strings.Count(ids, ",") + 1
	entries := make([]*entry, 0, min(n, x.size))
	var seen map[*entry]bool
	if n > maxPlainSearch {
		seen = make(map[*entry]bool, min(n, x.size))
	}
	for id := range strings.SplitSeq(ids, ",") {
		e := x.byID(id)
		switch {
		case e == nil || seen[e] || seen == nil && slices.Contains(entries, e):
			continue
		case seen != nil:
			seen[e] = true
		}
		entries = append(entries, e)
	}
	return entries
}

// maxPlainSearch is the number of titles up to which a search in a slice is quicker than a map.
const maxPlainSearch = 32

// A listOrigin is the origin of a contributor's list: the number of the index for which the document was valid last,
// and the group's number; see group. A definition has the zero listOrigin.
type listOrigin struct{ index, group uint64 }

// ofContributor returns the summaries of a contributor's titles, or of those that ids name if it is not empty, under
// their plain ids and names, sorted by the bytes of those ids.
func (l *listCache) ofContributor(x *index, contributor, ids string) *Document {
	key := "list " + contributor + " " + ids // no contributor's id contains a space
	old, from := l.contributors.get(key)
	if old != nil && from.index == x.number {
		return old
	}
	g := x.authors.get(contributor)
	origin := listOrigin{x.number, g.number}
	if old != nil && g.titles > 0 && from.group == g.number {
		doc := datedDocument(old.content, x.changed)
		l.contributors.put(key, doc, origin, 0)
		return doc
	}
	data := listJSON(x.summariesOf(contributor, ids))
	doc := newDocument(data, etag(data), x.changed, func(of *content, n int) { l.contributors.grow(key, of, n) })
	if len(data) > len("[]") {
		l.contributors.put(key, doc, origin, 0)
	}
	return doc
}

// summariesOf returns the summaries of a contributor's titles; see listCache.ofContributor.
func (x *index) summariesOf(contributor, ids string) (all []patch.Summary) {
	if ids != "" {
		seen := map[*entry]bool{}
		for id := range strings.SplitSeq(ids, ",") {
			if e := x.byPlainID(contributor, id); e != nil && !seen[e] {
				seen[e] = true
				all = append(all, e.plainSummary())
			}
		}
		return all
	}
	if contributor == "" {
		return nil
	}
	for e := range x.find(Filter{Contributor: contributor}) {
		all = append(all, e.plainSummary())
	}
	slices.SortStableFunc(all, func(a, b patch.Summary) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// definition returns the definition of a contributor's title, under its plain id and name. stored is the definition
// that the catalog has.
func (l *listCache) definition(e *entry, stored *Document) (*Document, error) {
	// The entity tag identifies the definition that the document is made from.
	key := "definition " + e.UID + " " + stored.ETag()
	if doc, _ := l.contributors.get(key); doc != nil {
		return doc, nil
	}
	d, err := parseStored(stored.Bytes())
	if err != nil {
		return nil, unavailable(err)
	}
	d.ID, d.Name = e.Plain()
	data, err := d.MarshalJSON()
	if err != nil {
		return nil, err
	}
	doc := newDocument(data, etag(data), stored.changed, func(of *content, n int) { l.contributors.grow(key, of, n) })
	l.contributors.put(key, doc, listOrigin{}, 0)
	return doc, nil
}
