package trace_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/trace"
)

func ExampleURL() {
	fmt.Println(trace.URL("https://user:secret@example.com/d.json?token=secret#x"))
	fmt.Println(trace.URL("user:secret@example.com"))
	// Output:
	// https://example.com/d.json
	// (unreadable URL)
}

// A request keeps its id if it is valid, and gets a new one otherwise. A context has precedence.
func TestID(t *testing.T) {
	for sent, kept := range map[string]bool{
		"a": true, "A.b_c-9": true, strings.Repeat("a", 128): true,
		"": false, "a b": false, "a\n": false, "ä": false, strings.Repeat("a", 129): false,
		"pst_ABCDEFGH": false, "id-pst_ABCDEFGH": false, // tokens, which must not get into the log
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["X-Request-Id"] = []string{sent}
		if got := trace.ID(r); (got == sent) != kept || got == "" {
			t.Errorf("%q becomes %q; kept: want %v", sent, got, kept)
		}
		if got := trace.ID(r.WithContext(trace.WithID(r.Context(), "own"))); got != "own" {
			t.Errorf("got %q, want the id of the context", got)
		}
	}
}

func TestLogger(t *testing.T) {
	var log bytes.Buffer
	l := trace.Logger(slog.New(slog.NewTextHandler(&log, nil))).With("a", 1).WithGroup("g")
	l.InfoContext(trace.WithID(t.Context(), "req-1"), "hello", "b", 2)
	if !strings.Contains(log.String(), "a=1") || !strings.Contains(log.String(), "request_id=req-1") {
		t.Errorf("the log: %s", log.String())
	}
	trace.Logger(nil).Info("hello")
}

func TestPath(t *testing.T) {
	r := httptest.NewRequest("GET", "/api/v1/tokens/pst_ABCDEFGH/invalidate?x=y", nil)
	if got, want := trace.Path(r), "/api/v1/tokens/pst_…/invalidate"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	r.URL.Path = "/" + strings.Repeat("ä", 300)
	if got := trace.Path(r); len(got) > 260 || !strings.HasSuffix(got, "…") {
		t.Errorf("got %d bytes: %s", len(got), got)
	}
}

// An answer is observed with its status and size. An answer that is aborted is a failure.
func TestObserve(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		status  int
		bytes   int64
	}{
		"empty":   {func(http.ResponseWriter, *http.Request) {}, 200, 0},
		"body":    {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }, 200, 5},
		"error":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, 404, 0},
		"aborted": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "he"); panic("oops") }, 500, 2},
	} {
		t.Run(name, func(t *testing.T) {
			observed := 0
			h := trace.Observe(func(route, method string, status int, bytes int64, took time.Duration) {
				observed++
				if route != "/r" || method != "GET" || status != c.status || bytes != c.bytes || took < 0 {
					t.Errorf("observed %s %s, status %d, %d bytes, %v", method, route, status, bytes, took)
				}
			}, "/r", c.handler)
			func() {
				defer func() { _ = recover() }()
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
			}()
			if observed != 1 {
				t.Errorf("observed %d requests, want 1", observed)
			}
		})
	}
}
