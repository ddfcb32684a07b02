package patchsync

import (
	"context"
	"errors"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
)

// Set makes a title follow a release feed, or changes its watch. What an earlier watch of the title remembers is kept,
// and the versions that the title has are remembered as added. If the feed is the redacted form of the one that the
// watch has, its address stays as it is. While the feed stays the same, so do WatchState.Trusted and WatchState.By: an
// administrator who pauses a watch has not chosen its feed. To trust a watch, end it and set it anew. The feed is asked
// soon.
//
// The error is a *patch.ValidationError, catalog.ErrNotFound, catalog.ErrSynced if the title follows a source,
// [ErrWatchReadOnly], catalog.ErrUnavailable or that of ctx.
func (w *Watches) Set(ctx context.Context, id string, watch recipe.Watch, opts WatchOptions) error {
	t, err := w.title(id)
	if err != nil {
		return err
	}
	def, t, err := w.catalog.Load(ctx, t.ID)
	if err != nil {
		return err
	}
	if err := checkUID(t, opts.UID); err != nil {
		return err
	}
	return w.put(ctx, t, versionsOf(def), watch, "", opts)
}

// put writes the watch of a title. source is the key of the recipe file that it comes from, empty if there is none.
func (w *Watches) put(
	ctx context.Context, t catalog.Title, versions []string, watch recipe.Watch, source string, opts WatchOptions,
) error {
	if err := w.records.load(ctx); err != nil {
		return err
	}
	now := w.now()
	_, err := w.records.update(ctx, t.UID, func(rec *watchRecord) (bool, error) {
		if w.recipes.source(rec) != "" && source == "" && !rec.Ended {
			return false, &catalog.TitleError{ID: t.ID, Err: ErrWatchReadOnly}
		}
		feed := watch.Feed
		if err := feed.KeepSecrets(rec.Feed); err != nil {
			return false, err
		}
		if err := w.kinds.Check(recipe.Watch{Feed: feed, Policy: watch.Policy}); err != nil {
			return false, err
		}
		fresh := rec.UID == "" || rec.Ended || !sameFeed(feed, rec.Feed)
		if fresh {
			rec.State, rec.Held, rec.Proposals = watchRecordState{Reported: rec.State.Reported}, nil, nil
		}
		if fresh || source != "" {
			rec.Trusted, rec.By = opts.Trusted, opts.By
		}
		rec.Title, rec.UID, rec.Ended = t.ID, t.UID, false
		rec.Feed, rec.Policy, rec.Source = feed, watch.Policy, source
		for _, version := range versions {
			rec.mark(version, recipe.Added, now)
		}
		return true, nil
	})
	return err
}

// titleOf returns the title with an id, and with a UID if that is not empty. The error is catalog.ErrNotFound.
func (w *Watches) titleOf(id, uid string) (catalog.Title, error) {
	t, err := w.catalog.Title(id)
	if err != nil {
		return t, err
	}
	return t, checkUID(t, uid)
}

// checkUID returns catalog.ErrNotFound if a title has another UID, as catalog.EditOptions.UID does.
func checkUID(t catalog.Title, uid string) error {
	if uid != "" && uid != t.UID {
		return &catalog.TitleError{ID: t.ID, Err: catalog.ErrNotFound}
	}
	return nil
}

// versionsOf returns the versions of a definition.
func versionsOf(def *patch.Definition) (versions []string) {
	for i := range def.Patches {
		versions = append(versions, def.Patches[i].Version)
	}
	return versions
}

// End makes a title no longer follow its feed. What the watch remembers of versions is kept. uid is that of
// WatchOptions.UID.
//
// The error is catalog.ErrNotFound, [ErrNotWatched], [ErrWatchReadOnly], catalog.ErrUnavailable or that of ctx.
func (w *Watches) End(ctx context.Context, id, uid string) error {
	t, err := w.titleOf(id, uid)
	if err != nil {
		return err
	}
	return w.end(ctx, t, false)
}

// end ends the watch of a title. byFile says that its recipe file is gone.
func (w *Watches) end(ctx context.Context, t catalog.Title, byFile bool) error {
	_, err := w.records.update(ctx, t.UID, func(rec *watchRecord) (bool, error) {
		switch {
		case rec.UID == "" || rec.Ended:
			return false, &catalog.TitleError{ID: t.ID, Err: ErrNotWatched}
		case w.recipes.source(rec) != "" && !byFile:
			return false, &catalog.TitleError{ID: t.ID, Err: ErrWatchReadOnly}
		}
		*rec = watchRecord{
			Title:  rec.Title,
			UID:    rec.UID,
			Ended:  true,
			Seen:   rec.Seen,
			Adder:  rec.Adder,
			Outbox: rec.Outbox,
		}
		return true, nil
	})
	return err
}

// Begin makes a title follow a release feed while it is being created: it is for catalog.CreateOptions.Confirm, and
// [Watches.Undo] for catalog.CreateOptions.Undo, so that the title and its watch appear together. The versions of the
// title are remembered as added once the feed is asked.
//
// The error is a *patch.ValidationError, catalog.ErrSynced, catalog.ErrUnavailable or that of ctx.
func (w *Watches) Begin(ctx context.Context, t catalog.Title, watch recipe.Watch, opts WatchOptions) error {
	if t.Follows != "" {
		return &syncedError{t.ID}
	}
	return w.put(ctx, t, []string{t.CurrentVersion}, watch, "", opts)
}

// Undo removes the watch of a title that was not created. The error is catalog.ErrUnavailable or that of ctx.
func (w *Watches) Undo(ctx context.Context, t catalog.Title) error {
	return w.records.remove(ctx, t.UID)
}

// watched returns the record of a title's watch. The error is [ErrNotWatched] or catalog.ErrUnavailable.
func (w *Watches) watched(ctx context.Context, t catalog.Title) (savedWatch, error) {
	saved, err := w.records.read(ctx, t.UID)
	if err == nil && (saved.record == nil || saved.record.Ended) {
		err = &catalog.TitleError{ID: t.ID, Err: ErrNotWatched}
	}
	return saved, err
}

// isUnknown reports whether the outcome of a change of a title is unknown.
func isUnknown(err error) bool {
	switch {
	case errors.Is(err, catalog.ErrClosed):
		return false
	case errors.Is(err, catalog.ErrUnavailable), errors.Is(err, context.Canceled),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, store.ErrFormat):
		return true
	}
	return false
}
