// Package trace records how requests are answered, and names each of them by an id.
package trace

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// IDHeader is the header of a request and of its answer that holds the id by which its lines in the log are found.
const IDHeader = "X-Request-Id"

// idKey is the key of a request's id in its context.
type idKey struct{}

// ID returns the id of a request: the one that [WithID] has set, the one that the request came with if it is valid and
// no token, or a new one.
func ID(r *http.Request) string {
	if id, ok := r.Context().Value(idKey{}).(string); ok {
		return id
	}
	if id := r.Header.Get(IDHeader); validID.MatchString(id) && !token.MatchString(id) {
		return id
	}
	return rand.Text()[:12]
}

// validID matches the request ids of clients that are kept.
var validID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// token matches a token, or the beginning of one.
var token = regexp.MustCompile(`pst_[0-9A-Za-z]{4,}`)

// Path returns the path of a request as it is logged: bounded, and without a token that is in it by mistake.
func Path(r *http.Request) string { return token.ReplaceAllString(Shorten(r.URL.Path), "pst_…") }

// hiddenURL is shown in place of a URL whose parts cannot be identified.
const hiddenURL = "(unreadable URL)"

// URL returns the URL of an upstream as it is shown and logged: without the user name, password, query and fragment,
// which may be secrets. A URL that cannot be parsed is not shown, since a secret may be anywhere in it. A text that is
// no URL, such as the name of a file, is shown up to the first question mark or number sign, and the key of a folder
// whole.
func URL(raw string) string {
	if strings.HasPrefix(raw, "folder:") {
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return hiddenURL
	}
	if u.Host != "" {
		u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
		return u.String()
	}
	before, _, hasAt := strings.Cut(raw, "@")
	if u.User != nil || hasAt && strings.Contains(before, ":") {
		return hiddenURL // a URL without its scheme, such as user:password@host
	}
	if at := strings.IndexAny(raw, "?#"); at >= 0 {
		return raw[:at]
	}
	return raw
}

// maxRepeated bounds the bytes that an answer or a line of the log repeats of a request.
const maxRepeated = 255

// Shorten returns s, cut after 255 bytes.
func Shorten(s string) string {
	if len(s) <= maxRepeated {
		return s
	}
	return strings.ToValidUTF8(s[:maxRepeated], "") + "…"
}

// WithID returns a context with the id of a request.
func WithID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, idKey{}, id)
}

// Logger returns a logger that adds the id of the request in whose context a line is logged. If log is nil, it discards
// everything.
func Logger(log *slog.Logger) *slog.Logger {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return slog.New(handler{log.Handler()})
}

// A handler adds the id of the request.
type handler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, line slog.Record) error {
	if id, ok := ctx.Value(idKey{}).(string); ok {
		line.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, line)
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }

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

// A Recorder is a ResponseWriter that records the status and the size of the answer.
type Recorder struct {
	http.ResponseWriter
	began  time.Time
	status int
	bytes  int64
	ended  bool
}

// NewRecorder returns a Recorder of the answer to a request that begins now.
func NewRecorder(w http.ResponseWriter) *Recorder {
	return &Recorder{ResponseWriter: w, began: time.Now()}
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

// End notes that the handler has returned. A handler that panics never gets there.
func (rec *Recorder) End() { rec.ended = true }

// Ended reports whether the handler has returned.
func (rec *Recorder) Ended() bool { return rec.ended }

// Bytes returns the number of bytes of the body that were written.
func (rec *Recorder) Bytes() int64 { return rec.bytes }

// Took returns the time since the request began.
func (rec *Recorder) Took() time.Duration { return time.Since(rec.began) }

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
