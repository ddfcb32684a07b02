package patchsync

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
	"github.com/patchsource/patchsource/sync/releases"
)

// A FeedToken is a token for the release feeds of a host. It is sent for watches that an administrator made, and never
// to another host that the feed redirects to.
type FeedToken struct {
	// Host is the host, such as "api.github.com". Owner is the owner of the repositories that the token is for. If
	// empty, it is for all feeds of the host.
	Host, Owner string
	// Token returns the token. It is called for each request, so that a token can change. An error must not contain it.
	Token func() (string, error)
}

// maxPages bounds the requests for one feed.
const maxPages = 5

// A feedClient asks for release feeds. It is safe for concurrent use.
type feedClient struct {
	client *safehttp.Client
	kinds  *releases.Kinds
	// observe, if not nil, is called with each request and its answer, with any status.
	observe func(releases.Request, releases.Answer)
}

// newFeedClient returns a feedClient.
func newFeedClient(client *safehttp.Client, kinds *releases.Kinds, _ *Options) *feedClient {
	return &feedClient{client: client, kinds: kinds}
}

// A feedAnswer is the first answer of a feed.
type feedAnswer struct {
	releases.Answer
	// Unchanged reports that nothing has changed since the server returned the memo. The Answer is then empty.
	Unchanged bool
	// Memo is passed to the next get, empty if the server cannot tell what has changed.
	Memo string
	// MaxAge is how long the server says that the answer is fresh, 0 if it does not say.
	MaxAge time.Duration
}

// key returns what identifies the first request for a feed, with its credentials. One request serves all feeds with the
// same key.
func (c *feedClient) key(f recipe.Feed, trusted bool) (string, error) {
	q, err := c.kinds.Request(f, false)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s %v %v %q %q", q.Method, q.URL, q.Once, trusted, f.UserAgent, f.Referer), nil
}

// get sends the first request for a feed, unless nothing has changed since an earlier get returned memo. The error is a
// *[FeedError] or that of ctx.
func (c *feedClient) get(ctx context.Context, f recipe.Feed, trusted bool, memo string) (*feedAnswer, error) {
	q, err := c.kinds.Request(f, false)
	if err != nil {
		return nil, &FeedError{Err: err}
	}
	return c.ask(ctx, q, memo)
}

// ask sends a request.
func (c *feedClient) ask(ctx context.Context, q releases.Request, memo string) (*feedAnswer, error) {
	header := http.Header{}
	for name, values := range q.Header {
		header[name] = values
	}
	etag, modified, _ := strings.Cut(memo, "\n")
	if etag != "" {
		header.Set("If-None-Match", etag)
	}
	if modified != "" {
		header.Set("If-Modified-Since", modified)
	}
	res, err := c.client.Do(ctx, safehttp.Request{Method: q.Method, URL: q.URL, Header: header})
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, &FeedError{Err: err}
	}
	if c.observe != nil {
		c.observe(q, releases.Answer{URL: q.URL, Status: res.Status, Header: res.Header, Body: res.Body})
	}
	a := &feedAnswer{MaxAge: maxAge(res.Header)}
	if res.Status == http.StatusNotModified && memo != "" {
		a.Unchanged, a.Memo = true, memo
		return a, nil
	}
	if res.Status >= 400 {
		return nil, &FeedError{
			Status:     res.Status,
			RetryAfter: retryAfter(res.Header),
			Err:        fmt.Errorf("the server answered %d %s", res.Status, http.StatusText(res.Status)),
		}
	}
	a.Answer = releases.Answer{URL: q.URL, Status: res.Status, Header: res.Header, Body: res.Body}
	etag, modified = validator(res.Header, "ETag"), validator(res.Header, "Last-Modified")
	if etag != "" || modified != "" {
		a.Memo = etag + "\n" + modified
	}
	return a, nil
}

// read returns the releases in the first answer of a feed and in those that it needs besides, whose number is more. The
// error is a *[FeedError] or that of ctx.
func (c *feedClient) read(
	ctx context.Context, f recipe.Feed, a releases.Answer, trusted bool,
) (found []recipe.Release, more int, err error) {
	for {
		page, next, err := c.kinds.Read(f, a)
		if err != nil {
			return nil, more, &FeedError{Err: err}
		}
		found = append(found, page...)
		if next == nil {
			return found, more, nil
		}
		if more++; more >= maxPages {
			return nil, more, &FeedError{Err: errors.New("the feed needs too many requests")}
		}
		answer, err := c.ask(ctx, *next, "")
		if err != nil {
			return nil, more, err
		}
		a = answer.Answer
		a.Pages = more
	}
}
