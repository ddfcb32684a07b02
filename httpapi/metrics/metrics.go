// Package metrics exports what a patch source does to Prometheus.
//
// A [Metrics] observes requests (as httpapi.Options.Observe), decorates the store, and reads gauges when it is
// collected. It registers its collectors with a prometheus.Registerer, and it is itself a handler of /metrics. The
// values of labels are bounded: they are routes and operations, never ids or tokens.
package metrics

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// namespace is the prefix of the name of every metric.
const namespace = "patchsource"

// A Gauge is a value that is read when the metrics are collected.
type Gauge struct {
	// Name is the name without the namespace, such as "titles".
	Name string
	// Help describes the value in a sentence.
	Help string
	// Labels are the names and values of constant labels. Gauges of the same name must differ in them.
	Labels map[string]string
	// Counter exports the value as a counter: it never decreases while the process runs. Its name ends in _total.
	Counter bool
	// Value returns the value. A collection waits for it.
	Value func() float64
}

func (g *Gauge) collector() prometheus.Collector {
	opts := prometheus.Opts{Namespace: namespace, Name: g.Name, Help: g.Help, ConstLabels: g.Labels}
	if g.Counter {
		return prometheus.NewCounterFunc(prometheus.CounterOpts(opts), g.Value)
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts), g.Value)
}

// A Metrics counts requests and the operations of a store. It is safe for concurrent use.
type Metrics struct {
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	stores   *prometheus.HistogramVec
	failures *prometheus.CounterVec

	series atomic.Pointer[map[outcome]*series] // those that were counted already
	growth sync.Mutex                          // of series

	handler    http.Handler
	registerer prometheus.Registerer  // the caller's; nil: there is none
	registered []prometheus.Collector // with registerer
}

// New returns a Metrics that exports the gauges, too, and registers its collectors with r. If r is nil, they are in a
// registry of their own, together with the collectors of the Go runtime and of the process. New returns an error if a
// gauge is invalid or a collector is already registered; r is then as it was before.
func New(r prometheus.Registerer, gauges ...Gauge) (*Metrics, error) {
	m := &Metrics{
		requests: counter("http_requests_total", "Requests by route, method and status. "+
			"The requests of the page to the API are counted, too.", "route", "method", "status"),
		latency:    histogram("http_request_seconds", "Duration of requests.", 30, "route", "status"),
		bytes:      counter("http_response_bytes_total", "Bytes of the bodies of responses.", "route"),
		stores:     histogram("store_seconds", "Duration of the operations of the storage.", 5, "operation"),
		failures:   counter("store_errors_total", "Failed operations of the storage.", "operation"),
		registerer: r,
	}
	m.series.Store(&map[outcome]*series{})
	all := []prometheus.Collector{m.requests, m.latency, m.bytes, m.stores, m.failures}
	for _, g := range gauges {
		all = append(all, g.collector())
	}
	own := prometheus.NewRegistry()
	if r == nil {
		all = append(all, collectors.NewGoCollector(), collectors.NewBuildInfoCollector(),
			collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	for _, c := range all {
		if err := own.Register(c); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	if r != nil {
		for _, c := range all {
			if err := r.Register(c); err != nil {
				m.Unregister()
				return nil, fmt.Errorf("metrics: %w", err)
			}
			m.registered = append(m.registered, c)
		}
	}
	m.handler = promhttp.HandlerFor(own, promhttp.HandlerOpts{})
	return m, nil
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

// histogram returns a histogram of durations in seconds, from 0.1 ms to longest.
func histogram(name, help string, longest float64, labels ...string) *prometheus.HistogramVec {
	buckets := []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5}
	if longest > buckets[len(buckets)-1] {
		buckets = append(buckets, longest)
	}
	return prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

// Unregister removes the collectors from the registerer that New was given, so that another Metrics can be registered
// there. It must not be called concurrently with itself.
func (m *Metrics) Unregister() {
	for _, c := range m.registered {
		m.registerer.Unregister(c)
	}
	m.registered = nil
}

// ServeHTTP implements http.Handler. It answers with the metrics of m, without others that are registered beside them.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// labeledMethods are the methods that are values of the label method.
var labeledMethods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "DELETE": true}

// Observe counts a request. The number of different routes must be bounded: a route is a pattern such as
// /jamf/v1/patch/{id}. Observe has the signature of httpapi.Options.Observe.
func (m *Metrics) Observe(route, method string, status int, bytes int64, duration time.Duration) {
	if !labeledMethods[method] {
		method = "other"
	}
	of := outcome{route, method, status}
	one := (*m.series.Load())[of]
	if one == nil {
		one = m.addSeries(of)
	}
	one.requests.Inc()
	one.latency.Observe(duration.Seconds())
	one.bytes.Add(float64(bytes))
}

// An outcome is what a request is counted by.
type outcome struct {
	route, method string
	status        int
}

// A series is the metrics of an outcome. To look them up by their labels takes longer than to count.
type series struct {
	requests, bytes prometheus.Counter
	latency         prometheus.Observer
}

// addSeries returns the series of an outcome, which may be new. There are few, since the routes are bounded.
func (m *Metrics) addSeries(of outcome) *series {
	m.growth.Lock()
	defer m.growth.Unlock()
	code := strconv.Itoa(of.status)
	one := &series{
		requests: m.requests.WithLabelValues(of.route, of.method, code),
		bytes:    m.bytes.WithLabelValues(of.route),
		latency:  m.latency.WithLabelValues(of.route, code),
	}
	all := maps.Clone(*m.series.Load())
	all[of] = one
	m.series.Store(&all)
	return one
}

// Wrap returns a handler that observes the requests that next answers. The route is the pattern by which an
// http.ServeMux in next matched the request (http.Request.Pattern), or "none". A request that next aborts with a panic
// is counted as 500.
func (m *Metrics) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		recorder := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		status := http.StatusInternalServerError
		defer func() {
			route := "none"
			if i := strings.IndexByte(r.Pattern, '/'); i >= 0 {
				route = r.Pattern[i:]
			}
			m.Observe(route, r.Method, status, int64(recorder.BytesWritten()), time.Since(began))
		}()
		next.ServeHTTP(recorder, r)
		status = cmp.Or(recorder.Status(), http.StatusOK)
	})
}
