package catalog

import (
	"iter"
	"slices"
)

// An Order is an order of titles. Titles that are equal in it are sorted by the bytes of their ids, also if the order
// is reversed.
type Order string

// The orders of titles.
const (
	// ByID is the order of the bytes of the ids, which is that of [Catalog.Software]. It is the default.
	ByID Order = ""
	// ByName, ByPublisher and ByAuthor are the orders of the names in lower case.
	ByName      Order = "name"
	ByPublisher Order = "publisher"
	ByAuthor    Order = "author"
	// ByVersion is the order of the current versions; see [patch.Version.Order].
	ByVersion Order = "version"
	// ByChanged has the titles first that changed last; see [Title].
	ByChanged Order = "changed"
	// BySource has the titles first that follow a source.
	BySource Order = "source"
)

// PageOptions are options of [Catalog.Page]. Nil means the zero value.
type PageOptions struct {
	// Filter selects the titles. Its After is ignored.
	Filter Filter
	// Order is the order of the titles. An unknown order is ByID.
	Order Order
	// Reverse reverses the order.
	Reverse bool
	// First are the ids of titles, without regard to case, that precede all others, or follow all others if Reverse is
	// true. Ids that name no title, or none that the filter selects, are ignored.
	First []string
	// Only, if not nil, selects of the titles that the filter selects those for which it returns true. It is called for
	// each of them, must not call methods of the catalog that wait for changes, and makes a page cost as much as all
	// titles that the filter selects.
	Only func(Title) bool
	// Offset is the number of titles before the page. If it is negative, it is 0. If there are not so many titles, the
	// page is empty.
	Offset int
	// Limit bounds the titles of the page. If it is 0, the page is empty. A negative number means no limit.
	Limit int
}

// A Page is a part of the titles in some order, all at one moment.
type Page struct {
	// Titles are the titles of the page.
	Titles []Title
	// Matches is the number of titles that the filter selects, and Total is the number of all titles.
	Matches, Total int
}

// Page returns a page of the titles. It does not read the store. Without a filter, it costs as much as the titles of
// the page, wherever the page begins; with one, it costs as much as [Catalog.Find].
func (c *Catalog) Page(opts *PageOptions) Page {
	var o PageOptions
	if opts != nil {
		o = *opts
	}
	return c.titles.index.get().page(o)
}

// ContributorTitles yields the id of each contributor that has titles, and their number, sorted by the bytes of the
// ids. [Catalog.Count] with Filter.Contributor returns the number of one contributor's titles.
func (c *Catalog) ContributorTitles() iter.Seq2[string, int] {
	x := c.titles.index.get()
	return func(yield func(string, int) bool) {
		for g := range x.authors.all() {
			if !yield(g.name, g.titles) {
				return
			}
		}
	}
}

// orders are the orders besides ByID.
var orders = map[Order]order{
	ByName:      byName,
	ByPublisher: byPublisher,
	ByAuthor:    byAuthor,
	ByVersion:   byVersion,
	ByChanged:   byChanged,
	BySource:    bySource,
}

// page returns a page of the titles.
func (x *index) page(o PageOptions) Page {
	o.Filter.After = ""
	if o.Only != nil {
		return x.pageOnly(&o)
	}
	p := Page{Total: x.size, Matches: x.count(o.Filter)}
	from := min(max(o.Offset, 0), p.Matches)
	n := p.Matches - from
	if o.Limit >= 0 {
		n = min(n, o.Limit)
	}
	if n == 0 {
		return p
	}
	p.Titles = make([]Title, 0, n)
	for e := range x.pageFrom(o, from) {
		p.Titles = append(p.Titles, e.Title)
		if len(p.Titles) == n {
			break
		}
	}
	return p
}

