package patchsync

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// watchesAtOnce bounds the feeds that are asked at once.
const watchesAtOnce = 64

// run asks the feeds when they are due and delivers events until ctx ends. It is for the leader.
func (w *Watches) run(ctx context.Context) {
	w.agenda.lead(true)
	defer w.agenda.lead(false)
	var working sync.WaitGroup
	defer working.Wait()
	working.Go(func() { w.runOutbox(ctx) })
	working.Go(func() { w.runTidy(ctx) })
	working.Go(func() { w.recipes.run(ctx) })
	slots := make(chan struct{}, watchesAtOnce)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		due, wait := w.agenda.takeDue()
		for _, g := range due {
			working.Go(func() {
				var maxAge time.Duration
				select {
				case slots <- struct{}{}:
					maxAge = w.checkGroup(ctx, g)
					<-slots
				case <-ctx.Done():
				}
				w.agenda.requeue(g, maxAge)
			})
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-w.agenda.changed:
		case <-timer.C:
		}
	}
}

// A watchJob is what a check of a group knows of one of its watches.
type watchJob struct {
	*watchMember
	current bool // the watch has read the last answer of the group
}

// checkGroup asks a feed once, and applies the answer to all titles that follow it. It returns how long the feed says
// that it is fresh.
func (w *Watches) checkGroup(ctx context.Context, g *watchGroup) time.Duration {
	jobs, memo, again := w.jobsOf(g)
	if len(jobs) == 0 {
		return 0
	}
	at := w.now().UTC()
	if again {
		for _, j := range jobs {
			w.recheck(ctx, j, at)
		}
		return 0
	}
	w.counts.requests.Add(1)
	answer, err := w.feeds.get(ctx, jobs[0].feed, jobs[0].trusted, memo)
	var failure *FeedError
	switch {
	case err == nil:
	case errors.As(err, &failure):
		for _, j := range jobs {
			w.applyJob(ctx, j, reading{feed: j.text, at: at, failure: failure})
		}
		return 0
	default:
		return 0 // that of ctx
	}
	if answer.Unchanged || w.isCurrent(g, jobs, answer) {
		for _, j := range jobs {
			w.recheck(ctx, j, at)
		}
		return answer.MaxAge
	}
	w.readAll(ctx, g, jobs, answer, at)
	return answer.MaxAge
}

// jobsOf returns the watches of a group whose titles exist, and the memo for the request. It is empty if one of them
// has not read the last answer. again reports that all of them have, and that the store failed when it was applied: the
// feed need not be asked again.
func (w *Watches) jobsOf(g *watchGroup) (jobs []*watchJob, memo string, again bool) {
	a := w.agenda
	a.mu.Lock()
	defer a.mu.Unlock()
	current := true
	for _, m := range g.members {
		if _, err := w.catalog.ByUID(m.uid); err != nil {
			continue
		}
		j := &watchJob{m, m.generation == g.generation && m.generation > 0 && !m.failing}
		current = current && j.current
		again = again || !m.retry.IsZero()
		jobs = append(jobs, j)
	}
	if !current {
		return jobs, "", false
	}
	return jobs, g.memo, again
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

// readAll reads an answer for each watch of a group, once for watches with equal feeds.
func (w *Watches) readAll(ctx context.Context, g *watchGroup, jobs []*watchJob, answer *feedAnswer, at time.Time) {
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
			res.selection, res.more, res.err = w.selectFrom(ctx, j.feed, j.trusted, answer.Answer)
			res.selection.Releases = keepNewest(res.selection.Releases)
			results[j.text] = res
		}
		in := reading{feed: j.text, at: at, selection: res.selection}
		if res.err != nil && !errors.As(res.err, &in.failure) {
			return // that of ctx
		}
		a.mu.Lock()
		j.selection, j.generation = res.selection, generation
		j.revision, j.etag = "", ""
		if res.err != nil || res.more > 0 {
			// The first answer does not tell whether the others have changed.
			j.generation = 0
		}
		a.mu.Unlock()
		w.applyJob(ctx, j, in)
	}
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

// recheck applies what was read earlier, if the title or the record has changed since then or if a held version is due.
func (w *Watches) recheck(ctx context.Context, j *watchJob, at time.Time) {
	saved, ok := w.records.get(j.uid)
	title, err := w.catalog.ByUID(j.uid)
	if !ok || err != nil {
		return
	}
	now := w.now()
	a := w.agenda
	a.mu.Lock()
	same := j.revision == saved.revision && j.etag == title.ETag && saved.record.Adder == ""
	in := reading{feed: j.text, at: at, selection: j.selection}
	a.mu.Unlock()
	for _, h := range saved.record.State.Held {
		same = same && (h.Until.IsZero() || h.Until.After(now))
	}
	same = same && saved.record.State.Silent == releases.Silent(in.selection.Releases, now)
	if same {
		a.attempted(j.uid, at, true)
		w.counts.unchanged.Add(1)
		return
	}
	w.applyJob(ctx, j, in)
}

// applyJob applies a reading to the title of a watch, and remembers that, unless a failure is to be retried later.
func (w *Watches) applyJob(ctx context.Context, j *watchJob, in reading) {
	check, err := w.apply(ctx, j.uid, in, false)
	if err != nil {
		gone := errors.Is(err, ErrNotWatched) || errors.Is(err, catalog.ErrNotFound)
		if ctx.Err() == nil && !gone && !errors.Is(err, errWatchChanged) {
			w.log.Error("a watch cannot be checked and is checked again soon", "error", err)
			w.agenda.mu.Lock()
			j.retry = w.now().Add(jitter(storeRetry))
			w.agenda.mu.Unlock()
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
