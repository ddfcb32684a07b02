package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/patch"
)

// A call is what is known of a request while it is answered. It belongs to the request's goroutine.
type call struct {
	who auth.Principal // zero: a stranger, or not known yet
	// trusted says that the caller's work is not counted: it may change every title.
	trusted bool
	// unknown is why the caller of an open call is a stranger, in the words of the Authenticator.
	unknown error
	simple  bool   // it has a path of Stupid Simple Patch Server's
	body    func() // gives back the part of the budget that the body holds; nil: it holds none
	turn    func() // gives back the turn to work; nil: there is none
	title   int64  // how many bytes the title has that the call is about, with its history
}

type callKey struct{}

// withCall returns r with a call in its context, and a function that gives back what the call holds.
func withCall(r *http.Request) (*http.Request, func()) {
	c := &call{}
	return r.WithContext(context.WithValue(r.Context(), callKey{}, c)), c.end
}

func callOf(r *http.Request) *call {
	if c, ok := r.Context().Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

func (c *call) end() {
	c.rest()
	if c.body != nil {
		c.body()
	}
}

// rest gives back the turn to work, for a call that goes on to wait for others: for a mail server, or a source.
func (c *call) rest() {
	if c.turn != nil {
		c.turn()
		c.turn = nil
	}
}

// fetch waits for room to have a source asked for the caller, whose own body is not needed any more. The room is held
// until leave is called.
func (a *api) fetch(r *http.Request) (leave func(), err error) {
	c := callOf(r)
	c.end()
	c.body = nil
	if c.trusted {
		return func() {}, nil
	}
	return a.budget.roomOf(!c.stranger()).fetches.enter(r.Context(), a.budget.client(r), 1)
}

// An answering writer gives the turn to work back when the answer begins: its client may take long to read it.
type answering struct {
	http.ResponseWriter
	call *call
}

// Unwrap lets http.ResponseController find what the writer can do.
func (w *answering) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *answering) WriteHeader(status int) {
	w.call.rest()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *answering) Write(p []byte) (int, error) {
	w.call.rest()
	return w.ResponseWriter.Write(p)
}

func (c *call) stranger() bool { return c.who.Anonymous() }

// work waits for the caller's turn to have so many bytes of definitions worked on; the turn ends with the call.
func (a *api) work(r *http.Request, bytes int) error {
	c := callOf(r)
	if c.trusted || c.turn != nil {
		return nil
	}
	_, leave, err := a.budget.Enter(r, int64(bytes))
	if err == nil {
		c.turn = leave
	}
	return err
}

// admitBody bounds the body of a request by what its caller may send, how fast it has to arrive, and how much others
// are sending. It returns the most bytes that the body may have.
func (a *api) admitBody(w http.ResponseWriter, r *http.Request) (limit int, err error) {
	c := callOf(r)
	limit = a.max
	if c.trusted {
		return limit, nil
	}
	if c.stranger() {
		limit = min(limit, maxStrangerBody)
	}
	if r.ContentLength > int64(limit)+formOverhead {
		return 0, &bodyTooLarge{limit, c.stranger()}
	}
	_, c.body, err = a.budget.EnterBody(w, r, int64(limit), !c.stranger())
	return limit, err
}

// admitWork ends the time in which a body has to arrive, and waits for the turn to work on it.
func (a *api) admitWork(w http.ResponseWriter, r *http.Request, bytes int) error {
	if callOf(r).trusted {
		return nil
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return a.work(r, bytes+int(callOf(r).title))
}

// A bodyTooLarge is a body of more bytes than its caller may send. It is patch.ErrTooLarge.
type bodyTooLarge struct {
	limit    int
	stranger bool
}

func (e *bodyTooLarge) Error() string {
	s := "the body is too large: at most " + byteCount(e.limit) + " are read"
	if e.stranger {
		s += " without a token; send one as 'Authorization: Bearer pst_…' for larger ones"
	}
	return s
}

func (e *bodyTooLarge) Is(target error) bool { return target == patch.ErrTooLarge }
