package patchsync

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
)

const (
	// recipesMaker is the maker of titles and watches from recipe files.
	recipesMaker = "recipes"
	// recipesAtOnce bounds the new titles that are made at once.
	recipesAtOnce = 8
	// maxRecipeSpread bounds the time over which the feeds of new recipes are asked, recipeSpread for each of them.
	maxRecipeSpread = time.Minute
	recipeSpread    = 200 * time.Millisecond
	// recipeProgress is how often the log tells how many new titles have been made.
	recipeProgress = 10 * time.Second
	// recipeRetry is the pause before the folders are read again after the store failed.
	recipeRetry = 10 * time.Second
	// unwatchedInterval is how often a folder is read that cannot be watched.
	unwatchedInterval = time.Minute
)

// recipeFolders makes the titles of the recipes in folders: a title that does not exist is created by the first good
// answer of its feed, and one that exists is watched. A watch is updated when its file changes, and ends when the file
// is deleted; the title stays. What is wrong with a file is kept in a record; see noteProblem.
//
// One goroutine, run, reads the folders and starts the attempts. If several servers share the store, it runs on the
// leader alone.
type recipeFolders struct {
	*Watches
	folders []*recipeFolder
	changed chan struct{} // receives a value when a folder may have changed
	ended   chan struct{} // receives a value when an attempt has ended
	spread  time.Duration // over which the feeds of new recipes are asked; of the goroutine alone

	mu      sync.Mutex
	pending map[string]*newTitle // by the key of the file
	failed  map[string]string    // the errors of folders that could not be read, by key
	read    map[*Mirror]bool     // mirrors whose folder was read since the start
	batch   recipeBatch
}

// A newTitle is a recipe whose title does not exist yet.
type newTitle struct {
	file    recipeFile
	next    time.Time // when the feed is asked
	running bool
	tried   bool // the feed was asked once
}

// newRecipes returns the recipe folders of w.
func newRecipes(w *Watches, folders []*recipeFolder) *recipeFolders {
	return &recipeFolders{
		Watches: w,
		folders: folders,
		changed: make(chan struct{}, 1),
		ended:   make(chan struct{}, 1),
		pending: map[string]*newTitle{},
		failed:  map[string]string{},
		read:    map[*Mirror]bool{},
	}
}

// has reports whether a key is that of a file in one of the folders.
func (f *recipeFolders) has(key string) bool {
	return slices.ContainsFunc(f.folders, func(d *recipeFolder) bool { return d.has(key) })
}

// source returns the key of the file that a watch comes from. It is empty if there is none, or if its folder is no
// longer followed: people may then change the watch.
func (f *recipeFolders) source(rec *watchRecord) string {
	if rec.Source == "" || !f.has(rec.Source) {
		return ""
	}
	return rec.Source
}

// run keeps the titles in step with the folders until ctx ends. It is for the leader.
func (f *recipeFolders) run(ctx context.Context) {
	if !f.mayHaveProblems() {
		return
	}
	var working sync.WaitGroup
	defer working.Wait()
	for _, d := range f.folders {
		working.Go(func() { f.watchFolder(ctx, d) })
	}
	f.mu.Lock()
	f.pending, f.batch = map[string]*newTitle{}, recipeBatch{} // of an earlier term of this leader
	f.mu.Unlock()
	slots := make(chan struct{}, recipesAtOnce)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var scan time.Time
	for ctx.Err() == nil {
		if now := time.Now(); !now.Before(scan) {
			scan = now.Add(f.interval)
			if !f.scan(ctx) {
				scan = now.Add(recipeRetry)
			}
		}
		due, wait := f.takeDue()
		for _, n := range due {
			working.Go(func() { f.attempt(ctx, n, slots) })
		}
		timer.Reset(min(wait, time.Until(scan)))
		select {
		case <-ctx.Done():
		case <-f.changed:
			scan = time.Time{}
		case <-f.ended:
		case <-timer.C:
		}
	}
}

// mayHaveProblems reports whether there are folders, or records of problems of folders that are no longer followed.
func (f *recipeFolders) mayHaveProblems() bool {
	return len(f.folders) > 0 || slices.ContainsFunc(f.records.all(), isProblem)
}

// watchFolder notes changes of a folder until ctx ends. While the folder cannot be watched, such as because it is
// missing, it is read once a minute.
func (f *recipeFolders) watchFolder(ctx context.Context, d *recipeFolder) {
	told := ""
	for ctx.Err() == nil {
		err := d.Watch(ctx, func() { wake(f.changed) })
		if ctx.Err() != nil {
			return
		}
		if err != nil && told != withoutPath(err).Error() {
			told = withoutPath(err).Error()
			f.log.Warn("a folder of recipes cannot be watched; it is read once a minute instead",
				"folder", d.key, "error", told)
		}
		wake(f.changed)
		sleep(ctx, unwatchedInterval)
	}
}

