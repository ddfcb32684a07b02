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
// Follow calls its functions one at a time.
type Follower struct {
	// Reload reads all records of the kind. It is required. Follow calls it when a watch begins and after every gap,
	// that is, whenever changes may have been missed.
	Reload func(ctx context.Context) error
	// Apply reads one record that may have changed, or learns that it was deleted. c.Key is never the zero Key. If nil,
	// Follow calls Reload for every change.
	Apply func(ctx context.Context, c Change) error
	// Started, if not nil, is called once, before the first Reload. No change made after that call is missed.
	Started func()
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
	started := sync.OnceFunc(func() {
		if f.Started != nil {
			f.Started()
		}
	})
	for ctx.Err() == nil {
		for c, err := range w.Watch(ctx, kind) {
			switch {
			case err != nil:
				f.report(ctx, err) // the zero Key follows if changes were missed
			case c.Key == (Key{}):
				started()
				f.retry(ctx, f.Reload)
			case f.Apply == nil:
				f.retry(ctx, f.Reload)
			default:
				f.retry(ctx, func(ctx context.Context) error { return f.Apply(ctx, c) })
			}
		}
		pause(ctx, rewatchPause)
	}
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
