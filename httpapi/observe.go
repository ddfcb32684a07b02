package httpapi

import (
	"net/http"
	"time"
)

// An observer notes how a request is answered.
type observer struct {
	http.ResponseWriter
	began  time.Time
	status int
	bytes  int64
	done   bool // the handler has come to its end
}

// Unwrap lets http.ResponseController find what the writer can do.
func (o *observer) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (o *observer) WriteHeader(status int) {
	if o.status == 0 {
		o.status = status
	}
	o.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (o *observer) Write(p []byte) (int, error) {
	if o.status == 0 {
		o.status = http.StatusOK
	}
	n, err := o.ResponseWriter.Write(p)
	o.bytes += int64(n)
	return n, err
}

// outcome is the status of the answer: 200 if nobody has said another, 500 if the handler
// has broken off before it has said any.
func (o *observer) outcome() int {
	switch {
	case o.status != 0:
		return o.status
	case o.done:
		return http.StatusOK
	}
	return http.StatusInternalServerError
}

// tell tells whoever wants to know. An answer that breaks off is no success, whatever it
// began with.
func (o *observer) tell(a *api, route, method string) {
	status := o.outcome()
	if !o.done {
		status = http.StatusInternalServerError
	}
	a.observe(route, method, status, o.bytes, time.Since(o.began))
}

// observed is a handler of a route whose requests are observed, if anybody wants to
// know.
func (a *api) observed(route string, next http.Handler) http.Handler {
	if a.observe == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := &observer{ResponseWriter: w, began: time.Now()}
		defer o.tell(a, route, r.Method)
		next.ServeHTTP(o, r)
		o.done = true
	})
}
