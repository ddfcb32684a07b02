package patchsync

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

// accept is the Accept header of every request.
const accept = "application/json, application/pkcs7-mime;q=0.9, */*;q=0.1"

// A Fetcher fetches URLs that other people have named, within the bounds of the [Options] of its [Runner]. It is safe
// for concurrent use.
type Fetcher struct {
	client   *safehttp.Client
	maxBytes int // of a definition
}

// newFetcher returns a Fetcher with the bounds of o.
func newFetcher(o *Options) *Fetcher {
	agent := "patchsource (+" + homepage
	if o.Contact != "" {
		agent += "; " + strings.Map(printable, o.Contact)
	}
	maxBytes := cmp.Or(o.MaxBytes, patch.DefaultMaxBytes)
	if maxBytes < 0 {
		maxBytes = math.MaxInt - 1
	}
	return &Fetcher{
		maxBytes: maxBytes,
		client: safehttp.New(&safehttp.Options{
			AllowPrivate: o.AllowPrivateNetworks,
			Timeout:      o.Timeout,
			MaxBytes:     int64(maxBytes),
			PerHost:      o.PerHost,
			Total:        o.Concurrency,
			UserAgent:    agent + ")",
			Transport:    o.Transport,
		}),
	}
}

// printable drops the characters that a comment in a User-Agent cannot hold; see [strings.Map].
func printable(r rune) rune {
	if r < ' ' || r > '~' || r == '(' || r == ')' {
		return -1
	}
	return r
}

// An Answer is what a URL answered.
type Answer struct {
	// Unchanged reports that nothing has changed since the server returned the memo. Body is then empty.
	Unchanged bool
	Body      []byte
	// Memo is passed to the next [Fetcher.Get], empty if the server cannot tell what has changed.
	Memo string
	// MaxAge is how long the server says that the answer is fresh, 0 if it does not say.
	MaxAge time.Duration
}

// Get fetches a URL, unless nothing has changed since an earlier Get of it returned memo.
//
// The error is an *[UpstreamError] or that of ctx.
func (f *Fetcher) Get(ctx context.Context, url, memo string) (*Answer, error) {
	return f.get(ctx, url, memo, "")
}

// get is Get with the value of the Authorization header. If not empty, it is sent to the origin of url only.
func (f *Fetcher) get(ctx context.Context, url, memo, authorization string) (*Answer, error) {
	header := http.Header{"Accept": {accept}}
	etag, modified, _ := strings.Cut(memo, "\n")
	if etag != "" {
		header.Set("If-None-Match", etag)
	}
	if modified != "" {
		header.Set("If-Modified-Since", modified)
	}
	res, err := f.client.Do(ctx, safehttp.Request{URL: url, Header: header, Authorization: authorization})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, &UpstreamError{URL: url, Err: err}
	}
	a := &Answer{Memo: memo, MaxAge: maxAge(res.Header)}
	switch {
	case res.Status == http.StatusNotModified && memo != "":
		a.Unchanged = true
		return a, nil
	case res.Status != http.StatusOK:
		status := strings.TrimSpace(strconv.Itoa(res.Status) + " " + http.StatusText(res.Status))
		return nil, &UpstreamError{
			URL:        url,
			Status:     res.Status,
			RetryAfter: retryAfter(res.Header),
			Err:        fmt.Errorf("the server answered %s", status),
		}
	}
	a.Body, a.Memo = res.Body, ""
	etag, modified = validator(res.Header, "ETag"), validator(res.Header, "Last-Modified")
	if etag != "" || modified != "" {
		a.Memo = etag + "\n" + modified
	}
	return a, nil
}

// validator returns the value of a header for a conditional request, empty if it is too long to be sent back.
func validator(h http.Header, name string) string {
	if v := h.Get(name); len(v) <= 512 {
		return v
	}
	return ""
}

// maxText bounds the texts of a source that are stored and published.
const maxText = 500

// shorten cuts a text to at most maxText bytes and an ellipsis.
func shorten(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// maxAge returns how long an answer is fresh, from Cache-Control (RFC 9111, section 5.2.2.1).
func maxAge(h http.Header) time.Duration {
	for part := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case strings.EqualFold(name, "no-cache"), strings.EqualFold(name, "no-store"):
			return 0
		case strings.EqualFold(name, "max-age"):
			return seconds(strings.Trim(value, `"`))
		}
	}
	return 0
}

// retryAfter returns the wait that Retry-After asks for (RFC 9110, section 10.2.3): a number of seconds, or a date.
// A date is compared with the server's own Date.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if d := seconds(v); d > 0 {
		return d
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, at.Sub(date))
}

// seconds parses a number of seconds, and bounds it to ten years. It returns 0 for anything else.
func seconds(v string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 63)
	if err != nil {
		return 0
	}
	return time.Duration(min(n, 10*365*24*3600)) * time.Second
}
