package patchsync

import (
	"context"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// A Source is a place elsewhere that definitions come from. The kinds there are
// come from [PatchSource], [Definition] and [Folder]; others implement it. Its
// methods are called by one goroutine at a time, the Fetch of its items by
// several.
type Source interface {
	// Key names the source, the same after a restart: its state is kept under
	// it. It is shown to everybody, as [RedactURL] returns it.
	Key() string
	// List says what the source has. memo is the [Listing.Memo] of the last
	// listing that was taken in whole, empty if there is none or all is wanted
	// again. f fetches safely. An error should be an *[UpstreamError].
	List(ctx context.Context, f *Fetcher, memo string) (*Listing, error)
}

// A Watcher is a [Source] that notices changes by itself. It is an optional
// capability.
type Watcher interface {
	// Watch calls changed whenever there may be something new, until ctx ends.
	Watch(ctx context.Context, changed func()) error
}

// A Listing is what a source has.
type Listing struct {
	// Unchanged says that it is what it was when it gave the memo. Items is empty
	// then.
	Unchanged bool
	// Memo is given to the next List, so that the source can tell whether anything
	// has changed since; an ETag, for example.
	Memo string
	// MaxAge is how long the source says that this stays as it is. 0: it says
	// nothing.
	MaxAge time.Duration
	Items  []Item
}

// An Item is a title of a source.
type Item struct {
	// ID names it within the source: as a rule, its id there.
	ID string
	// Mark is another whenever the item is another, such as its lastModified and
	// current version. It is what decides whether to fetch it.
	Mark string
	// Version is the current version that the list tells, if it does.
	Version string
	// URL is where its definition is, for people.
	URL string
	// Fetch fetches it.
	Fetch func(ctx context.Context) (*Fetched, error)
}

// Fetched is a definition that was fetched.
type Fetched struct {
	Definition *patch.Definition
	// Signer is who has signed it, if it came in an envelope.
	Signer string
}

// An UpstreamError says what is wrong with a source. It is [ErrUpstream], and
// unwraps to the cause.
type UpstreamError struct {
	// URL is what was asked for, whole.
	URL string
	// Status is the HTTP status that was answered, if it is what is wrong.
	Status int
	// RetryAfter is how long the source asks to be left alone.
	RetryAfter time.Duration
	Err        error
}

// Error says what is wrong, and where; see [RedactURL].
func (e *UpstreamError) Error() string { return fmt.Sprintf("%s: %v", RedactURL(e.URL), e.Err) }

// Unwrap returns the cause.
func (e *UpstreamError) Unwrap() error { return e.Err }

// Is makes an UpstreamError an [ErrUpstream].
func (e *UpstreamError) Is(target error) bool { return target == ErrUpstream }
