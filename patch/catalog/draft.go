package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
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
	// Publisher and CurrentVersion are those of the title in the draft. They may be empty.
	Publisher, CurrentVersion string
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
	// Base is the entity tag that the title had when the draft was begun, and BaseDefinition its definition then, with
	// its disabled patches. Both are empty if the title has never been served.
	Base           string
	BaseDefinition []byte
	Changed        time.Time
}

// DraftOptions are options of [Catalog.SaveDraft]. Nil means the zero value.
type DraftOptions struct {
	// UID is the UID of the [Title] that the caller may change; see [EditOptions]. If empty, the draft may be that of a
	// new title.
	UID string
	// New demands that there is no title with the id; otherwise, the error is ErrExists.
	New bool
	// NoDraft demands that the title has no draft yet; otherwise, the error is ErrPrecondition.
	NoDraft bool
	// IfMatch is the entity tag that the draft must have. If empty, any draft is replaced.
	IfMatch string
	// Base, if not empty, is the entity tag of the title's definition, which becomes the base of the draft. If the
	// title has another one, SaveDraft returns ErrPrecondition. If empty, an existing draft keeps its base.
	Base string
	// Whole says that the definition has all disabled patches of the title: one that is absent is removed when the
	// draft is published. Otherwise, it is kept. A draft that was begun without Whole stays so until Base is set.
	Whole bool
	// By identifies the maker of the draft, such as the id of a token.
	By string
	// Author, Contributor, Mailbox and Account are those of a new title; see [CreateOptions].
	Author, Contributor string
	Mailbox             json.RawMessage
	Account             string
}

// A DraftConflictError records the definitions that are in conflict with [ErrDraftConflict], which it unwraps to. They
// have their disabled patches.
type DraftConflictError struct {
	Base, Draft, Current []byte
}

// Error returns the message of ErrDraftConflict.
func (e *DraftConflictError) Error() string { return ErrDraftConflict.Error() }

// Unwrap returns ErrDraftConflict.
func (e *DraftConflictError) Unwrap() error { return ErrDraftConflict }

// Draft returns the draft of a title, which may be disabled.
//
// The error is [ErrNotFound], [ErrNoDraft], [ErrUnavailable] or that of ctx.
func (c *Catalog) Draft(ctx context.Context, id string) (*Draft, error) {
	if err := c.titles.gate.check(); err != nil {
		return nil, err
	}
	rec, err := c.titles.readAny(ctx, id)
	if err != nil {
		return nil, err
	}
	return rec.draftOf(id)
}

// readAny reads the record of a title that is live or disabled. The error is ErrNotFound, ErrUnavailable or that of
// ctx.
func (s *titleStore) readAny(ctx context.Context, id string) (*record, error) {
	if !patch.ValidID(id) {
		return nil, notFound(id)
	}
	rec, err := s.read(ctx, titleKey(id))
	if errors.Is(err, store.ErrNotFound) || err == nil && rec.State != live && rec.State != disabled {
		return nil, notFound(id)
	}
	return rec, err
}

// draftOf returns the draft of the title id from its record. The error is ErrNoDraft or ErrUnavailable.
func (r *record) draftOf(id string) (*Draft, error) {
	if r.Draft == nil {
		return nil, &TitleError{ID: id, Err: ErrNoDraft}
	}
	e, err := r.entry(titleKey(id))
	if err != nil {
		return nil, unreadableDefinition(id, err)
	}
	return &Draft{
		Title:          e.Title,
		Definition:     r.Draft.Definition,
		ETag:           etag(r.Draft.Definition),
		Base:           r.Draft.Base,
		BaseDefinition: r.Draft.BaseDefinition,
		Changed:        r.Draft.Changed,
	}, nil
}

// Drafts yields the titles that have a draft, sorted by the bytes of their ids, all at one moment. It does not read the
// store.
func (c *Catalog) Drafts() iter.Seq[Title] {
	x := c.titles.index.get()
	return func(yield func(Title) bool) {
		x.sorted[ofDraft].tree.Scan(func(e *entry) bool { return yield(e.Title) })
	}
}

// CheckDraft returns the failures because of which the draft cannot be published, and otherwise the warnings of lint
// about it. The error is [ErrClosed] or that of ctx.
func (c *Catalog) CheckDraft(ctx context.Context, d *Draft) ([]patch.Failure, []patch.Warning, error) {
	if err := c.titles.gate.check(); err != nil {
		return nil, nil, err
	}
	var old *patch.Definition
	if len(d.BaseDefinition) > 0 {
		old, _ = parseStored(d.BaseDefinition) // without it, older values are failures
	}
	def, failures, err := parseDraft(d.Definition, old)
	if err != nil || len(failures) > 0 {
		return failures, nil, err
	}
	warnings, err := c.writer.rules.lint(ctx, def, c.writer.now(), selection{})
	var invalid *patch.ValidationError
	if errors.As(err, &invalid) {
		return invalid.Failures, nil, nil
	}
	return nil, warnings, err
}

// parseDraft parses a draft as a whole definition that takes the place of old, nil if there is none. If there are
// failures, the definition is nil. The error is that of a text that is no JSON.
func parseDraft(text []byte, old *patch.Definition) (*patch.Definition, []patch.Failure, error) {
	d, err := patch.Parse(text, &patch.ParseOptions{MaxBytes: -1, Over: old})
	var invalid *patch.ValidationError
	if errors.As(err, &invalid) {
		return nil, invalid.Failures, nil
	}
	return d, nil, err
}
