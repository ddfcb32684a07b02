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
	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

// JamfFeed is the address of Jamf's own patch source, for [PatchSource]. Its definitions are signed.
const JamfFeed = "https://jamf-patch.jamfcloud.com/v1"

// maxTitles bounds the number of titles that a source may list.
const maxTitles = 100_000

// PatchSourceOptions configure a [PatchSource].
type PatchSourceOptions struct {
	// Roots are the certificates that must have signed the definitions, directly or through others. Definitions must
	// then be signed. If nil, every signature is accepted, and [State.Signer] names the signer.
	Roots *x509.CertPool
	// RefuseUnsigned rejects definitions that are not signed.
	RefuseUnsigned bool
	// Authorization, if not nil, returns the value of the Authorization header for the source. It is called once per
	// round, so that credentials can change. They are sent over https, or in private networks that are permitted, to
	// the source's own host and port, and never to an address that the source redirects to. An error must not contain
	// the credentials.
	Authorization func() (string, error)
}

// A patchSource is the [Source] of an external patch source.
type patchSource struct {
	base          string // without a slash at the end
	trust         trust
	authorization func() (string, error)
}

// PatchSource returns the [Source] of an external patch source, by the address that Jamf Pro would be configured
// with, such as https://example.com/jamf/v1. Its definitions may be bare or in envelopes.
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

// Key implements [Source].
func (p patchSource) Key() string { return p.base }

// check implements checker.
func (p patchSource) check(c *safehttp.Client) error {
	_, err := c.Check(p.base)
	return err
}

// List implements [Source]. It fetches the list only.
func (p patchSource) List(ctx context.Context, f *Fetcher, memo string) (*Listing, error) {
	address := p.base + "/software"
	authorization, err := p.credentials()
	if err != nil {
		return nil, &UpstreamError{URL: address, Err: err}
	}
	a, err := f.get(ctx, address, memo, authorization)
	if err != nil {
		return nil, err
	}
	l := &Listing{Unchanged: a.Unchanged, Memo: a.Memo, MaxAge: a.MaxAge}
	if a.Unchanged {
		return l, nil
	}
	err = readList(ctx, a.Body, func(s patch.Summary) { l.Items = append(l.Items, p.item(f, s, authorization)) })
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, &UpstreamError{URL: address, Err: err}
	}
	return l, nil
}

// credentials returns the value of the Authorization header, empty if the source needs none.
func (p patchSource) credentials() (string, error) {
	if p.authorization == nil {
		return "", nil
	}
	value, err := p.authorization()
	if err == nil && value == "" {
		err = errors.New("they are empty")
	}
	if err != nil {
		return "", fmt.Errorf("the credentials for the source cannot be read: %w", err)
	}
	return value, nil
}

// readList calls add with each title of a list. It reads one at a time, because their number is known only at the
// end.
func readList(ctx context.Context, data []byte, add func(patch.Summary)) error {
	const invalid = "invalid list of software titles: %w"
	dec := jsontext.NewDecoder(bytes.NewBuffer(data))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '[' {
		return fmt.Errorf(invalid, errors.New("it is not a JSON array"))
	}
	for n := 0; dec.PeekKind() != ']'; n++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if n == maxTitles {
			return fmt.Errorf("the list has more than %d titles", maxTitles)
		}
		var s patch.Summary
		if err := json.UnmarshalDecode(dec, &s); err != nil {
			return fmt.Errorf(invalid, err)
		}
		add(s)
	}
	if _, err := dec.ReadToken(); err != nil {
		return fmt.Errorf(invalid, err)
	}
	return nil
}

// item returns the item of a title of the list.
func (p patchSource) item(f *Fetcher, s patch.Summary, authorization string) Item {
	address := p.base + "/patch/" + url.PathEscape(s.ID)
	it := Item{
		ID:      shorten(s.ID),
		URL:     address,
		Version: shorten(s.CurrentVersion),
		Mark:    s.LastModified + " " + s.CurrentVersion,
	}
	if len(it.Mark) > maxText {
		sum := sha256.Sum256([]byte(it.Mark))
		it.Mark = hex.EncodeToString(sum[:])
	}
	if !patch.ValidID(s.ID) {
		it.URL = p.base
		it.Fetch = func(context.Context) (*Fetched, error) {
			return nil, &UpstreamError{URL: p.base, Err: fmt.Errorf("%q is not a valid id", it.ID)}
		}
		return it
	}
	it.Fetch = func(ctx context.Context) (*Fetched, error) {
		a, err := f.get(ctx, address, "", authorization)
		if err != nil {
			return nil, err
		}
		fetched, err := f.open(address, a.Body, &p.trust)
		if err == nil && !strings.EqualFold(fetched.Definition.ID, s.ID) {
			err = &UpstreamError{
				URL: address,
				Err: fmt.Errorf("the definition has the id %q, not %q", fetched.Definition.ID, s.ID),
			}
		}
		return fetched, err
	}
	return it
}
