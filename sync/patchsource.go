package sync

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/patchsource/patchsource/patch"
)

// JamfFeed is the address of the vendor's own patch source, for [PatchSource]. Its
// definitions are signed.
const JamfFeed = "https://jamf-patch.jamfcloud.com/v1"

// maxTitles bounds what a source may list.
const maxTitles = 100_000

// PatchSourceOptions are options of [PatchSource]. Nil means the zero value.
type PatchSourceOptions struct {
	// Roots are who may sign definitions, or say who may. Nil: anybody, and
	// [State.Signer] says who does.
	Roots *x509.CertPool
	// RefuseUnsigned takes definitions in envelopes only.
	RefuseUnsigned bool
}

type patchSource struct {
	base  string
	trust trust
}

// PatchSource returns the [Source] of an external patch source, by the address that
// Jamf Pro would be given, such as https://example.com/jamf/v1. Its definitions may
// be bare or in envelopes.
func PatchSource(address string, opts *PatchSourceOptions) Source {
	var o PatchSourceOptions
	if opts != nil {
		o = *opts
	}
	return patchSource{strings.TrimRight(address, "/"), trust{o.Roots, !o.RefuseUnsigned}}
}

func (p patchSource) Key() string { return p.base }

// List asks for the list alone.
func (p patchSource) List(ctx context.Context, f *Fetcher, memo string) (*Listing, error) {
	address := p.base + "/software"
	a, err := f.Get(ctx, address, memo)
	if err != nil {
		return nil, err
	}
	l := &Listing{Unchanged: a.Unchanged, Memo: a.Memo, MaxAge: a.MaxAge}
	if a.Unchanged {
		return l, nil
	}
	var summaries []patch.Summary
	if err := json.Unmarshal(a.Body, &summaries); err != nil || summaries == nil {
		if err == nil {
			err = errors.New("it is null")
		}
		return nil, &UpstreamError{URL: address, Err: fmt.Errorf("it is no list of software titles: %w", err)}
	}
	if len(summaries) > maxTitles {
		return nil, &UpstreamError{URL: address, Err: fmt.Errorf("it lists %d titles, at most %d are read", len(summaries), maxTitles)}
	}
	for _, s := range summaries {
		// What is no id is refused with the rest of what is wrong with the title.
		at := p.base + "/patch/" + url.PathEscape(s.ID)
		l.Items = append(l.Items, Item{ID: s.ID, URL: at, Version: s.CurrentVersion, Mark: s.LastModified + " " + s.CurrentVersion, Fetch: func(ctx context.Context) (*Fetched, error) {
			a, err := f.Get(ctx, at, "")
			if err != nil {
				return nil, err
			}
			fetched, err := f.open(at, a.Body, &p.trust)
			if err == nil && !strings.EqualFold(fetched.Definition.ID, s.ID) {
				err = &UpstreamError{URL: at, Err: fmt.Errorf("it has the id %q, and %q was asked for", fetched.Definition.ID, s.ID)}
			}
			return fetched, err
		}})
	}
	return l, nil
}
