package catalog

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// PublishDraft makes the draft of a title its definition, and deletes the draft. Patches that are disabled in it are
// kept and not served. A disabled patch that others have added, changed or removed since the draft was begun stays as
// they left it, unless the draft has changed it too, which is a conflict. created reports that the title was disabled:
// it is served from now on, and there is an event Created. Otherwise the rules are those of [Catalog.Replace].
// EditOptions.IfMatch is the entity tag of the draft.
//
// The error is [ErrNotFound], [ErrNoDraft], a *[DraftConflictError], which is [ErrDraftConflict], or another of those
// of Replace. A [patch.ValidationError] has all failures.
func (c *Catalog) PublishDraft(ctx context.Context, id string, opts *EditOptions) (r Result, created bool, err error) {
	o := opts.orZero()
	tag := o.IfMatch
	o.IfMatch = ""
	for range 2 { // another server may enable or disable the title in between
		r, err = c.publishLive(ctx, id, tag, o)
		if !errors.Is(err, ErrNotFound) {
			return r, false, err
		}
		r, err = c.publishDisabled(ctx, id, tag, o)
		if !errors.Is(err, ErrNotFound) {
			return r, err == nil, err
		}
	}
	return r, false, err
}

// publishLive is PublishDraft for a title that is served.
func (c *Catalog) publishLive(ctx context.Context, id, tag string, o EditOptions) (Result, error) {
	return c.edit(ctx, id, o, func(rec *record, now time.Time) (edited, error) {
		old, err := rec.parse()
		if err != nil {
			return edited{}, unreadableDefinition(id, err)
		}
		d, err := rec.publishable(id, tag, old)
		if err != nil {
			return edited{}, err
		}
		rec.Draft = nil
		return c.writer.rules.succeed(ctx, rec, successor{old, d, false}, o, now)
	})
}

// publishDisabled is PublishDraft for a title that is disabled.
func (c *Catalog) publishDisabled(ctx context.Context, id, tag string, o EditOptions) (r Result, err error) {
	err = c.writer.changeDisabled(ctx, id, o, func(t *lockedTitle, rec *record) error {
		old, err := rec.served()
		if err != nil {
			return unreadableDefinition(id, err)
		}
		d, err := rec.publishable(id, tag, old)
		if err != nil {
			return err
		}
		r, err = c.writer.enable(ctx, t, rec, d, o)
		return err
	})
	return r, err
}

// publishable returns the draft of a record as the whole definition that takes the place of old, nil if the title was
// never served. If tag is not empty, it is the entity tag that the draft must have. The error is patch.ErrInvalid,
// ErrNoDraft, ErrPrecondition, ErrDraftConflict or ErrIDDiffers.
func (r *record) publishable(id, tag string, old *patch.Definition) (*patch.Definition, error) {
	switch {
	case r.Draft == nil:
		return nil, &TitleError{ID: id, Err: ErrNoDraft}
	case tag != "" && tag != etag(r.Draft.Definition):
		return nil, &TitleError{ID: id, Err: ErrPrecondition}
	case r.State == live && r.Draft.Base != r.etag():
		return nil, r.draftConflict(id)
	}
	d, failures, err := parseDraft(r.Draft.Definition, old)
	if err != nil {
		return nil, err
	}
	if len(failures) > 0 {
		return nil, &patch.ValidationError{Failures: failures}
	}
	if !strings.EqualFold(d.ID, id) {
		return nil, &TitleError{ID: id, Err: ErrIDDiffers}
	}
	if r.State != live {
		return d, nil
	}
	d, ok, err := r.mergeDisabled(old, d)
	switch {
	case err != nil:
		return nil, unreadableDefinition(id, err)
	case !ok:
		return nil, r.draftConflict(id)
	}
	return d, nil
}

// draftConflict returns the conflict of a draft and its title, or that the record is corrupt.
func (r *record) draftConflict(id string) error {
	current, err := r.wholeText()
	if err != nil {
		return unreadableDefinition(id, err)
	}
	return &DraftConflictError{Base: r.Draft.BaseDefinition, Draft: r.Draft.Definition, Current: current}
}

// served returns the definition that is served, or was served last: values in it may be older than the rules for new
// ones. It is nil if the title was never served.
func (r *record) served() (*patch.Definition, error) {
	if r.neverServed() {
		return nil, nil
	}
	return r.parse()
}

