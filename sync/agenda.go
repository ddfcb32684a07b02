package patchsync

import (
	"container/heap"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// lookInterval is how often the catalog is checked for titles that were created or deleted.
	lookInterval = time.Second
	// requestSpacing is the shortest time between two rounds of a source that were requested.
	requestSpacing = 10 * time.Second
	// retrySpread is the time over which titles whose sources failed before a start are retried.
	retrySpread = 10 * time.Second
	// tidyRetryInterval is the time until states that could not be removed are removed.
	tidyRetryInterval = time.Minute
)

// An agenda holds the jobs and knows when the next round of each is due. It is safe for concurrent use.
type agenda struct {
	now func() time.Time
	// scheduleChanged and requestAdded receive a value when the queue or the requests have changed.
	scheduleChanged, requestAdded chan struct{}

	mu         sync.Mutex
	jobs       map[string]*job   // by the keys of their states
	queue      queue             // jobs that wait for their time
	requests   []*job            // jobs whose next round was requested
	orphans    map[string]string // the ids of titles whose mirror is gone, by their UIDs
	generation uint64            // of the catalog that jobs and orphans were made from
	reconciled bool              // jobs was made
	tidy       bool              // the store holds no states without a job
	tidyAgain  time.Time         // the earliest time at which such states are removed
	walks      int               // how often all titles were looked at
}

func newAgenda(now func() time.Time) *agenda {
	return &agenda{
		now:             now,
		scheduleChanged: make(chan struct{}, 1),
		requestAdded:    make(chan struct{}, 1),
		jobs:            map[string]*job{},
	}
}

// wake sends a value to a channel with a buffer of one, unless it holds one.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// job returns the job with a key, nil if there is none.
func (a *agenda) job(key string) *job {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.jobs[key]
}

// all returns all jobs.
func (a *agenda) all() []*job {
	a.mu.Lock()
	defer a.mu.Unlock()
	jobs := make([]*job, 0, len(a.jobs))
	for _, j := range a.jobs {
		jobs = append(jobs, j)
	}
	return jobs
}

// A rejectedTitle is one that a mirror could not update. The title with its id may belong to another source, or to
// none.
type rejectedTitle struct{ mirror, id string }

// failing returns the ids of the titles that are followed on their own and whose state has an error, and of those whose
// mirror is gone; the titles that mirrors could not update; and the names of the mirrors that failed as a whole.
func (a *agenda) failing() (ids []string, titles []rejectedTitle, mirrors []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ids = slices.Collect(maps.Values(a.orphans))
	for _, j := range a.jobs {
		switch {
		case j.state.LastError == "":
		case j.mirror == nil:
			ids = append(ids, j.title.id)
		case j.state.Failures > 0:
			mirrors = append(mirrors, j.mirror.Name)
		default:
			for id := range j.errors {
				titles = append(titles, rejectedTitle{j.mirror.Name, id})
			}
		}
	}
	return ids, titles, mirrors
}

// add adds a job and schedules its first round. The caller must hold mu.
func (a *agenda) add(j *job) {
	j.schedule(a.now())
	a.jobs[j.key] = j
	heap.Push(&a.queue, j)
}

// remove removes a job. The caller must hold mu.
func (a *agenda) remove(j *job) {
	delete(a.jobs, j.key)
	a.tidy = false // its state remains
	if j.position >= 0 {
		heap.Remove(&a.queue, j.position)
	}
}

// untidy notes that states without a job could not be removed.
func (a *agenda) untidy() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tidy, a.tidyAgain = false, a.now().Add(tidyRetryInterval)
}

// moved restores the order of the queue after j.next has changed. The caller must hold mu.
func (a *agenda) moved(j *job) {
	if j.position >= 0 {
		heap.Fix(&a.queue, j.position)
	}
}

// request makes the next round of a job due soon.
func (a *agenda) request(j *job) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.requests, j) {
		a.requests = append(a.requests, j)
		wake(a.requestAdded)
	}
}

// takeRequests removes and returns all requested jobs, so that another server runs them.
func (a *agenda) takeRequests() (jobs []*job) {
	a.mu.Lock()
	defer a.mu.Unlock()
	jobs, a.requests = a.requests, nil
	return jobs
}

// takeRequested removes and returns the requested jobs whose sources may be asked now.
func (a *agenda) takeRequested() (jobs []*job) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	later := a.requests[:0]
	for _, j := range a.requests {
		switch {
		case a.jobs[j.key] != j: // it is no longer followed
		case j.running, now.Sub(j.requested) < min(requestSpacing, j.interval):
			later = append(later, j) // the round in progress may have read the source before it changed
		default:
			j.requested = now
			jobs = append(jobs, j)
		}
	}
	clear(a.requests[len(later):])
	a.requests = later
	return jobs
}

// takeDue removes the jobs that are due from the queue and returns them, and the time until the next one is due.
func (a *agenda) takeDue() (due []*job, wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	for len(a.queue) > 0 {
		if wait := a.queue[0].next.Sub(now); wait > 0 {
			return due, min(wait, lookInterval)
		}
		due = append(due, heap.Pop(&a.queue).(*job))
	}
	return due, lookInterval
}

// requeue puts a job that takeDue returned back into the queue after its round.
func (a *agenda) requeue(j *job) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tidy = a.tidy && a.jobs[j.key] == j // otherwise the round may have saved a state again
	if a.jobs[j.key] == j && j.position < 0 {
		if earliest := a.now().Add(time.Millisecond); j.next.Before(earliest) {
			j.next = earliest // the round was interrupted
		}
		if j.noticed {
			j.next = a.now()
		}
		heap.Push(&a.queue, j)
	}
	wake(a.scheduleChanged)
}

// changed makes a round of a mirror due at once, because its source has noticed a change.
func (a *agenda) changed(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if j := a.jobs[key]; j != nil {
		j.noticed = true // the round in progress, if there is one, may have read the source before it changed
		j.next = a.now()
		a.moved(j)
	}
	wake(a.scheduleChanged)
}

// reschedule schedules all waiting jobs anew, when this server takes over the work from another.
func (a *agenda) reschedule() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	for _, j := range a.queue {
		j.schedule(now)
	}
	heap.Init(&a.queue)
	a.tidy = false
}

// adopt gives the job with a key the state that the store has, unless its round is in progress. Without a job, it notes
// that there is such a state.
func (a *agenda) adopt(key string, s savedState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	j := a.jobs[key]
	switch {
	case j == nil:
		a.tidy = false
		return
	case j.revision == s.revision, j.running:
		return
	}
	j.adopt(s)
	j.schedule(a.now())
	a.moved(j)
}

// A queue is a heap of jobs, ordered by when their next rounds are due. It implements [heap.Interface].
type queue []*job

// Len implements [heap.Interface].
func (q queue) Len() int { return len(q) }

// Less implements [heap.Interface].
func (q queue) Less(a, b int) bool { return q[a].next.Before(q[b].next) }

// Swap implements [heap.Interface].
func (q queue) Swap(a, b int) {
	q[a], q[b] = q[b], q[a]
	q[a].position, q[b].position = a, b
}

// Push implements [heap.Interface].
func (q *queue) Push(x any) {
	j := x.(*job)
	j.position = len(*q)
	*q = append(*q, j)
}

// Pop implements [heap.Interface].
func (q *queue) Pop() any {
	last := len(*q) - 1
	j := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	j.position = -1
	return j
}
