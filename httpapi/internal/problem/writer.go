package problem

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
)

// A MethodError is returned for a method that a path does not have.
type MethodError struct{ Method, Allow string }

func (e *MethodError) Error() string {
	return fmt.Sprintf("%s is not allowed here: use %s", e.Method, strings.ReplaceAll(e.Allow, ", ", " or "))
}

// A PathError is returned for a path that no call has.
type PathError struct{ Path string }

func (e *PathError) Error() string {
	if strings.HasPrefix(e.Path, "/api/") {
		return "there is no such call; the calls are documented at …/docs"
	}
	return "there is no such call; the source's list of titles is at …/jamf/v1/software"
}

// A RequestError is returned for a request that cannot be understood.
type RequestError struct{ Message string }

func (e *RequestError) Error() string { return e.Message }

// ErrMediaType is returned for a body of an unsupported type.
var ErrMediaType = errors.New("the body has an unsupported type")

// A PanicError is the value that a goroutine panicked with.
type PanicError struct {
	Value any
	Stack []byte // of the goroutine
}

// NewPanicError returns the error of a goroutine that panicked with v, the value of recover. It must be called by the
// deferred function that recovered, so that it finds the stack. A panic with the error is reported as the original one.
func NewPanicError(v any) *PanicError { return &PanicError{v, debug.Stack()} }

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// The rows of errors that every handler has.
var (
	Method = Row{
		Match:  As[*MethodError](),
		Code:   wire.CodeMethodNotAllowed,
		Detail: With(func(e *MethodError) any { return trace.Shorten(e.Method) }),
	}
	Path = Row{
		Match:  As[*PathError](),
		Code:   wire.CodeNotFound,
		Detail: With(func(e *PathError) any { return trace.Shorten(e.Path) }),
	}
)

// A Writer answers errors.
type Writer struct {
	Table Table
	// Log receives the causes of internal errors.
	Log *slog.Logger
}

// Write answers with an error. Before it, nothing may have been written. If simple is true, the message is repeated as
// the member error, for clients of Stupid Simple Patch Server.
//
// A status 401 has the challenge that the error's method Challenge() string returns, and otherwise one of Bearer. A
// status 429 has the Retry-After that its method RetryAfter() time.Duration returns, and otherwise a minute.
func (pw *Writer) Write(w http.ResponseWriter, r *http.Request, err error, simple bool) {
	p, id := pw.Report(r, err)
	h := w.Header()
	for _, name := range []string{"Etag", "Last-Modified", "Content-Encoding", "Content-Length", "Vary"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	setHeader(h, p.Status, err)
	if id != "" {
		h.Set(trace.IDHeader, id)
	}
	body := p.Body()
	body.Simple = simple
	answer.WriteJSON(w, p.Status, body)
}

// Report returns the answer to an error. It logs an internal error under the id of the request, which it returns, and
// returns no id for any other error.
func (pw *Writer) Report(r *http.Request, err error) (p Problem, id string) {
	p = pw.Table.Of(err)
	if (p.Code == wire.CodeInternal || p.Code == wire.CodeInsufficientStorage) && mustLog(r, err) {
		id = trace.ID(r)
		p.Detail = id
		pw.log(r, id, p.Status, err)
	}
	return p, id
}

// mustLog reports whether an internal error is logged. If the client is gone, only panics are: other errors may be due
// to the end of the request.
func mustLog(r *http.Request, err error) bool {
	var panicked *PanicError
	return r.Context().Err() == nil || errors.As(err, &panicked)
}

// retryAfterOutage is the number of seconds after which a client may retry during an outage.
const retryAfterOutage = "5"

// setHeader sets the header that a status requires.
func setHeader(h http.Header, status int, err error) {
	switch status {
	case http.StatusUnauthorized:
		challenge := `Bearer realm="patchsource"`
		var own interface{ Challenge() string }
		if errors.As(err, &own) {
			challenge = own.Challenge()
		}
		h.Set("WWW-Authenticate", challenge)
	case http.StatusMethodNotAllowed:
		var method *MethodError
		if errors.As(err, &method) {
			h.Set("Allow", method.Allow)
		}
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfterOutage)
	case http.StatusTooManyRequests:
		after := time.Minute
		var limited interface{ RetryAfter() time.Duration }
		if errors.As(err, &limited) {
			after = limited.RetryAfter()
		}
		h.Set("Retry-After", strconv.Itoa(int(after/time.Second)+1))
	}
}

// log logs the cause of an internal error.
func (pw *Writer) log(r *http.Request, id string, status int, err error) {
	attrs := []any{"method", r.Method, "path", trace.Path(r), "status", status, "error", err}
	var panicked *PanicError
	if errors.As(err, &panicked) {
		attrs = append(attrs, "stack", string(panicked.Stack))
	}
	pw.Log.ErrorContext(trace.WithID(r.Context(), id), "a request failed", attrs...)
}

// Recovered returns the error of a handler that panicked with v, the value of recover. It must be called by the
// deferred function that recovered. If v is a PanicError, Recovered returns v. An http.ErrAbortHandler panics once
// more: it means that the answer is to be aborted.
func Recovered(v any) error {
	if v == http.ErrAbortHandler {
		panic(v)
	}
	if err, ok := v.(*PanicError); ok {
		return err
	}
	return NewPanicError(v)
}
