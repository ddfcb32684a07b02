package limit

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// ErrBusy is returned by [Share.Enter] if too much is in progress, in all or for one client.
var ErrBusy = errors.New("the server is busy with other requests, or with others from your address")

// A Share is a bounded amount, of which each client may hold a part. It is safe for concurrent use.
type Share struct {
	perClient int64
	patience  time.Duration
	free      *semaphore.Weighted

	mu      sync.Mutex
	clients map[netip.Prefix]*part
}

// A part is the amount of a share that one client may hold.
type part struct {
	free  *semaphore.Weighted
	calls int // that hold something of it, or wait for it
}

// NewShare returns a Share of which a client may hold perClient. Calls wait for their part for as long as patience; if
// it is 0, they do not wait.
func NewShare(total, perClient int64, patience time.Duration) *Share {
	return &Share{
		perClient: perClient,
		patience:  patience,
		free:      semaphore.NewWeighted(total),
		clients:   map[netip.Prefix]*part{},
	}
}

// Enter takes n of the amount for a client, or as much as the client may hold if n is more. The caller must call leave
// to give it back. The error is ErrBusy or that of ctx.
func (s *Share) Enter(ctx context.Context, client netip.Prefix, n int64) (leave func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	own, forget := s.partOf(client)
	n = min(n, s.perClient)
	if err = acquire(waiting, own, n); err == nil {
		if err = acquire(waiting, s.free, n); err != nil {
			own.Release(n)
		}
	}
	if err != nil {
		forget()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, ErrBusy
	}
	return sync.OnceFunc(func() {
		s.free.Release(n)
		own.Release(n)
		forget()
	}), nil
}

// acquire waits for n of an amount until ctx ends. An amount that is free is acquired even if ctx has ended.
func acquire(ctx context.Context, free *semaphore.Weighted, n int64) error {
	if free.TryAcquire(n) {
		return nil
	}
	return free.Acquire(ctx, n)
}

// partOf returns a client's part. It is kept until forget was called for each call that got it.
func (s *Share) partOf(client netip.Prefix) (free *semaphore.Weighted, forget func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.clients[client]
	if p == nil {
		p = &part{free: semaphore.NewWeighted(s.perClient)}
		s.clients[client] = p
	}
	p.calls++
	return p.free, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if p.calls--; p.calls == 0 {
			delete(s.clients, client)
		}
	}
}
