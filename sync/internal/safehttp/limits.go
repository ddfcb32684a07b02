package safehttp

import (
	"context"
	"math"
	"sync"

	"golang.org/x/sync/semaphore"
)

// limits bounds the requests in progress to one host and in all. A request that waits for its host does not count
// for the others.
type limits struct {
	perHost int64
	total   *semaphore.Weighted

	mu    sync.Mutex
	hosts map[string]*hostLimit
}

// A hostLimit bounds the requests to one host.
type hostLimit struct {
	*semaphore.Weighted
	users int // requests that are in progress or wait
}

// newLimits returns limits. A negative number means no limit.
func newLimits(perHost, total int) *limits {
	return &limits{
		perHost: weight(perHost),
		total:   semaphore.NewWeighted(weight(total)),
		hosts:   map[string]*hostLimit{},
	}
}

// weight returns the weight of a semaphore for a limit.
func weight(limit int) int64 {
	if limit < 0 {
		return math.MaxInt64
	}
	return int64(limit)
}

// enter waits until a request to a host may begin. The caller must call leave when the request has ended. The error is
// that of ctx.
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
