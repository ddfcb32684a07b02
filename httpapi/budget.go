package httpapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/limit"
)

// Limits on the requests in progress of all clients that may not change every title: anonymous clients, and authors,
// since anyone can become an author. They are in bytes of the text that is received or processed, because memory and
// time are proportional to its size.
const (
	// maxAnonymousBodies bounds the bytes of the bodies of anonymous clients that are in memory at once, and
	// maxMemberBodies those of clients with a token: neither keeps the other out.
	maxAnonymousBodies = 8 << 20
	maxMemberBodies    = 16 << 20
	// maxSmallBodies bounds the bytes of small bodies, separately for both kinds of clients. Clients that send large
	// bodies slowly do not keep out one that signs in or adds a version.
	maxSmallBodies = 2 << 20
	smallBody      = 64 << 10
	// maxWork bounds the bytes of definitions that are parsed, checked or compared at once.
	maxWork = 8 << 20
	// maxAnswers bounds the bytes of large answers that are being sent at once. A smaller one is not counted.
	maxAnswers  = 64 << 20
	smallAnswer = 128 << 10
	// maxFetches bounds the upstreams that are asked at once: each may send a whole definition.
	maxFetches = 8
	// maxBackups bounds the backups that are written at once to anonymous clients, one to each address, and separately
	// those to clients with a token.
	maxBackups = 2
	// minWork is the number of bytes that the smallest piece of work counts for, and minBody that of the smallest body.
	minWork = 64 << 10
	minBody = 4 << 10
	// maxAnonymousBody bounds the body of an anonymous client.
	maxAnonymousBody = 1 << 20
	// minBodySpeed is the speed at which a body has to arrive, in bytes per second, after bodyGrace.
	minBodySpeed = 64 << 10
	bodyGrace    = 15 * time.Second
	// minAnswerSpeed is the speed at which a large answer has to be read, after answerGrace.
	minAnswerSpeed = 32 << 10
	answerGrace    = 30 * time.Second
	// patience is how long a call waits for its turn before it is answered with status 503.
	patience = 3 * time.Second
)

// A Budget bounds the memory and the work that clients cost together. It does not count those that may change every
// title. One Budget serves everything that a server answers: [New] makes one of its own unless [Options.Budget] names
// another, which the page may share. It is safe for concurrent use.
type Budget struct {
	client             func(*http.Request) netip.Prefix
	work               *limit.Share
	answers            *limit.Share
	anonymous, members shares
}

// The shares that are kept for one kind of clients, so that the other kind does not take them.
type shares struct{ bodies, smallBodies, backups, fetches *limit.Share }

func newShares(bodies int64) shares {
	return shares{
		bodies:      limit.NewShare(bodies, bodies/2, patience),
		smallBodies: limit.NewShare(maxSmallBodies, maxSmallBodies/2, patience),
		backups:     limit.NewShare(maxBackups, 1, 0),
		fetches:     limit.NewShare(maxFetches, maxFetches/4, patience),
	}
}

// NewBudget returns a Budget. trustedProxies are those of [Options.TrustedProxies]: a client address may hold at most
// half of a Budget. It returns an error if one of them is no network.
func NewBudget(trustedProxies []string) (*Budget, error) {
	address, err := limit.Address(trustedProxies)
	if err != nil {
		return nil, fmt.Errorf("httpapi: %w", err)
	}
	return newBudget(address), nil
}

func newBudget(address limit.AddressFunc) *Budget {
	return &Budget{
		client:    func(r *http.Request) netip.Prefix { return limit.Network(address(r)) },
		work:      limit.NewShare(maxWork, maxWork/2, patience),
		answers:   limit.NewShare(maxAnswers, maxAnswers/2, patience),
		anonymous: newShares(maxAnonymousBodies),
		members:   newShares(maxMemberBodies),
	}
}

// sharesOf returns the shares of clients with a token, or those of anonymous clients.
func (b *Budget) sharesOf(member bool) *shares {
	if member {
		return &b.members
	}
	return &b.anonymous
}

// The keys under which the context of a request has the Budget that its work and its body are counted in.
type (
	workKey struct{}
	bodyKey struct{}
)

// Enter waits for a turn to work on so many bytes of definitions for a request. It returns the request to go on with:
// requests that are made within it, such as those of a page that calls the API, need no turn of their own. The
// caller must call leave when the work is done. The error is that of the request's context, or one that is answered
// with status 503: the turn did not come within some seconds, or the client's address holds too much.
func (b *Budget) Enter(r *http.Request, bytes int64) (within *http.Request, leave func(), err error) {
	if r.Context().Value(workKey{}) == b {
		return r, func() {}, nil
	}
	leave, err = b.work.Enter(r.Context(), b.client(r), max(bytes, minWork))
	if err != nil {
		return r, nil, err
	}
	return r.WithContext(context.WithValue(r.Context(), workKey{}, b)), leave, nil
}

// EnterBody waits for room for a body of at most maxBytes, of a client with a token if member is true and of an
// anonymous one otherwise, and gives it time to arrive. The caller must call leave when the body is no longer in
// memory. The request that it returns and the error are as those of [Budget.Enter].
func (b *Budget) EnterBody(w http.ResponseWriter, r *http.Request, maxBytes int64, member bool) (
	within *http.Request, leave func(), err error,
) {
	if r.Context().Value(bodyKey{}) == b {
		return r, func() {}, nil
	}
	size, own := maxBytes, b.sharesOf(member)
	if r.ContentLength >= 0 {
		size = min(size, r.ContentLength)
	}
	bodies := own.bodies
	if size <= smallBody {
		bodies = own.smallBodies
	}
	if leave, err = bodies.Enter(r.Context(), b.client(r), max(size, minBody)); err != nil {
		return r, nil, err
	}
	r.Body = &timedBody{ReadCloser: r.Body, conn: http.NewResponseController(w), since: time.Now()}
	return r.WithContext(context.WithValue(r.Context(), bodyKey{}, b)), leave, nil
}

// A timedBody has to arrive at minBodySpeed after bodyGrace. It times out otherwise.
type timedBody struct {
	io.ReadCloser
	conn  *http.ResponseController
	since time.Time
	bytes int64 // that have arrived
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	// A ResponseWriter without deadlines keeps those of the server.
	_ = b.conn.SetReadDeadline(b.since.Add(bodyGrace + time.Duration(b.bytes)*time.Second/minBodySpeed))
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	return n, err
}

// EnterAnswer waits for room for an answer of so many bytes, which is in memory until its client has read it, and gives
// the client time to read it. A small one needs no room. The caller must call leave when the answer was sent. The error
// is as that of [Budget.Enter].
func (b *Budget) EnterAnswer(w http.ResponseWriter, r *http.Request, bytes int) (leave func(), err error) {
	if bytes <= smallAnswer {
		return func() {}, nil
	}
	free, err := b.answers.Enter(r.Context(), b.client(r), int64(bytes))
	if err != nil {
		return nil, err
	}
	conn := http.NewResponseController(w)
	_ = conn.SetWriteDeadline(time.Now().Add(answerGrace + time.Duration(bytes)*time.Second/minAnswerSpeed))
	return func() {
		_ = conn.Flush() // the client has to read the rest of the buffer in that time as well
		free()
		_ = conn.SetWriteDeadline(time.Time{}) // the next answer on the connection has the server's time
	}, nil
}
