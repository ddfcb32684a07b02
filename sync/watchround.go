package patchsync

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/releases"
)

const (
	// watchesAtOnce bounds the feeds that are asked at once.
	watchesAtOnce = 64
	// watchesPerHost is the default number of feeds of one host among them; see Options.PerHost.
	watchesPerHost = 4
)

// run asks the feeds when they are due and delivers events until ctx ends. It is for the leader.
func (w *Watches) run(ctx context.Context) {
	w.agenda.lead(true)
	defer w.agenda.lead(false)
	var working sync.WaitGroup
	defer working.Wait()
	working.Go(func() { w.runOutbox(ctx) })
	working.Go(func() { w.runTidy(ctx) })
	working.Go(func() { w.recipes.run(ctx) })
	for _, warnings := range []*digest{w.badFeeds, w.badRecipes, w.delayed} {
		working.Go(func() { warnings.run(ctx) })
	}
	w.runChecks(ctx)
}

// runChecks checks the groups that are due until ctx ends, and waits for the checks in progress.
func (w *Watches) runChecks(ctx context.Context) {
	type result struct {
		group *watchGroup
		check groupCheck
	}
	ended := make(chan result)
	places := newWatchPlaces(watchesAtOnce, w.perHost)
	end := func(r result) {
		places.release(r.group)
		w.agenda.requeue(r.group, r.check)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		due, wait := w.agenda.takeDue()
		places.add(due...)
		for g := places.take(); g != nil; g = places.take() {
			go func() { ended <- result{g, w.checkGroup(ctx, g)} }()
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case r := <-ended:
			end(r)
		case <-w.agenda.changed:
		case <-timer.C:
		}
	}
	for _, g := range places.drain() {
		w.agenda.requeue(g, groupCheck{})
	}
	for places.taken > 0 {
		end(<-ended)
	}
}

// A watchJob is what a check of a group knows of one of its watches.
type watchJob struct {
	*watchMember
	current bool // the watch has read the last answer of the group
}

// checkGroup asks a feed once, and applies the answer to all titles that follow it. If the feed is not due, readings
// that could not be applied earlier are applied again.
func (w *Watches) checkGroup(ctx context.Context, g *watchGroup) (check groupCheck) {
	jobs, memo, ask := w.jobsOf(g)
	check.asked = ask
	switch {
	case len(jobs) == 0:
		return check
	case !ask:
		for _, j := range jobs {
			w.applyJob(ctx, j, *j.unapplied)
		}
		return check
	}
	at := w.now().UTC()
	w.agenda.ask(jobs, at)
	w.counts.requests.Add(1)
	began := time.Now()
	answer, err := w.ask(ctx, jobs[0].watchMember, memo)
	check.took = time.Since(began)
	var failure *FeedError
	switch {
	case err == nil:
	case errors.As(err, &failure):
		for _, j := range jobs {
			w.applyJob(ctx, j, reading{feed: j.text, at: at, failure: failure})
		}
		return check
	default:
		return check // that of ctx
	}
	check.maxAge = answer.MaxAge
	if answer.Unchanged || w.isCurrent(g, jobs, answer) {
		for _, j := range jobs {
			w.recheck(ctx, j, at)
		}
		return check
	}
	check.took += w.readAll(ctx, g, jobs, answer, at)
	return check
}

// ask sends the first request for the feed of a watch. The error is a *[FeedError] or that of ctx.
func (w *Watches) ask(ctx context.Context, m *watchMember, memo string) (answer *feedAnswer, err error) {
	defer w.recoverFault(&err)
	return w.feeds.get(ctx, m.feed, m.trusted, memo)
}

// recoverFault makes a panic the error of a call, a *[FeedError], so that it ends neither the program nor the work on
// other watches. It must be deferred.
func (w *Watches) recoverFault(err *error) {
	if p := recover(); p != nil {
		w.log.Error("the program panicked while it followed a release feed", "panic", fmt.Sprint(p),
			"stack", string(debug.Stack()))
		*err = &FeedError{Err: errors.New("a fault in the program: see the log of the server")}
	}
}

// jobsOf returns the watches of a group whose titles exist, and the memo for the request: it is empty if one of them
// has not read the last answer. If ask is false, the feed is not due, and the watches are those with a reading that is
// to be applied again.
func (w *Watches) jobsOf(g *watchGroup) (jobs []*watchJob, memo string, ask bool) {
	a := w.agenda
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	ask, memo = !g.retry, g.memo
	for _, m := range g.members {
		if _, err := w.catalog.ByUID(m.uid); err != nil {
			m.settle()
			continue
		}
		if !ask && (m.unapplied == nil || now.Before(m.retry)) {
			continue
		}
		j := &watchJob{m, m.generation == g.generation && m.generation > 0}
		if !j.current {
			memo = ""
		}
		jobs = append(jobs, j)
	}
	return jobs, memo, ask
}

// isCurrent reports whether an answer is the same as the last one, and all watches have read that. It keeps the memo of
// the new one.
func (w *Watches) isCurrent(g *watchGroup, jobs []*watchJob, answer *feedAnswer) bool {
	for _, j := range jobs {
		if !j.current {
			return false
		}
	}
	w.agenda.mu.Lock()
	defer w.agenda.mu.Unlock()
	if digestOf(answer.Answer) != g.digest {
		return false
	}
	g.memo = answer.Memo
	return true
}

