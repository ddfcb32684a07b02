package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/patchsource/patchsource/httpapi/internal/listing"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	patchsync "github.com/patchsource/patchsource/sync"
)

// pages is the webui.Catalog of a server.
type pages struct{ *Server }

// view returns a title as the page shows it.
func (p pages) view(t catalog.Title) webui.Title {
	out := webui.Title{
		ID:          t.ID,
		Name:        t.Name,
		Publisher:   t.Publisher,
		Author:      t.Author,
		Version:     t.CurrentVersion,
		Contributor: t.Contributor,
		ETag:        t.ETag,
		Changed:     t.Changed,
		Follows:     patchsync.RedactURL(t.Follows),
		Draft:       !t.Draft.Changed.IsZero(),
	}
	facts, _ := p.Survey.Facts(t)
	out.Released, out.Warnings, out.Stale = facts.Released, facts.Warnings, facts.Stale(p.now())
	if t.Follows == "" {
		_, err := p.Sync.Watches().State(t.ID)
		out.Watched = err == nil
		return out
	}
	s, ok := p.Sync.State(t)
	if out.Trouble = s.Outcome(); !ok && t.Source != "" {
		out.Trouble = "this server no longer follows its source, so the title does not change"
	}
	return out
}

// Page implements webui.Catalog.
func (p pages) Page(o webui.PageOptions) webui.Page {
	selector := listing.New(p.Catalog, p.Survey, services.Sync(p.Sync), services.Watches(p.Sync.Watches()), p.now)
	filter, only := selector.Select(listing.Filter{
		Filter: catalog.Filter{Query: o.Query, QueryAuthor: true, Publisher: o.Publisher},
		Bundle: o.Bundle,
		Source: o.Source,
		State:  o.State,
	})
	if o.Only != nil {
		rest := only
		only = func(t catalog.Title) bool { return (rest == nil || rest(t)) && o.Only(p.view(t)) }
	}
	opts := catalog.PageOptions{
		Filter:  filter,
		Only:    only,
		Order:   catalog.Order(o.Order),
		Reverse: o.Reverse,
		Offset:  o.Number * o.Size,
		Limit:   o.Size,
	}
	if opts.Order == catalog.BySource {
		opts.First = p.Sync.Failing()
	}
	found := p.Catalog.Page(&opts)
	if last := max(0, (found.Matches-1)/o.Size); o.Number > last {
		o.Number, opts.Offset = last, last*o.Size
		found = p.Catalog.Page(&opts)
	}
	page := webui.Page{Number: o.Number, Matches: found.Matches, Total: found.Total}
	for _, t := range found.Titles {
		page.Titles = append(page.Titles, p.view(t))
	}
	return page
}

// Find implements webui.Catalog.
func (p pages) Find(id string) (webui.Title, bool) {
	t, err := p.Catalog.Title(id)
	if err != nil {
		return webui.Title{}, false
	}
	return p.view(t), true
}

// FeedCounts implements webui.FeedCounter.
func (p pages) FeedCounts(may func(webui.Title) bool) (counts webui.FeedCounts) {
	mayChange := func(id string) bool {
		t, ok := p.Find(id)
		return ok && may(t)
	}
	for s := range p.Sync.Watches().All() {
		if s.Status == patchsync.WatchFailing && mayChange(s.Title) {
			counts.Failing++
		}
	}
	for proposal := range p.Sync.Watches().Proposals() {
		if mayChange(proposal.Title) {
			counts.Proposals++
		}
	}
	return counts
}

// Bytes implements webui.Catalog.
func (p pages) Bytes(id string) int64 {
	t, _ := p.Catalog.Lookup(id) // a title that does not exist has none
	return t.Bytes
}

// Title implements webui.Catalog.
func (p pages) Title(ctx context.Context, id string) (webui.Title, *patch.Definition, error) {
	def, t, err := p.Catalog.Load(ctx, id)
	if err != nil {
		return webui.Title{}, nil, notFound(err)
	}
	return p.view(t), def, nil
}

// History implements webui.Catalog.
func (p pages) History(ctx context.Context, id string) (all []webui.Revision, err error) {
	revisions, err := p.Catalog.History(ctx, id)
	for _, e := range revisions {
		all = append(all, webui.Revision{Number: e.Number, At: e.At, Version: e.Version, Current: e.Current})
	}
	return all, notFound(err)
}

// notFound makes catalog.ErrNotFound a webui.ErrNotFound.
func notFound(err error) error {
	if errors.Is(err, catalog.ErrNotFound) {
		return fmt.Errorf("%w: %w", webui.ErrNotFound, err)
	}
	return err
}
