package patchsync

import (
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
)

var (
	// ErrNotWatched reports a title that has no watch.
	ErrNotWatched = errors.New("the title has no watch")
	// ErrNoProposal reports a proposal that does not exist: it was approved, rejected or replaced.
	ErrNoProposal = errors.New("there is no such proposal, or it was approved, rejected or replaced meanwhile")
	// ErrWatchReadOnly reports a change of a watch that comes from a recipe file.
	ErrWatchReadOnly = errors.New("the watch comes from a recipe file and can be changed only there")
)

// A FeedError reports that a release feed could not be read. It matches [ErrUpstream] and unwraps to its cause. Its
// text is a sentence without secrets.
type FeedError struct {
	// Status is the HTTP status of the answer, 0 if the status was not the failure.
	Status int
	// RetryAfter is how long the server asks not to be asked again.
	RetryAfter time.Duration
	// Err is the cause. It has no secrets.
	Err error
}

// Error implements error.
func (e *FeedError) Error() string { return "the release feed cannot be read: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *FeedError) Unwrap() error { return e.Err }

// Is reports whether target is [ErrUpstream].
func (e *FeedError) Is(target error) bool { return target == ErrUpstream }

// A syncedError reports a title that cannot be watched because it follows a source. It is a catalog.ErrSynced.
type syncedError struct{ id string }

// Error implements error.
func (e *syncedError) Error() string {
	return fmt.Sprintf("the title %q follows a source, which decides about its versions: it cannot follow a release "+
		"feed too", e.id)
}

// Is reports whether target is catalog.ErrSynced.
func (e *syncedError) Is(target error) bool { return target == catalog.ErrSynced }
