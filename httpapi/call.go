package httpapi

import (
	"context"
	"net/http"

	"github.com/patchsource/patchsource/auth"
)

// A call is the state of a request while it is answered. It belongs to the request's goroutine.
type call struct {
	// principal is the zero Principal for an anonymous client, and until the principal is known.
	principal auth.Principal
	// trusted is true for a principal that may change every title: its work is not counted.
	trusted bool
	// unknown is the Authenticator's reason why the client of a call that needs no permission is anonymous.
	unknown error
	// simple is true for a path of Stupid Simple Patch Server: the answer has the members that its clients expect.
	simple bool
	// titleBytes is the size of the title that the call is about, with its history.
	titleBytes int64

	leaveBody func() // gives back the share of the budget that the body holds; nil: it holds none
	leaveTurn func() // gives back the turn to work; nil: there is none
}

type callKey struct{}

// withCall returns r with a call in its context. The caller must call end when the request was answered.
func withCall(r *http.Request) (within *http.Request, c *call) {
	c = &call{}
	return r.WithContext(context.WithValue(r.Context(), callKey{}, c)), c
}

// callOf returns the call of a request. A request without one, such as one for the feed, is of an anonymous client.
func callOf(r *http.Request) *call {
	if c, ok := r.Context().Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

// anonymous reports whether the client is anonymous.
func (c *call) anonymous() bool { return c.principal.Anonymous() }

// end gives back all that the call holds of the budget.
func (c *call) end() {
	c.endTurn()
	if c.leaveBody != nil {
		c.leaveBody()
		c.leaveBody = nil
	}
}

// endTurn gives back the turn to work. A call that waits for a mail server or for an upstream does so.
func (c *call) endTurn() {
	if c.leaveTurn != nil {
		c.leaveTurn()
		c.leaveTurn = nil
	}
}

// A turnWriter gives back the turn to work when the answer begins: its client may take long to read it.
type turnWriter struct {
	http.ResponseWriter
	call *call
}

// Unwrap lets http.ResponseController find the capabilities of the writer.
func (w *turnWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *turnWriter) WriteHeader(status int) {
	w.call.endTurn()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *turnWriter) Write(p []byte) (int, error) {
	w.call.endTurn()
	return w.ResponseWriter.Write(p)
}
