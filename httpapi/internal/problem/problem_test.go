package problem_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/wire"
)

var errTaken = errors.New("the name is taken")

// A tooManyError has a time of its own.
type tooManyError struct{}

func (tooManyError) Error() string             { return "too many requests" }
func (tooManyError) RetryAfter() time.Duration { return 90 * time.Second }

// A passwordError has a challenge of its own.
type passwordError struct{}

func (passwordError) Error() string     { return "wrong password" }
func (passwordError) Challenge() string { return `Basic realm="x"` }

var table = problem.Table{
	{
		Match: problem.But(problem.Is(errTaken), problem.Ended),
		Code:  wire.CodeDatabaseConflict,
	},
	{Match: problem.As[tooManyError](), Code: wire.CodeRateLimited},
	{Match: problem.As[passwordError](), Code: wire.CodeUnauthorized},
	{Match: problem.Ended, Code: wire.CodeInternal, Status: http.StatusServiceUnavailable, Detail: problem.Nothing},
	problem.Method,
	problem.Path,
}

func ExampleTable_Of() {
	for _, err := range []error{fmt.Errorf("register: %w", errTaken), errors.New("disk failure")} {
		p := table.Of(err)
		fmt.Println(p.Status, p.Code, p.Message)
	}
	// Output:
	// 409 database_conflict Register: the name is taken.
	// 500 internal Something went wrong within the server. Its log says what, under the id in this answer.
}

func TestWrite(t *testing.T) {
	for name, c := range map[string]struct {
		err           error
		status        int
		header, value string
		body          string
	}{
		"row":       {errTaken, 409, "Cache-Control", "no-store", `"database_conflict":"the name is taken"`},
		"other row": {fmt.Errorf("%w: %w", errTaken, context.Canceled), 503, "Retry-After", "5", `"internal":"req-1"`},
		"time":      {tooManyError{}, 429, "Retry-After", "91", `"rate_limited"`},
		"challenge": {passwordError{}, 401, "WWW-Authenticate", `Basic realm="x"`, `"unauthorized"`},
		"method":    {&problem.MethodError{Method: "PUT", Allow: "GET"}, 405, "Allow", "GET", `"PUT"`},
		"path":      {&problem.PathError{Path: "/x"}, 404, "Content-Type", "application/json", `"not_found":"/x"`},
		"API path":  {&problem.PathError{Path: "/api/v1/x"}, 404, "Content-Type", "application/json", "at …/docs"},
		"internal":  {errors.New("hunter2"), 500, "X-Request-Id", "req-1", `"internal":"req-1"`},
		"panic":     {problem.Recovered("hunter2"), 500, "X-Request-Id", "req-1", `"internal":"req-1"`},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			pw := problem.Writer{Table: table, Log: slog.New(slog.NewTextHandler(&log, nil))}
			r := httptest.NewRequest("GET", "/pst_SECRETSECRET", nil)
			r.Header.Set("X-Request-Id", "req-1")
			w := httptest.NewRecorder()
			w.Header().Set("Etag", `"x"`)
			pw.Write(w, r, c.err, true)
			if w.Code != c.status || w.Header().Get(c.header) != c.value {
				t.Errorf("got status %d, want %d; the header: %v", w.Code, c.status, w.Header())
			}
			if !strings.Contains(w.Body.String(), c.body) || !strings.Contains(w.Body.String(), `"error":`) {
				t.Errorf("got %s, want %s and the member error", w.Body, c.body)
			}
			if w.Header().Get("Etag") != "" || strings.Contains(w.Body.String(), "hunter2") {
				t.Errorf("got %s with the header %v", w.Body, w.Header())
			}
			logged := strings.Contains(log.String(), "hunter2")
			if strings.Contains(log.String(), "SECRET") || c.status == 500 && !logged {
				t.Errorf("the log: %s", log.String())
			}
		})
	}
}

// The cause of an internal error is not logged for a client that is gone.
func TestWriteToAClientThatIsGone(t *testing.T) {
	var log bytes.Buffer
	pw := problem.Writer{Table: table, Log: slog.New(slog.NewTextHandler(&log, nil))}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	pw.Write(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil), context.Canceled, false)
	if log.Len() != 0 {
		t.Errorf("the log: %s", log.String())
	}
}

// A panic is logged even if the client is gone, with the stack of the goroutine that panicked.
func TestPanicOfAnotherGoroutine(t *testing.T) {
	panicked := make(chan *problem.PanicError)
	go func() {
		defer func() { panicked <- problem.NewPanicError(recover()) }()
		failDeepInside()
	}()
	var log bytes.Buffer
	pw := problem.Writer{Table: table, Log: slog.New(slog.NewTextHandler(&log, nil))}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	pw.Write(httptest.NewRecorder(), r, problem.Recovered(<-panicked), false)
	if !strings.Contains(log.String(), "panic: hunter2") || !strings.Contains(log.String(), "failDeepInside") {
		t.Errorf("the log lacks the panic or its stack: %s", log.String())
	}
}

//go:noinline
func failDeepInside() { panic("hunter2") }

// If a handler aborts its answer, Recovered panics again with http.ErrAbortHandler.
func TestRecoveredAbort(t *testing.T) {
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("got panic %v, want http.ErrAbortHandler", v)
		}
	}()
	_ = problem.Recovered(http.ErrAbortHandler)
}
