package httpapi

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"regexp"
	"time"
)

// requestIDHeader is the header of an answer by which a line of the log is found.
const requestIDHeader = "X-Request-Id"

// idKey is the key of a request's id in its context.
type idKey struct{}

// requestID returns the id of a request: the one that AccessLog has given it, the one that it came with, or a new one.
func requestID(r *http.Request) string {
	if id, ok := r.Context().Value(idKey{}).(string); ok {
		return id
	}
	if id := r.Header.Get(requestIDHeader); validRequestID.MatchString(id) {
		return id
	}
	return rand.Text()[:12]
}

// validRequestID matches the ids that are kept of those that requests come with, such as from a proxy.
var validRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// A named is a handler of a log that tells the id of the request that a line is about.
type named struct{ slog.Handler }

// Handle implements slog.Handler.
func (h named) Handle(ctx context.Context, line slog.Record) error {
	if id, ok := ctx.Value(idKey{}).(string); ok {
		line.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, line)
}

// WithAttrs implements slog.Handler.
func (h named) WithAttrs(attrs []slog.Attr) slog.Handler { return named{h.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h named) WithGroup(name string) slog.Handler { return named{h.Handler.WithGroup(name)} }

// AccessLog returns a handler that gives every request an id, which the answer has as
// X-Request-Id, and writes a line to log when it is answered: the id, the method, the
// path, the status, the bytes of the body, how long it took, and the client's address.
// The query is left out: it may be a secret. trustedProxies are those of
// [Options.TrustedProxies]; a nil log is silent.
// An answer that a handler has broken off is marked as aborted. An X-Request-Id of the request
// is kept if it has 1 to 128 letters, digits, dots, underscores and hyphens.
//
// It returns an error if one of trustedProxies is no network.
//
// It goes around everything that a server has, [New] among it, which then names the same
// id in its errors and in its own lines of the log. It is safe for concurrent use.
func AccessLog(next http.Handler, log *slog.Logger, trustedProxies []string) (http.Handler, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	client, err := clientAddress(trustedProxies)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestID(r)
		w.Header().Set(requestIDHeader, id)
		o := &observer{ResponseWriter: w, began: time.Now()}
		defer func() {
			attrs := []slog.Attr{
				slog.String("request_id", id),
				slog.String("method", shorten(r.Method)),
				slog.String("path", loggedPath(r)),
				slog.Int("status", o.outcome()),
				slog.Int64(
					"bytes",
					o.bytes,
				),
				slog.Duration("took", time.Since(o.began)),
				slog.String("client", client(r).String()),
			}
			if !o.done {
				attrs = append(attrs, slog.Bool("aborted", true))
			}
			log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
		}()
		next.ServeHTTP(o, r.WithContext(context.WithValue(r.Context(), idKey{}, id)))
		o.done = true
	}), nil
}

// token matches what has the form of a token, or begins like one.
var token = regexp.MustCompile(`pst_[0-9A-Za-z]{4,}`)

// loggedPath returns the path of a request as it is logged: without a token that stands in it by mistake.
func loggedPath(r *http.Request) string {
	return token.ReplaceAllString(shorten(r.URL.Path), "pst_…")
}
