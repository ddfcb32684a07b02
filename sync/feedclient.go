package patchsync

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
	"github.com/patchsource/patchsource/sync/releases"
)

// maxPages bounds the requests for one feed.
const maxPages = 5

// maxLimitWait bounds the wait until a server's limit of requests is renewed.
const maxLimitWait = 24 * time.Hour

// A feedClient asks for release feeds. It is safe for concurrent use.
type feedClient struct {
	client *safehttp.Client
	kinds  *releases.Kinds
	tokens []FeedToken
	now    func() time.Time
	// observe, if not nil, is called with each request and its answer, with any status.
	observe func(releases.Request, releases.Answer)
}

// newFeedClient returns a feedClient. It returns an error if a token is invalid.
func newFeedClient(client *safehttp.Client, kinds *releases.Kinds, o *Options) (*feedClient, error) {
	c := &feedClient{client: client, kinds: kinds, now: o.Now}
	if c.now == nil {
		c.now = time.Now
	}
	for _, t := range o.FeedTokens {
		if err := t.complete(); err != nil {
			return nil, err
		}
		c.tokens = append(c.tokens, t)
	}
	return c, nil
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
// same key. It may contain secrets of the feed's URL.
func (c *feedClient) key(f recipe.Feed, trusted bool) (string, error) {
	token := c.tokenFor(f, trusted)
	q, err := c.kinds.Request(f, token != nil)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %q %v %v %d %q %q", q.Method, q.URL, q.Once, q.HeaderOnly, q.MaxBytes, q.Header,
		token.name()), nil
}

// get sends the first request for a feed, unless nothing has changed since an earlier get returned memo. The error is a
// *[FeedError] or that of ctx.
func (c *feedClient) get(ctx context.Context, f recipe.Feed, trusted bool, memo string) (*feedAnswer, error) {
	s := c.session(f, trusted)
	q, err := c.kinds.Request(f, s.token != nil)
	if err != nil {
		return nil, &FeedError{Err: err}
	}
	return s.ask(ctx, q, memo)
}

// read returns the releases in the first answer of a feed and in those that it needs besides, whose number is more. The
// error is a *[FeedError] or that of ctx.
func (c *feedClient) read(
	ctx context.Context, f recipe.Feed, a releases.Answer, trusted bool,
) (found []recipe.Release, more int, err error) {
	s := c.session(f, trusted)
	s.last = a.URL
	for {
		page, next, err := c.kinds.Read(f, a)
		if err != nil {
			return nil, more, &FeedError{Err: s.scrub(err)}
		}
		found = append(found, page...)
		if next == nil {
			return found, more, nil
		}
		if more++; more >= maxPages {
			return nil, more, &FeedError{Err: fmt.Errorf("it needs more than %d requests", maxPages)}
		}
		answer, err := s.ask(ctx, *next, "")
		if err != nil {
			return nil, more, err
		}
		a = answer.Answer
		a.Pages = more
	}
}

// A feedSession is the requests for one feed, one after the other.
type feedSession struct {
	*feedClient
	feed recipe.Feed
	// token is the token that requests carry, nil if there is none, or after a request to another host.
	token *FeedToken
	// secret is the first token, which no error contains.
	secret *FeedToken
	// last is the address of the last request.
	last string
}

func (c *feedClient) session(f recipe.Feed, trusted bool) *feedSession {
	token := c.tokenFor(f, trusted)
	return &feedSession{feedClient: c, feed: f, token: token, secret: token}
}

