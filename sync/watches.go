package patchsync

import (
	"cmp"
	"context"
	"crypto/rand"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/releases"
)

// Watches makes titles follow their vendors' release feeds: it asks the feeds, adds new versions to the titles or
// proposes them, and keeps the state of it. [Runner.Watches] returns it, and [Runner.Run] asks the feeds when they are
// due. A title that is watched stays editable, and no watch ever removes a version.
//
// The record of a watch is bound to the UID of its title. It notes each version as "adding" before the version is
// added, and as "added" afterwards, so that a version that a person removed does not come back, and one that was being
// added when the server was killed is proposed to a person.
//
// Watches is safe for concurrent use. If several servers share the store, the leader of the Runner asks the feeds, and
// every method works on all servers.
type Watches struct {
	*settings
	kinds   *releases.Kinds
	feeds   *feedClient
	notify  func(ctx context.Context, e WatchEvent) error
	lint    *patch.LintOptions
	perHost int    // feeds of one host that are asked at once; negative means no limit
	shared  bool   // other servers may use the same store
	server  string // identifies this server in watchRecord.Adder

	records *watchStore
	recipes *recipeFolders
	agenda  *watchAgenda
	counts  watchCounters
	posts   chan struct{} // receives a value when a record has an event to deliver

	badFeeds, badRecipes, delayed *digest
}

// newWatches returns the watches of a Runner.
func newWatches(set *settings, s store.Store, o *Options) (*Watches, error) {
	kinds, err := releases.New(o.Kinds)
	if err != nil {
		return nil, err
	}
	kinds = kinds.WithLogger(set.log)
	feeds, err := newFeedClient(set.fetcher.client, kinds, o)
	if err != nil {
		return nil, err
	}
	folders, err := newRecipeFolders(o.Recipes, set.mirrors)
	if err != nil {
		return nil, err
	}
	_, shared := store.As[store.Watcher](s)
	w := &Watches{
		settings: set,
		kinds:    kinds,
		feeds:    feeds,
		notify:   o.Notify,
		lint:     &patch.LintOptions{},
		perHost:  cmp.Or(o.PerHost, watchesPerHost),
		shared:   shared,
		server:   rand.Text(),
		records:  newWatchStore(s, set.log),
		agenda:   newWatchAgenda(set.now),
		posts:    make(chan struct{}, 1),
		badFeeds: newDigest(set.log, "a release feed cannot be followed; the title stays as it is",
			"more release feeds cannot be followed; their titles stay as they are"),
		badRecipes: newDigest(set.log, "a recipe makes no title, or its watch stays as it is",
			"more recipes make no titles, or their watches stay as they are"),
		delayed: newDigest(set.log, "a recipe cannot be followed yet", "more recipes cannot be followed yet"),
	}
	w.recipes = newRecipes(w, folders)
	w.agenda.keyOf, w.agenda.hostOf = w.feeds.key, kinds.Host
	w.records.removed = w.agenda.remove
	w.records.adopted = func(saved savedWatch) {
		if isProblem(saved) {
			return
		}
		w.agenda.adopt(saved)
		if len(saved.record.Outbox) > 0 {
			wake(w.posts)
		}
	}
	return w, nil
}

// Kinds returns the kinds of feeds that can be read.
func (w *Watches) Kinds() *releases.Kinds { return w.kinds }

// title returns the title with an id if it can be watched. The error is catalog.ErrNotFound or catalog.ErrSynced.
func (w *Watches) title(id string) (catalog.Title, error) {
	t, err := w.catalog.Title(id)
	if err == nil && t.Follows != "" {
		err = &syncedError{t.ID}
	}
	return t, err
}