// readAll reads an answer for each watch of a group, once for watches with equal feeds, and applies it. It returns the
// time that the server took for further answers.
func (w *Watches) readAll(
	ctx context.Context, g *watchGroup, jobs []*watchJob, answer *feedAnswer, at time.Time,
) (took time.Duration) {
	type result struct {
		selection releases.Selection
		more      int
		err       error
	}
	results := map[string]*result{}
	a := w.agenda
	a.mu.Lock()
	g.generation++
	g.memo, g.digest = answer.Memo, digestOf(answer.Answer)
	generation := g.generation
	a.mu.Unlock()
	for _, j := range jobs {
		res := results[j.text]
		if res == nil {
			res = &result{}
			began := time.Now()
			res.selection, res.more, res.err = w.selectFrom(ctx, j.feed, j.trusted, answer.Answer)
			if res.more > 0 {
				took += time.Since(began)
			}
			res.selection.Releases = keepNewest(res.selection.Releases)
			results[j.text] = res
		}
		in := reading{feed: j.text, at: at, selection: res.selection}
		if res.err != nil && !errors.As(res.err, &in.failure) {
			return took // that of ctx
		}
		a.mu.Lock()
		j.selection, j.failure, j.generation = res.selection, in.failure, generation
		j.revision, j.etag = "", ""
		if res.more > 0 {
			// The first answer does not tell whether the others have changed.
			j.generation = 0
		}
		a.mu.Unlock()
		w.applyJob(ctx, j, in)
	}
	return took
}

// maxKept bounds the releases that are kept for each watch until its feed changes.
const maxKept = 100

// keepNewest returns a copy of the newest releases, without what is not used again.
func keepNewest(found []recipe.Release) []recipe.Release {
	kept := slices.Clone(found[:min(len(found), maxKept)])
	for i := range kept {
		kept[i].Notes = ""
	}
	return kept
}

// recheck applies what was read earlier if that was a failure, if the title or the record has changed since then, or if
// a held version is due.
func (w *Watches) recheck(ctx context.Context, j *watchJob, at time.Time) {
	saved, ok := w.records.get(j.uid)
	title, err := w.catalog.ByUID(j.uid)
	if !ok || err != nil {
		return
	}
	now := w.now()
	a := w.agenda
	a.mu.Lock()
	same := j.failure == nil && j.revision == saved.revision && j.etag == title.ETag && saved.record.Adder == ""
	in := reading{feed: j.text, at: at, selection: j.selection, failure: j.failure}
	a.mu.Unlock()
	s := &saved.record.State
	for _, h := range s.Held {
		same = same && (h.Until.IsZero() || h.Until.After(now))
	}
	same = same && s.Failures == 0 && s.Silent == releases.Silent(in.selection.Releases, now)
	if same {
		a.attempted(j.uid, at, true)
		w.counts.unchanged.Add(1)
		return
	}
	w.applyJob(ctx, j, in)
}

// applyJob applies a reading to the title of a watch, and remembers that. If the store fails, the reading is applied
// again later. A failure of a feed that was asked for other watches, long before this one is due, does not count.
func (w *Watches) applyJob(ctx context.Context, j *watchJob, in reading) {
	if in.failure != nil && w.agenda.isEarly(j.watchMember) {
		w.agenda.attempted(j.uid, in.at, false)
		w.counts.failed.Add(1)
		return
	}
	check, err := w.applySafely(ctx, j.uid, in)
	if err != nil {
		if ctx.Err() == nil {
			w.noteUnapplied(j, in, err)
		}
		return
	}
	saved, ok := w.records.get(j.uid)
	title, titleErr := w.catalog.ByUID(j.uid)
	w.agenda.mu.Lock()
	defer w.agenda.mu.Unlock()
	if ok && titleErr == nil && check.Err == nil && !check.partial {
		j.revision, j.etag = saved.revision, title.ETag
	}
}

// noteUnapplied notes why a reading could not be applied, and when it is applied again: soon if the store failed, and
// after the interval of the watch if a retry hardly helps, such as after a fault.
func (w *Watches) noteUnapplied(j *watchJob, in reading, err error) {
	a := w.agenda
	a.mu.Lock()
	defer a.mu.Unlock()
	if errors.Is(err, ErrNotWatched) || errors.Is(err, catalog.ErrNotFound) || errors.Is(err, errWatchChanged) {
		j.settle()
		return
	}
	wait := storeRetry
	if errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrFormat) || errors.Is(err, ErrUpstream) {
		wait = j.interval
	}
	if j.unapplied == nil {
		w.log.Error("a watch cannot be checked and is checked again soon", "error", err)
	}
	j.postpone(in, a.now(), wait)
}

// applySafely is apply with a panic as the error.
func (w *Watches) applySafely(ctx context.Context, uid string, in reading) (check Check, err error) {
	defer w.recoverFault(&err)
	return w.apply(ctx, uid, in, false)
}