// ask sends a request. A redirect that is followed never gets the token; see safehttp.Request.
func (s *feedSession) ask(ctx context.Context, q releases.Request, memo string) (*feedAnswer, error) {
	if isHTTP(q.URL) && s.last != "" && !isHTTP(s.last) {
		return nil, &FeedError{Err: errors.New("it continues from https at an http address, which is not followed")}
	}
	s.last = q.URL
	authorization, err := s.authorize(q.URL)
	if err != nil {
		return nil, &FeedError{Err: err}
	}
	res, err := s.client.Do(ctx, safehttp.Request{
		Method:        q.Method,
		URL:           q.URL,
		Header:        conditional(q.Header, memo),
		Authorization: authorization,
		IgnoreBody:    q.HeaderOnly,
		KeepRedirects: q.Once,
		MaxBytes:      maxAnswer(q),
	})
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, &FeedError{Err: s.scrub(err)}
	}
	a := &feedAnswer{MaxAge: maxAge(res.Header)}
	a.Answer = releases.Answer{URL: q.URL, Status: res.Status, Header: res.Header, Body: res.Body}
	if s.observe != nil {
		s.observe(q, a.Answer)
	}
	if res.Status == http.StatusNotModified && memo != "" {
		return &feedAnswer{Unchanged: true, Memo: memo, MaxAge: a.MaxAge}, nil
	}
	if res.Status >= 400 {
		return nil, s.refusal(a.Answer)
	}
	etag, modified := validator(res.Header, "ETag"), validator(res.Header, "Last-Modified")
	if etag != "" || modified != "" {
		a.Memo = etag + "\n" + modified
	}
	return a, nil
}

// isHTTP reports whether an address begins with http://.
func isHTTP(address string) bool {
	scheme, _, _ := strings.Cut(address, ":")
	return strings.EqualFold(scheme, "http")
}

// conditional returns a header for a request that is answered only if something has changed since a memo.
func conditional(h http.Header, memo string) http.Header {
	header := http.Header{}
	for name, values := range h {
		header[name] = values
	}
	etag, modified, _ := strings.Cut(memo, "\n")
	if etag != "" {
		header.Set("If-None-Match", etag)
	}
	if modified != "" {
		header.Set("If-Modified-Since", modified)
	}
	return header
}

// maxAnswer returns the maximum size of the answer to a request.
func maxAnswer(q releases.Request) int64 {
	if q.MaxBytes > 0 {
		return int64(q.MaxBytes)
	}
	return releases.MaxBytes
}

// refusal returns the error for an answer with a status of failure, in the words of the feed's kind if it has some.
func (s *feedSession) refusal(a releases.Answer) *FeedError {
	const answered = "the server answered "
	status := strings.TrimSpace(strconv.Itoa(a.Status) + " " + http.StatusText(a.Status))
	e := &FeedError{Status: a.Status, RetryAfter: limitedFor(a, s.now()), Err: errors.New(answered + status)}
	if _, _, err := s.kinds.Read(s.feed, a); err != nil && strings.HasPrefix(err.Error(), answered) {
		e.Err = err
	}
	denied := a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden
	if s.token != nil && denied && e.RetryAfter == 0 {
		e.Err = fmt.Errorf("%w: check the token for %s", e.Err, s.token.name())
	}
	e.Err = s.scrub(e.Err)
	return e
}

// limitedFor returns how long a server asks not to be asked again: what Retry-After says, or the time until its limit
// of requests is renewed, as GitHub, GitLab and others write it. A time is compared with the server's own Date.
func limitedFor(a releases.Answer, now time.Time) time.Duration {
	if wait := retryAfter(a.Header); wait > 0 {
		return wait
	}
	if a.Status != http.StatusForbidden && a.Status != http.StatusTooManyRequests {
		return 0
	}
	for _, name := range []string{"X-Ratelimit-", "Ratelimit-"} {
		reset, err := strconv.ParseInt(a.Header.Get(name+"Reset"), 10, 64)
		if err != nil || a.Status == http.StatusForbidden && a.Header.Get(name+"Remaining") != "0" {
			continue
		}
		wait := time.Duration(min(max(reset, 0), int64(maxLimitWait/time.Second))) * time.Second
		if reset > 1e9 { // a time, not a number of seconds
			if date, err := http.ParseTime(a.Header.Get("Date")); err == nil {
				now = date
			}
			wait = time.Unix(reset, 0).Sub(now)
		}
		return max(0, min(wait, maxLimitWait))
	}
	return 0
}

// hostOf returns the host of an address in lower case, with its port if that is not the default. It is empty if the
// address is invalid.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Host)
	switch {
	case strings.EqualFold(u.Scheme, "https"):
		return strings.TrimSuffix(host, ":443")
	case strings.EqualFold(u.Scheme, "http"):
		return strings.TrimSuffix(host, ":80")
	}
	return host
}
