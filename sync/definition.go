package patchsync

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/envelope"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

// Definition fetches the definition at a URL, which may be in an envelope.
//
// The error is an *[UpstreamError] or that of ctx.
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

// A trust says which signatures of definitions are accepted.
type trust struct {
	roots    *x509.CertPool // nil: any
	unsigned bool           // definitions without a signature are accepted
}

// open parses a definition, bare or in an envelope. If t is nil, every definition is accepted.
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
		data, out.Signer = e.Content, shorten(e.Signer.Subject.String())
		if e.Expired {
			out.Signer += " (with an expired certificate)"
		}
	case t != nil && !t.unsigned:
		return fail(fmt.Errorf("%w: the definition is not signed", envelope.ErrSigner))
	}
	// The rules for stored definitions apply. A title may have values that a newer rule rejects: the catalog decides.
	opts := &patch.ParseOptions{MaxBytes: f.maxBytes, Stored: true, MaxUnknown: patch.MaxUnknown}
	def, err := patch.Parse(data, opts)
	if err != nil {
		return fail(fmt.Errorf("invalid definition: %w", err))
	}
	out.Definition = def
	return out, nil
}

// definition is the [Source] of one definition at a URL.
type definition struct{ url string }

// Definition returns the [Source] of the one title whose definition is at a URL, bare or in an envelope.
func Definition(url string) Source { return definition{url} }

// Key implements [Source].
func (d definition) Key() string { return d.url }

// check implements checker.
func (d definition) check(c *safehttp.Client) error {
	_, err := c.Check(d.url)
	return err
}

// List implements [Source].
func (d definition) List(ctx context.Context, f *Fetcher, memo string) (*Listing, error) {
	a, err := f.Get(ctx, d.url, memo)
	if err != nil {
		return nil, err
	}
	l := &Listing{Unchanged: a.Unchanged, Memo: a.Memo, MaxAge: a.MaxAge}
	if !a.Unchanged {
		sum := sha256.Sum256(a.Body)
		l.Items = []Item{{
			ID:    d.url,
			URL:   d.url,
			Mark:  base64.RawURLEncoding.EncodeToString(sum[:16]),
			Fetch: func(context.Context) (*Fetched, error) { return f.open(d.url, a.Body, nil) },
		}}
	}
	return l, nil
}
