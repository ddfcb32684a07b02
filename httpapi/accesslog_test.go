package httpapi_test

import (
	"bytes"
	"context"
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
	hello := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }
	nothing := func(http.ResponseWriter, *http.Request) {}
	missing := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) }
	const peer = "192.0.2.1"
	proxies := []string{"192.0.2.0/24"}
	forwarded := []string{"X-Forwarded-For", "203.0.113.9"}
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		header  []string // alternating names and values
		proxies []string
		target  string
		want    accessLine
	}{
		{"page", hello, nil, nil, "/a", accessLine{Path: "/a", Status: 200, Bytes: 5, Client: peer}},
		{"empty answer", nothing, nil, nil, "/a", accessLine{Path: "/a", Status: 200, Client: peer}},
		{"error", missing, nil, nil, "/b", accessLine{Path: "/b", Status: 404, Bytes: 3, Client: peer}},
		{
			"query with a secret", nothing, nil, nil, "/verify?code=hunter2",
			accessLine{Path: "/verify", Status: 200, Client: peer},
		},
		{"forged X-Forwarded-For", nothing, forwarded, nil, "/a", accessLine{Path: "/a", Status: 200, Client: peer}},
		{"proxy", nothing, forwarded, proxies, "/a", accessLine{Path: "/a", Status: 200, Client: "203.0.113.9"}},
		{"proxy without a header", nothing, nil, proxies, "/a", accessLine{Path: "/a", Status: 200, Client: peer}},
		{
			"request id", nothing, []string{"X-Request-Id", "a.B_c-1"}, nil, "/a",
			accessLine{RequestID: "a.B_c-1", Path: "/a", Status: 200, Client: peer},
		},
		{
			"request id with a space", nothing, []string{"X-Request-Id", "a b"}, nil, "/a",
			accessLine{Path: "/a", Status: 200, Client: peer},
		},
		{
			"long request id", nothing, []string{"X-Request-Id", strings.Repeat("a", 129)}, nil, "/a",
			accessLine{Path: "/a", Status: 200, Client: peer},
		},
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
			if c.want.RequestID == "" && len(id) == 12 {
				c.want.RequestID = id // generated, because the request had no valid one
			}
			c.want.Msg, c.want.Method, c.want.Took = "request", "GET", got.Took
			if got != c.want || got.RequestID != id {
				t.Errorf("got %+v, want %+v; the answer has the id %q", got, c.want, id)
			}
			if got.Took <= 0 || strings.Contains(log.String(), "hunter2") {
				t.Errorf("the log has no duration, or contains the query: %s", log.String())
			}
		})
	}
}

// TestAccessLogOfAbortedAnswers checks that an aborted answer is logged as aborted, and that a nil logger discards all
// lines.
func TestAccessLogOfAbortedAnswers(t *testing.T) {
	for line, write := range map[string]string{`"status":500,"bytes":0`: "", `"status":200,"bytes":4`: "half"} {
		var log bytes.Buffer
		aborted := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if write != "" {
				_, _ = io.WriteString(w, write)
			}
			panic(http.ErrAbortHandler)
		})
		func() {
			defer func() {
				if v := recover(); v != http.ErrAbortHandler {
					t.Errorf("got panic %v, want http.ErrAbortHandler", v)
				}
			}()
			newAccessLog(t, aborted, slog.New(slog.NewJSONHandler(&log, nil)), nil).
				ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		}()
		if !strings.Contains(log.String(), line) || !strings.Contains(log.String(), `"aborted":true`) {
			t.Errorf("the log lacks %s: %s", line, log.String())
		}
	}
	w := httptest.NewRecorder()
	newAccessLog(t, http.NotFoundHandler(), nil, nil).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	expect(t, w, http.StatusNotFound)
	if w.Header().Get("X-Request-Id") == "" {
		t.Errorf("the answer has no id: %v", w.Header())
	}
}

