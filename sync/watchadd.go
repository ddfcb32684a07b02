package patchsync

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
)

const (
	// adderPatience is how long a server waits for another one that adds versions before it takes it for dead.
	adderPatience = 10 * time.Second
	// adderPoll is how often it looks meanwhile.
	adderPoll = 250 * time.Millisecond
)

// settled returns the record of a watch once no other server adds versions to the title, or once it is taken for dead.
// The versions that it was adding are then still marked as such. The caller must hold the record's turn. The error is
// [ErrNotWatched], catalog.ErrUnavailable or that of ctx.
func (w *Watches) settled(ctx context.Context, uid string) (savedWatch, error) {
	saved, ok := w.records.get(uid)
	if ok && w.shared && saved.record.Adder != "" && saved.record.Adder != w.server {
		var err error
		if saved, err = w.awaitAdder(ctx, uid, saved); err != nil {
			return savedWatch{}, err
		}
		ok = saved.record != nil
	}
	switch {
	case !ok:
		return savedWatch{}, ErrNotWatched
	case saved.record.Ended:
		return savedWatch{}, &catalog.TitleError{ID: saved.record.Title, Err: ErrNotWatched}
	}
	return saved, nil
}

// awaitAdder waits until another server that adds versions has finished, or until it has not written the record for
// adderPatience by the clock of this server.
func (w *Watches) awaitAdder(ctx context.Context, uid string, saved savedWatch) (savedWatch, error) {
	for since := time.Now(); ; sleep(ctx, adderPoll) {
		now, err := w.records.read(ctx, uid)
		switch {
		case ctx.Err() != nil:
			return savedWatch{}, context.Cause(ctx)
		case err != nil:
			return savedWatch{}, err
		case now.record == nil || now.record.Adder == "" || now.record.Adder == w.server:
			return now, nil
		case now.revision != saved.revision:
			saved, since = now, time.Now()
		case time.Since(since) > adderPatience:
			return now, nil
		}
	}
}

// claim writes that this server adds versions: next with marks for them. The error is [store.ErrConflict] or
// catalog.ErrUnavailable.
func (w *Watches) claim(
	ctx context.Context, saved savedWatch, next *watchRecord, patches []patch.Patch,
) (savedWatch, error) {
	claimed := next.clone()
	claimed.Adder = w.server
	now := w.now()
	for i := range patches {
		claimed.mark(patches[i].Version, recipe.Adding, now)
	}
	return w.records.write(ctx, claimed.UID, claimed, saved.revision)
}

// edit adds versions to a title that has not changed since t. The error is one of those of catalog.AddVersions.
func (w *Watches) edit(
	ctx context.Context, t catalog.Title, patches []patch.Patch, by string,
) (catalog.Result, error) {
	return w.catalog.AddVersions(ctx, t.ID, patch.Ordered(), patches, &catalog.EditOptions{
		UID:     t.UID,
		IfMatch: t.ETag,
		By:      by,
	})
}

// release takes back the marks of claim, because nothing was added, also in a record that has changed meanwhile. before
// is the record before claim. The error is catalog.ErrUnavailable.
func (w *Watches) release(ctx context.Context, before *watchRecord, patches []patch.Patch) error {
	_, err := w.records.update(ctx, before.UID, func(rec *watchRecord) (bool, error) {
		return rec.unclaim(w.server, versionsIn(patches), before), nil
	})
	return unavailable(err)
}

// settle notes that versions were added, in a record that has changed since claim, and removes the proposals that
// propose no others. It returns the record as it is afterwards. The error is catalog.ErrUnavailable.
func (w *Watches) settle(ctx context.Context, uid string, versions []string) (savedWatch, error) {
	now := w.now()
	saved, err := w.records.update(ctx, uid, func(rec *watchRecord) (bool, error) {
		if rec.UID == "" {
			return false, nil // the record was removed with the title
		}
		rec.noteAdded(versions, now)
		rec.Proposals = slices.DeleteFunc(rec.Proposals, func(p proposalRecord) bool {
			return !slices.ContainsFunc(p.versions(), func(v string) bool { return !slices.Contains(versions, v) })
		})
		if rec.Adder == w.server {
			rec.Adder = ""
		}
		return true, nil
	})
	return saved, unavailable(err)
}

// unavailable returns an error of the store as a catalog.ErrUnavailable if other servers were always faster.
func unavailable(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return &watchStoreError{err}
	}
	return err
}
