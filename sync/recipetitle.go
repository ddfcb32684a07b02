package patchsync

import (
	"context"
	"errors"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
)

// A recipeBatch counts the first attempts to create titles, for the log. Its fields are guarded by recipeFolders.mu.
type recipeBatch struct {
	total, created, failed int
	logged                 time.Time
}

// attempt asks the feed of a recipe and creates its title, once one of the slots is free.
func (f *recipeFolders) attempt(ctx context.Context, n *newTitle, slots chan struct{}) {
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return
	}
	err := f.create(ctx, n.file)
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, catalog.ErrExists) {
		wake(f.changed) // the watch is attached to the title
		err = nil
	}
	var next time.Time
	if err != nil {
		next = f.noteFailure(ctx, n.file, err)
	} else if err := f.removeProblem(ctx, n.file.Key); err != nil {
		f.log.Warn("the record of a recipe that failed before cannot be removed yet",
			"recipe", n.file.Key, "error", err)
		wake(f.changed)
	}
	f.noteAttempt(n, next)
	wake(f.ended)
}

// noteAttempt notes the outcome of an attempt. next is when the feed is asked again, zero if the title was created.
func (f *recipeFolders) noteAttempt(n *newTitle, next time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !n.tried {
		f.countAttempt(next.IsZero())
	}
	now := f.pending[n.file.Key]
	switch {
	case now == nil:
	case now != n: // the file has changed meanwhile
		now.running = false
		now.tried = true
	case next.IsZero():
		delete(f.pending, n.file.Key)
	default:
		n.running, n.tried, n.next = false, true, next
	}
}

// countAttempt counts the first attempt for a recipe, and logs progress. The caller must hold mu.
func (f *recipeFolders) countAttempt(created bool) {
	b := &f.batch
	if created {
		b.created++
	} else {
		b.failed++
	}
	left := b.total - b.created - b.failed
	if b.logged.IsZero() {
		b.logged = time.Now().Add(-recipeProgress / 2)
	}
	switch {
	case left <= 0:
		f.log.Info("new recipes have been tried", "created", b.created, "failed", b.failed)
		*b = recipeBatch{}
	case time.Since(b.logged) >= recipeProgress:
		f.log.Info("new recipes are being tried", "created", b.created, "failed", b.failed, "left", left)
		b.logged = time.Now()
	}
}

// create creates the title of a recipe together with its watch.
func (f *recipeFolders) create(ctx context.Context, file recipeFile) (err error) {
	defer f.recoverFault(&err)
	def, err := f.First(ctx, *file.Recipe, true)
	if err != nil {
		return err
	}
	opts := &catalog.CreateOptions{By: recipesMaker}
	if d := f.folderOf(file.Key); d != nil && d.mirror != nil {
		opts.Author = d.mirror.Author
	}
	var uid string
	opts.Confirm = func(ctx context.Context, t catalog.Title) error {
		uid = t.UID
		return f.begin(ctx, t, def, file)
	}
	opts.Undo = func(ctx context.Context) error { return f.records.remove(ctx, uid) }
	res, err := f.catalog.Create(ctx, def, opts)
	if err == nil {
		f.log.Info("a recipe has made a title", "title", res.Title.ID, "version", res.Title.CurrentVersion,
			"recipe", file.Key)
	}
	return err
}

// folderOf returns the folder of a file.
func (f *recipeFolders) folderOf(key string) *recipeFolder {
	for _, d := range f.folders {
		if d.has(key) {
			return d
		}
	}
	return nil
}

// begin writes the watch of a new title. Its feed was asked just now.
func (f *recipeFolders) begin(ctx context.Context, t catalog.Title, def *patch.Definition, file recipeFile) error {
	now := f.now().UTC()
	_, err := f.records.update(ctx, t.UID, func(rec *watchRecord) (bool, error) {
		rec.Title, rec.UID, rec.Source = t.ID, t.UID, file.Key
		rec.Feed, rec.Policy = file.Recipe.Feed, file.Recipe.Policy
		rec.Trusted, rec.By = true, recipesMaker
		rec.State.LastAttempt, rec.State.LastSuccess, rec.State.Newest = now, now, shorten(t.CurrentVersion)
		for _, version := range versionsOf(def) {
			rec.mark(version, recipe.Added, now)
		}
		return true, nil
	})
	return err
}