// pageOnly is page with PageOptions.Only.
func (x *index) pageOnly(o *PageOptions) Page {
	matches := o.Filter.matcher()
	var first, all []*entry
	isFirst := map[*entry]bool{}
	for _, e := range x.firstOf(o.First, matches) {
		if isFirst[e] = true; o.Only(e.Title) {
			first = append(first, e)
		}
	}
	for e := range x.ordered(o, 0) {
		if !isFirst[e] && o.Only(e.Title) {
			all = append(all, e)
		}
	}
	if o.Reverse {
		all = append(all, first...)
	} else {
		all = append(first, all...)
	}
	p := Page{Total: x.size, Matches: len(all)}
	all = all[min(max(o.Offset, 0), len(all)):]
	if o.Limit >= 0 {
		all = all[:min(o.Limit, len(all))]
	}
	for _, e := range all {
		p.Titles = append(p.Titles, e.Title)
	}
	return p
}

// pageFrom yields the titles from an offset on, which must be less than their number.
func (x *index) pageFrom(o PageOptions, offset int) iter.Seq[*entry] {
	first := x.firstOf(o.First, o.Filter.matcher())
	if len(first) == 0 {
		return x.ordered(&o, offset)
	}
	return func(yield func(*entry) bool) {
		others := x.count(o.Filter) - len(first)
		if o.Reverse {
			if offset >= others || x.others(&o, first, offset, yield) {
				yieldFrom(first, max(offset-others, 0), yield)
			}
			return
		}
		if yieldFrom(first, min(offset, len(first)), yield) {
			x.others(&o, first, max(offset-len(first), 0), yield)
		}
	}
}

// yieldFrom yields entries from a position on. It returns false if yield did.
func yieldFrom(entries []*entry, position int, yield func(*entry) bool) bool {
	for _, e := range entries[position:] {
		if !yield(e) {
			return false
		}
	}
	return true
}

// others yields the titles that are not among first, from an offset on. It returns false if yield did.
func (x *index) others(o *PageOptions, first []*entry, offset int, yield func(*entry) bool) bool {
	isFirst := make(map[*entry]bool, len(first))
	for _, e := range first {
		isFirst[e] = true
	}
	start := 0
	if by, ok := orders[o.Order]; ok && x.isAll(o.Filter) {
		start, offset = x.sorted[by].skip(first, offset, o.Reverse), 0
	}
	for e := range x.ordered(o, start) {
		switch {
		case isFirst[e]:
		case offset > 0:
			offset--
		case !yield(e):
			return false
		}
	}
	return true
}

// isAll reports whether a filter selects all titles.
func (x *index) isAll(f Filter) bool {
	some, rest := x.narrow(f)
	return some == nil && rest == Filter{}
}

// ordered yields the titles from an offset on, without regard to PageOptions.First.
func (x *index) ordered(o *PageOptions, offset int) iter.Seq[*entry] {
	by, known := orders[o.Order]
	some, rest := x.narrow(o.Filter)
	if some != nil {
		entries := slices.Collect(x.find(o.Filter))
		o.sort(entries)
		return slices.Values(entries[min(offset, len(entries)):])
	}
	from := func(position int) iter.Seq[*entry] {
		switch {
		case !known && o.Reverse:
			return x.chunks.backward(position)
		case !known:
			return x.chunks.from(position)
		case o.Reverse:
			return x.sorted[by].reversed(position)
		}
		return x.sorted[by].from(position)
	}
	if rest == (Filter{}) {
		return from(offset)
	}
	matches := rest.matcher()
	return func(yield func(*entry) bool) {
		skip := offset
		for e := range from(0) {
			switch {
			case !matches(e):
			case skip > 0:
				skip--
			case !yield(e):
				return
			}
		}
	}
}

// sort sorts entries that are sorted by the bytes of their ids.
func (o *PageOptions) sort(entries []*entry) {
	by, known := orders[o.Order]
	switch {
	case !known && o.Reverse:
		slices.Reverse(entries)
	case known && o.Reverse:
		slices.SortStableFunc(entries, func(a, b *entry) int { return comparisons[by](b, a) })
	case known:
		slices.SortStableFunc(entries, comparisons[by])
	}
}

// firstOf returns the titles with some ids that match, sorted by the bytes of their ids.
func (x *index) firstOf(ids []string, matches func(*entry) bool) (first []*entry) {
	for _, id := range ids {
		if e := x.byID(id); e != nil && matches(e) {
			first = append(first, e)
		}
	}
	sortEntries(first)
	return slices.Compact(first)
}
