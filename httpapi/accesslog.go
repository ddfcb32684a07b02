package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"

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
	var caller [1]uintptr
	runtime.Callers(1, caller[:]) // this function, once for all lines
	return &accessLog{next: next, log: log.Handler(), client: client, ids: trace.NewIDs(), caller: caller[0]}, nil
}

// An accessLog is the handler of AccessLog.
type accessLog struct {
	next   http.Handler
	log    slog.Handler
	client limit.AddressFunc
	ids    *trace.IDs
	caller uintptr // the program counter that the handler reports as the source
}

// ServeHTTP implements http.Handler.
func (l *accessLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := trace.NewTraced(w, r, l.ids)
	defer l.write(rec, r)
	trace.Serve(l.next, rec, r)
	rec.End()
}

// write logs the line of a request. It hands it to the handler itself: a slog.Logger would look up its caller for each
// line.
func (l *accessLog) write(rec *trace.Recorder, r *http.Request) {
	ctx := r.Context()
	if !l.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	took := rec.Took()
	line := slog.NewRecord(rec.Began().Add(took), slog.LevelInfo, "request", l.caller)
	line.AddAttrs(
		slog.String("request_id", rec.ID()),
		slog.String("method", trace.Shorten(r.Method)),
		slog.String("path", trace.Path(r)),
		slog.Int("status", rec.Status()),
		slog.Int64("bytes", rec.Bytes()),
		slog.Duration("took", took),
		slog.String("client", limit.Text(l.client(r), r)),
	)
	if !rec.Ended() {
		line.AddAttrs(slog.Bool("aborted", true))
	}
	_ = l.log.Handle(ctx, line) // as a slog.Logger does
}
