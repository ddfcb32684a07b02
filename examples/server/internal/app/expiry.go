package app

import (
	"crypto/tls"
	"sync"
	"time"

	"github.com/patchsource/patchsource/httpapi/metrics"
)

// expiries are the times at which the certificates of the server expire, by name. They are safe for concurrent use.
type expiries struct {
	mu    sync.Mutex
	times map[string]time.Time
}

// record records the certificate that is used for a name.
func (e *expiries) record(name string, cert *tls.Certificate) {
	if cert.Leaf == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.times == nil {
		e.times = map[string]time.Time{}
	}
	e.times[name] = cert.Leaf.NotAfter
}

// earliest returns the time of the certificate that expires first, as a Unix time. It is 0 if there is none for one of
// the names.
func (e *expiries) earliest(names []string) float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	var first time.Time
	for i, name := range names {
		at, ok := e.times[name]
		if !ok {
			return 0
		}
		if i == 0 || at.Before(first) {
			first = at
		}
	}
	return float64(first.Unix())
}

// gauges returns the metrics of the HTTP server: none if it has no TLS of its own.
func (w *web) gauges() []metrics.Gauge {
	var value func() float64
	switch {
	case w.acme != nil:
		value = func() float64 { return w.acme.expiries.earliest(w.acme.names) }
	case w.pair != nil:
		value = func() float64 { return float64(w.pair.expires().Unix()) }
	default:
		return nil
	}
	return []metrics.Gauge{{
		Name: "certificate_expiry_timestamp_seconds",
		Help: "When the certificate of the server expires, as a Unix time: the first one of several. 0 if --acme has " +
			"not obtained one yet.",
		Value: value,
	}}
}
