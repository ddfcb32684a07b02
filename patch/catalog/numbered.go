package catalog

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/numbered"
)

// ByNumber returns the title with a number; it may be disabled. It does not read the store. The error is [ErrNotFound]
// or [ErrClosed].
func (c *Catalog) ByNumber(number uint64) (Title, error) {
	if err := c.titles.gate.check(); err != nil {
		return Title{}, err
	}
	if e := c.titles.index.get().byNumber(number); number != 0 && e != nil {
		return e.Title, nil
	}
	return Title{}, notFound("")
}

// ByPartNumber returns the title to which the part with a number belongs, or belonged; it may be disabled. It does not
// read the store. The error is [ErrNotFound] or [ErrClosed].
func (c *Catalog) ByPartNumber(number uint64) (Title, error) {
	block := numbered.Block(number)
	t, err := c.ByNumber(block)
	if !errors.Is(err, ErrNotFound) || block == 0 {
		return t, err
	}
	for e := range c.titles.index.get().withBlocks {
		for _, b := range e.blocks {
			if b == block {
				return e.Title, nil
			}
		}
	}
	return Title{}, err
}

// content returns the content of a title for those who may change it: the whole definition, or the draft of a title
// that is disabled. It must not be changed. The error is patch.ErrInvalid if the draft has values of a wrong type.
func (r *record) content() (*patch.Definition, error) {
	if r.State != disabled {
		return r.whole()
	}
	d, failures, err := patch.ParseDraft(r.Draft.Definition, &patch.ParseOptions{MaxBytes: -1, Stored: true})
	if err != nil {
		return nil, err
	}
	if len(failures) > 0 {
		return nil, &patch.ValidationError{Failures: failures}
	}
	return d, nil
}

// numbered returns a title with its numbers, from its record. Parts may have none yet. The error is patch.ErrInvalid
// or ErrUnavailable.
func (r *record) numbered(id string) (*numbered.Title, error) {
	d, err := r.content()
	if err != nil {
		if errors.Is(err, patch.ErrInvalid) && r.State == disabled {
			return nil, err
		}
		return nil, unreadableDefinition(id, err)
	}
	n := numbered.New(r.Numbers.Title, d)
	if r.Numbers.Parts != nil {
		if n, err = numbered.Decode(r.Numbers.Parts, r.Numbers.Title, d); err != nil {
			return nil, unreadableDefinition(id, err)
		}
	}
	n.Blocks = r.Numbers.Blocks
	modified, err := r.modified()
	if err != nil {
		return nil, unreadableDefinition(id, err)
	}
	if last, err := patch.ParseTime(d.LastModified); err == nil && last.After(modified) {
		modified = last // of a draft
	}
	t := numbered.NewTitle(n, d, r.State == live, modified)
	if r.State == disabled && d.ID == "" {
		if s, err := r.summary(); err == nil {
			t.Definition.ID = s.ID
		}
	}
	return t, nil
}

// modified returns the time of the last change of a title with numbers or of any part of it. The error says that the
// record is corrupt.
func (r *record) modified() (time.Time, error) {
	modified := r.Numbers.Modified
	s, err := r.summary()
	if err != nil {
		return modified, err
	}
	if last, err := patch.ParseTime(s.LastModified); err == nil && last.After(modified) {
		modified = last
	}
	if r.Draft != nil && r.State == disabled && r.Draft.Changed.After(modified) {
		modified = r.Draft.Changed
	}
	return modified, nil
}

// setNumbers sets the numbers of a record to those of a title, all parts of which must have one. modified is the time
// of the last change of any part.
func (r *record) setNumbers(t *numbered.Title, modified time.Time) error {
	parts, err := t.Numbers.Encode(t.Definition)
	if err != nil {
		return err
	}
	n := titleNumbers{Title: t.Numbers.Title, Blocks: t.Numbers.Blocks, Modified: modified, Parts: parts}
	n.count(t.Definition, len(t.Definition.Versions()))
	r.Numbers = &n
	return nil
}

// Numbered returns a title, which may be disabled, with the numbers of all of its parts. Numbers that are missing are
// given, which readers do not see.
//
// The error is [ErrNotFound], [patch.ErrInvalid] if the title is disabled and its draft has values of a wrong type,
// [store.ErrFormat], [ErrUnavailable] or that of ctx.
func (c *Catalog) Numbered(ctx context.Context, id string) (*numbered.Title, error) {
	if err := c.titles.gate.check(); err != nil {
		return nil, err
	}
	w := c.writer
	rec, err := w.withNumber(ctx, id)
	if err != nil {
		return nil, err
	}
	t, err := rec.numbered(id)
	if err != nil || t.Numbers.Missing() == 0 {
		return t, err
	}
	err = w.retryBlocks(ctx, func(blocks []uint64) error {
		return w.changeAny(ctx, id, EditOptions{}, func(locked *lockedTitle, rec *record) error {
			var err error
			if t, err = rec.numbered(id); err != nil {
				return err
			}
			missing := t.Numbers.Missing()
			t.Numbers.Blocks = append(t.Numbers.Blocks[:len(t.Numbers.Blocks):len(t.Numbers.Blocks)], blocks...)
			if err := t.Numbers.Fill(); err != nil || missing == 0 {
				return err
			}
			if err := rec.setNumbers(t, rec.Numbers.Modified); err != nil {
				return err
			}
			return w.rewrite(ctx, locked, rec)
		})
	})
	return t, err
}

