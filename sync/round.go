package patchsync

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

const (
	// itemsAtOnce is the number of items of one source that are fetched at once. The client bounds the requests to a
	// host further.
	itemsAtOnce = 8
	// progressInterval is how often a long round logs its progress.
	progressInterval = 10 * time.Second
)

// A round is one pass over a source. There is one way through it, for the title that follows a URL on its own and for
// the titles of a mirror:
//
//	fetch    what the source lists
//	decide   which of its items to take
//	apply    their definitions to the catalog, and remove titles that have vanished
//	record   the outcome, in the job and in the store
//	schedule the next round
//
// A title that is followed on its own is the one item of its source, and its failure is that of the round. An item of
// a mirror that fails is remembered and retried, and holds up no other item.
type round struct {
	*settings
	job   *job
	first bool // of this server: what was rejected before the start is retried
	began time.Time

	mu      sync.Mutex        // guards the fields below while items are applied
	state   *state            // a copy of the job's, which becomes its next one
	listed  map[string]bool   // the ids of the items that the source lists and that are wanted
	known   map[string]bool   // the ids of the items that were known before the round
	claimed map[string]string // the ids of items, by the ids of their titles here in lower case
	outcome outcome
}

// An outcome is the result of a round.
type outcome struct {
	changed, refused int
	maxAge           time.Duration // how long the source says that its list is fresh
	complaint        string        // what failed although the round succeeded
}

// maxRounds bounds how often a round is run again because another server has saved the state meanwhile.
const maxRounds = 3

// runRound runs a round of a job. The error is [ErrUpstream], catalog.ErrUnavailable or that of ctx.
func (r *Runner) runRound(ctx context.Context, j *job) error {
	if err := j.turn.lock(ctx); err != nil {
		return err
	}
	defer j.turn.unlock()
	defer r.endRound(j)
	defer r.watches.recipes.mirrorRead(j.mirror)
	for try := 1; ; try++ {
		saveErr, err := r.tryRound(ctx, j)
		switch {
		case saveErr == nil || ctx.Err() != nil:
			return err
		case errors.Is(saveErr, store.ErrConflict) && try < maxRounds:
			continue // with the state that the other server has saved
		}
		r.log.Error("the state of a source could not be saved",
			"source", j.shown(), "error", redactStoreError(j.key, saveErr))
		return err
	}
}

// tryRound runs a round and saves the state. err is that of the round.
func (r *Runner) tryRound(ctx context.Context, j *job) (saveErr, err error) {
	rd := r.beginRound(j)
	err = rd.run(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx) // the error says nothing about the source
	case errors.Is(err, catalog.ErrClosed):
		return nil, err // nor does this one
	case j.mirror == nil && errors.Is(err, catalog.ErrNotFound):
		return nil, err // the title was deleted during the round, and its state is removed with it
	}
	r.recordRound(rd, err)
	return r.saveState(ctx, j), err
}

// beginRound returns a round of a job. The caller must hold the job's turn.
func (r *Runner) beginRound(j *job) *round {
	r.agenda.mu.Lock()
	defer r.agenda.mu.Unlock()
	j.running, j.noticed, j.requested = true, false, r.now()
	state := j.state.clone()
	if j.revision != "" && j.persisted == "" {
		j.persisted = state.persistent()
	}
	return &round{
		settings: r.settings,
		job:      j,
		first:    !j.tried,
		began:    r.now().UTC(),
		state:    &state,
	}
}

// endRound marks the end of a job's round. A state that another server has saved meanwhile becomes the job's.
func (r *Runner) endRound(j *job) {
	r.agenda.mu.Lock()
	j.running = false
	r.agenda.mu.Unlock()
	if s, ok := r.states.saved(j.key); ok {
		r.agenda.adopt(j.key, s)
	}
}

// run fetches, decides and applies.
func (rd *round) run(ctx context.Context) error {
	listing, err := rd.fetch(ctx)
	if err != nil {
		return rd.upstream(err)
	}
	rd.outcome.maxAge = listing.MaxAge
	if listing.Unchanged {
		text, n := rd.state.complaint()
		if rd.state.Failures == 0 {
			text = rd.state.LastError // which may be about the whole list
		}
		rd.outcome.complaint, rd.outcome.refused = text, n
		return nil
	}
	if err := rd.applyAll(ctx, rd.decide(listing.Items)); err != nil {
		return err
	}
	return rd.finish(ctx, listing)
}

// fetch asks the source what it lists: everything, if a title here is not what was applied, or a retry is due, and
// otherwise only what has changed.
func (rd *round) fetch(ctx context.Context) (*Listing, error) {
	memo := rd.state.Memo
	if rd.needsAll() {
		memo = ""
	}
	return rd.job.source.List(ctx, rd.fetcher, memo)
}

// needsAll reports whether the source must list everything even if nothing has changed there.
func (rd *round) needsAll() bool {
	now := rd.now()
	for _, it := range rd.state.Items {
		switch {
		case it.Error != "" && (rd.first || it.isDue(now)):
			return true
		case it.Title != "" && !it.Gone && rd.differs(&it):
			return true
		}
	}
	return false
}

