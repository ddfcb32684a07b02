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
	maxBodyBudget = 24 << 20
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
	patience = 5 * time.Second
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

	mu   sync.Mutex
	held map[netip.Prefix]int64
}

func newShare(total, perClient int64, patience time.Duration) *share {
	return &share{
		total:     total,
		perClient: perClient,
		patience:  patience,
		free:      semaphore.NewWeighted(total),
		held:      map[netip.Prefix]int64{},
	}
}

// enter takes n of the amount, or all of it if n is more. A client that holds nothing may always ask for n; one that
// would come to hold more than its part is refused at once.
func (s *share) enter(ctx context.Context, client netip.Prefix, n int64) (leave func(), err error) {
	n = min(n, s.total)
	if !s.hold(client, n) {
		return nil, errBusy
	}
	if err := s.wait(ctx, n); err != nil {
		s.drop(client, n)
		return nil, err
	}
	return sync.OnceFunc(func() {
		s.free.Release(n)
		s.drop(client, n)
	}), nil
}

func (s *share) wait(ctx context.Context, n int64) error {
	if s.free.TryAcquire(n) {
		return nil
	}
	if s.patience == 0 {
		return errBusy
	}
	waiting, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	switch err := s.free.Acquire(waiting, n); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return errBusy
}

func (s *share) hold(client netip.Prefix, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if held := s.held[client]; held > 0 && held+n > s.perClient {
		return false
	}
	s.held[client] += n
	return true
}

func (s *share) drop(client netip.Prefix, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[client] -= n; s.held[client] == 0 {
		delete(s.held, client)
	}
}
