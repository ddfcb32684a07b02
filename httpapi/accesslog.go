package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/patchsource/patchsource/httpapi/internal/limit"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
)

// AccessLog returns a handler that names each request by an id, passes it to next, and logs a line once it was
// answered: the id, the method, the path, the status, the bytes of the body, the time that it took, and the client's
// address. The query is left out, since it may hold a secret. The line about an aborted answer says so.
//
// The id is the X-Request-Id of the request if that has 1 to 128 letters, digits, dots, underscores and hyphens and is
// no token, and a new one otherwise. It is the X-Request-Id of the answer. Put AccessLog around everything that a
// server serves: the handler of [New] then has the same id in its errors and log lines.
//
// trustedProxies are those of [Options.TrustedProxies]; AccessLog returns an error if one of them is no network. If log
// is nil, nothing is logged. The handler is safe for concurrent use.
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
