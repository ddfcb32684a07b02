package patchsync

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/envelope"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

// accept is what is asked for.
const accept = "application/json, application/pkcs7-mime;q=0.9, */*;q=0.1"

// A Fetcher fetches what strangers point to, within the bounds of the [Options] of
// its [Runner]. It is safe for concurrent use.
type Fetcher struct {
	client   *safehttp.Client
	maxBytes int
}

// An Answer is what a URL answered.
type Answer struct {
	// Unchanged says that it is what it was when it gave the memo; Body is empty
	// then.
	Unchanged bool
	Body      []byte
	// Memo is for the next [Fetcher.Get]; empty: the server can tell nothing.
	Memo string
	// MaxAge is how long the server says that the answer stays fresh.
	MaxAge time.Duration
}

// Get gets what is at a URL, unless it is what it was when it gave the memo.
//
// The error is an *[UpstreamError], or that of ctx.
func (f *Fetcher) Get(ctx context.Context, url, memo string) (*Answer, error) {
	return f.get(ctx, url, memo, "")
}

// get is Get with the value of the Authorization header, if not empty, which is sent
// to the origin of url alone.
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
		err := fmt.Errorf("it answered %s", strings.TrimSpace(strconv.Itoa(res.Status)+" "+http.StatusText(res.Status)))
		return nil, &UpstreamError{URL: url, Status: res.Status, RetryAfter: retryAfter(res.Header), Err: err}
	}
	a.Body, a.Memo = res.Body, ""
	if etag, modified := line(res.Header.Get("ETag")), line(res.Header.Get("Last-Modified")); etag != "" ||
		modified != "" {
		a.Memo = etag + "\n" + modified
	}
	return a, nil
}

// maxBrief bounds what is remembered, and shown to everybody, of what a source says.
const maxBrief = 500

// brief cuts a text to what is shown of it.
func brief(s string) string {
	if len(s) <= maxBrief {
		return s
	}
	return strings.ToValidUTF8(s[:maxBrief], "") + "…"
}

// line returns a header's value, or nothing if it is too long to send back.
func line(v string) string {
	if len(v) > 512 {
		return ""
	}
	return v
}

// maxAge reads Cache-Control (RFC 9111, section 5.2.2.1).
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

// retryAfter reads Retry-After (RFC 9110, section 10.2.3): seconds, or a date, of
// which the distance to the server's own Date counts.
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

// seconds reads a number of seconds, of at most ten years.
func seconds(v string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 63)
	if err != nil {
		return 0
	}
	return time.Duration(min(n, 10*365*24*3600)) * time.Second
}

// Definition fetches the definition at a URL, which may be in an envelope.
//
// The error is an *[UpstreamError], or that of ctx.
func (f *Fetcher) Definition(ctx context.Context, url string) (*patch.Definition, error) {
	a, err := f.Get(ctx, url, "")
	if err != nil {
		return nil, err
	}
	fetched, err := f.open(url, a.Body, nil)
	if err != nil {
		return nil, err
	}
	return fetched.Definition, nil
}

// A trust says whose definitions are taken.
type trust struct {
	roots    *x509.CertPool
	unsigned bool // also those that nobody has signed
}

// open reads a definition, bare or in an envelope. t may be nil: whoever has signed
// it.
func (f *Fetcher) open(url string, data []byte, t *trust) (*Fetched, error) {
	fail := func(err error) (*Fetched, error) { return nil, &UpstreamError{URL: url, Err: err} }
	out := &Fetched{}
	switch {
	case envelope.Is(data):
		opts := &envelope.OpenOptions{}
		if t != nil {
			opts.Roots = t.roots
		}
		e, err := envelope.Open(data, opts)
		if err != nil {
			return fail(err)
		}
		data, out.Signer = e.Content, brief(e.Signer.Subject.String())
		if e.Expired {
			out.Signer += " (with an expired certificate)"
		}
	case t != nil && !t.unsigned:
		return fail(fmt.Errorf("%w: it is not signed at all", envelope.ErrSigner))
	}
	// By the rules of old: a title that follows it may have what a newer rule refuses, and the catalog decides.
	def, err := patch.Parse(data, &patch.ParseOptions{MaxBytes: f.maxBytes, Stored: true})
	if err != nil {
		return fail(fmt.Errorf("it is no acceptable definition: %w", err))
	}
	out.Definition = def
	return out, nil
}

// definition is the Source of one definition at a URL.
type definition struct{ url string }

// Definition returns the [Source] of the one title whose definition is at a URL,
// bare or in an envelope.
func Definition(url string) Source { return definition{url} }

func (d definition) Key() string { return d.url }

func (d definition) List(ctx context.Context, f *Fetcher, memo string) (*Listing, error) {
	a, err := f.Get(ctx, d.url, memo)
	if err != nil {
		return nil, err
	}
	l := &Listing{Unchanged: a.Unchanged, Memo: a.Memo, MaxAge: a.MaxAge}
	if !a.Unchanged {
		sum := sha256.Sum256(a.Body)
		l.Items = []Item{{ID: d.url, URL: d.url, Mark: base64.RawURLEncoding.EncodeToString(sum[:16]),
			Fetch: func(context.Context) (*Fetched, error) { return f.open(d.url, a.Body, nil) }}}
	}
	return l, nil
}

// statusOf returns the HTTP status, and how long to wait, that an error tells.
func statusOf(err error) (status int, wait time.Duration) {
	var up *UpstreamError
	if errors.As(err, &up) {
		return up.Status, up.RetryAfter
	}
	return 0, 0
}
