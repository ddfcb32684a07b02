package catalog

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// SaveDraft saves the draft of a title. Without a title of that id, it makes one that is disabled until its draft is
// published; created reports that. definition is a JSON object, which may be incomplete or invalid; its id, if it has
// one, must be id, without regard to case. Readers of the title see no change: its ETag, history and lastModified stay
// the same, and there is no event.
//
// The error is [patch.ErrInvalid] if definition is no JSON object or a new id cannot be one, [patch.ErrTooLarge],
// [ErrTooMuch], [ErrIDDiffers], [ErrSynced], [ErrPrecondition], [ErrExists] while the id is reserved or if
// DraftOptions.New is set and there is a title, [ErrNotFound] if
// DraftOptions.UID is not that of the title, [ErrUnavailable] or that of ctx.
func (c *Catalog) SaveDraft(
	ctx context.Context, id string, definition []byte, opts *DraftOptions,
) (d *Draft, created bool, err error) {
	var o DraftOptions
	if opts != nil {
		o = *opts
	}
	w := c.writer
	if err := w.gate.check(); err != nil {
		return nil, false, err
	}
	text, err := w.rules.draftText(id, definition)
	if err != nil {
		return nil, false, err
	}
	t, err := w.lockForChange(ctx, titleKey(id))
	if err != nil {
		return nil, false, err
	}
	defer t.unlock()
	err = retryConflicts(ctx, id, func() error {
		rec, err := w.readSettled(ctx, t)
		// Another server may have created the title since the last try.
		created = errors.Is(err, store.ErrNotFound) || err == nil && (rec.State == gone || w.expired(rec))
		if created {
			rec, err = nil, nil
		}
		if err != nil {
			return err
		}
		rec, err = w.saveDraft(ctx, t, rec, &draft{Definition: text, Whole: o.Whole, By: o.By}, id, o)
		if err != nil {
			return deletedIsConflict(err)
		}
		d, err = rec.draftOf(id)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return d, created, nil
}

// draftText returns the text of a draft of the title id without white space. The error is patch.ErrInvalid,
// patch.ErrTooLarge or ErrIDDiffers.
func (r *rules) draftText(id string, definition []byte) ([]byte, error) {
	d, failures, err := patch.ParseDraft(definition, &patch.ParseOptions{MaxBytes: r.maxBytes})
	if err != nil {
		return nil, err
	}
	if len(failures) > 0 && failures[0].Path == "" {
		return nil, &patch.ValidationError{Failures: failures[:1]}
	}
	if d.ID != "" && !strings.EqualFold(d.ID, id) {
		return nil, &TitleError{ID: id, Err: fmt.Errorf("%w: %q", ErrIDDiffers, d.ID)}
	}
	text, err := jsontext.AppendFormat(nil, definition)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", patch.ErrInvalid, err)
	}
	return text, nil
}

// saveDraft writes a draft into the record of a title, or of a new one if rec is nil, and returns the record. The error
// is store.ErrConflict, store.ErrNotFound or one of those of SaveDraft.
func (w *titleWriter) saveDraft(
	ctx context.Context, t *lockedTitle, rec *record, d *draft, id string, o DraftOptions,
) (*record, error) {
	if rec == nil {
		return w.createDraft(ctx, t, d, id, o)
	}
	was := *rec
	if err := rec.mayDraft(id, o); err != nil {
		return nil, err
	}
	if rec.Draft != nil && o.Base == "" {
		d.Base, d.BaseDefinition = rec.Draft.Base, rec.Draft.BaseDefinition
		d.Whole = d.Whole && rec.Draft.Whole
	} else {
		base, err := rec.wholeText()
		if err != nil {
			return nil, unreadableDefinition(id, err)
		}
		d.Base, d.BaseDefinition = rec.etag(), base
	}
	if rec.Draft != nil && rec.Draft.same(d) {
		return rec, nil
	}
	set := w.setDraft
	if rec.Draft != nil {
		set = w.replaceDraft
	}
	if err := set(rec, d); err != nil {
		return nil, err
	}
	if err := w.rules.checkAccount(w.index.get(), id, rec, was.bytes()); err != nil {
		return nil, err
	}
	return rec, w.rewrite(ctx, t, rec)
}

// mayDraft returns an error unless the draft of a title may be saved with some options. The error is ErrExists,
// ErrNotFound, ErrSynced or ErrPrecondition.
func (r *record) mayDraft(id string, o DraftOptions) error {
	switch {
	case r.State == pending:
		return &TitleError{ID: id, Err: fmt.Errorf("%w: it is being published at this moment", ErrExists)}
	case o.New:
		return &TitleError{ID: id, Err: ErrExists}
	case o.UID != "" && o.UID != r.UID:
		return notFound(id)
	case r.Follows != nil:
		return &TitleError{ID: id, Follows: r.Follows.URL, Err: ErrSynced}
	case o.NoDraft && r.Draft != nil,
		o.IfMatch != "" && (r.Draft == nil || o.IfMatch != etag(r.Draft.Definition)),
		o.Base != "" && (o.Base != r.etag() || r.neverServed()):
		return &TitleError{ID: id, Err: ErrPrecondition}
	}
	return nil
}

// same reports whether two drafts have the same definition, with the same base.
func (d *draft) same(other *draft) bool {
	return bytes.Equal(d.Definition, other.Definition) && d.Base == other.Base &&
		bytes.Equal(d.BaseDefinition, other.BaseDefinition) && d.Whole == other.Whole
}

// neverServed reports whether the record is that of a title that readers have never seen.
func (r *record) neverServed() bool { return r.State == disabled && r.Draft.Base == "" }

// setDraft sets the draft of a record to d, with the number of its failures. The error is that of a text that is no
// JSON.
func (w *titleWriter) setDraft(rec *record, d *draft) error {
	var old *patch.Definition
	if len(d.BaseDefinition) > 0 {
		old, _ = parseStored(d.BaseDefinition) // without it, older values are failures
	}
	_, failures, err := parseDraft(d.Definition, old)
	if err != nil {
		return err
	}
	content, _, err := patch.ParseDraft(d.Definition, &patch.ParseOptions{MaxBytes: -1, Stored: true})
	if err != nil {
		return err
	}
	const maxText = 1000 // bytes of a name, as in a definition that is valid
	short := func(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxText)], "") }
	d.Name, d.Publisher, d.Version = short(content.Name), short(content.Publisher), short(content.CurrentVersion)
	d.Errors = len(failures)
	d.Changed = w.now().UTC().Truncate(time.Second)
	rec.Draft = d
	return nil
}

