package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// A Revision describes one definition in the history of a title; see [Catalog.History].
type Revision struct {
	// Number counts the revisions of a title, from 1.
	Number uint64
	// At is the time at which the revision was made. By identifies its maker; see EditOptions.By.
	At time.Time
	By string
	// Version is the current version in the revision.
	Version string
	// Current reports whether the revision is the one that is served.
	Current bool
}

// History returns the revisions of a title's definition that are available, the newest, which is the current one,
// first. It reads only the title's record.
//
// The error is [ErrNotFound], [ErrUnavailable] or that of ctx.
func (c *Catalog) History(ctx context.Context, id string) ([]Revision, error) {
	if err := c.titles.gate.check(); err != nil {
		return nil, err
	}
	rec, err := c.titles.readLive(ctx, id)
	if err != nil {
		return nil, err
	}
	if !rec.indexed() {
		if rec, err = c.writer.indexRevisions(ctx, id); err != nil {
			return nil, err
		}
	}
	summary, err := rec.summary()
	if err != nil {
		return nil, fmt.Errorf("%w: title %q: %w", ErrUnavailable, id, err)
	}
	all := []Revision{
		{Number: rec.number(), At: rec.Changed, By: rec.By, Version: summary.CurrentVersion, Current: true},
	}
	return append(all, c.writer.history.listed(rec)...), nil
}

// indexRevisions gives the record of a live title an index of its revisions, and writes it, so that the revisions are
// read once. It returns the record, also if it could not be written.
func (w *titleWriter) indexRevisions(ctx context.Context, id string) (*record, error) {
	t, err := w.lock(ctx, titleKey(id))
	if err != nil {
		return nil, err
	}
	defer t.unlock()
	rec, err := w.readLocked(ctx, t)
	if errors.Is(err, store.ErrNotFound) || err == nil && rec.State != live {
		return nil, notFound(id)
	}
	if err != nil || rec.indexed() {
		return rec, err
	}
	if err := w.history.index(ctx, t.key, rec); err != nil {
		return nil, err
	}
	leave, err := w.gate.enter()
	if err != nil {
		return rec, nil
	}
	defer leave()
	if err := w.rewrite(ctx, t, rec); err != nil {
		w.log.Error("the index of a title's revisions could not be written yet", "title", t.key, "error", err)
	}
	return rec, nil
}

// Revision returns the definition of a title in a revision. The definition belongs to the caller.
//
// The error is [ErrNotFound], [ErrNoRevision], [ErrUnavailable] or that of ctx.
func (c *Catalog) Revision(ctx context.Context, id string, n uint64) (*patch.Definition, error) {
	if err := c.titles.gate.check(); err != nil {
		return nil, err
	}
	rec, err := c.titles.readLive(ctx, id)
	if err != nil {
		return nil, err
	}
	data := rec.definition
	if n != rec.number() {
		isN := func(r Revision) bool { return r.Number == n }
		listed := slices.ContainsFunc(c.writer.history.listed(rec), isN)
		err = store.ErrNotFound
		if listed || !rec.indexed() {
			data, err = c.writer.history.definition(ctx, rec, n)
		}
		switch {
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrCorrupt):
			if listed {
				c.titles.log.Error("an earlier revision is listed and cannot be read",
					"title", id, "revision", n, "error", err)
			}
			return nil, &TitleError{ID: id, Err: fmt.Errorf("%w: %d", ErrNoRevision, n)}
		case err != nil:
			return nil, err
		}
	}
	d, err := parseStored(data)
	if err != nil {
		return nil, fmt.Errorf("%w: title %q: revision %d: %w", ErrUnavailable, id, n, err)
	}
	return d, nil
}