// changeDisabled is change for a title that is disabled.
func (w *titleWriter) changeDisabled(
	ctx context.Context, id string, opts EditOptions, f func(t *lockedTitle, rec *record) error,
) error {
	opts.IfMatch = "" // nothing is served that could have the entity tag
	return w.changeAny(ctx, id, opts, func(t *lockedTitle, rec *record) error {
		if rec.State != disabled {
			return notFound(id)
		}
		return f(t, rec)
	})
}

// enable makes a disabled title live with a whole definition, which must have passed Parse. Its numbers must be those
// of the draft. Disabled patches are kept unless the draft has all of them; see DraftOptions.Whole. The error is
// store.ErrConflict, patch.ErrInvalid, patch.ErrTooLarge, ErrTooMuch, ErrUnavailable or that of ctx.
func (w *titleWriter) enable(
	ctx context.Context, t *lockedTitle, rec *record, whole *patch.Definition, o EditOptions,
) (Result, error) {
	was, now, isNew := *rec, w.now(), rec.neverServed()
	old := &patch.Definition{} // without a name, so that a new title's gets that of its author
	if !isNew {
		var err error
		if old, err = rec.parse(); err != nil {
			return Result{}, unreadableDefinition(whole.ID, err)
		}
	}
	if author := rec.Owner.Author; author != "" && !o.Rename && whole.Name != old.Name {
		if err := whole.KeepAuthor(author); err != nil {
			return Result{}, err
		}
	}
	warnings, err := w.rules.lint(ctx, whole, now, selection{})
	if err != nil {
		return Result{}, err
	}
	partial := !isNew && !rec.Draft.Whole
	d, err := w.rules.split(rec, successor{old, whole, partial})
	if err != nil {
		return Result{}, err
	}
	moves := false
	switch {
	case isNew:
		d.Complete(now)
		rec.By = o.By
		err = w.rules.setDefinition(rec, d)
	case d.Supersede(old, now):
		if err = w.rules.setDefinition(rec, d); err == nil {
			moves, err = w.prepareUpdate(ctx, t, &was, rec, now, o.By, 0)
		}
	}
	if err == nil {
		err = rec.numberKept(whole)
	}
	if err != nil {
		return Result{}, err
	}
	return w.putEnabled(ctx, t, &was, rec, moves, warnings)
}

// numberKept gives numbers to the disabled patches that the draft of a disabled title did not have, if the title has
// numbers. draft is the definition of the draft, to which they belong. The error says that the record is corrupt.
func (r *record) numberKept(draft *patch.Definition) error {
	if r.Numbers == nil || r.Draft.Whole || len(r.Disabled) == 0 {
		return nil
	}
	whole, err := r.whole()
	if err != nil {
		return unavailable(err)
	}
	n := *r.Numbers
	if err := n.carry(draft, whole); err != nil {
		return unavailable(err)
	}
	r.Numbers = &n
	return nil
}

// putEnabled is the rest of enable: it writes rec, in which moves says whether revisions move; see history.advance.
func (w *titleWriter) putEnabled(
	ctx context.Context, t *lockedTitle, was, rec *record, moves bool, warnings []patch.Warning,
) (Result, error) {
	now := w.now().UTC()
	rec.State, rec.Since, rec.Draft = live, now, nil
	rec.Changed = later(rec.Changed, later(w.index.get().changed, now))
	if rec.Numbers != nil {
		d, err := rec.parse()
		if err != nil {
			return Result{}, unavailable(err)
		}
		n := *rec.Numbers
		n.count(d, len(d.Patches))
		rec.Numbers = &n
	}
	if err := w.rules.checkAccount(w.index.get(), t.key, rec, was.bytes()); err != nil {
		return Result{}, err
	}
	if err := w.noteCreation(t, rec); err != nil {
		return Result{}, err
	}
	if moves {
		if err := w.history.keep(ctx, was); err != nil {
			return Result{}, err
		}
	}
	e, err := w.put(ctx, t, rec)
	if err != nil {
		return Result{}, err
	}
	w.events.publish(t, Event{Kind: Created, Title: e.Title, At: now}, nil, rec)
	return Result{Title: e.Title, Changed: true, Warnings: warnings, after: rec.definition}, nil
}

// Disable makes a title disabled: it keeps its id, history and tokens, and is not served. Its whole definition becomes
// its draft, which [Catalog.PublishDraft] serves again. There is an event Deleted.
//
// The error is [ErrNotFound], [ErrSynced], [ErrDraft], [ErrPrecondition], [ErrUnavailable] or that of ctx.
func (c *Catalog) Disable(ctx context.Context, id string, opts *EditOptions) error {
	o := opts.orZero()
	return c.writer.change(ctx, id, o, func(t *lockedTitle, rec *record) error {
		whole, err := rec.whole()
		if err != nil {
			return unreadableDefinition(id, err)
		}
		return c.writer.disable(ctx, t, rec, whole, o.By)
	})
}

