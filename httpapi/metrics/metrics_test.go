package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/metrics"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/store/storetest"
)

func scrape(t testing.TB, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	data, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("%d, %v", w.Code, err)
	}
	return string(data)
}

func TestObserve(t *testing.T) {
	m := metrics.New(metrics.Gauge{Name: "titles", Help: "Titles.", Value: func() float64 { return 7 }})
	m.Observe("/jamf/v1/software", "GET", 200, 100, time.Millisecond)
	m.Observe("/jamf/v1/software", "GET", 200, 50, time.Millisecond)
	m.Observe("/jamf/v1/software", "BREW", 405, 0, time.Millisecond)
	text := scrape(t, m)
	for _, want := range []string{
		`patchsource_http_requests_total{method="GET",route="/jamf/v1/software",status="200"} 2`,
		`patchsource_http_requests_total{method="other",route="/jamf/v1/software",status="405"} 1`,
		`patchsource_http_response_bytes_total{route="/jamf/v1/software"} 150`,
		`patchsource_http_request_seconds_count{route="/jamf/v1/software",status="200"} 2`,
		"patchsource_titles 7",
		"go_goroutines",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not told", want)
		}
	}
}

// What a http.ServeMux serves is counted by its patterns, and what it does not as none; a
// gauge that only grows is a counter.
func TestWrap(t *testing.T) {
	n := 0.0
	m := metrics.New(
		metrics.Gauge{
			Name:    "rounds_total",
			Help:    "Rounds.",
			Labels:  map[string]string{"result": "ok"},
			Counter: true,
			Value:   func() float64 { n++; return n },
		},
	)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /titles/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") == "x" {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = io.WriteString(w, "hello")
		if r.PathValue("id") == "broken" {
			panic(http.ErrAbortHandler)
		}
	})
	h := m.Wrap(mux)
	func() {
		defer func() { _ = recover() }()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/titles/broken", nil))
		t.Error("it is not told that it has broken off")
	}()
	for _, path := range []string{"/titles/a", "/titles/b", "/titles/x", "/nope"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	text := scrape(t, m)
	for _, want := range []string{
		`patchsource_http_requests_total{method="GET",route="/titles/{id}",status="200"} 2`,
		`patchsource_http_requests_total{method="GET",route="/titles/{id}",status="418"} 1`,
		`patchsource_http_requests_total{method="GET",route="none",status="404"} 1`,
		`patchsource_http_requests_total{method="GET",route="/titles/{id}",status="500"} 1`,
		`patchsource_http_response_bytes_total{route="/titles/{id}"} 20`,
		"# TYPE patchsource_rounds_total counter",
		`patchsource_rounds_total{result="ok"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not told: %s", want, text)
		}
	}
}

// A failing store says what it is told to.
type failing struct {
	store.Store
	err error
}

func (f *failing) Get(context.Context, store.Key) (store.Record, error) {
	return store.Record{}, f.err
}

func TestStore(t *testing.T) {
	m := metrics.New()
	inner := &failing{Store: memstore.New()}
	s := m.Store(inner)
	for _, err := range []error{nil, store.ErrNotFound, errors.New("the disk is full"), errors.New("again")} {
		inner.err = err
		_, _ = s.Get(t.Context(), store.Key{Kind: "titles", ID: "secret-id"})
	}
	text := scrape(t, m)
	if !strings.Contains(text, `patchsource_store_errors_total{operation="get"} 2`) ||
		!strings.Contains(text, `patchsource_store_seconds_count{operation="get"} 4`) ||
		strings.Contains(text, "secret-id") {
		t.Errorf("%s", text)
	}
	if _, ok := store.As[store.Watcher](m.Store(memstore.New())); !ok {
		t.Error("what the store can do is hidden")
	}
}

// With a clock on it, a store keeps every rule.
func TestTimedStoreKeepsTheRules(t *testing.T) {
	m := metrics.New()
	storetest.Run(t, storetest.Backend{New: func(*testing.T) store.Store { return m.Store(memstore.New()) }})
}

func Example() {
	m := metrics.New(metrics.Gauge{Name: "titles", Help: "Titles that are served.", Value: func() float64 { return 3 }})
	m.Observe("/jamf/v1/software", "GET", 200, 1234, time.Millisecond)

	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "patchsource_titles") || strings.HasPrefix(line, "patchsource_http_requests_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// patchsource_http_requests_total{method="GET",route="/jamf/v1/software",status="200"} 1
	// patchsource_titles 3
}
