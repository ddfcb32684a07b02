package patchsync

import (
	"context"
	"strings"
	"time"
)

const (
	// tidyInterval is how often the records of watches are compared with the titles.
	tidyInterval = time.Minute
	// strayAge is how long a record without a title stays: the title may be about to be published, which takes up to
	// ten minutes; see catalog.CreateOptions.Confirm.
	strayAge = 15 * time.Minute
)

// runTidy removes the records of titles that were deleted until ctx ends. It is for the leader.
func (w *Watches) runTidy(ctx context.Context) {
	stray := map[string]time.Time{} // since when a record has no title
	for ctx.Err() == nil {
		w.tidy(ctx, stray)
		sleep(ctx, tidyInterval)
	}
}

// tidy removes the records whose titles have not existed for strayAge. That of a title stays which the catalog could
// not read.
func (w *Watches) tidy(ctx context.Context, stray map[string]time.Time) {
	now := time.Now()
	for _, saved := range w.records.all() {
		uid := saved.record.UID
		if uid == "" || strings.HasPrefix(uid, recipePrefix) {
			continue
		}
		if _, err := w.catalog.ByUID(uid); err == nil || w.catalog.IsDamaged(saved.record.Title) {
			delete(stray, uid)
			continue
		}
		since, ok := stray[uid]
		if !ok {
			stray[uid] = now
			continue
		}
		if now.Sub(since) < strayAge || ctx.Err() != nil {
			continue
		}
		if err := w.records.remove(ctx, uid); err != nil {
			w.log.Warn("the watch of a title that was deleted could not be removed", "error", err)
			return
		}
		delete(stray, uid)
	}
}
