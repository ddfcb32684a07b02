package catalog

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// CreateOptions are options of [Catalog.Create]. Nil means the zero value.
type CreateOptions struct {
	// Author is the name under which the title is published, as it was typed. It is shown beside the title, and changes
	// neither id nor name; see [patch.Definition.Namespace].
	Author string
	// Follows is the URL of the source that the title follows. If it is not empty, only edits from the source are
	// accepted; see [EditOptions].
	Follows string
	// Source is the key of the mirror that the title belongs to, if it does not follow its source by itself. It needs
	// Follows.
	Source string
	// Contributor is the id of the contributor that owns the title.
	Contributor string
	// Mailbox is a hash of the author's address. The catalog does not interpret it.
	Mailbox json.RawMessage
	// Account is the account that the bytes of the title count for; see Options.MaxAccountBytes. The catalog does not
	// interpret it. If empty, they count for Mailbox or else Contributor; if those are empty too, they do not count.
	Account string
	// Held are the patches before the definition's first that the source holds back; see [EditOptions]. It needs
	// Follows.
	Held []patch.Patch
	// By identifies the maker of the title in [Catalog.History], such as the id of a token.
	By string
	// Confirm, if not nil, decides whether the title is published. While it runs, the id is reserved, and the title
	// is not visible. If it returns nil, the title is published, even if ctx has ended meanwhile; otherwise the
	// reservation is withdrawn, and Create returns its error. Confirm may call the methods of the catalog. It must
	// return within two minutes. The reservation expires after ten, when another caller can take the id, so that the
	// clocks of servers over one store may differ by eight minutes.
	Confirm func(ctx context.Context, t Title) error
	// Undo, if not nil, undoes the effects of Confirm. It is called after Confirm if the title is certainly not
	// published. Its context does not end with that of Create, and its error is logged.
	Undo func(ctx context.Context) error
}

// Create adds a title. It keeps def's lastModified, in UTC and whole seconds, or sets it if it is empty, and sets
// currentVersion. It neither changes def nor keeps a reference to it.
//
// The error is [patch.ErrInvalid], [patch.ErrTooLarge], [ErrTooMuch], [ErrExists], [ErrUnavailable], that of
// CreateOptions.Confirm or that of ctx.
func (c *Catalog) Create(ctx context.Context, def *patch.Definition, opts *CreateOptions) (Result, error) {
	if err := c.titles.gate.check(); err != nil {
		return Result{}, err
	}
	if opts != nil && opts.Confirm != nil {
		return c.createConfirmed(ctx, def, opts)
	}
	rec, warnings, err := c.writer.newRecord(ctx, def, opts)
	if err != nil {
		return Result{}, err
	}
	e, err := c.writer.create(ctx, rec)
	if err != nil {
		return Result{}, err
	}
	return Result{Title: e.Title, Changed: true, Warnings: warnings}, nil
}

// createConfirmed is Create with opts.Confirm.
func (c *Catalog) createConfirmed(ctx context.Context, def *patch.Definition, opts *CreateOptions) (Result, error) {
	r, err := c.reserve(ctx, def, opts)
	if err != nil {
		return Result{}, err
	}
	var res Result
	tried := false // to publish
	if err = opts.Confirm(ctx, r.title); err == nil {
		tried = true
		ctx, cancel := store.WriteContext(ctx)
		defer cancel()
		res, err = r.publish(ctx)
	}
	if err == nil {
		return res, nil
	}
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	published, undoErr := r.withdraw(ctx)
	if published { // although publish failed
		title, err := c.Title(def.ID)
		return Result{Title: title, Changed: true, Warnings: r.warnings}, err
	}
	// If the withdrawal fails too, the title may be published, unless publish has not written it.
	if opts.Undo != nil && (undoErr == nil || !tried || errors.Is(err, ErrClosed)) {
		undoErr = errors.Join(undoErr, opts.Undo(ctx))
	}
	if undoErr != nil {
		c.titles.log.Error("a failed publication could not be undone: its reservation expires",
			"title", def.ID, "error", undoErr)
	}
	return Result{}, err
}

