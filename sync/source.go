package patchsync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// A Source is a place where definitions come from. [PatchSource], [Definition] and [Folder] return Sources; others
// implement the interface. Its methods are called by one goroutine at a time, the Fetch functions of its items by
// several.
type Source interface {
	// Key names the source, and is the same after a restart: the state of the source is stored under it. It is
	// published as [RedactURL] returns it.
	Key() string
	// List returns what the source has. memo is the [Listing.Memo] of the last listing that was applied in full. It is
	// empty if there is none, or if the source must list everything. f fetches URLs safely. The error should be an
	// *[UpstreamError].
	List(ctx context.Context, f *Fetcher, memo string) (*Listing, error)
}

// A Watcher is a [Source] that notices its changes. It is an optional capability.
type Watcher interface {
	// Watch calls changed whenever the source may have changed, until ctx ends.
	Watch(ctx context.Context, changed func()) error
}

// A Listing is what a [Source] has.
type Listing struct {
	// Unchanged reports that nothing has changed since the source returned the memo. Items is then empty.
	Unchanged bool
	// Memo is passed to the next List, and tells the source what has changed since. An ETag is an example.
	Memo string
	// MaxAge is how long the source says that the listing is fresh, 0 if it does not say.
	MaxAge time.Duration
	// Items are the titles of the source.
	Items []Item
}

// An Item is a title of a [Source].
type Item struct {
	// ID names the item within its source. It should be the title's id there.
	ID string
	// Mark differs whenever the definition differs, and decides whether to fetch it: the lastModified and the current
	// version, for example.
	Mark string
	// Version is the current version according to the list, empty if the list does not say.
	Version string
	// URL is the address of the definition, for people.
	URL string
	// Fetch fetches the definition.
	Fetch func(ctx context.Context) (*Fetched, error)
}

// Fetched is a definition that was fetched.
type Fetched struct {
	Definition *patch.Definition
	// Signer is the subject of the certificate that signed the definition, empty if it is not signed.
	Signer string
}

// An UpstreamError describes a failure of a source. It matches [ErrUpstream] and unwraps to its cause.
type UpstreamError struct {
	// URL is the whole URL that was asked.
	URL string
	// Status is the HTTP status of the answer, 0 if the status was not the failure.
	Status int
	// RetryAfter is how long the source asks not to be asked again.
	RetryAfter time.Duration
	// Err is the cause.
	Err error
}

// Error returns the URL, as [RedactURL] returns it, and the cause.
func (e *UpstreamError) Error() string { return fmt.Sprintf("%s: %v", RedactURL(e.URL), e.Err) }

// Unwrap returns the cause.
func (e *UpstreamError) Unwrap() error { return e.Err }

// Is reports whether target is [ErrUpstream].
func (e *UpstreamError) Is(target error) bool { return target == ErrUpstream }

// statusOf returns the HTTP status, and the time to wait, of an UpstreamError.
func statusOf(err error) (status int, wait time.Duration) {
	var up *UpstreamError
	if errors.As(err, &up) {
		return up.Status, up.RetryAfter
	}
	return 0, 0
}