// withNumber returns the record of a title that has a number, and gives it one if it has none. The error is
// ErrNotFound, store.ErrFormat, ErrUnavailable or that of ctx.
func (w *titleWriter) withNumber(ctx context.Context, id string) (*record, error) {
	rec, err := w.readAny(ctx, id)
	if err != nil || rec.Numbers != nil {
		return rec, err
	}
	number, err := w.takeNumbers(ctx, 1)
	if err != nil {
		return nil, err
	}
	return w.numberTitle(ctx, id, number)
}

// retryBlocks calls f, and again with twice as many further blocks of numbers while f returns numbered.ErrFull.
func (w *titleWriter) retryBlocks(ctx context.Context, f func(blocks []uint64) error) error {
	const most = 64 // a definition cannot have more parts
	var blocks []uint64
	for {
		err := f(blocks)
		if !errors.Is(err, numbered.ErrFull) || len(blocks) >= most {
			return err
		}
		count := max(1, len(blocks))
		first, err := w.takeNumbers(ctx, uint64(count))
		if err != nil {
			return err
		}
		for i := range count {
			blocks = append(blocks, first+uint64(i))
		}
	}
}

// errRejected reports an edit by numbers that the function of the caller rejects.
var errRejected = errors.New("the edit is rejected")

// errDisables reports an edit by numbers that disables a title.
var errDisables = errors.New("the edit disables the title")

// EditNumbered changes a title, which may be disabled, by a function: it calls change with a copy of the title, settles
// the copy (see [numbered.Title.Settle]), and stores it. If change returns an error, EditNumbered changes nothing and
// returns that error. change may be called several times, and must not use the catalog; see [Catalog.Edit].
//
// What is served of the title changes as by [Catalog.Replace]. If only disabled patches change, or the title is
// disabled, readers see no change, and there is neither a revision nor an event. Setting Enabled makes a disabled title
// live, if it is valid; clearing it disables the title, as [Catalog.Disable] does. The id cannot be changed. The result
// is the title afterwards, in which the places of parts that change has returned are valid.
//
// The error is that of change, one of those of [Catalog.PublishDraft] and [Catalog.Disable], or [store.ErrFormat].
func (c *Catalog) EditNumbered(
	ctx context.Context, id string, change func(*numbered.Title) error, opts *EditOptions,
) (t *numbered.Title, err error) {
	if err := c.titles.gate.check(); err != nil {
		return nil, err
	}
	o := opts.orZero()
	if _, err := c.writer.withNumber(ctx, id); err != nil {
		return nil, err
	}
	var rejected error // it may be any error, also one that would be retried
	err = c.writer.retryBlocks(ctx, func(blocks []uint64) error {
		e := &numberedEdit{c: c, id: id, opts: o, change: change, blocks: blocks}
		t, err = e.run(ctx)
		if rejected = e.rejected; rejected != nil {
			return nil
		}
		return err
	})
	if err = cmp.Or(rejected, err); err != nil {
		return nil, err
	}
	return t, nil
}

// A numberedEdit is a call of EditNumbered.
type numberedEdit struct {
	c      *Catalog
	id     string
	opts   EditOptions
	change func(*numbered.Title) error
	blocks []uint64 // further blocks of numbers that the edit may use

	title    *numbered.Title // after the edit
	rejected error           // the error of change, if it returned one
}

// run makes the edit, for a title in whatever state it is.
func (e *numberedEdit) run(ctx context.Context) (*numbered.Title, error) {
	const tries = 5 // other callers may enable and disable the title meanwhile
	var err error
	for range tries {
		_, err = e.c.edit(ctx, e.id, e.opts, func(rec *record, now time.Time) (edited, error) {
			return e.editLive(ctx, rec, now)
		})
		switch {
		case e.rejected != nil:
			return nil, e.rejected
		case errors.Is(err, errDisables):
			err = e.c.writer.change(ctx, e.id, e.opts, func(t *lockedTitle, rec *record) error {
				return e.disable(ctx, t, rec)
			})
			if errors.Is(err, errStillEnabled) {
				continue
			}
		case errors.Is(err, ErrNotFound):
			err = e.c.writer.changeDisabled(ctx, e.id, e.opts, func(t *lockedTitle, rec *record) error {
				return e.editDisabled(ctx, t, rec)
			})
			if errors.Is(err, ErrNotFound) {
				if _, lookupErr := e.c.Title(e.id); lookupErr == nil {
					continue // another caller has enabled it
				}
			}
		}
		return e.title, err
	}
	return nil, err
}

