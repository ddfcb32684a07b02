// Package metrics counts what a patch source does, in the form of Prometheus. It is a
// package of its own, so that who does not want it does not compile it.
//
// A [Metrics] observes requests (httpapi.Options.Observe), the storage (a decorator of
// the store), and whatever else it is given to look at when it is asked; it is a
// handler of /metrics. Labels are bounded: routes, never ids, and no token.
package metrics

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/patchsource/patchsource/store"
)

// namespace begins the name of every metric.
const namespace = "patchsource"

// A Gauge is something that is looked at when somebody asks.
type Gauge struct {
	// Name is its name, without the namespace, such as "titles".
	Name string
	// Help says what it is.
	Help string
	// Labels are names and values that tell it from others of the same name.
	Labels map[string]string
	// Counter says that it only grows, until the process ends; its name ends in _total.
	Counter bool
	// Value returns it, at once.
	Value func() float64
}

// A Metrics counts. Make one with [New]. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	stores   *prometheus.HistogramVec
	failures *prometheus.CounterVec
}

// New returns a Metrics that also tells of these gauges, and of the process. It panics
// if two of them are the same.
func New(gauges ...Gauge) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(
			prometheus.CounterOpts{
				Namespace: namespace,
				Name:      "http_requests_total",
				Help:      "Requests, by route, method and status. The page asks the API in this process: its requests count there too.",
			},
			[]string{"route", "method", "status"},
		),
		latency: prometheus.NewHistogramVec(
			prometheus.HistogramOpts{
				Namespace: namespace,
				Name:      "http_request_seconds",
				Help:      "How long requests took, by route and status.",
				Buckets:   []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5, 30},
			},
			[]string{"route", "status"},
		),
		bytes: prometheus.NewCounterVec(
			prometheus.CounterOpts{
				Namespace: namespace,
				Name:      "http_response_bytes_total",
				Help:      "Bytes of answers' bodies, by route.",
			},
			[]string{"route"},
		),
		stores: prometheus.NewHistogramVec(
			prometheus.HistogramOpts{
				Namespace: namespace,
				Name:      "store_seconds",
				Help:      "How long the storage took, by what it did.",
				Buckets:   []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5},
			},
			[]string{"operation"},
		),
		failures: prometheus.NewCounterVec(
			prometheus.CounterOpts{
				Namespace: namespace,
				Name:      "store_errors_total",
				Help:      "Failures of the storage, by what it was to do.",
			},
			[]string{"operation"},
		),
	}
	m.registry.MustRegister(
		m.requests,
		m.latency,
		m.bytes,
		m.stores,
		m.failures,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, g := range gauges {
		opts := prometheus.Opts{Namespace: namespace, Name: g.Name, Help: g.Help, ConstLabels: g.Labels}
		if g.Counter {
			m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts(opts), g.Value))
		} else {
			m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts), g.Value))
		}
	}
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return m
}

// ServeHTTP answers with all metrics.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// methods are those that have a label of their own.
var methods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "DELETE": true}

// Observe counts a request. route is one of a bounded number, such as
// /jamf/v1/patch/{id}. It is what httpapi.Options.Observe takes.
func (m *Metrics) Observe(route, method string, status int, bytes int64, took time.Duration) {
	if !methods[method] {
		method = "other"
	}
	code := strconv.Itoa(status)
	m.requests.WithLabelValues(route, method, code).Inc()
	m.latency.WithLabelValues(route, code).Observe(took.Seconds())
	m.bytes.WithLabelValues(route).Add(float64(bytes))
}

// Wrap returns a handler that observes the requests that next answers, by the pattern by
// which a http.ServeMux in it has matched them (http.Request.Pattern): that of package
// httpapi/webui, say. What has matched nothing is of the route none, and what a
// handler has broken off counts as 500.
func (m *Metrics) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		o := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		status := http.StatusInternalServerError
		defer func() {
			route := "none"
			if i := strings.IndexByte(r.Pattern, '/'); i >= 0 {
				route = r.Pattern[i:]
			}
			m.Observe(route, r.Method, status, int64(o.BytesWritten()), time.Since(began))
		}()
		next.ServeHTTP(o, r)
		status = cmp.Or(o.Status(), http.StatusOK)
	})
}

// Store returns s with a clock on it.
func (m *Metrics) Store(s store.Store) store.Store { return &timed{s, m} }

// A timed is a store whose operations are timed.
type timed struct {
	store.Store
	m *Metrics
}

// Unwrap lets store.As find what the inner store can do.
func (t *timed) Unwrap() store.Store { return t.Store }

// note counts an operation. That a record is not there, or has changed, is no failure.
func (t *timed) note(operation string, began time.Time, err error) {
	t.m.stores.WithLabelValues(operation).Observe(time.Since(began).Seconds())
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) &&
		!errors.Is(err, context.Canceled) {
		t.m.failures.WithLabelValues(operation).Inc()
	}
}

// Get implements store.Store.
func (t *timed) Get(ctx context.Context, key store.Key) (store.Record, error) {
	began := time.Now()
	rec, err := t.Store.Get(ctx, key)
	t.note("get", began, err)
	return rec, err
}

// Put implements store.Store.
func (t *timed) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	began := time.Now()
	rev, err := t.Store.Put(ctx, key, value, cond)
	t.note("put", began, err)
	return rev, err
}

// Delete implements store.Store.
func (t *timed) Delete(ctx context.Context, key store.Key, cond store.Condition) error {
	began := time.Now()
	err := t.Store.Delete(ctx, key, cond)
	t.note("delete", began, err)
	return err
}

// List implements store.Store. What its reader does with the records is not counted.
func (t *timed) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		began, elsewhere := time.Now(), time.Duration(0)
		var failed error
		for rec, err := range t.Store.List(ctx, kind) {
			failed = errors.Join(failed, err)
			left := time.Now()
			goOn := yield(rec, err)
			elsewhere += time.Since(left)
			if !goOn {
				break
			}
		}
		t.note("list", began.Add(elsewhere), failed)
	}
}
