package webhook

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/patchsource/patchsource/store"
)

const (
	// maxAttempts and maxAttemptsPerHook bound the attempts in progress, in all and to one webhook. To a webhook that
	// fails, there is one at a time.
	maxAttempts        = 32
	maxAttemptsPerHook = 4
	// idleWait bounds the time between two looks at the queues.
	idleWait = time.Minute
)

// Run delivers events until ctx ends, and then waits for the attempts in progress. The error is [ErrRunning] if another
// call of Run has not ended.
func (w *Service) Run(ctx context.Context) error {
	if !w.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer w.running.Store(false)
	var following sync.WaitGroup
	following.Go(func() { w.followHooks(ctx) })
	following.Go(func() { w.followDeliveries(ctx) })
	following.Go(func() { w.keepLogs(ctx) })
	lease := store.LeaseOptions{Name: "webhooks", TTL: w.lease, Now: w.now, Logger: w.log}
	store.Campaign(ctx, w.store, lease, w.deliver)
	following.Wait()
	w.writeLastLogs(ctx)
	w.sender.close()
	return nil
}

// deliver delivers events until ctx ends, and then waits for the attempts in progress.
func (w *Service) deliver(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	ended := make(chan struct{}, maxAttempts)
	running := 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		due, wait := w.queues.takeDue(maxAttempts-running, w.now())
		for _, d := range due {
			running++
			working.Go(func() {
				w.attempt(ctx, d)
				ended <- struct{}{}
			})
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-ended:
			running--
		case <-w.queues.wake:
		case <-timer.C:
		}
	}
}

// takeDue returns at most n deliveries whose turn it is, from the webhooks in rotation, and the time until the next
// one is due. The caller must make an attempt of each.
func (q *queues) takeDue(n int, now time.Time) (due []*delivery, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	wait = idleWait
	for found := true; found; {
		found = false
		for _, h := range q.hooks {
			if len(due) >= n || !h.mayTry() {
				continue
			}
			at := h.ready[0].next
			if h.next.After(at) {
				at = h.next
			}
			if at.After(now) {
				wait = min(wait, at.Sub(now))
				continue
			}
			d := heap.Pop(&h.ready).(*delivery)
			d.running = true
			h.running++
			due = append(due, d)
			found = true
		}
	}
	return due, wait
}

// mayTry reports whether a delivery of the webhook is ready, and whether an attempt may begin. The caller must hold
// queues.mu.
func (h *hook) mayTry() bool {
	limit := maxAttemptsPerHook
	if h.status.Failures > 0 {
		limit = 1
	}
	return !h.locked && len(h.ready) > 0 && h.running < limit
}
