package catalog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

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
	defer w.edits.remove(key, e) // if this goroutine panics
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
// one of their callers: when it ends, edits that are not written yet wait again, for another caller. A failure of the
// store ends the edits with its error; if the title cannot be read, it ends all that wait.
func (w *titleWriter) editWaiting(ctx context.Context, t *lockedTitle) {
	defer t.unlock()
	var batch []*pendingEdit
	defer func() { w.edits.putBack(t.key, batch) }()
	failed := false // reports whether the write failed, so that its outcome is not known
	err := retryConflicts(ctx, t.key, func() error {
		w.edits.putBack(t.key, batch) // after a conflict
		batch = nil
		rec, err := w.readToEdit(ctx, t)
		if errors.Is(err, store.ErrNotFound) || err == nil && rec.State != live {
			err := w.adoptHidden(t, rec, err)
			for _, e := range w.edits.takeAll(t.key) {
				e.finish(cmp.Or(err, notFound(e.id)))
			}
			return nil
		}
		if err != nil {
			return err
		}
		batch = w.edits.take(t.key, maxBatch)
		b := &editBatch{w: w, t: t, state: rec}
		if err := b.makeAll(ctx, batch); err != nil {
			return err
		}
		err = deletedIsConflict(b.write(context.WithoutCancel(ctx)))
		failed = err != nil && !errors.Is(err, store.ErrConflict)
		return err
	})
	if err == nil || ctx.Err() != nil && !failed {
		return
	}
	if batch == nil {
		batch = w.edits.takeAll(t.key)
	}
	for _, e := range batch {
		if !e.finished() {
			e.finish(err)
		}
	}
}

// readToEdit is readSettled for an edit: it need not read the store if the title was changed lately.
func (w *titleWriter) readToEdit(ctx context.Context, t *lockedTitle) (*record, error) {
	if rec := w.remembered(t); rec != nil {
		return rec, nil
	}
	rec, err := w.readSettled(ctx, t)
	if err == nil {
		w.facts.recall(t.key, rec)
	}
	return rec, err
}

// An editBatch is a number of edits of a title that are made one after the other in memory and written together.
type editBatch struct {
	w       *titleWriter
	t       *lockedTitle
	state   *record // after the edits so far
	updates []*update
	made    []madeEdit // those whose outcome depends on the write
	// hiddenChanged says that an edit that is not one of updates has changed what readers do not see.
	hiddenChanged bool
}

// A madeEdit is an edit that was made in memory.
type madeEdit struct {
	*pendingEdit
	update    *update // nil if the definition stays as it is
	rejected  error   // the edit's own error, if it has one
	postponed bool    // it must wait until those before it are written
}

