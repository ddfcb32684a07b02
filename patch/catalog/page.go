package catalog

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// An Order is an order of titles. Titles that are equal in it are sorted by the bytes of their ids, also if the order is
// reversed.
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

// Page returns a page of the titles. It does not read the store. Without a filter, it costs as much as the titles of the
// page, wherever the page begins; with one, it costs as much as [Catalog.Find].
func (c *Catalog) Page(opts *PageOptions) Page {
	var o PageOptions
	if opts != nil {
		o = *opts
	}
	return c.titles.index.get().page(o)
}

// ContributorTitles yields the id of each contributor that has titles, and their number, sorted by the bytes of the ids.
// [Catalog.Count] with Filter.Contributor returns the number of one contributor's titles.
func (c *Catalog) ContributorTitles() iter.Seq2[string, int] {
	n := map[string]int{}
	for _, e := range c.titles.index.get().sorted {
		if e.Contributor != "" {
			n[e.Contributor]++
		}
	}
	ids := make([]string, 0, len(n))
	for id := range n {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return func(yield func(string, int) bool) {
		for _, id := range ids {
			if !yield(id, n[id]) {
				return
			}
		}
	}
}

// page returns a page of the titles.
func (x *index) page(o PageOptions) Page {
	o.Filter.After = ""
	entries := slices.Collect(x.find(o.Filter))
	order := orders[o.Order]
	first := map[*entry]bool{}
	for _, id := range o.First {
		if e := x.byID(id); e != nil {
			first[e] = true
		}
	}
	slices.SortStableFunc(entries, func(a, b *entry) int {
		c := 0
		if first[a] != first[b] {
			if c = 1; first[a] {
				c = -1
			}
		} else if order != nil && !first[a] {
			c = order(a, b)
		}
		if o.Reverse {
			c = -c
		}
		if o.Order == ByID && c == 0 && o.Reverse && !first[a] {
			return cmp.Compare(b.ID, a.ID)
		}
		return c
	})
	p := Page{Matches: len(entries), Total: len(x.sorted)}
	from := min(max(o.Offset, 0), len(entries))
	to := len(entries)
	if o.Limit >= 0 {
		to = min(to, from+o.Limit)
	}
	for _, e := range entries[from:to] {
		p.Titles = append(p.Titles, e.Title)
	}
	return p
}

// orders compare titles by the orders besides ByID. They return 0 for titles that are equal in the order.
var orders = map[Order]func(a, b *entry) int{
	ByName:      func(a, b *entry) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) },
	ByPublisher: func(a, b *entry) int { return cmp.Compare(strings.ToLower(a.Publisher), strings.ToLower(b.Publisher)) },
	ByAuthor:    func(a, b *entry) int { return cmp.Compare(strings.ToLower(a.Author), strings.ToLower(b.Author)) },
	ByVersion: func(a, b *entry) int {
		return patch.ParseVersion(a.CurrentVersion).Order(patch.ParseVersion(b.CurrentVersion))
	},
	ByChanged: func(a, b *entry) int { return b.Changed.Compare(a.Changed) },
	BySource: func(a, b *entry) int {
		follows := func(e *entry) int {
			if e.Follows != "" {
				return 0
			}
			return 1
		}
		return follows(a) - follows(b)
	},
}
