package httpapi

import (
	"net/http"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/limit"
)

// The methods in this file count the calls of clients that are not trusted.

// allow counts a request. The error is a *LimitedError if the client has to wait.
func allow(rate *limit.Rate, r *http.Request) error {
	if after := rate.Take(r); after > 0 {
		return &LimitedError{After: after}
	}
	return nil
}

// turn waits for the client's turn to have so many bytes of definitions worked on. The turn ends with the call.
func (b *Budget) turn(r *http.Request, bytes int) error {
	c := callOf(r)
	if c.trusted || c.leaveTurn != nil {
		return nil
	}
	_, leave, err := b.Enter(r, int64(bytes))
	if err == nil {
		c.leaveTurn = leave
	}
	return err
}

// admitBody bounds the body of a request: its size by what the client may send and by what other clients are sending,
// and its duration by a minimum speed. It returns the maximum size of the body.
func (b *Budget) admitBody(w http.ResponseWriter, r *http.Request, maxBytes int) (limit int, err error) {
	c := callOf(r)
	if c.trusted {
		return maxBytes, nil
	}
	if c.anonymous() {
		maxBytes = min(maxBytes, maxAnonymousBody)
	}
	if r.ContentLength > int64(maxBytes)+formOverhead {
		return 0, &bodyTooLarge{maxBytes, c.anonymous()}
	}
	_, c.leaveBody, err = b.EnterBody(w, r, int64(maxBytes), !c.anonymous())
	return maxBytes, err
}

// formOverhead bounds the parts of a form around the file.
const formOverhead = 64 << 10

// admitWork ends the time in which a body has to arrive, and waits for the turn to work on it.
func (b *Budget) admitWork(w http.ResponseWriter, r *http.Request, bytes int) error {
	c := callOf(r)
	if c.trusted {
		return nil
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return b.turn(r, bytes+int(c.titleBytes))
}

// fetch waits for room to ask an upstream for the client, whose own body is no longer needed. The caller must call
// leave when the definition is no longer in memory.
func (b *Budget) fetch(r *http.Request) (leave func(), err error) {
	c := callOf(r)
	c.end()
	if c.trusted {
		return func() {}, nil
	}
	return b.sharesOf(!c.anonymous()).fetches.Enter(r.Context(), b.client(r), 1)
}

// backup waits for room to write a backup to a client that is not trusted.
func (b *Budget) backup(r *http.Request) (leave func(), err error) {
	return b.sharesOf(!callOf(r).anonymous()).backups.Enter(r.Context(), b.client(r), 1)
}

// send waits for room to send a large answer.
func (b *Budget) send(w http.ResponseWriter, r *http.Request, bytes int) (leave func(), err error) {
	c := callOf(r)
	if bytes <= smallAnswer || c.trusted {
		return nil, nil
	}
	c.endTurn()
	return b.EnterAnswer(w, r, bytes)
}

const (
	// maxFreeIndent is the size up to which a document is indented without waiting for a turn.
	maxFreeIndent = 64 << 10
	// indentCost is how many bytes of work a byte of a document to indent counts for.
	indentCost = 4
)

// indent waits for the client's turn to have a large document indented.
func (b *Budget) indent(r *http.Request, bytes int) (leave func(), err error) {
	c := callOf(r)
	if bytes <= maxFreeIndent || c.trusted {
		return nil, nil
	}
	c.endTurn()
	_, leave, err = b.Enter(r, indentCost*int64(bytes))
	return leave, err
}
