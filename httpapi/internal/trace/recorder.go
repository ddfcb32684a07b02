package trace

import (
	"net/http"
	"time"
)

// An ObserveFunc is called with the outcome of each request: its route, which is one of a bounded number, its method,
// the status, the bytes of the body, and the time that it took.
type ObserveFunc func(route, method string, status int, bytes int64, took time.Duration)

// Observe returns a handler that calls observe with the outcome of each request of a route. If observe is nil, it
// returns next.
func Observe(observe ObserveFunc, route string, next http.Handler) http.Handler {
	if observe == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := NewRecorder(w)
		defer rec.Report(observe, route, r.Method)
		next.ServeHTTP(rec, r)
		rec.End()
	})
}

// A Handler answers requests that have an id without a copy of each that has the id in its context.
type Handler interface {
	http.Handler
	// ServeRecorded answers a request whose id is that of the Recorder. A logger that needs the id in the context of
	// the request finds it in that of Recorder.Request.
	ServeRecorded(rec *Recorder, r *http.Request)
}

// Serve has a handler answer a request that has an id.
func Serve(h http.Handler, rec *Recorder, r *http.Request) {
	if h, ok := h.(Handler); ok {
		h.ServeRecorded(rec, r)
		return
	}
	h.ServeHTTP(rec, rec.Request(r))
}

// A Recorder is a ResponseWriter that records the status and the size of the answer.
type Recorder struct {
	http.ResponseWriter
	// Values is memory for the values of headers of the answer.
	Values [3]string

	began  time.Time
	took   time.Duration // set by End
	bytes  int64
	status int
	ended  bool
	id     [1]string // the values of the header IDHeader; empty: the answer has no id yet
}

// NewRecorder returns a Recorder of the answer to a request that begins now.
func NewRecorder(w http.ResponseWriter) *Recorder {
	return &Recorder{ResponseWriter: w, began: time.Now()}
}

// NewTraced returns a Recorder of the answer to a request that begins now. The answer has the id of the request, which
// is one of ids if it has none yet.
func NewTraced(w http.ResponseWriter, r *http.Request, ids *IDs) *Recorder {
	rec := NewRecorder(w)
	id, ok := givenID(r)
	if !ok {
		id = ids.Next()
	}
	rec.id[0] = id
	w.Header()[IDHeader] = rec.id[:]
	return rec
}

// ID returns the id of the request, and the empty string if it has none yet.
func (rec *Recorder) ID() string { return rec.id[0] }

// Request returns r with the id of the request in its context.
func (rec *Recorder) Request(r *http.Request) *http.Request {
	if rec.id[0] == "" {
		return r
	}
	return r.WithContext(WithID(r.Context(), rec.id[0]))
}

// Unwrap lets http.ResponseController find the capabilities of the writer.
func (rec *Recorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (rec *Recorder) WriteHeader(status int) {
	if rec.status == 0 {
		rec.status = status
	}
	rec.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (rec *Recorder) Write(p []byte) (int, error) {
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	n, err := rec.ResponseWriter.Write(p)
	rec.bytes += int64(n)
	return n, err
}

// End notes that the handler has returned, and when it did so for the first time. A handler that panics never gets
// there.
func (rec *Recorder) End() {
	if !rec.ended {
		rec.ended = true
		rec.took = time.Since(rec.began)
	}
}

// Ended reports whether the handler has returned.
func (rec *Recorder) Ended() bool { return rec.ended }

// Bytes returns the number of bytes of the body that the server reports as written. Over HTTP/2, those of the last
// Write may be missing although they have arrived: a client that closes the stream as soon as it has as many bytes as
// the Content-Length says may be faster than the report.
func (rec *Recorder) Bytes() int64 { return rec.bytes }

// Took returns the time from the beginning of the request until the handler returned, or until now.
func (rec *Recorder) Took() time.Duration {
	if rec.ended {
		return rec.took
	}
	return time.Since(rec.began)
}

// Began returns the time at which the request began.
func (rec *Recorder) Began() time.Time { return rec.began }

// Status returns the status of the answer. Without one, it is 200 if the handler has returned and 500 if it has not.
func (rec *Recorder) Status() int {
	switch {
	case rec.status != 0:
		return rec.status
	case rec.ended:
		return http.StatusOK
	}
	return http.StatusInternalServerError
}

// Report calls observe with the outcome. An answer that was aborted is a failure, even if its status is that of
// a success.
func (rec *Recorder) Report(observe ObserveFunc, route, method string) {
	status := rec.Status()
	if !rec.ended {
		status = http.StatusInternalServerError
	}
	observe(route, method, status, rec.bytes, rec.Took())
}
