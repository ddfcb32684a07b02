package httpapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/store/memstore"
)

// An accessLine is a line of the access log.
type accessLine struct {
	Msg       string
	RequestID string `json:"request_id"`
	Method    string
	Path      string
	Status    int
	Bytes     int64
	Took      int64
	Client    string
}

func TestAccessLog(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		header  []string // names and values
		proxies []string
		target  string
		want    accessLine
	}{
		{"a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }, nil, nil, "/a", accessLine{Path: "/a", Status: 200, Bytes: 5, Client: "192.0.2.1"}},
		{"nothing written", func(http.ResponseWriter, *http.Request) {}, nil, nil, "/a", accessLine{Path: "/a", Status: 200, Client: "192.0.2.1"}},
		{"an error", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 404) }, nil, nil, "/b", accessLine{Path: "/b", Status: 404, Bytes: 3, Client: "192.0.2.1"}},
		{"the query is a secret", func(http.ResponseWriter, *http.Request) {}, nil, nil, "/verify?code=hunter2", accessLine{Path: "/verify", Status: 200, Client: "192.0.2.1"}},
		{"a client who lies", func(http.ResponseWriter, *http.Request) {}, []string{"X-Forwarded-For", "203.0.113.9"}, nil, "/a", accessLine{Path: "/a", Status: 200, Client: "192.0.2.1"}},
		{"behind a proxy", func(http.ResponseWriter, *http.Request) {}, []string{"X-Forwarded-For", "203.0.113.9"}, []string{"192.0.2.0/24"}, "/a", accessLine{Path: "/a", Status: 200, Client: "203.0.113.9"}},
		{"a proxy that says nothing", func(http.ResponseWriter, *http.Request) {}, nil, []string{"192.0.2.0/24"}, "/a", accessLine{Path: "/a", Status: 200, Client: "192.0.2.1"}},
		{"a request id that is kept", func(http.ResponseWriter, *http.Request) {}, []string{"X-Request-Id", "a.B_c-1"}, nil, "/a", accessLine{RequestID: "a.B_c-1", Path: "/a", Status: 200, Client: "192.0.2.1"}},
		{"a request id with a space", func(http.ResponseWriter, *http.Request) {}, []string{"X-Request-Id", "a b"}, nil, "/a", accessLine{Path: "/a", Status: 200, Client: "192.0.2.1"}},
		{"a request id that is too long", func(http.ResponseWriter, *http.Request) {}, []string{"X-Request-Id", strings.Repeat("a", 129)}, nil, "/a", accessLine{Path: "/a", Status: 200, Client: "192.0.2.1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			r := httptest.NewRequest("GET", c.target, nil)
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			w := httptest.NewRecorder()
			newAccessLog(t, c.handler, slog.New(slog.NewJSONHandler(&log, nil)), c.proxies).ServeHTTP(w, r)
			var got accessLine
			if err := json.Unmarshal(log.Bytes(), &got); err != nil {
				t.Fatalf("%v: %s", err, log.String())
			}
			id := w.Header().Get("X-Request-Id")
			if c.want.RequestID == "" && len(id) != 12 || c.want.RequestID != "" && id != c.want.RequestID ||
				got.RequestID != id || got.Took <= 0 || strings.Contains(log.String(), "hunter2") {
				t.Errorf("%q: %s", id, log.String())
			}
			c.want.Msg, c.want.Method, c.want.RequestID, c.want.Took = "request", "GET", got.RequestID, got.Took
			if got != c.want {
				t.Errorf("%+v", got)
			}
		})
	}
}

// What a handler breaks off is no success, and who wants no log has none.
func TestAccessLogOfWhatBreaksOff(t *testing.T) {
	for name, write := range map[string]string{`"status":500,"bytes":0`: "", `"status":200,"bytes":4`: "half"} {
		var log bytes.Buffer
		broken := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if write != "" {
				_, _ = io.WriteString(w, write)
			}
			panic(http.ErrAbortHandler)
		})
		func() {
			defer func() {
				if recover() != http.ErrAbortHandler {
					t.Error("it does not end as it should")
				}
			}()
			newAccessLog(t, broken, slog.New(slog.NewJSONHandler(&log, nil)), nil).
				ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		}()
		if !strings.Contains(log.String(), name) || !strings.Contains(log.String(), `"aborted":true`) {
			t.Errorf("%s: %s", name, log.String())
		}
	}
	w := httptest.NewRecorder()
	newAccessLog(t, http.NotFoundHandler(), nil, nil).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 404 || w.Header().Get("X-Request-Id") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// An internal error names the id that the access log has.
func TestErrorsNameTheRequest(t *testing.T) {
	s := &failing{Store: memstore.New()}
	b := newBench(t, s)
	s.down.Store(true)
	logged := newAccessLog(t, b.handler, slog.New(slog.DiscardHandler), nil)
	w := httptest.NewRecorder()
	logged.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	id := w.Header().Get("X-Request-Id")
	if w.Code != 503 || id == "" || !strings.Contains(w.Body.String(), id) || strings.Count(b.log.String(), id) != 1 {
		t.Errorf("%d, %q: %s; %s", w.Code, id, w.Body, b.log.String())
	}
	// So does a line about a change.
	s.down.Store(false)
	b.log.Reset()
	r := httptest.NewRequest("POST", "/api/v1/title", strings.NewReader(definition("App", "1")))
	r.Header.Set("Authorization", "Bearer "+b.admin)
	w = httptest.NewRecorder()
	logged.ServeHTTP(w, r)
	if id := w.Header().Get("X-Request-Id"); w.Code != 201 || !strings.Contains(b.log.String(), "title created") ||
		!strings.Contains(b.log.String(), "request_id="+id) {
		t.Errorf("%d, %q: %s", w.Code, id, b.log.String())
	}
}

// What a line of the access log costs, beside the request that it is about.
func BenchmarkAccessLog(b *testing.B) {
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	for name, h := range map[string]http.Handler{"bare": bare, "logged": newAccessLog(b, bare, slog.New(slog.NewTextHandler(io.Discard, nil)), nil)} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/jamf/v1/software", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