// replaceDraft is setDraft for a record that has a draft. If the title is disabled, the numbers of its parts are
// carried over.
func (w *titleWriter) replaceDraft(rec *record, d *draft) error {
	was := rec.Draft
	if err := w.setDraft(rec, d); err != nil {
		return err
	}
	if rec.State != disabled || rec.Numbers == nil {
		return nil
	}
	n := *rec.Numbers
	before, _, err := patch.ParseDraft(was.Definition, &patch.ParseOptions{MaxBytes: -1, Stored: true})
	if err != nil {
		return unavailable(err)
	}
	after, _, err := patch.ParseDraft(d.Definition, &patch.ParseOptions{MaxBytes: -1, Stored: true})
	if err != nil {
		return unavailable(err)
	}
	if err := n.carry(before, after); err != nil {
		return unavailable(err)
	}
	n.count(after, len(after.Versions()))
	rec.Numbers = &n
	return nil
}

// createDraft makes a title that is disabled from a draft. The error is store.ErrConflict if the id is taken, or one of
// those of SaveDraft.
func (w *titleWriter) createDraft(
	ctx context.Context, t *lockedTitle, d *draft, id string, o DraftOptions,
) (*record, error) {
	switch {
	case o.UID != "":
		return nil, notFound(id)
	case o.IfMatch != "" || o.Base != "":
		return nil, &TitleError{ID: id, Err: ErrPrecondition}
	}
	rec, err := w.newDisabled(id, o)
	if err != nil {
		return nil, err
	}
	if err := w.setDraft(rec, d); err != nil {
		return nil, err
	}
	if err := w.rules.checkAccount(w.index.get(), id, rec, 0); err != nil {
		return nil, err
	}
	_, err = w.createLocked(ctx, t, rec)
	return rec, err
}

// newDisabled returns the record of a new title that is disabled, without its draft. Its definition is never served.
// The error is patch.ErrInvalid.
func (w *titleWriter) newDisabled(id string, o DraftOptions) (*record, error) {
	if !patch.ValidID(id) {
		invalid := (&patch.Definition{ID: id, Name: "x"}).Validate()
		var all *patch.ValidationError
		if errors.As(invalid, &all) {
			invalid = &patch.ValidationError{Failures: all.Failures[:1]}
		}
		return nil, invalid
	}
	now := w.now()
	rec := &record{head: head{
		headStart: headStart{
			UID:   rand.Text(),
			State: disabled,
			Since: now.UTC(),
			Owner: owner{Author: o.Author, Contributor: o.Contributor, Mailbox: o.Mailbox, Account: o.Account},
		},
		headEnd: headEnd{Number: 1, By: o.By, Changed: later(now, later(w.index.get().changed, now))},
	}}
	return rec, w.rules.setDefinition(rec, &patch.Definition{
		ID:             id,
		LastModified:   patch.FormatTime(now),
		CurrentVersion: "0", // the members of a summary must not be empty
	})
}

// DiscardDraft discards the draft of a title. A title that was never served is deleted with it. The draft of another
// disabled title is then what was served last. EditOptions.IfMatch is the entity tag of the draft.
//
// The error is [ErrNotFound], [ErrNoDraft], [ErrPrecondition], [ErrUnavailable] or that of ctx.
func (c *Catalog) DiscardDraft(ctx context.Context, id string, opts *EditOptions) error {
	w, o := c.writer, opts.orZero()
	tag := o.IfMatch
	o.IfMatch = ""
	return w.changeAny(ctx, id, o, func(t *lockedTitle, rec *record) error {
		switch {
		case rec.Draft == nil:
			return &TitleError{ID: id, Err: ErrNoDraft}
		case tag != "" && tag != etag(rec.Draft.Definition):
			return &TitleError{ID: id, Err: ErrPrecondition}
		case rec.neverServed():
			return w.remove(ctx, t, rec)
		case rec.State == disabled:
			whole, err := rec.whole()
			if err != nil {
				return unreadableDefinition(id, err)
			}
			text, err := whole.MarshalJSON()
			if err != nil {
				return unreadableDefinition(id, err)
			}
			next := &draft{
				Definition:     text,
				Base:           rec.Draft.Base,
				BaseDefinition: rec.Draft.BaseDefinition,
				Whole:          true,
				By:             o.By,
			}
			if err := w.replaceDraft(rec, next); err != nil {
				return err
			}
		default:
			rec.Draft = nil
		}
		return w.rewrite(ctx, t, rec)
	})
}