// TestErrorsNameTheRequest checks that the log lines about an internal error and about a change have the request id of
// the access log.
func TestErrorsNameTheRequest(t *testing.T) {
	s := &failing{Store: memstore.New()}
	b := newBench(t, s)
	logged := newAccessLog(t, b.handler, slog.New(slog.DiscardHandler), nil)

	s.down.Store(true)
	w := httptest.NewRecorder()
	logged.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	id := w.Header().Get("X-Request-Id")
	expect(t, w, http.StatusServiceUnavailable, id)
	if id == "" || strings.Count(b.log.String(), id) != 1 {
		t.Errorf("the log does not have exactly one line with the id %q: %s", id, b.log.String())
	}

	s.down.Store(false)
	b.log.Reset()
	r := httptest.NewRequest("POST", "/api/v1/title", strings.NewReader(definition("App", "1")))
	r.Header.Set("Authorization", "Bearer "+b.admin)
	w = httptest.NewRecorder()
	logged.ServeHTTP(w, r)
	expect(t, w, http.StatusCreated)
	id = w.Header().Get("X-Request-Id")
	if !strings.Contains(b.log.String(), "title created") || !strings.Contains(b.log.String(), "request_id="+id) {
		t.Errorf("the log has no line about the change with the id %q: %s", id, b.log.String())
	}
}

// A null is a ResponseWriter and a slog.Handler that does nothing.
type null struct{ header http.Header }

func (n null) Header() http.Header                     { return n.header }
func (null) Write(p []byte) (int, error)               { return len(p), nil }
func (null) WriteHeader(int)                           {}
func (null) Enabled(context.Context, slog.Level) bool  { return true }
func (null) Handle(context.Context, slog.Record) error { return nil }
func (n null) WithAttrs([]slog.Attr) slog.Handler      { return n }
func (n null) WithGroup(string) slog.Handler           { return n }

// A feed that is logged makes at most two allocations more than one that is not.
func TestAccessLogAllocations(t *testing.T) {
	b := newBench(t, memstore.New())
	r := httptest.NewRequest("GET", "/jamf/v1/software", nil)
	allocations := func(h http.Handler) float64 {
		header := http.Header{}
		return testing.AllocsPerRun(100, func() {
			clear(header)
			h.ServeHTTP(null{header}, r)
		})
	}
	bare := allocations(b.handler)
	if got := allocations(newAccessLog(t, b.handler, slog.New(null{}), nil)); got > bare+2 {
		t.Errorf("%v allocations with a log, and %v without one; want at most 2 more", got, bare)
	}
}

// Every answer of the feed has its length, also those whose length net/http adds.
func TestContentLength(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	server := httptest.NewServer(newAccessLog(t, b.handler, nil, nil))
	defer server.Close()
	for _, path := range []string{"/jamf/v1/software", "/jamf/v1/patch/App"} {
		for _, encoding := range []string{"gzip", "identity"} {
			var lengths [2]int64
			for i, method := range []string{"GET", "HEAD"} {
				r, err := http.NewRequest(method, server.URL+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Accept-Encoding", encoding)
				res, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				lengths[i] = res.ContentLength
				if err != nil || method == "GET" && int64(len(body)) != lengths[i] {
					t.Errorf("%s, %s: got %d bytes, %v; the length is %d", path, encoding, len(body), err, lengths[i])
				}
			}
			if lengths[0] <= 0 || lengths[0] != lengths[1] {
				t.Errorf("%s, %s: the length is %d for GET and %d for HEAD", path, encoding, lengths[0], lengths[1])
			}
		}
	}
}

// BenchmarkAccessLog compares a request that is logged with one that is not.
func BenchmarkAccessLog(b *testing.B) {
	titles, _ := benchCatalog(b, 1)
	h := newHandler(b, titles, nil)
	silent := slog.New(null{})
	for name, h := range map[string]http.Handler{
		"feed":   h,
		"logged": newAccessLog(b, h, silent, nil),
		"text":   newAccessLog(b, h, slog.New(slog.NewTextHandler(io.Discard, nil)), nil),
	} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/jamf/v1/software", nil)
			w := null{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
		})
	}
}
