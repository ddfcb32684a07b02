package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// Software returns the summaries of all titles, as Jamf Pro reads them.
func (c *Client) Software(ctx context.Context) ([]patch.Summary, error) {
	all, _, err := c.SoftwareIfChanged(ctx, "")
	return all, err
}

// SoftwareIfChanged returns the summaries of all titles and the ETag of the list. It returns ErrNotModified if etag is
// the ETag of an earlier call and the list has not changed since. If etag is empty, the list is always returned.
func (c *Client) SoftwareIfChanged(ctx context.Context, etag string) (all []patch.Summary, current string, err error) {
	q := call{method: http.MethodGet, path: []string{"jamf", "v1", "software"}}
	if etag != "" {
		q.header = http.Header{"If-None-Match": {etag}}
	}
	header, err := c.doHeader(ctx, q, &all)
	return all, header.Get("ETag"), err
}

// Select returns the summaries of the titles that exist among ids, in the order of ids. Without ids, it returns none.
func (c *Client) Select(ctx context.Context, ids ...string) (all []patch.Summary, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	for _, id := range ids {
		if id == "" || strings.Contains(id, ",") {
			return nil, fmt.Errorf("%w: %q is not the id of a title", ErrInvalid, id)
		}
	}
	return all, c.get(ctx, []string{"jamf", "v1", "software", strings.Join(ids, ",")}, nil, &all)
}

// Definition returns the definition of a title, and its ETag for [EditOptions].
func (c *Client) Definition(ctx context.Context, id string) (def *patch.Definition, etag string, err error) {
	def = &patch.Definition{}
	header, err := c.doHeader(ctx, call{method: http.MethodGet, path: api("titles", id)}, def)
	if err != nil {
		return nil, "", err
	}
	return def, header.Get("ETag"), nil
}

// A Filter selects titles. A nil *Filter and the zero Filter select all.
type Filter struct {
	// Query selects titles that have it in their id, name or publisher.
	Query string
	// Publisher and Author select titles by the whole name, without regard to case.
	Publisher, Author string
	// Synced selects the titles that follow an upstream, or those that do not. If nil, both are selected.
	Synced *bool
	// Bundle is a bundle ID that the definition names, without regard to case.
	Bundle string
	// Source is manual, followed or watched: where the versions come from.
	Source string
	// State is warnings, stale, failing or draft. The last two select titles that the token may change; without a token
	// the error is ErrUnauthorized.
	State string
}

func (f *Filter) query() url.Values {
	query := url.Values{}
	if f == nil {
		return query
	}
	for name, value := range map[string]string{
		"q": f.Query, "publisher": f.Publisher, "author": f.Author,
		"bundle": f.Bundle, "source": f.Source, "state": f.State,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if f.Synced != nil {
		query.Set("synced", strconv.FormatBool(*f.Synced))
	}
	return query
}

// Titles yields the titles that f selects, in the order of their ids. It requests a page at a time.
// An error ends the sequence.
func (c *Client) Titles(ctx context.Context, f *Filter) iter.Seq2[wire.Title, error] {
	return func(yield func(wire.Title, error) bool) {
		query := f.query()
		for {
			var page wire.TitlePage
			err := c.get(ctx, api("titles"), query, &page)
			if err == nil && page.Titles == nil {
				err = fmt.Errorf("%w: it is JSON, but not a list of titles", ErrUnexpectedAnswer)
			}
			if err != nil {
				yield(wire.Title{}, err)
				return
			}
			for _, t := range page.Titles {
				if !yield(t, nil) {
					return
				}
			}
			if page.Next == nil {
				return
			}
			query.Set("cursor", *page.Next)
		}
	}
}

// Overview returns what needs attention among the titles that the token may change. The error is ErrUnauthorized
// without a token.
func (c *Client) Overview(ctx context.Context) (wire.Overview, error) {
	var overview wire.Overview
	return overview, c.get(ctx, api("overview"), nil, &overview)
}

// Lint returns the failures and warnings of a definition in JSON. The definition is not stored.
func (c *Client) Lint(ctx context.Context, definition []byte) (wire.LintResult, error) {
	var result wire.LintResult
	return result, c.do(ctx, call{method: http.MethodPost, path: api("lint"), body: definition}, &result)
}

// History returns the revisions of a title's definition that are kept, with the newest first.
func (c *Client) History(ctx context.Context, id string) ([]wire.Revision, error) {
	var history wire.History
	return history.Revisions, c.get(ctx, api("titles", id, "history"), nil, &history)
}

// Revision returns the definition as it was in a revision.
func (c *Client) Revision(ctx context.Context, id string, number uint64) (*patch.Definition, error) {
	def := &patch.Definition{}
	err := c.get(ctx, api("titles", id, "history", strconv.FormatUint(number, 10)), nil, def)
	if err != nil {
		return nil, err
	}
	return def, nil
}

// Changes returns the differences from one revision of a definition to another, a sentence each. If to is 0, the
// revision from is compared with the current one.
func (c *Client) Changes(ctx context.Context, id string, from, to uint64) ([]string, error) {
	query := url.Values{}
	if to != 0 {
		query.Set("to", strconv.FormatUint(to, 10))
	}
	var difference wire.Difference
	err := c.get(ctx, api("titles", id, "history", strconv.FormatUint(from, 10), "diff"), query, &difference)
	return difference.Changes, err
}
