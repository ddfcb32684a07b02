package patchsync

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// Run follows all sources until ctx ends or the catalog is closed, and then waits for the rounds in progress.
//
// The end of ctx is not an error. The error is catalog.ErrClosed if the catalog is closed, [ErrRunning] if another
// call of Run has not ended, and catalog.ErrUnavailable or [store.ErrFormat] if the states of the sources cannot be
// read at the start.
func (r *Runner) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer r.running.Store(false)
	if err := r.loadStates(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return &statesError{err}
	}
	if err := r.watches.records.load(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	r.reconcile()
	work, stop := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer func() {
		stop()
		working.Wait()
		r.fetcher.client.Close()
	}()
	working.Go(func() { r.runRequests(work) })
	r.watchSources(work, &working)
	working.Go(func() { r.followStates(work) })
	working.Go(func() { r.watches.records.follow(work) })
	if r.shared {
		working.Go(func() { r.compareMirrors(work) })
	}
	working.Go(func() {
		lease := store.LeaseOptions{Name: "sync", TTL: r.lease, Now: r.now, Logger: r.log}
		store.Campaign(work, r.states.store, lease, func(lead context.Context) {
			if r.shared {
				r.publishMirrors(lead)
			}
			r.leading.Store(true)
			defer r.leading.Store(false)
			wake(r.agenda.requestAdded) // by another server, perhaps
			r.agenda.reschedule()
			var watching sync.WaitGroup
			watching.Go(func() { r.watches.run(lead) })
			r.runSchedule(lead)
			watching.Wait()
		})
	})
	select {
	case <-ctx.Done():
		return nil
	case <-r.catalog.Done():
		if ctx.Err() != nil {
			return nil
		}
		return catalog.ErrClosed
	}
}

// A statesError reports that the states cannot be read.
type statesError struct{ err error }

// Error implements error.
func (e *statesError) Error() string { return "the states of sources cannot be read: " + e.err.Error() }

// Unwrap returns the error of the store.
func (e *statesError) Unwrap() error { return e.err }

// Is makes a statesError a catalog.ErrUnavailable.
func (e *statesError) Is(target error) bool { return target == catalog.ErrUnavailable }

// loadStates reads all states and gives them to their jobs.
func (r *Runner) loadStates(ctx context.Context) error {
	states, err := r.states.load(ctx)
	if err != nil {
		return err
	}
	for key, s := range states {
		r.agenda.adopt(key, s)
	}
	return nil
}

// followStates gives the states that other servers write to their jobs, until ctx ends.
func (r *Runner) followStates(ctx context.Context) {
	store.Follow(ctx, r.states.store, stateKind, store.Follower{
		Reload: func(ctx context.Context) error {
			err := r.loadStates(ctx)
			if errors.Is(err, store.ErrFormat) {
				r.log.Error("states of sources were written by a newer version and are ignored", "error", err)
				return nil
			}
			return err
		},
		Apply: func(ctx context.Context, change store.Change) error {
			s, changed, err := r.states.read(ctx, change)
			if strings.HasPrefix(change.Key.ID, requestPrefix) {
				wake(r.agenda.requestAdded)
			}
			if changed {
				r.agenda.adopt(change.Key.ID, s)
			}
			return err
		},
		Report: func(err error) {
			r.log.Error("states that other servers write cannot be read yet", "error", err)
		},
	})
}

// runSchedule runs each round when it is due, until ctx ends.
func (r *Runner) runSchedule(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		r.reconcile()
		if keys := r.strayStates(); len(keys) > 0 {
			working.Go(func() { r.removeStates(ctx, keys) })
		}
		due, wait := r.agenda.takeDue()
		for _, j := range due {
			working.Go(func() {
				_ = r.runRound(ctx, j) // the state has the error
				r.agenda.requeue(j)
			})
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-r.agenda.scheduleChanged:
		case <-timer.C:
		}
	}
}

// runRequests runs the rounds that were requested, or hands them over to the leader, until ctx ends.
func (r *Runner) runRequests(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		for _, j := range r.takeRounds(ctx) {
			working.Go(func() { _ = r.runRound(ctx, j) }) // the state has the error
		}
		timer.Reset(lookInterval)
		select {
		case <-ctx.Done():
		case <-r.agenda.requestAdded:
		case <-timer.C:
		}
	}
}

// watchSources makes a round of a mirror due whenever its source notices a change, if it is a [Watcher].
func (r *Runner) watchSources(ctx context.Context, working *sync.WaitGroup) {
	for _, m := range r.mirrors {
		if w, ok := m.Source.(Watcher); ok {
			working.Go(func() { r.watchSource(ctx, m, w) })
		}
	}
}

// watchSource watches one source until ctx ends, and retries when that fails.
func (r *Runner) watchSource(ctx context.Context, m *Mirror, w Watcher) {
	for ctx.Err() == nil {
		err := w.Watch(ctx, func() { r.agenda.changed(mirrorKey(m.Name)) })
		if err != nil && ctx.Err() == nil {
			r.log.Warn("a source cannot be watched; it is checked at its interval instead",
				"source", RedactURL(m.Source.Key()), "error", err)
			sleep(ctx, m.Interval)
		}
	}
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