// disable disables a live title. whole is the definition that becomes its draft, and to which its numbers belong. The
// error is store.ErrConflict, ErrSynced, ErrDraft, ErrUnavailable or that of ctx.
func (w *titleWriter) disable(
	ctx context.Context, t *lockedTitle, rec *record, whole *patch.Definition, by string,
) error {
	before := *rec
	switch {
	case rec.Follows != nil:
		return &TitleError{ID: whole.ID, Follows: rec.Follows.URL, Err: ErrSynced}
	case rec.Draft != nil:
		return &TitleError{ID: whole.ID, Err: ErrDraft}
	}
	e, err := rec.entry(t.key)
	if err != nil {
		return unavailable(err)
	}
	text, err := whole.MarshalJSON()
	if err != nil {
		return unreadableDefinition(whole.ID, err)
	}
	event := Event{Kind: Deleted, Title: e.Title, At: w.now().UTC()}
	if err := w.couriers.addNotice(rec, event, nil); err != nil {
		return err
	}
	d := &draft{Definition: text, Base: rec.etag(), BaseDefinition: text, Whole: true, By: by}
	rec.State, rec.Since = disabled, event.At // its disabled patches stay for DiscardDraft
	if err := w.setDraft(rec, d); err != nil {
		return err
	}
	if _, err := w.put(ctx, t, rec); err != nil {
		return err
	}
	w.facts.remove(t.key)
	w.events.publish(t, event, &before, nil)
	return nil
}

// LoadWhole returns the definition of a title that is served with its disabled patches, and the title, both at one
// moment. The definition belongs to the caller. See [patch.Definition.Whole].
//
// The error is [ErrNotFound], [ErrUnavailable] or that of ctx.
func (c *Catalog) LoadWhole(ctx context.Context, id string) (*patch.Definition, Title, error) {
	if err := c.titles.gate.check(); err != nil {
		return nil, Title{}, err
	}
	rec, err := c.titles.readLive(ctx, id)
	if err != nil {
		return nil, Title{}, err
	}
	whole, err := rec.whole()
	if err != nil {
		return nil, Title{}, unreadableDefinition(id, err)
	}
	e, err := rec.entry(titleKey(id))
	if err != nil {
		return nil, Title{}, unavailable(err)
	}
	return whole.Clone(), e.Title, nil
}

// CloneVersion adds a copy of a version of a title, which may be disabled, with another version string in front of all
// others; see [patch.Definition.CloneVersion].
//
// The error is [patch.ErrVersionNotFound], [patch.ErrVersionExists] or another of those of [Catalog.Replace].
func (c *Catalog) CloneVersion(ctx context.Context, id, version, next string, opts *EditOptions) (Result, error) {
	return c.editWhole(ctx, id, opts, func(d *patch.Definition, now time.Time) error {
		return d.CloneVersion(version, next, now)
	})
}

// OrderVersions puts the versions of a title that are served into another order; see [patch.Definition.OrderVersions].
//
// The error is [patch.ErrInvalid] unless versions has each of them once, or another of those of [Catalog.Replace].
func (c *Catalog) OrderVersions(ctx context.Context, id string, versions []string, opts *EditOptions) (Result, error) {
	return c.editWhole(ctx, id, opts, func(d *patch.Definition, now time.Time) error {
		return d.OrderVersions(versions, now)
	})
}

// editWhole changes the whole definition of a title, with its disabled patches, by a function.
func (c *Catalog) editWhole(
	ctx context.Context, id string, opts *EditOptions, change func(d *patch.Definition, now time.Time) error,
) (Result, error) {
	o := opts.orZero()
	return c.edit(ctx, id, o, func(rec *record, now time.Time) (edited, error) {
		old, err := rec.parse()
		if err != nil {
			return edited{}, unreadableDefinition(id, err)
		}
		whole, err := rec.whole()
		if err != nil {
			return edited{}, unreadableDefinition(id, err)
		}
		d := whole.Clone()
		if err := change(d, now); err != nil {
			return edited{}, err
		}
		return c.writer.rules.succeed(ctx, rec, successor{old, d, false}, o, now)
	})
}
