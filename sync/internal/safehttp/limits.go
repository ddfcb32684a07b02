package safehttp

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// limits bounds the requests under way: to one host, and in all. Who waits for a
// host takes no place from others.
type limits struct {
	perHost int64
	total   *semaphore.Weighted

	mu    sync.Mutex
	hosts map[string]*hostLimit
}

type hostLimit struct {
	*semaphore.Weighted
	users int // who has a place, or waits for one
}

func newLimits(perHost, total int) *limits {
	return &limits{perHost: int64(perHost), total: semaphore.NewWeighted(int64(total)), hosts: map[string]*hostLimit{}}
}

// enter waits for a place, until leave is called. The error is that of ctx.
func (l *limits) enter(ctx context.Context, host string) (leave func(), err error) {
	l.mu.Lock()
	h := l.hosts[host]
	if h == nil {
		h = &hostLimit{Weighted: semaphore.NewWeighted(l.perHost)}
		l.hosts[host] = h
	}
	h.users++
	l.mu.Unlock()
	forget := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if h.users--; h.users == 0 {
			delete(l.hosts, host)
		}
	}
	if err := h.Acquire(ctx, 1); err != nil {
		forget()
		return nil, context.Cause(ctx)
	}
	if err := l.total.Acquire(ctx, 1); err != nil {
		h.Release(1)
		forget()
		return nil, context.Cause(ctx)
	}
	return func() {
		l.total.Release(1)
		h.Release(1)
		forget()
	}, nil
}