// differs reports whether the title of an item is no longer what was applied, or is missing.
func (rd *round) differs(it *item) bool {
	t, err := rd.catalog.Title(it.Title)
	return err != nil || t.ETag != it.ETag
}

// decide returns the items to take: those that are wanted, and are new, have changed or are to be retried. It marks
// items as present that had vanished and have not changed.
func (rd *round) decide(items []Item) (due []Item) {
	rd.listed, rd.known, rd.claimed = map[string]bool{}, map[string]bool{}, map[string]string{}
	wanted := rd.wanted(items)
	if rd.state.Items == nil {
		rd.state.Items = map[string]item{}
	}
	rd.state.matchCase(rd.listed)
	for id := range rd.state.Items {
		rd.known[id] = true
	}
	for _, it := range wanted {
		was := rd.state.Items[it.ID]
		if was.Title != "" {
			rd.claimed[strings.ToLower(was.Title)] = it.ID
		}
		switch {
		case rd.isDue(it, &was):
			due = append(due, it)
		case was.Gone:
			was.Gone = false
			rd.state.Items[it.ID] = was
		}
	}
	return due
}

// wanted returns the items that are wanted, each once, and remembers their ids as listed.
func (rd *round) wanted(items []Item) (wanted []Item) {
	for _, it := range items {
		if m := rd.job.mirror; !rd.listed[it.ID] && (m == nil || m.wants(it.ID)) {
			rd.listed[it.ID] = true
			wanted = append(wanted, it)
		}
	}
	return wanted
}

// matchCase renames items to the listed ids that differ from theirs in case only.
func (s *state) matchCase(listed map[string]bool) {
	folded := map[string]string{}
	for id := range listed {
		if _, ok := s.Items[id]; !ok {
			folded[strings.ToLower(id)] = id
		}
	}
	for id, it := range s.Items {
		if to := folded[strings.ToLower(id)]; to != "" && !listed[id] {
			delete(s.Items, id)
			s.Items[to] = it
		}
	}
}

// isDue reports whether an item must be fetched. was is what is remembered of it.
func (rd *round) isDue(it Item, was *item) bool {
	switch {
	case was.Error != "" && was.Refused == it.Mark:
		return rd.first || was.isDue(rd.now())
	case was.Mark != it.Mark, was.Title == "":
		return true
	}
	return rd.differs(was)
}

// applyAll applies the definitions of items to the catalog, several at once.
func (rd *round) applyAll(ctx context.Context, due []Item) error {
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(itemsAtOnce)
	progress := time.NewTicker(progressInterval)
	defer progress.Stop()
	for i, it := range due {
		select {
		case <-progress.C:
			rd.log.Info("a source is being read", "source", rd.job.shown(), "titles", len(due), "begun", i)
		default:
		}
		if working.Err() != nil {
			break
		}
		group.Go(func() error { return rd.applyItem(working, it) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// applyItem applies the definition of an item and remembers it. The error is that of the round: the store's, that of
// ctx, or, without a mirror, that of the item.
func (rd *round) applyItem(ctx context.Context, it Item) error {
	rd.mu.Lock()
	was := rd.state.Items[it.ID]
	rd.mu.Unlock()
	now, changed, err := rd.take(ctx, it, was)
	if ctx.Err() != nil || errors.Is(err, catalog.ErrUnavailable) || errors.Is(err, catalog.ErrClosed) {
		return err
	}
	if err != nil {
		if rd.job.mirror == nil {
			return rd.upstream(err)
		}
		now = was
		now.Gone = false
		rd.refuse(&now, it, err)
		var unread *unreadError
		now.Unread = errors.As(err, &unread)
	}
	rd.mu.Lock()
	defer rd.mu.Unlock()
	rd.state.Items[it.ID] = now
	if key := strings.ToLower(was.Title); !strings.EqualFold(was.Title, now.Title) && rd.claimed[key] == it.ID {
		delete(rd.claimed, key) // the item is another title now
	}
	if changed {
		rd.outcome.changed++
	}
	return nil
}

// finish removes the titles that have vanished, and remembers that the listing was applied.
func (rd *round) finish(ctx context.Context, l *Listing) error {
	protest, err := rd.removeVanished(ctx)
	if err != nil {
		return err
	}
	rd.outcome.complaint, rd.outcome.refused = rd.state.complaint()
	rd.state.Memo = l.Memo
	if protest != "" {
		rd.outcome.complaint = protest
		rd.state.Memo = "" // so that the source lists everything again
	}
	if m := rd.job.mirror; m != nil {
		if id := m.missing(rd.listed); id != "" {
			rd.outcome.complaint = fmt.Sprintf("the title %q is wanted, but the source does not list it", id)
		}
	}
	return nil
}

// upstream returns an error as an [ErrUpstream], unless it is the catalog's or that of a context.
func (rd *round) upstream(err error) error {
	for _, other := range []error{ErrUpstream, catalog.ErrUnavailable, catalog.ErrClosed, context.Canceled} {
		if errors.Is(err, other) {
			return err
		}
	}
	return &UpstreamError{URL: rd.job.source.Key(), Err: err}
}
