package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// What all callers together may have under way who are neither administrators nor editors: callers without a
// token, and authors, since everyone may become one. It is measured in bytes of the text that is received or
// worked on, because memory and time are proportional to that.
const (
	// maxBodyBudget is how many bytes of their bodies are in memory at once.
	maxBodyBudget = 16 << 20
	// maxWorkBudget is how many bytes of definitions are parsed, checked or compared for them at once.
	maxWorkBudget = 8 << 20
	// minCost is what the smallest piece of work counts as.
	minCost = 64 << 10
	// maxStrangerBody bounds the body of a caller without a token.
	maxStrangerBody = 1 << 20
	// minBodySpeed is how fast a body has to arrive, in bytes a second, once bodyGrace has passed.
	minBodySpeed = 64 << 10
	bodyGrace    = 15 * time.Second
	// patience is how long a call waits for its turn before it is answered by 503.
	patience = 3 * time.Second
)

// errBusy means that too much is under way, in all or for one address. It is answered by 503.
var errBusy = errors.New("the server is busy with other calls, or with others from your address")

// A Budget bounds what callers who are neither administrators nor editors cost together, in memory and in work.
// One Budget serves everything that a server answers: [New] has one of its own unless [Options.Budget] names
// another, which the page may share. It is safe for concurrent use.
type Budget struct {
	client  func(*http.Request) netip.Prefix
	bodies  *share
	work    *share
	backups *share
	// memberBackups are the places for backups of callers who have a token.
	memberBackups *share
}

// NewBudget returns a Budget. trustedProxies are those of [Options.TrustedProxies]: a client address may have at
// most half of a Budget.
func NewBudget(trustedProxies []string) *Budget {
	client := clientAddress(trustedProxies)
	return &Budget{
		client:  func(r *http.Request) netip.Prefix { return networkOf(client(r)) },
		bodies:  newShare(maxBodyBudget, maxBodyBudget/2, patience),
		work:    newShare(maxWorkBudget, maxWorkBudget/2, patience),
		backups: newShare(maxBackups, 1, 0),

		memberBackups: newShare(maxBackups, 1, 0),
	}
}

// heldKey is the key under which the context of a request has the Budget of which it holds a part.
type heldKey struct{}

// Enter waits for a turn to work on so many bytes of definitions for a request. It returns the request to go on with:
// what is asked for within it, such as by a page that calls the API in its visitor's name, needs no turn of its own.
// The caller must call leave when the work is done. The error is that of the request's context, or one that is to be
// answered by 503: the turn has not come within some seconds, or the client's address has too many.
func (b *Budget) Enter(r *http.Request, bytes int64) (within *http.Request, leave func(), err error) {
	if r.Context().Value(heldKey{}) == b {
		return r, func() {}, nil
	}
	leave, err = b.work.enter(r.Context(), b.client(r), max(bytes, minCost))
	if err != nil {
		return r, nil, err
	}
	return r.WithContext(context.WithValue(r.Context(), heldKey{}, b)), leave, nil
}

// A share is a bounded amount, of which each client may have a part.
type share struct {
	total     int64
	perClient int64
	patience  time.Duration // how long a call waits for its part; 0: not at all
	free      *semaphore.Weighted

	mu      sync.Mutex
	clients map[netip.Prefix]*part
}

// A part is what one client may have of a share.
type part struct {
	free  *semaphore.Weighted
	calls int // that hold something of it, or wait for it
}

func newShare(total, perClient int64, patience time.Duration) *share {
	return &share{
		total:     total,
		perClient: perClient,
		patience:  patience,
		free:      semaphore.NewWeighted(total),
		clients:   map[netip.Prefix]*part{},
	}
}

// enter takes n of the amount for a client: of its own part, or all of that if n is more, and then of the whole. The
// error is errBusy, or that of ctx.
func (s *share) enter(ctx context.Context, client netip.Prefix, n int64) (leave func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	own, forget := s.partOf(client)
	ofOwn, ofAll := min(n, s.perClient), min(n, s.total)
	err = acquire(waiting, own, ofOwn)
	if err == nil {
		if err = acquire(waiting, s.free, ofAll); err != nil {
			own.Release(ofOwn)
		}
	}
	if err != nil {
		forget()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, errBusy
	}
	return sync.OnceFunc(func() {
		s.free.Release(ofAll)
		own.Release(ofOwn)
		forget()
	}), nil
}

// acquire waits for n of an amount until ctx ends. What is free is taken also if ctx has ended.
func acquire(ctx context.Context, free *semaphore.Weighted, n int64) error {
	if free.TryAcquire(n) {
		return nil
	}
	return free.Acquire(ctx, n)
}

// partOf returns a client's part, which is kept until forget was called for each call that has it.
func (s *share) partOf(client netip.Prefix) (free *semaphore.Weighted, forget func()) {
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