// errStillEnabled reports that an edit does not disable a title any more, because the title has changed.
var errStillEnabled = errors.New("the edit does not disable the title")

// apply makes the edit of the title in a record in memory. now is the time of the edit.
func (e *numberedEdit) apply(rec *record, now time.Time) (*numbered.Title, error) {
	t, err := rec.numbered(e.id)
	if err != nil {
		return nil, err
	}
	id, modified := t.Definition.ID, t.Modified
	if e.rejected = e.change(t); e.rejected != nil {
		return nil, errRejected
	}
	if t.Definition.ID != id {
		return nil, &TitleError{ID: e.id, Err: ErrIDDiffers}
	}
	t.Settle()
	t.Numbers.Blocks = append(t.Numbers.Blocks[:len(t.Numbers.Blocks):len(t.Numbers.Blocks)], e.blocks...)
	if err := t.Numbers.Fill(); err != nil {
		return nil, err
	}
	t.Modified = later(modified, now).Truncate(time.Second)
	e.title = t
	return t, rec.setNumbers(t, t.Modified)
}

// editLive is an editor for a title that is live. The error is errDisables if the edit disables it.
func (e *numberedEdit) editLive(ctx context.Context, rec *record, now time.Time) (edited, error) {
	if rec.Numbers == nil {
		return edited{}, notFound(e.id) // the title was deleted and made again
	}
	old, err := rec.parse()
	if err != nil {
		return edited{}, unreadableDefinition(e.id, err)
	}
	t, err := e.apply(rec, now)
	if err != nil {
		return edited{}, err
	}
	if !t.Enabled {
		return edited{}, errDisables
	}
	d := *t.Definition
	made, err := e.c.writer.rules.succeed(ctx, rec, successor{old, &d, false}, e.opts, now)
	made.numbered = true
	served := old
	if made.definition != nil {
		served = made.definition
	}
	t.Definition.LastModified, t.Definition.CurrentVersion = served.LastModified, served.CurrentVersion
	t.Definition.Name = d.Name
	return made, err
}

// disable makes the edit of a live title that the edit disables. The error is errStillEnabled if it does not.
func (e *numberedEdit) disable(ctx context.Context, locked *lockedTitle, rec *record) error {
	if rec.Numbers == nil {
		return notFound(e.id)
	}
	was := *rec
	t, err := e.apply(&was, e.c.writer.now())
	if err != nil {
		return err
	}
	if t.Enabled {
		return errStillEnabled
	}
	rec.Numbers = was.Numbers
	return e.c.writer.disable(ctx, locked, rec, t.Definition, e.opts.By)
}

// editDisabled makes the edit of a title that is disabled.
func (e *numberedEdit) editDisabled(ctx context.Context, locked *lockedTitle, rec *record) error {
	if rec.Numbers == nil {
		return notFound(e.id)
	}
	w, was := e.c.writer, *rec
	t, err := e.apply(rec, w.now())
	if err != nil {
		return err
	}
	if t.Enabled {
		d := t.Definition.Clone()
		old, err := was.served()
		if err != nil {
			return unreadableDefinition(e.id, err)
		}
		if err := d.ValidateOver(old); err != nil {
			return err
		}
		if _, err := w.enable(ctx, locked, rec, d, e.opts); err != nil {
			return err
		}
		served, err := rec.parse()
		if err != nil {
			return unreadableDefinition(e.id, err)
		}
		t.Definition.LastModified, t.Definition.CurrentVersion = served.LastModified, served.CurrentVersion
		t.Definition.Name = served.Name
		return nil
	}
	text, err := t.Definition.MarshalJSON()
	if err != nil {
		return err
	}
	next := &draft{
		Definition:     text,
		Base:           rec.Draft.Base,
		BaseDefinition: rec.Draft.BaseDefinition,
		Whole:          rec.Draft.Whole,
		By:             e.opts.By,
	}
	if len(text) > w.rules.maxBytes && len(text) > len(was.Draft.Definition) {
		return patch.ErrTooLarge
	}
	if err := w.setDraft(rec, next); err != nil {
		return err
	}
	if err := w.rules.checkAccount(w.index.get(), e.id, rec, was.bytes()); err != nil {
		return err
	}
	return w.rewrite(ctx, locked, rec)
}