// mirrorRead notes that the definitions in the folder of a mirror were read: titles that recipes wait for may be gone.
// m may be nil.
func (f *recipeFolders) mirrorRead(m *Mirror) {
	if m == nil || !slices.ContainsFunc(f.folders, func(d *recipeFolder) bool { return d.mirror == m }) {
		return
	}
	f.mu.Lock()
	f.read[m] = true
	f.mu.Unlock()
	wake(f.changed)
}

// awaitsMirror reports whether a recipe is in the folder of a mirror that has not been read since the start: a
// definition there comes before a recipe with the same id.
func (f *recipeFolders) awaitsMirror(key string) bool {
	d := f.folderOf(key)
	if d == nil || d.mirror == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.read[d.mirror]
}

// takeDue returns the new titles that are due, and the time until the next one is.
func (f *recipeFolders) takeDue() (due []*newTitle, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	wait = time.Minute
	for _, n := range f.pending {
		switch left := n.next.Sub(now); {
		case n.running:
		case left <= 0:
			n.running = true
			due = append(due, n)
		default:
			wait = min(wait, left)
		}
	}
	return due, wait
}

// A folderScan is what a reading of all folders found.
type folderScan struct {
	files  map[string]*recipeFile // by key
	unread []*recipeFolder        // folders that could not be read
	again  bool                   // the store failed, so that the folders must be read again soon
}

// scan reads all folders and brings the watches in step with them. It returns false if the store failed.
func (f *recipeFolders) scan(ctx context.Context) bool {
	s := &folderScan{files: map[string]*recipeFile{}}
	for _, d := range f.folders {
		files, err := d.files(ctx, f.kinds)
		if ctx.Err() != nil {
			return true
		}
		f.noteFolder(d, err)
		if err != nil {
			s.unread = append(s.unread, d)
			s.again = f.noteProblem(ctx, &recipeFile{Key: d.key, Err: err}) != nil || s.again
			continue
		}
		for i := range files {
			s.files[files[i].Key] = &files[i]
		}
	}
	f.refuseDuplicates(s)
	f.spread = f.spreadOf(s)
	for _, key := range sortedKeys(s.files) {
		if err := f.applyFile(ctx, s.files[key]); err != nil {
			s.fail(ctx, f.delayed, key, err)
		}
	}
	f.endVanished(ctx, s)
	f.forgetProblems(ctx, s)
	f.forgetPending(s)
	return !s.again
}

// spreadOf returns the time over which the feeds of new recipes are asked.
func (f *recipeFolders) spreadOf(s *folderScan) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	added := 1
	for key, file := range s.files {
		if file.Err != nil || f.pending[key] != nil {
			continue
		}
		if _, err := f.catalog.Title(file.Recipe.ID); err != nil {
			added++
		}
	}
	return min(maxRecipeSpread, time.Duration(added)*recipeSpread)
}

// fail notes that the store failed for a file.
func (s *folderScan) fail(ctx context.Context, warnings *digest, key string, err error) {
	if ctx.Err() == nil {
		s.again = true
		warnings.warn("recipe", key, "error", err)
	}
}

// isUnread reports whether a key is that of a folder that could not be read, or of a file in it.
func (s *folderScan) isUnread(key string) bool {
	return slices.ContainsFunc(s.unread, func(d *recipeFolder) bool { return d.has(key) })
}

// noteFolder logs when a folder begins to fail or recovers.
func (f *recipeFolders) noteFolder(d *recipeFolder, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch before := f.failed[d.key]; {
	case text == before:
	case text == "":
		f.log.Info("a folder of recipes can be read again", "folder", d.key)
	default:
		f.log.Warn("a folder of recipes cannot be read; its watches stay as they are", "folder", d.key, "error", text)
	}
	f.failed[d.key] = text
}

// refuseDuplicates lets one of several recipes for one title count: that which the title has, else the first one.
func (f *recipeFolders) refuseDuplicates(s *folderScan) {
	owners := map[string]string{} // keys by the ids of the titles in lower case
	for _, key := range sortedKeys(s.files) {
		file := s.files[key]
		if file.Err != nil {
			continue
		}
		id := strings.ToLower(file.Recipe.ID)
		if _, taken := owners[id]; !taken || f.sourceOf(file.Recipe.ID) == key {
			owners[id] = key
		}
	}
	for key, file := range s.files {
		if file.Err != nil {
			continue
		}
		if owner := owners[strings.ToLower(file.Recipe.ID)]; owner != key {
			file.Err = &duplicateError{file: key, other: owner, title: file.Recipe.ID}
		}
	}
}

