package patchsync

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

const (
	// lookInterval is how often the catalog is looked at for titles that have
	// come or gone.
	lookInterval = time.Second
	// askSpacing is how long a source is left alone that somebody asks for again
	// and again.
	askSpacing = 10 * time.Second
	// retrySpread is the time over which titles whose sources failed before a start
	// are tried again.
	retrySpread = 10 * time.Second
)

// A queue is the jobs that wait for their time, the first one first.
type queue []*job

func (q queue) Len() int           { return len(q) }
func (q queue) Less(a, b int) bool { return q[a].next.Before(q[b].next) }
func (q queue) Swap(a, b int)      { q[a], q[b] = q[b], q[a]; q[a].at, q[b].at = a, b }

// Push is for package heap.
func (q *queue) Push(x any) {
	j := x.(*job)
	j.at = len(*q)
	*q = append(*q, j)
}

// Pop is for package heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	j := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	j.at = -1
	return j
}

// Run keeps everything in step until ctx ends, and then waits for what is under
// way. That ctx ends is no error.
//
// The error is [ErrRunning] if another Run of r has not ended, catalog.ErrUnavailable
// if the states cannot be read at the beginning, or catalog.ErrClosed if the catalog
// is closed.
func (r *Runner) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer r.running.Store(false)
	if err := r.load(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return &storeError{err}
	}
	caller := ctx
	ctx, cancel := context.WithCancel(caller)
	var working sync.WaitGroup
	defer func() {
		cancel()
		working.Wait()
		r.fetcher.client.Close()
	}()
	lead := ctx // until it ends, this server does the work
	var elected chan context.Context
	if w, ok := store.As[store.Watcher](r.store); ok {
		lead, elected = nil, make(chan context.Context)
		working.Go(func() { r.follow(ctx, w) })
		working.Go(func() {
			opts := store.LeaseOptions{Name: "sync", TTL: r.lease, Now: r.now, Logger: r.log}
			store.Campaign(ctx, r.store, opts, func(lead context.Context) {
				select {
				case elected <- lead:
				case <-lead.Done():
				}
			})
		})
	}
	for _, m := range r.mirrors {
		if w, ok := m.Source.(Watcher); ok {
			working.Go(func() { r.watchSource(ctx, m, w) })
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-r.cat.Done():
			if caller.Err() == nil {
				return catalog.ErrClosed
			}
		default:
		}
		r.reconcile()
		if lead != nil && lead.Err() != nil {
			lead = nil
		}
		wait := lookInterval
		if lead := lead; lead != nil {
			if keys := r.leftOver(); len(keys) > 0 {
				working.Go(func() { r.forget(lead, keys) })
			}
			var due []*job
			due, wait = r.due()
			for _, j := range due {
				working.Go(func() { r.runScheduled(lead, j) })
			}
		}
		for _, j := range r.takeAsked() {
			working.Go(func() { _ = r.run(ctx, j) }) // the state says how it went
		}
		timer.Reset(wait)
		var over <-chan struct{}
		if lead != nil {
			over = lead.Done()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.cat.Done():
		case <-over:
		case lead = <-elected:
			r.respread()
		case <-r.wake:
		case <-timer.C:
		}
	}
}

// A storeError is one of the store.
type storeError struct{ err error }

func (e *storeError) Error() string        { return "the states of sources cannot be read: " + e.err.Error() }
func (e *storeError) Unwrap() error        { return e.err }
func (e *storeError) Is(target error) bool { return target == catalog.ErrUnavailable }

// runScheduled runs a job that is due, and puts it back into the queue.
func (r *Runner) runScheduled(ctx context.Context, j *job) {
	_ = r.run(ctx, j) // the state says how it went
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.jobs[j.key] == j && j.at < 0 {
		if earliest := r.now().Add(time.Millisecond); j.next.Before(earliest) {
			j.next = earliest // it was broken off
		}
		if j.again {
			j.next, j.again = r.now(), false
		}
		heap.Push(&r.queue, j)
	}
	r.rouse()
}

// due takes the jobs whose time has come out of the queue, and says how long to
// wait for the next.
func (r *Runner) due() (due []*job, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for len(r.queue) > 0 {
		if wait := r.queue[0].next.Sub(now); wait > 0 {
			return due, min(wait, lookInterval)
		}
		due = append(due, heap.Pop(&r.queue).(*job))
	}
	return due, lookInterval
}

