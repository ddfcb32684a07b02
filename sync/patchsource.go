package patchsync

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/patch"
)

// JamfFeed is the address of the vendor's own patch source, for [PatchSource]. Its
// definitions are signed.
const JamfFeed = "https://jamf-patch.jamfcloud.com/v1"

// maxTitles bounds what a source may list.
const maxTitles = 100_000

// PatchSourceOptions are options of [PatchSource]. Nil means the zero value.
type PatchSourceOptions struct {
	// Roots are who may sign definitions, or say who may; then all must be signed.
	// Nil: anybody may, and [State.Signer] says who does.
	Roots *x509.CertPool
	// RefuseUnsigned takes definitions in envelopes only.
	RefuseUnsigned bool
	// Authorization, if not nil, returns the value of the Authorization header that
	// the source wants. It is called once in each round, so that credentials can be
	// changed, and is sent over https, or in private networks that are allowed, to
	// the source's own host and port: never to another one that the source
	// redirects to. An error of it must not tell the credentials.
	Authorization func() (string, error)
}

type patchSource struct {
	base          string
	trust         trust
	authorization func() (string, error)
}

// PatchSource returns the [Source] of an external patch source, by the address that
// Jamf Pro would be given, such as https://example.com/jamf/v1. Its definitions may
// be bare or in envelopes.
func PatchSource(address string, opts *PatchSourceOptions) Source {
	var o PatchSourceOptions
	if opts != nil {
		o = *opts
	}
	return patchSource{
		base:          strings.TrimRight(address, "/"),
		trust:         trust{o.Roots, o.Roots == nil && !o.RefuseUnsigned},
		authorization: o.Authorization,
	}
}

func (p patchSource) Key() string { return p.base }

// List asks for the list alone.
func (p patchSource) List(ctx context.Context, f *Fetcher, memo string) (*Listing, error) {
	address := p.base + "/software"
	authorization := ""
	if p.authorization != nil {
		var err error
		if authorization, err = p.authorization(); err == nil && authorization == "" {
			err = errors.New("it is empty")
		}
		if err != nil {
			err = fmt.Errorf("the authorization for it cannot be read: %w", err)
			return nil, &UpstreamError{URL: address, Err: err}
		}
	}
	a, err := f.get(ctx, address, memo, authorization)
	if err != nil {
		return nil, err
	}
	l := &Listing{Unchanged: a.Unchanged, Memo: a.Memo, MaxAge: a.MaxAge}
	if a.Unchanged {
		return l, nil
	}
	fail := func(err error) (*Listing, error) {
		return nil, &UpstreamError{URL: address, Err: fmt.Errorf("it is no list of software titles: %w", err)}
	}
	// One at a time: a list says how many there are only when all are read.
	dec := jsontext.NewDecoder(bytes.NewBuffer(a.Body))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '[' {
		return fail(errors.New("it is no JSON array"))
	}
	for dec.PeekKind() != ']' {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if len(l.Items) == maxTitles {
			return nil, &UpstreamError{URL: address, Err: fmt.Errorf("it lists more than %d titles", maxTitles)}
		}
		var s patch.Summary
		if err := json.UnmarshalDecode(dec, &s); err != nil {
			return fail(err)
		}
		l.Items = append(l.Items, p.item(f, s, authorization))
	}
	if _, err := dec.ReadToken(); err != nil {
		return fail(err)
	}
	return l, nil
}

// item makes an item of a line of the list.
func (p patchSource) item(f *Fetcher, s patch.Summary, authorization string) Item {
	at := p.base + "/patch/" + url.PathEscape(s.ID)
	it := Item{
		ID:      brief(s.ID),
		URL:     at,
		Version: brief(s.CurrentVersion),
		Mark:    s.LastModified + " " + s.CurrentVersion,
	}
	if len(it.Mark) > maxBrief {
		sum := sha256.Sum256([]byte(it.Mark))
		it.Mark = hex.EncodeToString(sum[:])
	}
	if !patch.ValidID(s.ID) {
		it.URL = p.base
		it.Fetch = func(context.Context) (*Fetched, error) {
			return nil, &UpstreamError{URL: p.base, Err: fmt.Errorf("%q is no id", it.ID)}
		}
		return it
	}
	it.Fetch = func(ctx context.Context) (*Fetched, error) {
		a, err := f.get(ctx, at, "", authorization)
		if err != nil {
			return nil, err
		}
		fetched, err := f.open(at, a.Body, &p.trust)
		if err == nil && !strings.EqualFold(fetched.Definition.ID, s.ID) {
			err = &UpstreamError{
				URL: at,
				Err: fmt.Errorf("it has the id %q, and %q was asked for", fetched.Definition.ID, s.ID),
			}
		}
		return fetched, err
	}
	return it
}
