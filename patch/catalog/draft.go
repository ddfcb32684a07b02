package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"
)

var (
	// ErrNoDraft reports a title that has no draft.
	ErrNoDraft = errors.New("the title has no draft")
	// ErrDraft reports that a title cannot be disabled because it has a draft, which would be lost.
	ErrDraft = errors.New("the title has a draft: publish or discard it first")
	// ErrDraftConflict reports that a draft cannot be published because the title has changed since it was begun; see
	// [DraftConflictError].
	ErrDraftConflict = errors.New("the title has changed since the draft was begun")
)

// A DraftState describes the draft of a title. The zero DraftState means that there is none.
type DraftState struct {
	// Name is the name of the title in the draft. It may be empty.
	Name string
	// Errors is the number of failures because of which the draft cannot be published.
	Errors int
	// Changed is the time at which the draft was last saved.
	Changed time.Time
}

// A Draft is the working copy of a title's definition. It is never served.
type Draft struct {
	Title Title
	// Definition is the JSON that was saved. It may be incomplete or invalid.
	Definition []byte
	// ETag is the entity tag of Definition; see [DraftOptions].
	ETag string
	// Base is the entity tag that the title had when the draft was begun, and BaseDefinition its definition then. Both
	// are empty if the title has never been served.
	Base           string
	BaseDefinition []byte
	Changed        time.Time
}

// DraftOptions are options of [Catalog.SaveDraft]. Nil means the zero value.
type DraftOptions struct {
	// UID is the UID of the [Title] that the caller may change; see [EditOptions]. If empty, the draft may be that of a
	// new title.
	UID string
	// IfMatch is the entity tag that the draft must have. If empty, any draft is replaced.
	IfMatch string
	// Base, if not empty, is the entity tag of the title's definition, which becomes the base of the draft. If the
	// title has another one, SaveDraft returns ErrPrecondition. If empty, an existing draft keeps its base.
	Base string
	// By identifies the maker of the draft, such as the id of a token.
	By string
	// Author, Contributor, Mailbox and Account are those of a new title; see [CreateOptions].
	Author, Contributor string
	Mailbox             json.RawMessage
	Account             string
}

// A DraftConflictError records the definitions that are in conflict with [ErrDraftConflict], which it unwraps to.
type DraftConflictError struct {
	Base, Draft, Current []byte
}

// Error returns the message of ErrDraftConflict.
func (e *DraftConflictError) Error() string { return ErrDraftConflict.Error() }

// Unwrap returns ErrDraftConflict.
func (e *DraftConflictError) Unwrap() error { return ErrDraftConflict }

var errUnwritten = errors.New("not written yet")

// Draft returns the draft of a title, which may be disabled. The error is [ErrNotFound], [ErrNoDraft],
// [ErrUnavailable] or that of ctx.
func (c *Catalog) Draft(ctx context.Context, id string) (*Draft, error) { return nil, errUnwritten }

// SaveDraft saves the draft of a title. Without a title of that id, it makes one that is disabled until its draft is
// published; created reports that. Readers see no change of the title.
func (c *Catalog) SaveDraft(
	ctx context.Context, id string, definition []byte, opts *DraftOptions,
) (d *Draft, created bool, err error) {
	return nil, false, errUnwritten
}

// DiscardDraft discards the draft of a title.
func (c *Catalog) DiscardDraft(ctx context.Context, id string, opts *EditOptions) error {
	return errUnwritten
}

// PublishDraft makes the draft of a title its definition. created reports that the title was disabled before.
func (c *Catalog) PublishDraft(ctx context.Context, id string, opts *EditOptions) (r Result, created bool, err error) {
	return Result{}, false, errUnwritten
}

// Disable makes a title disabled: it keeps its id, and is not served.
func (c *Catalog) Disable(ctx context.Context, id string, opts *EditOptions) error {
	return errUnwritten
}

// Drafts yields the titles that have a draft, sorted by the bytes of their ids.
func (c *Catalog) Drafts() iter.Seq[Title] { return func(func(Title) bool) {} }

// Lookup returns a title, which may be disabled. The error is [ErrNotFound].
func (c *Catalog) Lookup(id string) (Title, error) { return c.Title(id) }

// CloneVersion adds a copy of a version of a title as another version in front.
func (c *Catalog) CloneVersion(ctx context.Context, id, version, next string, opts *EditOptions) (Result, error) {
	return Result{}, errUnwritten
}

// OrderVersions puts the versions of a title into another order.
func (c *Catalog) OrderVersions(ctx context.Context, id string, versions []string, opts *EditOptions) (Result, error) {
	return Result{}, errUnwritten
}
