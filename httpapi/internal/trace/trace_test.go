package trace_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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

// Ids differ, also between two IDs, and are valid.
func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for _, ids := range []*trace.IDs{trace.NewIDs(), trace.NewIDs()} {
		var mu sync.Mutex
		var work sync.WaitGroup
		for range 4 {
			work.Go(func() {
				for range 1000 {
					id := ids.Next()
					r := httptest.NewRequest("GET", "/", nil)
					r.Header.Set(trace.IDHeader, id)
					mu.Lock()
					if seen[id] || len(id) != 12 || trace.ID(r) != id {
						t.Errorf("the id %q is invalid, or was made before", id)
					}
					seen[id] = true
					mu.Unlock()
				}
			})
		}
		work.Wait()
	}
}

// A handler that needs no id in the context of the request gets the request as it came, and any other one a copy.
func TestServe(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	w := httptest.NewRecorder()
	rec := trace.NewTraced(w, r, trace.NewIDs())
	if rec.ID() == "" || w.Header().Get(trace.IDHeader) != rec.ID() {
		t.Errorf("the answer has the header %v, want the id %q", w.Header(), rec.ID())
	}
	var got *http.Request
	trace.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }), rec, r)
	if trace.ID(got) != rec.ID() {
		t.Errorf("a handler gets a request with the id %q, want %q", trace.ID(got), rec.ID())
	}
	trace.Serve(recordedHandler{func(_ *trace.Recorder, r *http.Request) { got = r }}, rec, r)
	if got != r {
		t.Error("a trace.Handler gets another request")
	}
	again := trace.NewTraced(httptest.NewRecorder(), rec.Request(r), trace.NewIDs())
	if again.ID() != rec.ID() {
		t.Errorf("a request with the id %q gets the id %q", rec.ID(), again.ID())
	}
}

type recordedHandler struct {
	serve func(*trace.Recorder, *http.Request)
}

func (recordedHandler) ServeHTTP(http.ResponseWriter, *http.Request) { panic("not called") }

func (h recordedHandler) ServeRecorded(rec *trace.Recorder, r *http.Request) { h.serve(rec, r) }

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
