package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// maxBatch is the maximum number of edits of a title that are written together. Their revisions fit into the title's
// record: see history.advance.
const maxBatch = maxGroup

// edit changes a title's definition. Edits of one title that wait for each other are made one after the other and
// written together, whoever holds the title's lock: each has its own revision, event and result. The error is that of
// f, ErrSynced, ErrTooMuch, patch.ErrTooLarge, ErrNotFound, ErrPrecondition, ErrNotSynced, ErrUnavailable or that of
// ctx.
func (c *Catalog) edit(ctx context.Context, id string, opts EditOptions, f editor) (Result, error) {
	w := c.writer
	if err := w.gate.check(); err != nil {
		return Result{}, err
	}
	if !patch.ValidID(id) {
		return Result{}, notFound(id)
	}
	key := titleKey(id)
	e := &pendingEdit{ctx: ctx, id: id, opts: opts, edit: f, done: make(chan struct{})}
	w.edits.add(key, e)
	for !e.finished() {
		t, err := w.lockForChangeUnless(ctx, key, e.done)
		if err != nil && w.withdrawEdit(ctx, key, e) {
			return Result{}, err
		}
		if t != nil {
			w.editWaiting(ctx, t)
		}
	}
	return e.outcome()
}

// withdrawEdit removes an edit that waits, after ctx, the context of its caller, has ended. If it is being made, it
// waits for the outcome, because the outcome of a write that is interrupted is unknown. It reports whether the edit was
// removed, and not made.
func (w *titleWriter) withdrawEdit(ctx context.Context, key string, e *pendingEdit) bool {
	if w.edits.remove(key, e) {
		return true
	}
	t, err := w.locks.lock(context.WithoutCancel(ctx), key, e.done)
	if err != nil || t == nil {
		return false
	}
	defer t.unlock()
	return w.edits.remove(key, e) // it may be waiting again
}

// editWaiting makes edits of a title that wait for its lock, at most maxBatch, and releases the lock. ctx is that of
// one of their callers: when it ends, edits that are not written yet wait again.
func (w *titleWriter) editWaiting(ctx context.Context, t *lockedTitle) {
	defer t.unlock()
	var batch []*pendingEdit
	defer func() { w.edits.putBack(t.key, batch) }()
	err := retryConflicts(ctx, t.key, func() error {
		w.edits.putBack(t.key, batch) // after a conflict
		batch = nil
		rec, err := w.readSettled(ctx, t)
		if errors.Is(err, store.ErrNotFound) || err == nil && rec.State != live {
			w.unpublish(t)
			for _, e := range w.edits.take(t.key, maxWaiting) {
				e.finish(notFound(e.id))
			}
			return nil
		}
		if errors.Is(err, ErrUnavailable) {
			batch = w.edits.take(t.key, maxWaiting)
		}
		if err != nil {
			return err
		}
		batch = w.edits.take(t.key, maxBatch)
		w.facts.recall(t.key, rec)
		b := &editBatch{w: w, t: t, state: rec}
		return deletedIsConflict(b.run(ctx, batch))
	})
	if err == nil || !errors.Is(err, ErrUnavailable) && ctx.Err() != nil {
		return
	}
	for _, e := range batch {
		if !e.finished() {
			e.finish(err)
		}
	}
}

// maxWaiting is more than the number of edits that can wait.
const maxWaiting = 1 << 30

// An editBatch is a number of edits of a title that are made one after the other in memory and written together.
type editBatch struct {
	w       *titleWriter
	t       *lockedTitle
	state   *record // after the edits so far
	held    bool    // patches that are held back have changed
	updates []*update
	made    []*pendingEdit // the edits whose outcome depends on the write
	errs    []error        // and their errors
}

