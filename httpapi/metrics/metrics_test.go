package metrics_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

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
		t.Fatalf("/metrics answered %d, %v", w.Code, err)
	}
	return string(data)
}

// newMetrics returns a Metrics with a registry of its own.
func newMetrics(t testing.TB, gauges ...metrics.Gauge) *metrics.Metrics {
	t.Helper()
	m, err := metrics.New(nil, gauges...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestObserve(t *testing.T) {
	m := newMetrics(t, metrics.Gauge{Name: "titles", Help: "Titles.", Value: func() float64 { return 7 }})
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
			t.Errorf("the metrics do not have %s", want)
		}
	}
}

// A request that is like one before is counted without an allocation.
func TestAllocations(t *testing.T) {
	m := newMetrics(t)
	observe := func() { m.Observe("/jamf/v1/software", "GET", 200, 100, time.Millisecond) }
	if got := testing.AllocsPerRun(100, observe); got > 0 {
		t.Errorf("Observe makes %v allocations, want none", got)
	}
	if text := scrape(t, m); !strings.Contains(text, `route="/jamf/v1/software",status="200"} 101`) {
		t.Errorf("the metrics do not have 101 requests:\n%s", text)
	}
}

// Requests are counted by the patterns of an http.ServeMux, or as none. A gauge that never decreases is a counter.
func TestWrap(t *testing.T) {
	n := 0.0
	m := newMetrics(t, metrics.Gauge{
		Name:    "rounds_total",
		Help:    "Rounds.",
		Labels:  map[string]string{"result": "ok"},
		Counter: true,
		Value:   func() float64 { n++; return n },
	})
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
		t.Error("the panic of the handler was lost")
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
			t.Errorf("the metrics do not have %s:\n%s", want, text)
		}
	}
}

// A failingStore returns an error from Get.
type failingStore struct {
	store.Store
	err error
}

func (s *failingStore) Get(context.Context, store.Key) (store.Record, error) {
	return store.Record{}, s.err
}

func TestStore(t *testing.T) {
	m := newMetrics(t)
	inner := &failingStore{Store: memstore.New()}
	s := m.Store(inner)
	if text := scrape(t, m); !strings.Contains(text, `patchsource_store_errors_total{operation="put"} 0`) {
		t.Errorf("the failures do not begin at 0:\n%s", text)
	}
	for _, err := range []error{nil, store.ErrNotFound, errors.New("the disk is full"), errors.New("again")} {
		inner.err = err
		_, _ = s.Get(t.Context(), store.Key{Kind: "titles", ID: "secret-id"})
	}
	text := scrape(t, m)
	if !strings.Contains(text, `patchsource_store_errors_total{operation="get"} 2`) ||
		!strings.Contains(text, `patchsource_store_seconds_count{operation="get"} 4`) ||
		strings.Contains(text, "secret-id") {
		t.Errorf("the metrics of the store are wrong:\n%s", text)
	}
	if _, ok := store.As[store.Watcher](m.Store(memstore.New())); !ok {
		t.Error("the capabilities of the store are hidden")
	}
}

// An observed store keeps every rule of a store.
func TestObservedStore(t *testing.T) {
	m := newMetrics(t)
	storetest.Run(t, storetest.Backend{New: func(*testing.T) store.Store { return m.Store(memstore.New()) }})
}

// The collectors are registered with the caller's registry, beside others.
func TestRegisterer(t *testing.T) {
	registry := prometheus.NewRegistry()
	own := prometheus.NewGauge(prometheus.GaugeOpts{Name: "own"})
	if err := registry.Register(own); err != nil {
		t.Fatal(err)
	}
	titles := metrics.Gauge{Name: "titles", Value: func() float64 { return 7 }}
	m, err := metrics.New(registry, titles)
	if err != nil {
		t.Fatal(err)
	}
	m.Observe("/jamf/v1/software", "GET", 200, 100, time.Millisecond)
	names := func() (all []string) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			all = append(all, f.GetName())
		}
		return all
	}
	want := []string{
		"own", "patchsource_http_request_seconds", "patchsource_http_requests_total",
		"patchsource_http_response_bytes_total", "patchsource_titles",
	}
	if diff := cmp.Diff(want, names()); diff != "" {
		t.Errorf("the registry has other metrics (-want +got):\n%s", diff)
	}
	if text := scrape(t, m); !strings.Contains(text, "patchsource_titles 7") || strings.Contains(text, "own") {
		t.Errorf("/metrics has others than those of the package:\n%s", text)
	}
	var registered prometheus.AlreadyRegisteredError
	if _, err := metrics.New(registry); !errors.As(err, &registered) {
		t.Errorf("registering twice returned %v, want an AlreadyRegisteredError", err)
	}
	m.Unregister()
	if diff := cmp.Diff([]string{"own"}, names()); diff != "" {
		t.Errorf("after Unregister, the registry differs (-want +got):\n%s", diff)
	}
	if _, err := metrics.New(registry, titles); err != nil {
		t.Error(err)
	}
}

// New returns an error, and leaves the registry as it was.
func TestInvalidGauges(t *testing.T) {
	taken := prometheus.NewRegistry()
	taken.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "patchsource_titles", Help: "Titles."}))
	titles := metrics.Gauge{Name: "titles", Help: "Titles.", Value: func() float64 { return 1 }}
	tests := []struct {
		name     string
		registry *prometheus.Registry
		gauges   []metrics.Gauge
	}{
		{"twice the same", prometheus.NewRegistry(), []metrics.Gauge{titles, titles}},
		{"an invalid name", prometheus.NewRegistry(), []metrics.Gauge{{Name: "a b\xff", Value: titles.Value}}},
		{"a registered name", taken, []metrics.Gauge{titles}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before, err := test.registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := metrics.New(test.registry, test.gauges...); err == nil {
				t.Fatal("New returned no error")
			}
			after, err := test.registry.Gather()
			if err != nil || len(after) != len(before) {
				t.Errorf("the registry has %d metrics, want %d (%v)", len(after), len(before), err)
			}
			if _, err := metrics.New(nil, test.gauges...); err == nil && test.registry != taken {
				t.Error("New without a registerer returned no error")
			}
		})
	}
}
