package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// An Answer is what a change was answered with.
type Answer struct {
	// Message says what happened.
	Message string `json:"message"`
	// ID and Name are the title's, where they are not known before.
	ID   string `json:"id"`
	Name string `json:"name"`
	// Warnings are what is allowed, and probably not meant.
	Warnings []patch.Warning `json:"warnings"`
}

// Software returns the summaries of all titles, as Jamf Pro reads them.
func (c *Client) Software(ctx context.Context) (all []patch.Summary, err error) {
	return all, c.do(ctx, call{method: http.MethodGet, path: "/jamf/v1/software"}, &all)
}

// Select returns the summaries of those titles that there are, in the order asked
// for.
func (c *Client) Select(ctx context.Context, ids ...string) (all []patch.Summary, err error) {
	var escaped []string
	for _, id := range ids {
		escaped = append(escaped, url.PathEscape(id))
	}
	if len(escaped) == 0 {
		return nil, nil // which would be all
	}
	return all, c.do(ctx, call{method: http.MethodGet, path: "/jamf/v1/software/" + strings.Join(escaped, ",")}, &all)
}

// Definition returns a title's definition, and its ETag for [EditOptions].
func (c *Client) Definition(ctx context.Context, id string) (def *patch.Definition, etag string, err error) {
	q := call{method: http.MethodGet, path: path("api", "v1", "titles", id)}
	res, err := c.send(ctx, q)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	def = &patch.Definition{}
	return def, res.Header.Get("ETag"), decode(res, def)
}

// A Filter chooses titles. Nil, and the zero Filter, choose all.
type Filter struct {
	// Query is in the id, the name or the publisher.
	Query string
	// Publisher and Author are those, whole, in any case.
	Publisher, Author string
	// Synced, if not nil, says whether the title follows a source elsewhere.
	Synced *bool
}

// A Title is a title in a list.
type Title struct {
	patch.Summary
	// Author is who published it, nil if nobody did under their name.
	Author *string `json:"author"`
	// Sync is what it follows, nil if it follows nothing.
	Sync *SyncState `json:"sync"`
}

// A SyncState says how it goes with a source elsewhere.
type SyncState struct {
	// URL is the source.
	URL string `json:"url"`
	// Title is the id of the title that follows it by itself, Mirror the name of the
	// mirror if all of it is followed; in [Client.SyncStates] alone.
	Title  *string `json:"title"`
	Mirror *string `json:"mirror"`
	// The times are nil if it has not happened.
	LastAttempt *time.Time `json:"last_attempt"`
	LastSuccess *time.Time `json:"last_success"`
	LastChange  *time.Time `json:"last_change"`
	NextAttempt *time.Time `json:"next_attempt"`
	// Failures counts those since the last success, LastError says what is wrong,
	// and Status is what the source answered, if that is what is wrong.
	Failures  int     `json:"failures"`
	LastError *string `json:"last_error"`
	Status    int     `json:"upstream_status"`
	Signer    string  `json:"signer"`
	// Titles counts the titles of a whole source, and Refused says which are not
	// taken as they are there, and why.
	Titles  int               `json:"titles"`
	Refused map[string]string `json:"refused"`
}

