package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

var (
	// ErrNotFound reports a title that does not exist.
	ErrNotFound = errors.New("title not found")
	// ErrExists reports the creation of a title whose id is taken, without regard to case.
	ErrExists = errors.New("the title exists already")
	// ErrExistsDisabled reports the creation of a title whose id is that of a title that is not served: a draft or a
	// disabled title. It is an ErrExists.
	ErrExistsDisabled = fmt.Errorf("%w, as a draft or a disabled title", ErrExists)
	// ErrIDDiffers reports an edit whose definition has another id than the title.
	ErrIDDiffers = errors.New("the definition has another id")
	// ErrSynced reports an edit of a title that follows a source, by a caller other than that source.
	ErrSynced = errors.New("the title follows a source and can be changed only there")
	// ErrNotSynced reports an edit that comes from a source that the title does not follow.
	ErrNotSynced = errors.New("the title does not follow this source")
	// ErrPrecondition reports an edit of a title that has changed since the caller read it; see [EditOptions].
	ErrPrecondition = errors.New("the title has changed")
	// ErrNoRevision reports a revision that is not, or no longer, in a title's history.
	ErrNoRevision = errors.New("the title has no such revision")
	// ErrTooMuch reports that a title cannot be created, or cannot grow, because all titles of its account would take
	// too much space; see [Options]. It is a [patch.ErrTooLarge].
	ErrTooMuch = fmt.Errorf("%w: all titles of this author together take too much space", patch.ErrTooLarge)
	// ErrNotEmpty reports a restore with [RestoreEmpty] into a catalog that has titles.
	ErrNotEmpty = errors.New("there are titles already")
	// ErrUnavailable reports a failure of the store. If a change returns it, the change may or may not have happened.
	ErrUnavailable = errors.New("the store is unavailable")
	// ErrClosed reports a call after [Catalog.Close]. It is an ErrUnavailable.
	ErrClosed = fmt.Errorf("%w: the catalog is closed", ErrUnavailable)
)

var (
	// errRestoring reports a change during a restore.
	errRestoring = fmt.Errorf("%w: a restore is in progress: try again when it is done", ErrUnavailable)
	// errUnreadable reports a title's record that this version cannot read.
	errUnreadable = errors.New("unreadable record")
)

// A TitleError records an error and the title that it concerns. It unwraps to one of this package's errors.
type TitleError struct {
	ID string
	// Follows is the URL that the title follows, with [ErrSynced]. It may contain a secret: Error omits it.
	Follows string
	Err     error
}

// Error returns the title's id and the message of Err.
func (e *TitleError) Error() string {
	return fmt.Sprintf("title %q: %v", e.ID, e.Err)
}

// Unwrap returns the error without the title.
func (e *TitleError) Unwrap() error { return e.Err }

// notFound returns ErrNotFound for a title.
func notFound(id string) error { return &TitleError{ID: id, Err: ErrNotFound} }

// unavailable returns err as an ErrUnavailable.
func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }

// retryConflicts calls try, which changes the title named id, until it does not return store.ErrConflict, a bounded
// number of times. The error is that of try, that of ctx, or ErrUnavailable if other servers were always faster.
func retryConflicts(ctx context.Context, id string, try func() error) error {
	err := store.RetryConflicts(ctx, try)
	if errors.Is(err, store.ErrConflict) {
		// The conflict is hidden: for the caller, this is an outage.
		return fmt.Errorf("%w: title %q: %v", ErrUnavailable, id, err)
	}
	return err
}

// deletedIsConflict returns the error of a write, with store.ErrConflict in place of store.ErrNotFound: when the
// title is read again, it is not found.
func deletedIsConflict(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return store.ErrConflict
	}
	return err
}

// finish calls write, which writes to the store, with a context that does not end with ctx: the outcome of a canceled
// write is unknown. The error is store.ErrConflict, store.ErrNotFound, ErrUnavailable, or that of ctx if it has ended
// already.
func finish(ctx context.Context, write func(ctx context.Context) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	err := write(ctx)
	if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		return err
	}
	return unavailable(err)
}
