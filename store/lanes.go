package store

import (
	"context"
	"sync"
	"time"
)

// lanes apply changes for Follow, several at once. Those of one lane are applied in order.
type lanes struct {
	follower *Follower
	ctx      context.Context
	stop     context.CancelFunc
	turns    chan struct{} // holds a value for each call of Apply
	retries  chan struct{} // holds a value for each lane that tries again, or pauses after it
	working  sync.WaitGroup

	mu      sync.Mutex
	pending map[string][]Change // by lane; there is a goroutine for each
}

func newLanes(ctx context.Context, f *Follower) *lanes {
	n := max(f.Concurrency, 1)
	l := &lanes{
		follower: f,
		turns:    make(chan struct{}, n),
		retries:  make(chan struct{}, n),
		pending:  map[string][]Change{},
	}
	l.ctx, l.stop = context.WithCancel(ctx)
	return l
}

// abandon drops the pending changes, and waits for those that are being applied, whose context ends.
func (l *lanes) abandon() {
	l.stop()
	l.working.Wait()
}

// idle reports whether every change that was added has been applied.
func (l *lanes) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) == 0
}

// add applies a change after the earlier ones of its lane. It does not wait.
func (l *lanes) add(c Change) {
	lane := c.Key.ID
	if l.follower.Lane != nil {
		lane = l.follower.Lane(c.Key)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	pending, running := l.pending[lane]
	if last := len(pending) - 1; last >= 0 && pending[last].Key == c.Key {
		pending[last] = c // Apply reads the record as it is then
	} else {
		pending = append(pending, c)
	}
	l.pending[lane] = pending
	if !running {
		l.working.Go(func() { l.run(lane) })
	}
}

// run applies the changes of a lane until none is pending.
func (l *lanes) run(lane string) {
	for c, ok := l.next(lane); ok; c, ok = l.next(lane) {
		if !l.try(c, minRetryPause) {
			l.retry(c)
		}
	}
}

// retry tries to apply a change until it succeeds or l ends. While the store fails, not all lanes do that all the time:
// at most Concurrency of them try or pause at once, and the others wait for their turn.
func (l *lanes) retry(c Change) {
	for wait, done := 2*minRetryPause, false; !done; wait = min(2*wait, maxRetryPause) {
		select {
		case l.retries <- struct{}{}:
			done = l.try(c, wait)
			<-l.retries
		case <-l.ctx.Done():
			return
		}
	}
}

// try applies a change, and pauses if that fails. It reports whether it has succeeded or l has ended.
func (l *lanes) try(c Change, wait time.Duration) (done bool) {
	err := l.apply(l.ctx, c)
	if err == nil {
		return true
	}
	l.follower.report(l.ctx, err)
	pause(l.ctx, wait)
	return l.ctx.Err() != nil
}

// next removes and returns the first change of a lane. If there is none, the lane's goroutine must end.
func (l *lanes) next(lane string) (c Change, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	pending := l.pending[lane]
	if len(pending) == 0 || l.ctx.Err() != nil {
		delete(l.pending, lane)
		return Change{}, false
	}
	l.pending[lane] = pending[1:]
	return pending[0], true
}

// apply calls Apply when fewer than Concurrency calls are in progress.
func (l *lanes) apply(ctx context.Context, c Change) error {
	select {
	case l.turns <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-l.turns }()
	return l.follower.Apply(ctx, c)
}
