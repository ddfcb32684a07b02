package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// ErrServed reports that a title cannot get another id because readers have seen it.
var ErrServed = errors.New("the title has been served under its id, which cannot be changed")

// Rename gives another id to a title that has never been served. It keeps everything else: its UID, so that tokens stay
// valid, its draft and its numbers. The id of an author's title must still end with the author.
//
// The error is [ErrNotFound], [ErrServed], [ErrExists], [patch.ErrInvalid], [ErrUnavailable] or that of ctx.
func (c *Catalog) Rename(ctx context.Context, id, newID string, opts *EditOptions) error {
	w, o := c.writer, opts.orZero()
	o.IfMatch = ""
	err := store.RetryConflicts(ctx, func() error {
		var old, next *record
		err := w.changeAny(ctx, id, o, func(t *lockedTitle, rec *record) (err error) {
			old = rec
			if next, err = w.renamed(rec, newID); err != nil || titleKey(id) != titleKey(newID) {
				return err
			}
			return w.rewrite(ctx, t, next) // only the case differs
		})
		if err != nil || titleKey(id) == titleKey(newID) {
			return err
		}
		// The new record comes first: a crash in between leaves both, and the next start removes the old one.
		if _, err := w.create(ctx, next); err != nil {
			twin, readErr := w.readAny(ctx, newID)
			if readErr != nil || twin.State != disabled || twin.UID != old.UID {
				return err
			}
			next = twin // an earlier call could not remove the old record
		}
		return w.removeOld(ctx, old, next, id, newID)
	})
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("%w: title %q: %v", ErrUnavailable, id, err)
	}
	return err
}

// renamed returns the record of a title that gets another id. The error is ErrServed or patch.ErrInvalid.
func (w *titleWriter) renamed(rec *record, newID string) (*record, error) {
	summary, err := rec.summary()
	if err != nil {
		return nil, unavailable(err)
	}
	if rec.State != disabled || !rec.neverServed() {
		return nil, &TitleError{ID: summary.ID, Err: ErrServed}
	}
	skeleton, err := w.newDisabled(newID, DraftOptions{})
	if err != nil {
		return nil, err
	}
	if author := rec.Owner.Author; author != "" {
		suffix, err := patch.AuthorID(author)
		if err != nil || !strings.HasSuffix(newID, "_"+suffix) {
			return nil, &patch.ValidationError{Failures: []patch.Failure{{
				Path: "/id", Message: fmt.Sprintf("must end with _%s, the name of its author", suffix),
			}}}
		}
	}
	d, failures, err := patch.ParseDraft(rec.Draft.Definition, &patch.ParseOptions{MaxBytes: -1, Stored: true})
	if err != nil {
		return nil, unavailable(err)
	}
	if len(failures) > 0 {
		return nil, &patch.ValidationError{Failures: failures}
	}
	d.ID = newID
	text, err := d.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", patch.ErrInvalid, err)
	}
	next := *rec
	next.definition, next.known, next.raw = skeleton.definition, nil, nil
	next.Since = skeleton.Since
	if !next.Since.After(rec.Since) {
		next.Since = later(rec.Since, rec.Since) // tells which of two records is the newer
	}
	draft := *rec.Draft
	draft.Definition = text
	if err := w.setDraft(&next, &draft); err != nil {
		return nil, err
	}
	if titleKey(summary.ID) != titleKey(newID) {
		next.rev, next.Undelivered, next.Events = "", nil, 0
	}
	return &next, nil
}

// removeOld deletes the record of a title that was renamed. If it has changed since, it deletes the new one instead,
// and the error is store.ErrConflict.
func (w *titleWriter) removeOld(ctx context.Context, old, next *record, id, newID string) error {
	changed := false
	err := w.changeAny(ctx, id, EditOptions{UID: old.UID}, func(t *lockedTitle, rec *record) error {
		if changed = rec.rev != old.rev; changed {
			return nil
		}
		return w.remove(ctx, t, rec)
	})
	if !changed {
		if errors.Is(err, ErrNotFound) {
			return nil // another server has removed it
		}
		return err
	}
	err = w.changeAny(ctx, newID, EditOptions{UID: next.UID}, func(t *lockedTitle, rec *record) error {
		return w.remove(ctx, t, rec)
	})
	if err != nil {
		return err
	}
	return store.ErrConflict
}

// renamedTwins returns the keys of the records that renames have left behind: of several titles with one UID, those
// that are disabled, except the one that became so last if none is served. since has the times by key.
func renamedTwins(entries []*entry, since func(key string) int64) (old []string) {
	byUID := map[string]*entry{}
	for _, e := range entries {
		if e.Disabled && (byUID[e.UID] == nil || since(byUID[e.UID].key) < since(e.key)) {
			byUID[e.UID] = e
		}
	}
	for _, e := range entries {
		if _, twin := byUID[e.UID]; twin && !e.Disabled {
			byUID[e.UID] = e
		}
	}
	for _, e := range entries {
		if e.Disabled && byUID[e.UID] != e {
			old = append(old, e.key)
		}
	}
	return old
}