// makeAll makes the edits in memory, until one cannot be written together with those before it. It finishes those whose
// outcome does not depend on the write. The error is ErrUnavailable or that of ctx.
func (b *editBatch) makeAll(ctx context.Context, edits []*pendingEdit) error {
	for i, e := range edits {
		if e.ctx.Err() != nil {
			e.finish(context.Cause(e.ctx))
			continue
		}
		made := madeEdit{pendingEdit: e}
		if err := b.make(ctx, &made, len(edits)-1-i); err != nil {
			return err
		}
		if made.postponed {
			break
		}
		if made.rejected != nil && !b.changed() {
			e.finish(made.rejected)
			continue
		}
		b.made = append(b.made, made)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// write writes the title, publishes the events and finishes the edits. The error is store.ErrConflict,
// store.ErrNotFound, ErrUnavailable or that of ctx; the edits are then not finished.
func (b *editBatch) write(ctx context.Context) error {
	var err error
	switch {
	case len(b.updates) > 0:
		err = b.w.writeUpdates(ctx, b.t, b.state, b.updates...)
	case b.hiddenChanged:
		err = b.w.rewrite(ctx, b.t, b.state)
	}
	if err != nil {
		return err
	}
	b.finish(b.made)
	return nil
}

// finish publishes the events of edits that are written and finishes the edits. If a subscriber panics, the caller of
// the edit that the event is about panics, and no other.
func (b *editBatch) finish(edits []madeEdit) {
	if len(edits) == 0 {
		return
	}
	defer b.finish(edits[1:]) // deferred in case that a subscriber ends the goroutine
	e := edits[0]
	defer e.finish(e.rejected)
	if u := e.update; u != nil {
		defer func() { e.panicked = recover() }()
		b.w.events.publish(b.t, u.event, u.was, u.rec)
	}
}

// changed reports whether an edit has changed the record.
func (b *editBatch) changed() bool { return b.hiddenChanged || len(b.updates) > 0 }

// make makes an edit and sets its outcome. more is the number of edits after it. The error is ErrUnavailable or that of
// ctx, for all edits.
func (b *editBatch) make(ctx context.Context, e *madeEdit, more int) error {
	was, rec := *b.state, *b.state
	if e.rejected = e.opts.check(e.id, &rec); e.rejected != nil {
		return nil
	}
	if rec.Follows != nil && e.opts.From == "" {
		e.rejected = &TitleError{ID: e.id, Follows: rec.Follows.URL, Err: ErrSynced}
		return nil
	}
	now := b.w.now()
	made, returned, err := e.call(&rec, now)
	if err != nil || !returned {
		e.rejected = err
		return nil
	}
	if made.definition == nil && made.text == nil && !sameSlice(was.Disabled, rec.Disabled) {
		e.rejected = rec.carryNumbers(&was, &made, now)
	}
	e.result = Result{Warnings: made.warnings}
	if e.rejected != nil {
		return nil
	}
	if made.definition == nil && made.text == nil {
		return b.updateHidden(ctx, e, &was, &rec)
	}
	return b.update(ctx, e, &was, &rec, &made, now.UTC(), more)
}

// update is the rest of make for an edit that has made another definition.
func (b *editBatch) update(
	ctx context.Context, e *madeEdit, was, rec *record, made *edited, now time.Time, more int,
) error {
	if e.rejected = b.w.rules.setEdited(rec, made); e.rejected != nil {
		return nil
	}
	if e.rejected = rec.carryNumbers(was, made, now); e.rejected != nil {
		return nil
	}
	if len(b.updates) > 0 {
		more = 0 // there is room for those after the first
	}
	moves, err := b.w.prepareUpdate(ctx, b.t, was, rec, now, e.opts.By, more)
	if err != nil {
		return err
	}
	if e.postponed = moves && len(b.updates) > 0; e.postponed {
		return nil
	}
	if e.rejected = b.w.rules.checkAccount(b.w.index.get(), e.id, rec, was.bytes()); e.rejected != nil {
		return nil
	}
	u, err := b.w.newUpdate(b.t, was, rec, moves, now)
	if err != nil {
		e.rejected = err
		return nil
	}
	e.update = u
	b.updates, b.state = append(b.updates, u), rec
	e.result.Title, e.result.Changed = u.event.Title, true
	e.result.before, e.result.after = was.definition, rec.definition
	return nil
}

// updateHidden is the rest of make for an edit that leaves the definition as it is, but perhaps not what readers do not
// see: the patches that are held back or disabled, the draft and the numbers.
func (b *editBatch) updateHidden(ctx context.Context, e *madeEdit, was, rec *record) error {
	same := func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }
	e.result.Changed = was.Draft != rec.Draft || !sameSlice(was.Disabled, rec.Disabled)
	changes := e.result.Changed || was.Numbers != rec.Numbers || !slices.EqualFunc(was.Held, rec.Held, same)
	if changes {
		if err := b.w.history.index(ctx, b.t.key, rec); err != nil {
			return err
		}
		if e.rejected = b.w.rules.checkAccount(b.w.index.get(), b.t.key, rec, was.bytes()); e.rejected != nil {
			return nil
		}
	}
	entry, err := rec.entry(b.t.key)
	if err != nil {
		e.rejected = err
		return nil
	}
	if changes {
		b.hiddenChanged, b.state = true, rec
	}
	e.result.Title = entry.Title
	return nil
}