// newRecord returns the record of a new title. The error is patch.ErrInvalid, patch.ErrTooLarge, ErrTooMuch or that of
// ctx.
func (w *titleWriter) newRecord(
	ctx context.Context, def *patch.Definition, opts *CreateOptions,
) (*record, []patch.Warning, error) {
	var o CreateOptions
	if opts != nil {
		o = *opts
	}
	if o.Follows == "" {
		o.Held = nil
	}
	if err := withHeld(def, o.Held).Validate(); err != nil {
		return nil, nil, err
	}
	held, err := w.rules.heldJSON(o.Held)
	if err != nil {
		return nil, nil, err
	}
	d := *def
	now := w.now()
	// Lint comes before Complete, which corrects some of the mistakes that lint finds.
	warnings, err := w.rules.lint(ctx, &d, now, selection{})
	if err != nil {
		return nil, nil, err
	}
	served, disabled := d.Split()
	d = *served
	d.Complete(now)
	rec := &record{head: head{
		headStart: headStart{
			UID:   rand.Text(),
			State: live,
			Since: now.UTC(),
			Held:  held,
			Owner: owner{Author: o.Author, Contributor: o.Contributor, Mailbox: o.Mailbox, Account: o.Account},
		},
		headEnd: headEnd{
			Number: 1,
			By:     o.By,
			// Later than everything that readers were served of an earlier title with the id.
			Changed: later(now, later(w.index.get().changed, now)),
		},
	}}
	if o.Follows != "" {
		rec.Follows = &source{URL: o.Follows, Source: o.Source}
	}
	if err := w.rules.setDefinition(rec, &d); err != nil {
		return nil, nil, err
	}
	if err := w.rules.setDisabled(rec, disabled); err != nil {
		return nil, nil, err
	}
	return rec, warnings, w.rules.checkAccount(w.index.get(), d.ID, rec, 0)
}

// create creates a title, or a reservation, from a new record. The error is ErrExists, ErrUnavailable or that of ctx.
func (w *titleWriter) create(ctx context.Context, rec *record) (*entry, error) {
	summary, err := readSummary(rec.definition)
	if err != nil {
		return nil, err
	}
	t, err := w.lockForChange(ctx, titleKey(summary.ID))
	if err != nil {
		return nil, err
	}
	defer t.unlock()
	if rec.State == live {
		if err := w.noteCreation(t, rec); err != nil {
			return nil, err
		}
	}
	e, err := w.createLocked(ctx, t, rec)
	if errors.Is(err, ErrExistsDisabled) {
		return nil, &TitleError{ID: summary.ID, Err: ErrExistsDisabled}
	}
	if errors.Is(err, store.ErrConflict) {
		return nil, &TitleError{ID: summary.ID, Err: ErrExists}
	}
	if err == nil && rec.State == live {
		w.events.publish(t, Event{Kind: Created, Title: e.Title, At: rec.Since}, nil, rec)
	}
	return e, err
}

// createLocked writes the record of a new title, or of a reservation. The error is store.ErrConflict if the id is
// taken, ErrUnavailable or that of ctx.
func (w *titleWriter) createLocked(ctx context.Context, t *lockedTitle, rec *record) (*entry, error) {
	e, err := w.put(ctx, t, rec)
	if !errors.Is(err, store.ErrConflict) {
		return e, err
	}
	var taken error
	err = retryConflicts(ctx, t.key, func() error {
		next := *rec
		next.Undelivered = slices.Clone(rec.Undelivered)
		was, err := w.readSettled(ctx, t)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return err
		case was.State == disabled:
			taken = errors.Join(store.ErrConflict, ErrExistsDisabled, w.readBack(ctx, t))
			return nil
		case was.State != gone && !w.expired(was):
			// Another server may have created it, and the index may not have it yet.
			taken = errors.Join(store.ErrConflict, w.readBack(ctx, t))
			return nil
		default:
			if err := w.takeOver(ctx, was, &next); err != nil {
				return err
			}
		}
		// The leader may be removing the record of the earlier title, or its notices: that is no reason to give up.
		if e, err = w.put(ctx, t, &next); err == nil {
			*rec = next
		}
		return err
	})
	if taken != nil {
		return nil, taken
	}
	return e, err
}
