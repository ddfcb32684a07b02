package catalog

import (
	"iter"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// A Filter selects titles: those to which all of its fields apply. The zero Filter selects all.
//
// Finding titles costs as much as there are titles with the Contributor, Account, Mailbox, Source, AuthorLike, Author
// or Publisher of the filter, the first in this order that is not empty, or as there are titles that follow a source,
// if Synced selects these. Query and the other fields look at each of these titles, or else at all titles.
type Filter struct {
	// Query is a part of the id, the name or the publisher, without regard to case.
	Query string
	// QueryAuthor makes Query also search the author's name.
	QueryAuthor bool
	// Publisher is the publisher, without regard to case. If empty, any publisher matches.
	Publisher string
	// Author is the author's name, without regard to case. If empty, any author matches.
	Author string
	// AuthorLike is a name that looks like the author's: the two have the same [patch.Skeleton]. If the skeleton is
	// empty, any author matches.
	AuthorLike string
	// Contributor is the id of the contributor that owns the title. If empty, any owner matches.
	Contributor string
	// Account is the account that CreateOptions gave. If empty, any account matches.
	Account string
	// Mailbox is the hash of the author's address that CreateOptions gave. If empty, any address matches.
	Mailbox string
	// Source is the key of the mirror that the title belongs to. If empty, any title matches.
	Source string
	// Synced selects the titles that follow a source, or those that do not. If nil, both match.
	Synced *bool
	// Disabled also selects titles that are disabled.
	Disabled bool
	// After excludes the titles up to and including the one with this id, whether or not it exists.
	After string
}

// Find yields the titles that a filter selects, sorted by the bytes of their ids, all at one moment. It does not read
// the store.
func (c *Catalog) Find(f Filter) iter.Seq[Title] {
	x := c.titles.index.get()
	return func(yield func(Title) bool) {
		for e := range x.find(f) {
			if !yield(e.Title) {
				return
			}
		}
	}
}

// Count returns the number of titles that a filter selects. It is quick if the filter has at most one field, and that
// is neither Query nor After.
func (c *Catalog) Count(f Filter) int { return c.titles.index.get().count(f) }

// count returns the number of titles that a filter selects.
func (x *index) count(f Filter) (n int) {
	if f.Contributor != "" && f == (Filter{Contributor: f.Contributor}) { // for each read of a contributor's feed
		return x.authors.get(f.Contributor).titles
	}
	if some, rest := x.narrow(f); rest == (Filter{}) { // titles that are disabled are not in the orders
		if some == nil {
			return x.size
		}
		return some.titles.count(some.pivot)
	}
	for range x.find(f) {
		n++
	}
	return n
}

// An equalTitles has the titles that are equal to pivot in an order.
type equalTitles struct {
	titles *sortedTitles
	pivot  *entry
}

// narrow returns the titles that one field of a filter selects, nil if no field has an index, and the filter without
// that field and without fields that select all titles.
func (x *index) narrow(f Filter) (*equalTitles, Filter) {
	if f.Query == "" {
		f.QueryAuthor = false
	}
	skeleton := patch.Skeleton(f.AuthorLike)
	if skeleton == "" {
		f.AuthorLike = ""
	}
	var o order
	pivot := &entry{Title: Title{Summary: patch.Summary{ID: f.After}}}
	switch {
	case f.Contributor != "":
		o, pivot.Contributor, f.Contributor = ofContributor, f.Contributor, ""
	case f.Account != "":
		o, pivot.Account, f.Account = ofAccount, f.Account, ""
	case f.Mailbox != "":
		o, pivot.Mailbox, f.Mailbox = ofMailbox, f.Mailbox, ""
	case f.Source != "":
		o, pivot.Source, f.Source = ofMirror, f.Source, ""
	case skeleton != "":
		o, pivot.skeleton, f.AuthorLike = ofSkeleton, skeleton, ""
	case f.Author != "":
		o, pivot.text, f.Author = byAuthor, fold(f.Author), ""
	case f.Publisher != "":
		pivot.text = fold(f.Publisher) + "\n"
		o, pivot.authorAt, f.Publisher = byPublisher, int32(len(pivot.text)), ""
	case f.Synced != nil:
		if o = bySource; *f.Synced {
			pivot.Follows = "any"
		}
		f.Synced = nil
	default:
		return nil, f
	}
	return &equalTitles{&x.sorted[o], pivot}, f
}

// find yields the entries that a filter selects, sorted by the bytes of their ids.
func (x *index) find(f Filter) iter.Seq[*entry] {
	some, rest := x.narrow(f)
	matches := rest.matcher()
	if f.Disabled {
		return x.findAny(f)
	}
	return func(yield func(*entry) bool) {
		all := x.chunks.after(f.After)
		if some != nil {
			all = some.titles.equal(some.pivot)
		}
		for e := range all {
			if e.ID > f.After && matches(e) && !yield(e) {
				return
			}
		}
	}
}

// findAny is find for a filter that also selects titles that are disabled. Of these it looks at all.
func (x *index) findAny(f Filter) iter.Seq[*entry] {
	f.Disabled = false
	selected := slices.Collect(x.find(f))
	matches := f.matcher()
	served := len(selected)
	x.disabled(func(e *entry) bool {
		if e.ID > f.After && matches(e) {
			selected = append(selected, e)
		}
		return true
	})
	if len(selected) > served {
		slices.SortFunc(selected, func(a, b *entry) int { return strings.Compare(a.ID, b.ID) })
	}
	return slices.Values(selected)
}

// matcher returns a function that reports whether the filter selects a title. It ignores After.
func (f *Filter) matcher() func(e *entry) bool {
	query, skeleton := fold(f.Query), patch.Skeleton(f.AuthorLike)
	is := func(wanted, value string) bool { return wanted == "" || wanted == value }
	folds := func(wanted, value string) bool { return wanted == "" || strings.EqualFold(wanted, value) }
	return func(e *entry) bool {
		return (query == "" || f.queries(e, query)) &&
			folds(f.Publisher, e.Publisher) &&
			folds(f.Author, e.Author) &&
			is(skeleton, e.skeleton) &&
			is(f.Contributor, e.Contributor) &&
			is(f.Account, e.Account) &&
			is(f.Mailbox, e.Mailbox) &&
			is(f.Source, e.Source) &&
			(f.Synced == nil || *f.Synced == (e.Follows != ""))
	}
}

// queries reports whether a folded query is a part of a line of a title's text.
func (f *Filter) queries(e *entry, query string) bool {
	if strings.Contains(query, "\n") {
		return strings.Contains(e.foldedName(), query) || strings.Contains(e.foldedPublisher(), query) ||
			f.QueryAuthor && strings.Contains(e.foldedAuthor(), query) // an id has no line break
	}
	if f.QueryAuthor {
		return strings.Contains(e.text, query)
	}
	return strings.Contains(e.text[:e.authorAt-1], query)
}
