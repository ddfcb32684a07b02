package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/patchsource/patchsource/httpapi/internal/limit"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
)

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
	client, err := limit.Address(trustedProxies)
	if err != nil {
		return nil, fmt.Errorf("httpapi: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := trace.ID(r)
		w.Header().Set(trace.IDHeader, id)
		rec := trace.NewRecorder(w)
		defer func() {
			attrs := []slog.Attr{
				slog.String("request_id", id),
				slog.String("method", trace.Shorten(r.Method)),
				slog.String("path", trace.Path(r)),
				slog.Int("status", rec.Status()),
				slog.Int64("bytes", rec.Bytes()),
				slog.Duration("took", rec.Took()),
				slog.String("client", client(r).String()),
			}
			if !rec.Ended() {
				attrs = append(attrs, slog.Bool("aborted", true))
			}
			log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
		}()
		next.ServeHTTP(rec, r.WithContext(trace.WithID(r.Context(), id)))
		rec.End()
	}), nil
}
