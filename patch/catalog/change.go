package catalog

import (
	"cmp"
	"context"
	"errors"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// EditOptions are options of an edit. Nil means the zero value.
type EditOptions struct {
	// IfMatch is the entity tag (see [Document.ETag] and [Title]) of the definition that the edit was made for. If the
	// title has another definition now, the edit returns ErrPrecondition. If empty, the edit applies to any definition.
	IfMatch string
	// UID is the UID of the [Title] that the caller may change: for a later title with the same id, the edit returns
	// ErrNotFound. If empty, the edit applies to any title.
	UID string
	// From is the [Title.From] of the title, and says that the edit comes from the source that the title follows. If
	// the title does not follow that source, the edit returns ErrNotSynced. If empty, an edit of a title that follows
	// a source returns ErrSynced.
	From string
	// Held are the patches before the definition's first that the source holds back. They are kept with the title and
	// not served. [Catalog.Replace] and [Catalog.Edit] with From store exactly these; without From, Held is ignored.
	// If only they differ, readers see no change: the ETag, lastModified and the history stay the same, and there is
	// no event.
	Held []patch.Patch
	// Rename allows the edit to remove the author's name from the title's name, as an administrator may. Otherwise
	// [Catalog.Replace] and [Catalog.Edit] add it to a new name; see [patch.Definition.KeepAuthor].
	Rename bool
	// By identifies the maker of the edit in [Catalog.History], such as the id of a token.
	By string
}

// orZero returns the options that o points to, or the zero value.
func (o *EditOptions) orZero() EditOptions {
	if o == nil {
		return EditOptions{}
	}
	return *o
}

// check returns an error if the options do not allow an edit of a title.
func (o *EditOptions) check(id string, rec *record) error {
	switch {
	case o.UID != "" && o.UID != rec.UID:
		return notFound(id)
	case o.IfMatch != "" && o.IfMatch != rec.etag():
		return &TitleError{ID: id, Err: ErrPrecondition}
	case o.From != "" && (rec.Follows == nil || o.From != rec.Follows.from()):
		return &TitleError{ID: id, Err: ErrNotSynced}
	}
	return nil
}

// change calls f with the record of a live title and its lock. After a conflict with another server, it reads the
// record again and calls f again. f's error is that of the write: change retries if it is store.ErrConflict or
// store.ErrNotFound.
//
// The error is ErrNotFound, ErrPrecondition, ErrNotSynced, ErrUnavailable, another error of f, or that of ctx.
func (w *titleWriter) change(
	ctx context.Context, id string, opts EditOptions, f func(t *lockedTitle, rec *record) error,
) error {
	return w.changeAny(ctx, id, opts, func(t *lockedTitle, rec *record) error {
		if rec.State != live {
			return notFound(id)
		}
		return f(t, rec)
	})
}

// changeAny is change for a title that may be disabled.
func (w *titleWriter) changeAny(
	ctx context.Context, id string, opts EditOptions, f func(t *lockedTitle, rec *record) error,
) error {
	if err := w.gate.check(); err != nil {
		return err
	}
	if !patch.ValidID(id) {
		return notFound(id)
	}
	t, err := w.lockForChange(ctx, titleKey(id))
	if err != nil {
		return err
	}
	defer t.unlock()
	return retryConflicts(ctx, id, func() error {
		rec, err := w.readSettled(ctx, t)
		if errors.Is(err, store.ErrNotFound) || err == nil && rec.State != live && rec.State != disabled {
			return cmp.Or(w.adoptHidden(t, rec, err), notFound(id))
		}
		if err != nil {
			return err
		}
		w.facts.recall(t.key, rec)
		if err := opts.check(id, rec); err != nil {
			return err
		}
		return deletedIsConflict(f(t, rec))
	})
}

// Delete deletes a title, also one that follows a source or is disabled. There is no event for a disabled title.
//
// The error is [ErrNotFound], [ErrNotSynced], [ErrPrecondition], [ErrUnavailable] or that of ctx.
func (c *Catalog) Delete(ctx context.Context, id string, opts *EditOptions) error {
	return c.writer.changeAny(ctx, id, opts.orZero(), func(t *lockedTitle, rec *record) error {
		return c.writer.remove(ctx, t, rec)
	})
}
