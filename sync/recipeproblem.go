package patchsync

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
)

// A duplicateError reports a recipe whose title another recipe makes.
type duplicateError struct{ file, other, title string }

// Error implements error.
func (e *duplicateError) Error() string {
	return fmt.Sprintf("%s and %s make the same title, %q: the second one counts; remove one of them",
		e.file, e.other, e.title)
}

// A takenError reports a recipe whose title follows a source.
type takenError struct{ file, title, source string }

// Error implements error.
func (e *takenError) Error() string {
	return fmt.Sprintf("%s: the title %q follows %s and cannot follow a release feed too: remove one of the two",
		e.file, e.title, e.source)
}

// problemID returns the id of the record of what is wrong with a recipe file.
func problemID(key string) string {
	if len(key) > 400 { // an id has at most 512 bytes
		sum := sha256.Sum256([]byte(key))
		key = "sha256/" + hex.EncodeToString(sum[:])
	}
	return recipePrefix + key
}

// isProblem reports whether a record is that of a problem of a recipe file.
func isProblem(saved savedWatch) bool { return saved.record.UID == "" && saved.record.Source != "" }

// noteProblem records and logs why a file is not used. The feed is not asked again. The error is that of the store.
func (f *recipeFolders) noteProblem(ctx context.Context, file *recipeFile) error {
	return f.record(ctx, file, file.Err, func(*watchRecordState) {})
}

// noteFailure records and logs that a title could not be created. It returns when the feed is asked again.
func (f *recipeFolders) noteFailure(ctx context.Context, file recipeFile, cause error) (next time.Time) {
	d := time.Duration(file.Recipe.Policy.Interval)
	interval := cmp.Or(d, defaultWatchInterval)
	next = f.now().Add(interval)
	err := f.record(ctx, &file, cause, func(s *watchRecordState) {
		wait := newTitleBackoff(interval, s.Failures)
		var failure *FeedError
		if errors.As(cause, &failure) {
			wait = max(wait, min(failure.RetryAfter, maxIntervals*interval))
		}
		s.Wait = jitter(wait)
		next = f.now().Add(s.Wait)
		s.NextCheck = next.UTC()
		s.Failures++
	})
	if err != nil && ctx.Err() == nil {
		f.log.Warn("the failure of a recipe cannot be recorded", "recipe", file.Key, "error", err)
	}
	return next
}

// newTitleBackoff is backoff for a title that does not exist yet, whose first retries come sooner.
func newTitleBackoff(interval time.Duration, failures int) time.Duration {
	if failures < 5 {
		return backoff(interval/maxIntervals, failures)
	}
	return backoff(interval, failures-5)
}

// record writes what is wrong with a file, if anything but times has changed, and logs it if the text has.
func (f *recipeFolders) record(
	ctx context.Context, file *recipeFile, cause error, change func(*watchRecordState),
) error {
	text := shorten(cause.Error())
	now := f.now().UTC()
	told := false
	_, err := f.records.update(ctx, problemID(file.Key), func(rec *watchRecord) (bool, error) {
		before := rec.clone()
		told = rec.State.LastError == text
		rec.Title, rec.Source = file.title(), file.Key
		rec.Trusted, rec.By = true, recipesMaker
		if r := file.Recipe; r != nil {
			if !sameWatch(rec.watch(), r.Watch()) {
				rec.State = watchRecordState{}
			}
			rec.Feed, rec.Policy = r.Feed, r.Policy
		}
		s := &rec.State
		s.LastError, s.LastAttempt = text, now
		s.NextCheck, s.Wait = time.Time{}, 0
		change(s)
		s.Failures = max(1, s.Failures)
		return differs(before, rec)
	})
	if !told && ctx.Err() == nil {
		f.badRecipes.warn("recipe", file.Key, "error", text)
	}
	return err
}

// removeProblem removes the record of a problem, if there is one.
func (f *recipeFolders) removeProblem(ctx context.Context, key string) error {
	if _, ok := f.records.get(problemID(key)); !ok {
		return nil
	}
	return f.records.remove(ctx, problemID(key))
}

// forgetProblems removes the records of files that are gone.
func (f *recipeFolders) forgetProblems(ctx context.Context, s *folderScan) {
	for _, saved := range f.records.all() {
		key := saved.record.Source
		if !isProblem(saved) || s.files[key] != nil || s.isUnread(key) {
			continue
		}
		if err := f.removeProblem(ctx, key); err != nil {
			s.fail(ctx, f.delayed, key, err)
		}
	}
}

// addProblem adds what is wrong with the recipe file of a watch to its state.
func (f *recipeFolders) addProblem(out *WatchState) {
	if out.Source == "" {
		return
	}
	saved, ok := f.records.get(problemID(out.Source))
	if !ok || !isProblem(saved) {
		return
	}
	s := saved.record.State
	out.Status, out.LastError = WatchFailing, s.LastError
	out.Failures = max(out.Failures, s.Failures)
}

// problems returns the records of the files that are not the source of a watch in a list.
func (f *recipeFolders) problems(watches []savedWatch) (all []savedWatch) {
	watched := map[string]bool{}
	for _, saved := range watches {
		watched[saved.record.Source] = true
	}
	for _, saved := range f.records.all() {
		if isProblem(saved) && !watched[saved.record.Source] {
			all = append(all, saved)
		}
	}
	return all
}

// sameWatch reports whether two watches are equal.
func sameWatch(a, b recipe.Watch) bool { return sameJSON(a, b) }

// sameRecipe reports whether two recipes are equal.
func sameRecipe(a, b *recipe.Recipe) bool { return sameJSON(a, b) }

// sameJSON reports whether two values have the same JSON.
func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string {
	return slices.SortedFunc(maps.Keys(m), strings.Compare)
}
