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

// tell tells whoever wants to know. A handler that panics is answered with 500 by
// who is around it.
func (o *observer) tell(a *api, route, method string) {
	if o.status == 0 {
		o.status = http.StatusInternalServerError
	}
	a.observe(route, method, o.status, o.bytes, time.Since(o.began))
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
	})
}