// takeAsked takes the jobs that somebody has asked for and that may be asked.
func (r *Runner) takeAsked() (now []*job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	later := r.asked[:0]
	for _, j := range r.asked {
		spacing := min(askSpacing, j.interval(r))
		switch {
		case r.jobs[j.key] != j: // gone
		case j.running, r.now().Sub(j.asked) < spacing: // what changed may have been looked at before it did
			later = append(later, j)
		default:
			j.asked = r.now()
			now = append(now, j)
		}
	}
	r.asked = later
	return now
}

// watchSource has a source asked whenever it notices something.
func (r *Runner) watchSource(ctx context.Context, m *Mirror, w Watcher) {
	for ctx.Err() == nil {
		err := w.Watch(ctx, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			switch j := r.jobs[mirrorKey(m.Name)]; {
			case j == nil:
			case j.at < 0:
				j.again = true // what changed may have been looked at before it did
			default:
				j.next = r.now()
				heap.Fix(&r.queue, j.at)
			}
			r.rouse()
		})
		if err != nil && ctx.Err() == nil {
			r.log.Warn("a source cannot be watched: it is looked at now and then instead",
				"source", RedactURL(m.Source.Key()), "error", err)
			sleep(ctx, m.Interval)
		}
	}
}

// reconcile brings the jobs to what is followed now.
func (r *Runner) reconcile() {
	r.mu.Lock()
	defer r.mu.Unlock()
	generation := r.cat.Generation()
	if r.reconciled && generation == r.generation {
		return
	}
	first := !r.reconciled
	r.generation, r.reconciled = generation, true
	if first {
		for _, m := range r.mirrors {
			j := newJob(mirrorKey(m.Name), m.Source)
			j.mirror = m
			r.add(j)
		}
	}
	followed := map[string]bool{}
	yes := true
	orphans := 0
	for t := range r.cat.Find(catalog.Filter{Synced: &yes}) {
		key := keyOf(t)
		if t.Source != "" {
			if r.jobs[key] == nil {
				orphans++
			}
			continue
		}
		followed[key] = true
		if r.jobs[key] == nil {
			j := newJob(key, Definition(t.Follows))
			j.id, j.uid = t.ID, t.UID
			r.add(j)
		}
	}
	for key, j := range r.jobs {
		if j.mirror == nil && !followed[key] {
			delete(r.jobs, key)
			if j.at >= 0 {
				heap.Remove(&r.queue, j.at)
			}
		}
	}
	if first && orphans > 0 {
		r.log.Warn(
			"titles came with sources that are not followed any more, and stay as they are: have these followed again, or delete the titles",
			"titles",
			orphans,
		)
	}
	r.tidy = false
}

// leftOver returns the keys of the states of titles that are followed no more.
func (r *Runner) leftOver() (keys []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tidy {
		return nil
	}
	r.tidy = true
	for key := range r.states {
		if isTitleKey(key) && r.jobs[key] == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// add adds a job.
func (r *Runner) add(j *job) {
	if s, ok := r.states[j.key]; ok {
		j.rev = s.rev
		j.become(s.state)
	}
	r.schedule(j)
	r.jobs[j.key] = j
	heap.Push(&r.queue, j)
}

// respread schedules all jobs that wait, when the work of another server is taken
// over.
func (r *Runner) respread() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range r.queue {
		r.schedule(j)
	}
	heap.Init(&r.queue)
	r.tidy = false
}

// schedule sets when a waiting job runs next, when this server begins to do the work.
// A job that is overdue waits for some part of an interval, so that not all are run at
// once; a whole source does not. A source that failed, perhaps because of a setting
// that was corrected before this start, is tried again soon.
func (r *Runner) schedule(j *job) {
	now, interval := r.now(), j.interval(r)
	wait := min(j.state.Wait, mostIntervals*interval*11/10) // the interval may have become shorter
	switch left := j.state.NextAttempt.Sub(now); {
	case left > 0 && !j.tried && j.state.mayBeMended() && j.mirror == nil:
		j.next = now.Add(time.Duration(rand.Int64N(int64(min(interval, retrySpread)))))
	case left > 0 && !j.tried && j.state.mayBeMended():
		j.next = now
	case left > 0 && left <= wait:
		j.next = j.state.NextAttempt
	case left > 0: // by a clock that is ahead of this one
		j.next = now.Add(time.Duration(rand.Int64N(int64(max(wait, interval)))))
	case j.mirror != nil:
		j.next = now
	default:
		j.next = now.Add(time.Duration(rand.Int64N(int64(interval))))
	}
}