// sourceOf returns the key of the file that the watch of a title comes from, empty if there is none.
func (f *recipeFolders) sourceOf(id string) string {
	t, err := f.catalog.Title(id)
	if err != nil {
		return ""
	}
	saved, ok := f.records.get(t.UID)
	if !ok || saved.record.Ended {
		return ""
	}
	return saved.record.Source
}

// applyFile brings the watch of a recipe in step with its file, or notes that its title has to be created. The error is
// that of the store or of ctx.
func (f *recipeFolders) applyFile(ctx context.Context, file *recipeFile) error {
	if file.Err != nil {
		f.dropPending(file.Key)
		return f.noteProblem(ctx, file)
	}
	t, err := f.catalog.Title(file.Recipe.ID)
	switch {
	case errors.Is(err, catalog.ErrNotFound) && file.Recipe.Policy.Mode == recipe.Off:
		f.dropPending(file.Key)
		return f.removeProblem(ctx, file.Key)
	case errors.Is(err, catalog.ErrNotFound) && f.awaitsMirror(file.Key):
		return nil
	case errors.Is(err, catalog.ErrNotFound):
		f.addPending(*file)
		return nil
	case err != nil:
		return err
	}
	f.dropPending(file.Key)
	if t.Follows != "" {
		file.Err = &takenError{file: file.Key, title: t.ID, source: RedactURL(t.Follows)}
		return f.noteProblem(ctx, file)
	}
	if err := f.attach(ctx, t, file); err != nil {
		return err
	}
	return f.removeProblem(ctx, file.Key)
}

// attach makes a title that exists follow the feed of a recipe. An earlier watch of the title is replaced, and what it
// remembers is kept.
func (f *recipeFolders) attach(ctx context.Context, t catalog.Title, file *recipeFile) error {
	watch := file.Recipe.Watch()
	saved, ok := f.records.get(t.UID)
	if ok && !saved.record.Ended && saved.record.Source == file.Key && saved.record.Trusted &&
		sameWatch(saved.record.watch(), watch) {
		return nil
	}
	def, t, err := f.catalog.Load(ctx, t.ID)
	if err != nil {
		return err
	}
	err = f.put(ctx, t, versionsOf(def), watch, file.Key, WatchOptions{Trusted: true, By: recipesMaker})
	if err == nil {
		f.log.Info("a title follows the feed of its recipe", "title", t.ID, "recipe", file.Key)
	}
	return err
}

// endVanished ends the watches whose files are gone. Those of folders that could not be read, or are no longer
// followed, stay.
func (f *recipeFolders) endVanished(ctx context.Context, s *folderScan) {
	for _, saved := range f.existing() {
		rec := saved.record
		if rec.Ended || !f.has(rec.Source) || s.isUnread(rec.Source) {
			continue
		}
		file := s.files[rec.Source]
		if file != nil && (file.Err != nil || strings.EqualFold(file.Recipe.ID, rec.Title)) {
			continue // the watch of a file with an error stays as it is
		}
		t, err := f.catalog.ByUID(rec.UID)
		if err != nil {
			continue
		}
		if err := f.end(ctx, t, true); err != nil && !errors.Is(err, ErrNotWatched) {
			s.fail(ctx, f.delayed, rec.Source, err)
			continue
		}
		f.log.Info("a title no longer follows a feed, because its recipe is gone", "title", t.ID,
			"recipe", rec.Source)
	}
}

// addPending notes that the title of a recipe has to be created. If the recipe is a new one, its feed is asked soon.
func (f *recipeFolders) addPending(file recipeFile) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.pending[file.Key]
	if n != nil && sameRecipe(n.file.Recipe, file.Recipe) {
		return
	}
	first := n == nil
	if first {
		f.batch.total++
	}
	running := n != nil && n.running
	now := f.now()
	n = &newTitle{file: file, tried: !first, running: running}
	f.pending[file.Key] = n
	n.next = now.Add(randomUpTo(f.spread))
	if saved, ok := f.records.get(problemID(file.Key)); ok && first {
		s := saved.record.State
		left := s.NextCheck.Sub(now)
		if sameWatch(saved.record.watch(), file.Recipe.Watch()) && left > 0 && left <= s.Wait {
			n.next = s.NextCheck // other times were set by a clock that is ahead of this one
		}
	}
}

// dropPending notes that the title of a recipe need not be created.
func (f *recipeFolders) dropPending(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.pending[key]; n != nil {
		if !n.tried {
			f.batch.total--
		}
		delete(f.pending, key)
	}
}

// forgetPending drops the recipes whose files are gone.
func (f *recipeFolders) forgetPending(s *folderScan) {
	f.mu.Lock()
	var gone []string
	for key := range f.pending {
		if s.files[key] == nil && !s.isUnread(key) {
			gone = append(gone, key)
		}
	}
	f.mu.Unlock()
	for _, key := range gone {
		f.dropPending(key)
	}
}