// run makes the edits and writes the title. Edits are finished if that has succeeded, or if their outcome does not
// depend on it. If one cannot be written together with those before it, it and those after it are not made. The error
// is store.ErrConflict, store.ErrNotFound, ErrUnavailable or that of ctx.
func (b *editBatch) run(ctx context.Context, edits []*pendingEdit) error {
	for i, e := range edits {
		if e.ctx.Err() != nil {
			e.finish(context.Cause(e.ctx))
			continue
		}
		fits, rejected, err := b.add(ctx, e, len(edits)-1-i)
		if err != nil {
			return err
		}
		if !fits {
			break
		}
		if rejected != nil && !b.changed() {
			e.finish(rejected)
			continue
		}
		b.made, b.errs = append(b.made, e), append(b.errs, rejected)
	}
	var err error
	switch {
	case len(b.updates) > 0:
		err = b.w.writeUpdates(ctx, b.t, b.state, b.updates...)
	case b.held:
		err = b.w.rewrite(ctx, b.t, b.state)
	}
	if err != nil {
		return err
	}
	for _, u := range b.updates {
		b.w.events.publish(b.t, u.event, u.was, u.rec)
	}
	for i, e := range b.made {
		e.finish(b.errs[i])
	}
	return nil
}

// changed reports whether an edit has changed the record.
func (b *editBatch) changed() bool { return b.held || len(b.updates) > 0 }

// add makes an edit. more is the number of edits after it. fits is false if it must wait until those before it are
// written. rejected is the error of the edit, if it has one. err is ErrUnavailable or the error of ctx, for all edits.
func (b *editBatch) add(ctx context.Context, e *pendingEdit, more int) (fits bool, rejected, err error) {
	was, rec := *b.state, *b.state
	if err := e.opts.check(e.id, &rec); err != nil {
		return true, err, nil
	}
	if rec.Follows != nil && e.opts.From == "" {
		return true, &TitleError{ID: e.id, Follows: rec.Follows.URL, Err: ErrSynced}, nil
	}
	before, err := rec.parse()
	if err != nil {
		return true, fmt.Errorf("%w: title %q: %w", ErrUnavailable, e.id, err), nil
	}
	now := b.w.now()
	made, returned, err := e.make(&rec, before, now)
	if err != nil || !returned {
		return true, err, nil
	}
	if made.definition != nil {
		return b.update(ctx, e, &was, &rec, made, Event{Before: before, After: made.definition, At: now.UTC()}, more)
	}
	title, err := b.hold(ctx, &was, &rec)
	if errors.Is(err, ErrUnavailable) || err != nil && ctx.Err() != nil {
		return true, nil, err
	}
	e.result = Result{Title: title, Warnings: made.warnings}
	return true, err, nil
}

// update is the rest of add for an edit that has made another definition.
func (b *editBatch) update(
	ctx context.Context, e *pendingEdit, was, rec *record, made edited, event Event, more int,
) (fits bool, rejected, err error) {
	set := b.w.rules.setDefinition
	if made.kept {
		set = b.w.rules.setEdited
	}
	if err := set(rec, made.definition); err != nil {
		return true, err, nil
	}
	if len(b.updates) > 0 {
		more = 0 // there is room for those after the first
	}
	moves, err := b.w.prepareUpdate(ctx, b.t, was, rec, event.At, e.opts.By, more)
	if err != nil {
		return true, nil, err
	}
	if moves && len(b.updates) > 0 {
		return false, nil, nil
	}
	if err := b.w.rules.checkAccount(b.w.index.get(), e.id, rec, was.bytes()); err != nil {
		return true, err, nil
	}
	u, err := b.w.newUpdate(b.t, was, rec, moves, event)
	if err != nil {
		return true, err, nil
	}
	b.updates, b.state = append(b.updates, u), rec
	e.result = Result{
		Title:    u.event.Title,
		Changed:  true,
		Warnings: made.warnings,
		before:   was.definition,
		after:    rec.definition,
	}
	return true, nil, nil
}

// hold makes an edit after which the definition stays as it is, and perhaps the patches that are held back do not. The
// error is ErrTooMuch, ErrUnavailable or that of ctx.
func (b *editBatch) hold(ctx context.Context, was, rec *record) (Title, error) {
	same := func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }
	changes := !slices.EqualFunc(was.Held, rec.Held, same)
	if changes {
		if err := b.w.history.index(ctx, b.t.key, rec); err != nil {
			return Title{}, err
		}
		if err := b.w.rules.checkAccount(b.w.index.get(), b.t.key, rec, was.bytes()); err != nil {
			return Title{}, err
		}
	}
	e, err := rec.entry(b.t.key)
	if err != nil {
		return Title{}, err
	}
	if changes {
		b.held, b.state = true, rec
	}
	return e.Title, nil
}