// Titles yields the titles that a filter chooses, page by page as they are wanted. An
// error ends it.
func (c *Client) Titles(ctx context.Context, f *Filter) iter.Seq2[Title, error] {
	query := url.Values{}
	if f != nil {
		for name, value := range map[string]string{"q": f.Query, "publisher": f.Publisher, "author": f.Author} {
			if value != "" {
				query.Set(name, value)
			}
		}
		if f.Synced != nil {
			query.Set("synced", strconv.FormatBool(*f.Synced))
		}
	}
	return func(yield func(Title, error) bool) {
		query := query
		for {
			var page struct {
				Titles []Title
				Next   *string
			}
			if err := c.do(ctx, call{method: http.MethodGet, path: "/api/v1/titles", query: query}, &page); err != nil {
				yield(Title{}, err)
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
			next := url.Values{"cursor": {*page.Next}}
			for name, value := range query {
				if name != "cursor" {
					next[name] = value
				}
			}
			query = next
		}
	}
}

// EditOptions are options of an edit. Nil means the zero value.
type EditOptions struct {
	// IfMatch is the ETag of what the edit was made for: if the title is no longer
	// that, the edit is ErrPrecondition. Empty: whatever it is.
	IfMatch string
}

func (o *EditOptions) header() http.Header {
	if o == nil || o.IfMatch == "" {
		return nil
	}
	return http.Header{"If-Match": {o.IfMatch}}
}

// Create creates a title.
func (c *Client) Create(ctx context.Context, def *patch.Definition) (Answer, error) {
	return c.post(ctx, "/api/v1/title", def)
}

// post posts a value, and reads the answer.
func (c *Client) post(ctx context.Context, path string, v any) (a Answer, err error) {
	q := call{method: http.MethodPost, path: path}
	if v != nil {
		if q.body, err = encode(v); err != nil {
			return a, err
		}
	}
	return a, c.do(ctx, q, &a)
}

// A Publication is what somebody without an account publishes: a definition, or where
// it is.
type Publication struct {
	AuthorName  string            `json:"author_name"`
	AuthorEmail string            `json:"author_email"`
	Definition  *patch.Definition `json:"definition,omitempty"`
	URL         string            `json:"definition_url,omitempty"`
}

// Publish publishes a title; the token for it is mailed to its author.
func (c *Client) Publish(ctx context.Context, p Publication) (Answer, error) {
	return c.post(ctx, "/api/v1/title", p)
}

// Replace puts a definition in the place of the title that has its id.
func (c *Client) Replace(ctx context.Context, def *patch.Definition, opts *EditOptions) (a Answer, err error) {
	q := call{method: http.MethodPut, path: path("api", "v1", "title", def.ID), header: opts.header()}
	if q.body, err = encode(def); err != nil {
		return a, err
	}
	return a, c.do(ctx, q, &a)
}

// Delete deletes a title.
func (c *Client) Delete(ctx context.Context, id string, opts *EditOptions) error {
	return c.do(ctx, call{method: http.MethodDelete, path: path("api", "v1", "title", id), header: opts.header()}, nil)
}

// A Place says where versions are added. The zero Place is where version order says that each belongs.
type Place struct {
	// Before and After are the version to stand beside, and Front is in front of all others, whatever these are.
	// At most one of them may be set.
	Before, After string
	Front         bool
}

// AddOptions are options of [Client.AddVersions]. Nil means the zero value.
type AddOptions struct {
	EditOptions
	At Place
}

// AddVersions adds versions to a title, the newest first, all or none. Without options, each goes where version order
// says that it belongs.
func (c *Client) AddVersions(
	ctx context.Context,
	id string,
	versions []patch.Patch,
	opts *AddOptions,
) (a Answer, err error) {
	q := call{method: http.MethodPost, path: path("api", "v1", "title", id, "version"), query: url.Values{}}
	var at Place
	if opts != nil {
		q.header, at = opts.header(), opts.At
	}
	for name, value := range map[string]string{"insert_before": at.Before, "insert_after": at.After} {
		if value != "" {
			q.query.Set(name, value)
		}
	}
	if len(q.query) == 0 && !at.Front {
		q.query.Set("insert", "ordered")
	}
	if q.body, err = encode(map[string]any{"items": versions}); err != nil {
		return a, err
	}
	return a, c.do(ctx, q, &a)
}

// RemoveVersion removes a version of a title.
func (c *Client) RemoveVersion(ctx context.Context, id, version string, opts *EditOptions) (a Answer, err error) {
	return a, c.do(
		ctx,
		call{
			method: http.MethodDelete,
			path:   path("api", "v1", "title", id, "version", version),
			header: opts.header(),
		},
		&a,
	)
}

// Lint says what is wrong with a definition in JSON, and what is probably not meant.
func (c *Client) Lint(
	ctx context.Context,
	definition []byte,
) (errors []patch.Failure, warnings []patch.Warning, err error) {
	var answer struct {
		Errors   []patch.Failure
		Warnings []patch.Warning
	}
	err = c.do(ctx, call{method: http.MethodPost, path: "/api/v1/lint", body: definition}, &answer)
	return answer.Errors, answer.Warnings, err
}

// An Edition is a title's definition at one time.
type Edition struct {
	Number  uint64     `json:"number"`
	At      *time.Time `json:"at"`
	Token   *string    `json:"token"` // the id of the token that made it
	Version string     `json:"version"`
	Current bool       `json:"current"`
}

// History returns the editions of a title that there are, the newest first.
func (c *Client) History(ctx context.Context, id string) ([]Edition, error) {
	var answer struct{ Editions []Edition }
	err := c.do(ctx, call{method: http.MethodGet, path: path("api", "v1", "titles", id, "history")}, &answer)
	return answer.Editions, err
}

// Edition returns the definition of an edition.
func (c *Client) Edition(ctx context.Context, id string, n uint64) (*patch.Definition, error) {
	def := &patch.Definition{}
	return def, c.do(
		ctx,
		call{method: http.MethodGet, path: path("api", "v1", "titles", id, "history", strconv.FormatUint(n, 10))},
		def,
	)
}

// Changes says in words what has changed between two editions.
func (c *Client) Changes(ctx context.Context, id string, from, to uint64) ([]string, error) {
	var answer struct{ Changes []string }
	q := call{
		method: http.MethodGet,
		path:   path("api", "v1", "titles", id, "history", strconv.FormatUint(from, 10), "diff"),
		query:  url.Values{"to": {strconv.FormatUint(to, 10)}},
	}
	return answer.Changes, c.do(ctx, q, &answer)
}

// RestoreEdition makes an edition the current one.
func (c *Client) RestoreEdition(ctx context.Context, id string, n uint64) (Answer, error) {
	return c.post(ctx, path("api", "v1", "titles", id, "history", strconv.FormatUint(n, 10), "restore"), nil)
}

// Subscribe creates a title that follows the definition at a URL, which has this id.
func (c *Client) Subscribe(ctx context.Context, id, definitionURL string) (Answer, error) {
	return c.post(ctx, "/api/v1/subscribe", map[string]string{"id": id, "json_url": definitionURL})
}

// Unsubscribe ends a subscription, and deletes its title.
func (c *Client) Unsubscribe(ctx context.Context, id string) error {
	_, err := c.post(ctx, path("api", "v1", "unsubscribe", id), nil)
	return err
}

// Sync has a title brought to what its source has, soon.
func (c *Client) Sync(ctx context.Context, id string) error {
	_, err := c.post(ctx, path("api", "v1", "title", id, "sync"), nil)
	return err
}

// SyncStates says how it goes with everything that is followed.
func (c *Client) SyncStates(ctx context.Context) ([]SyncState, error) {
	var answer struct{ Sources []SyncState }
	err := c.do(ctx, call{method: http.MethodGet, path: "/api/v1/sync"}, &answer)
	return answer.Sources, err
}