// State returns the watch of a title and its state.
//
// The error is catalog.ErrNotFound, [ErrNotWatched] or catalog.ErrUnavailable.
func (w *Watches) State(id string) (WatchState, error) {
	t, err := w.catalog.Title(id)
	if err != nil {
		return WatchState{}, err
	}
	if err := w.records.load(context.Background()); err != nil {
		return WatchState{}, err
	}
	s, ok := w.records.get(t.UID)
	if !ok || s.record.Ended {
		return WatchState{}, &catalog.TitleError{ID: t.ID, Err: ErrNotWatched}
	}
	return w.state(t.ID, s.record), nil
}

// All yields the watches of all titles that exist and their states, sorted by the ids of the titles, and those of
// recipe files that are not used, such as invalid ones: these have a Source and the status [WatchFailing], and their
// titles may not exist.
func (w *Watches) All() iter.Seq[WatchState] {
	return func(yield func(WatchState) bool) {
		if err := w.records.load(context.Background()); err != nil {
			w.log.Error("the watches cannot be read", "error", err)
			return
		}
		all := w.existing()
		all = append(all, w.recipes.problems(all)...)
		sortWatches(all)
		for _, s := range all {
			if !s.record.Ended && !yield(w.state(s.record.Title, s.record)) {
				return
			}
		}
	}
}

// existing returns the records of titles that exist, sorted by the ids of the titles.
func (w *Watches) existing() []savedWatch {
	all := w.records.all()
	all = slices.DeleteFunc(all, func(s savedWatch) bool {
		_, err := w.catalog.ByUID(s.record.UID)
		return err != nil
	})
	sortWatches(all)
	return all
}

// sortWatches sorts records by the ids of their titles.
func sortWatches(all []savedWatch) {
	slices.SortFunc(all, func(a, b savedWatch) int {
		return cmp.Or(
			strings.Compare(a.record.Title, b.record.Title),
			strings.Compare(a.record.Source, b.record.Source),
		)
	})
}

// state returns the state of a watch.
func (w *Watches) state(id string, rec *watchRecord) WatchState {
	s := rec.State
	out := WatchState{
		Title:       id,
		Watch:       recipe.Watch{Feed: rec.Feed.Redacted(), Policy: rec.Policy},
		Source:      w.recipes.source(rec),
		Status:      WatchOK,
		Failures:    s.Failures,
		LastError:   s.LastError,
		LastAttempt: s.LastAttempt,
		LastSuccess: s.LastSuccess,
		Newest:      s.Newest,
		Silent:      s.Silent,
		Rhythm:      s.Rhythm,
		Held:        slices.Clone(s.Held),
		Missing:     slices.Clone(s.Missing),
		Trusted:     rec.Trusted,
		By:          rec.By,
	}
	last, next := w.agenda.times(rec.UID)
	if last.attempt.After(out.LastAttempt) {
		out.LastAttempt = last.attempt
	}
	if last.success.After(out.LastSuccess) {
		out.LastSuccess = last.success
	}
	switch {
	case rec.paused():
		out.Status = WatchPaused
	case s.Failures > 0:
		out.Status = WatchFailing
	}
	switch {
	case rec.paused():
	case !next.IsZero():
		out.NextCheck = next
	default:
		out.NextCheck = s.NextCheck // that of a feed that fails is in the record
	}
	w.recipes.addProblem(&out)
	return out
}

// watchCounters are the counters behind [WatchCounts].
type watchCounters struct{ succeeded, unchanged, failed, requests, added, proposed atomic.Uint64 }

// Counts returns what the watches of this server have done since the Runner was made.
func (w *Watches) Counts() WatchCounts {
	c := &w.counts
	return WatchCounts{
		Succeeded: c.succeeded.Load(),
		Unchanged: c.unchanged.Load(),
		Failed:    c.failed.Load(),
		Requests:  c.requests.Load(),
		Added:     c.added.Load(),
		Proposed:  c.proposed.Load(),
	}
}

// interval returns the time between two checks of a watch.
func interval(rec *watchRecord) time.Duration {
	if d := time.Duration(rec.Policy.Interval); d > 0 {
		return d
	}
	return defaultWatchInterval
}
