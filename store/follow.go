package store

import (
	"context"
	"sync"
	"time"
)

const (
	// minRetryPause and maxRetryPause bound the pause of Follow before it retries. The pause doubles in between.
	minRetryPause = 10 * time.Millisecond
	maxRetryPause = time.Second
	// rewatchPause is the pause before a watch that ended begins again.
	rewatchPause = time.Second
)

// A Follower keeps something, such as an index in memory, up to date with the records of one kind; see [Follow].
// Follow calls its functions one at a time, unless Concurrency says otherwise.
type Follower struct {
	// Reload reads all records of the kind. It is required. Follow calls it when a watch begins and after every gap,
	// that is, whenever changes may have been missed.
	Reload func(ctx context.Context) error
	// Apply reads one record that may have changed, or learns that it was deleted. c.Key is never the zero Key. If nil,
	// Follow calls Reload for every change.
	Apply func(ctx context.Context, c Change) error
	// Concurrency is the number of changes that are applied at once. The default is 1. If it is more, Apply and Report
	// are called concurrently, a change that Apply cannot read yet delays only those of its lane, and several changes
	// of a record in a row may be applied as one. When more lanes than that have failed, they take turns to try again.
	// Reload is still called while nothing else is.
	Concurrency int
	// Lane returns the lane of a record: the changes of one lane are applied one after another, in order. If nil, every
	// record is a lane of its own.
	Lane func(Key) string
	// Started, if not nil, is called once, before the first Reload. No change made after that call is missed.
	Started func()
	// Fresh, if not nil, is called with times up to which everything is applied: every change that was made before such
	// a time, by any process, has been read by Reload or Apply. The time is that at which a successful Reload began,
	// and that of each heartbeat if the store is a [HeartbeatWatcher]. It has a reading of the monotonic clock.
	Fresh func(upTo time.Time)
	// Report, if not nil, is called with each error of the watch, of Reload and of Apply while ctx has not ended.
	Report func(err error)
}

// Follow watches the records of a kind and calls f for their changes until ctx ends. If s has no [Watcher], no other
// process can change its records, and Follow returns at once.
//
// When Reload or Apply returns an error, Follow reports it and retries the same call with exponential backoff, up to
// one second, until the call succeeds or ctx ends; later changes wait. An error that a retry cannot fix, such as a
// record in an unknown format, should therefore be handled in the function, which then returns nil. A watch that ends
// is restarted after one second.
func Follow(ctx context.Context, s Store, kind string, f Follower) {
	w, ok := As[Watcher](s)
	if !ok {
		return
	}
	watch := w.Watch
	if h, ok := w.(HeartbeatWatcher); ok && f.Fresh != nil {
		watch = h.WatchHeartbeats
	}
	started := sync.OnceFunc(func() {
		if f.Started != nil {
			f.Started()
		}
	})
	changes := newLanes(ctx, &f)
	defer func() { changes.abandon() }()
	for ctx.Err() == nil {
		for c, err := range watch(ctx, kind) {
			switch {
			case err != nil:
				f.report(ctx, err) // the zero Key follows if changes were missed
			case !c.Heartbeat.IsZero():
				if changes.idle() {
					f.Fresh(c.Heartbeat)
				}
			case c.Key == (Key{}):
				changes.abandon() // Reload reads their records too
				changes = newLanes(ctx, &f)
				started()
				f.reload(ctx)
			case f.Apply == nil:
				f.reload(ctx)
			case f.Concurrency > 1:
				changes.add(c)
			default:
				f.retry(ctx, func(ctx context.Context) error { return f.Apply(ctx, c) })
			}
		}
		pause(ctx, rewatchPause)
	}
}

// reload calls Reload until it succeeds or ctx ends.
func (f *Follower) reload(ctx context.Context) {
	f.retry(ctx, func(ctx context.Context) error {
		began := time.Now()
		err := f.Reload(ctx)
		if err == nil && f.Fresh != nil {
			f.Fresh(began)
		}
		return err
	})
}

// retry calls try until it succeeds or ctx ends.
func (f *Follower) retry(ctx context.Context, try func(context.Context) error) {
	for wait := minRetryPause; ctx.Err() == nil; wait = min(2*wait, maxRetryPause) {
		err := try(ctx)
		if err == nil {
			return
		}
		f.report(ctx, err)
		pause(ctx, wait)
	}
}

// report calls Report, unless the error is only that ctx has ended.
func (f *Follower) report(ctx context.Context, err error) {
	if f.Report != nil && ctx.Err() == nil {
		f.Report(err)
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
