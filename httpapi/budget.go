package httpapi

import (
	"context"
	"errors"
	"io"
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
	// maxStrangersBodies is how many bytes of the bodies of callers without a token are in memory at once, and
	// maxMembersBodies how many of those who have one: neither keeps the other out.
	maxStrangersBodies = 8 << 20
	maxMembersBodies   = 16 << 20
	// maxWorkBudget is how many bytes of definitions are parsed, checked or compared for them at once.
	maxWorkBudget = 8 << 20
	// maxSmallBodies is how many bytes of small bodies are in memory at once in addition, likewise twice: those who send
	// large ones slowly do not keep out who signs in or adds a version.
	maxSmallBodies = 2 << 20
	// maxAnswers is how many bytes of large answers are being sent at once.
	maxAnswers = 64 << 20
	// maxFetches is how many sources are asked for them at once: each may send a whole definition.
	maxFetches = 8
	// minCost is what the smallest piece of work counts as, minBodyCost the smallest body.
	minCost     = 64 << 10
	minBodyCost = 4 << 10
	// smallBody is how large a small body is, and smallAnswer how large an answer that is not counted.
	smallBody   = 64 << 10
	smallAnswer = 128 << 10
	// maxFreeIndent is the size up to which a document is indented without waiting for a turn, and indentCost how many
	// bytes of work a byte of it counts for.
	maxFreeIndent = 64 << 10
	indentCost    = 4
	// maxStrangerBody bounds the body of a caller without a token.
	maxStrangerBody = 1 << 20
	// minBodySpeed is how fast a body has to arrive, in bytes a second, once bodyGrace has passed.
	minBodySpeed = 64 << 10
	bodyGrace    = 15 * time.Second
	// minAnswerSpeed is how fast a large answer has to be read, once answerGrace has passed.
	minAnswerSpeed = 32 << 10
	answerGrace    = 30 * time.Second
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
	work    *share
	answers *share
	// strangers is what is kept for callers without a token, members for those with one.
	strangers, members room
}

// A room is what is kept for some callers, so that others do not take it.
type room struct {
	bodies, smallBodies, backups, fetches *share
}

func newRoom(bodies int64) room {
	return room{
		bodies:      newShare(bodies, bodies/2, patience),
		smallBodies: newShare(maxSmallBodies, maxSmallBodies/2, patience),
		backups:     newShare(maxBackups, 1, 0),
		fetches:     newShare(maxFetches, maxFetches/4, patience),
	}
}

// roomOf returns what is kept for members, or for strangers.
func (b *Budget) roomOf(member bool) *room {
	if member {
		return &b.members
	}
	return &b.strangers
}

// NewBudget returns a Budget. trustedProxies are those of [Options.TrustedProxies]: a client address may have at
// most half of a Budget. It returns an error if one of them is no network.
func NewBudget(trustedProxies []string) (*Budget, error) {
	client, err := clientAddress(trustedProxies)
	if err != nil {
		return nil, err
	}
	return newBudget(client), nil
}

func newBudget(client func(*http.Request) netip.Addr) *Budget {
	return &Budget{
		client:    func(r *http.Request) netip.Prefix { return networkOf(client(r)) },
		work:      newShare(maxWorkBudget, maxWorkBudget/2, patience),
		answers:   newShare(maxAnswers, maxAnswers/2, patience),
		strangers: newRoom(maxStrangersBodies),
		members:   newRoom(maxMembersBodies),
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

// bodyKey is the key under which the context of a request has the Budget in which its body has room.
type bodyKey struct{}

// EnterBody waits for room for a body of at most so many bytes that comes from a caller without a token, or with one if
// member is true, and gives it time to arrive. The caller must call leave when the body is not in memory any more. The
// error and the request that is returned are as of [Budget.Enter].
func (b *Budget) EnterBody(w http.ResponseWriter, r *http.Request, most int64, member bool) (
	within *http.Request, leave func(), err error,
) {
	if r.Context().Value(bodyKey{}) == b {
		return r, func() {}, nil
	}
	size, kept := most, b.roomOf(member)
	if r.ContentLength >= 0 {
		size = min(size, r.ContentLength)
	}
	bodies := kept.bodies
	if size <= smallBody {
		bodies = kept.smallBodies
	}
	if leave, err = bodies.enter(r.Context(), b.client(r), max(size, minBodyCost)); err != nil {
		return r, nil, err
	}
	r.Body = &arriving{ReadCloser: r.Body, conn: http.NewResponseController(w), since: time.Now()}
	return r.WithContext(context.WithValue(r.Context(), bodyKey{}, b)), leave, nil
}

// An arriving body has to arrive at a speed, once bodyGrace has passed: one that does not begin to is broken off then.
type arriving struct {
	io.ReadCloser
	conn  *http.ResponseController
	since time.Time
	bytes int64 // that have arrived
}

// Read implements io.Reader.
func (b *arriving) Read(p []byte) (int, error) {
	// A ResponseWriter that has no deadlines keeps the server's.
	_ = b.conn.SetReadDeadline(b.since.Add(bodyGrace + time.Duration(b.bytes)*time.Second/minBodySpeed))
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	return n, err
}

// EnterAnswer waits for room for an answer of so many bytes, which is in memory until its client has read it, and gives
// the client time to do so. Small ones need none. The caller must call leave when the answer was sent. The error is as
// of [Budget.Enter].
func (b *Budget) EnterAnswer(w http.ResponseWriter, r *http.Request, bytes int) (leave func(), err error) {
	if bytes <= smallAnswer {
		return func() {}, nil
	}
	free, err := b.answers.enter(r.Context(), b.client(r), int64(bytes))
	if err != nil {
		return nil, err
	}
	conn := http.NewResponseController(w)
	_ = conn.SetWriteDeadline(time.Now().Add(answerGrace + time.Duration(bytes)*time.Second/minAnswerSpeed))
	return func() {
		_ = conn.Flush() // what is left in a buffer has to be read in that time too
		free()
		_ = conn.SetWriteDeadline(time.Time{}) // the next answer on the connection has the server's time
	}, nil
}

// A share is a bounded amount, of which each client may have a part.
type share struct {
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
		perClient: perClient,
		patience:  patience,
		free:      semaphore.NewWeighted(total),
		clients:   map[netip.Prefix]*part{},
	}
}

// enter takes n of the amount for a client, or as much as it may have if n is more. The error is errBusy, or that of
// ctx.
func (s *share) enter(ctx context.Context, client netip.Prefix, n int64) (leave func(), err error) {
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
		return nil, errBusy
	}
	return sync.OnceFunc(func() {
		s.free.Release(n)
		own.Release(n)
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
