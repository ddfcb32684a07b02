package catalog

import (
	"iter"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// A Filter selects titles: those to which all of its fields apply. The zero Filter selects all.
//
// A filter with Publisher, Author, AuthorLike, Contributor, Account, Mailbox, Source or Synced costs as much as the
// titles that the most selective of them has, and not as much as all titles of the catalog. Query looks at each title
// that the other fields leave.
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

// Count returns the number of titles that a filter selects. It takes no longer with many titles than with few if the
// filter has at most one field besides Query, QueryAuthor and After, and these are empty.
func (c *Catalog) Count(f Filter) int {
	n := 0
	for range c.titles.index.get().find(f) {
		n++
	}
	return n
}

// find yields the entries that a filter selects, sorted by the bytes of their ids.
func (x *index) find(f Filter) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		start := 0
		if f.After != "" {
			at, found := x.search(f.After)
			if start = at; found {
				start++
			}
		}
		selects := f.matcher()
		for _, e := range x.sorted[start:] {
			if selects(e) && !yield(e) {
				return
			}
		}
	}
}

// matcher returns a function that reports whether the filter selects a title. It ignores After.
func (f *Filter) matcher() func(e *entry) bool {
	query, skeleton := strings.ToLower(f.Query), patch.Skeleton(f.AuthorLike)
	return func(e *entry) bool {
		return (query == "" || f.queries(e, query)) &&
			(f.Publisher == "" || strings.EqualFold(f.Publisher, e.Publisher)) &&
			(f.Author == "" || strings.EqualFold(f.Author, e.Author)) &&
			(skeleton == "" || e.Author != "" && patch.Skeleton(e.Author) == skeleton) &&
			(f.Contributor == "" || f.Contributor == e.Contributor) &&
			(f.Account == "" || f.Account == e.Account) &&
			(f.Mailbox == "" || f.Mailbox == e.Mailbox) &&
			(f.Source == "" || f.Source == e.Source) &&
			(f.Synced == nil || *f.Synced == (e.Follows != ""))
	}
}

// queries reports whether a query, in lower case, is a part of a title's text.
func (f *Filter) queries(e *entry, query string) bool {
	return strings.Contains(e.search, query) ||
		f.QueryAuthor && strings.Contains(strings.ToLower(e.Author), query)
}
