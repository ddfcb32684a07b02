package server

import (
	"github.com/patchsource/patchsource/httpapi/metrics"
	"github.com/patchsource/patchsource/patch/catalog"
	patchsync "github.com/patchsource/patchsource/sync"
)

// gauges returns the values that are read when the metrics are collected. They are 0 until the server is open.
func (s *Server) gauges() []metrics.Gauge {
	all := []metrics.Gauge{
		{
			Name:  "titles",
			Help:  "Titles that are served.",
			Value: func() float64 { return float64(s.Catalog.Len()) },
		},
		{
			Name:  "webhook_deliveries_pending",
			Help:  "Events that wait to be delivered.",
			Value: s.pendingDeliveries,
		},
	}
	all = append(all, s.syncGauges()...)
	all = append(all, s.tokenGauges()...)
	for name, stats := range map[string]func() catalog.CacheStats{
		"definitions": func() catalog.CacheStats { definitions, _ := s.Catalog.Caches(); return definitions },
		"selections":  func() catalog.CacheStats { _, selections := s.Catalog.Caches(); return selections },
	} {
		all = append(all, cacheGauges(name, stats)...)
	}
	for i := range all {
		value := all[i].Value
		all[i].Value = func() float64 {
			if !s.opened.Load() {
				return 0
			}
			return value()
		}
	}
	return all
}

// pendingDeliveries counts the events that wait to be delivered.
func (s *Server) pendingDeliveries() float64 {
	if s.Webhooks == nil {
		return 0
	}
	return float64(s.Webhooks.Pending())
}

func (s *Server) syncGauges() []metrics.Gauge {
	sources := func(result string, failing bool) metrics.Gauge {
		return metrics.Gauge{
			Name:   "sources",
			Help:   "Upstreams that are followed, by the result of the last attempt.",
			Labels: map[string]string{"result": result},
			Value:  func() float64 { return s.countSources(failing) },
		}
	}
	rounds := func(result string, count func(patchsync.Rounds) uint64) metrics.Gauge {
		return metrics.Gauge{
			Name:    "sync_rounds_total",
			Help:    "Attempts to ask an upstream for changes, by result.",
			Labels:  map[string]string{"result": result},
			Counter: true,
			Value:   func() float64 { return float64(count(s.Sync.Rounds())) },
		}
	}
	return []metrics.Gauge{
		sources("ok", false),
		sources("failing", true),
		rounds("changed", func(r patchsync.Rounds) uint64 { return r.Changed }),
		rounds("unchanged", func(r patchsync.Rounds) uint64 { return r.Unchanged }),
		rounds("failed", func(r patchsync.Rounds) uint64 { return r.Failed }),
	}
}

// countSources counts the upstreams whose last attempt failed, or those whose last attempt did not.
func (s *Server) countSources(failing bool) (n float64) {
	for state := range s.Sync.States() {
		if failing == (state.Failures > 0) {
			n++
		}
	}
	return n
}

func (s *Server) tokenGauges() []metrics.Gauge {
	checks := func(result string, count func() uint64) metrics.Gauge {
		return metrics.Gauge{
			Name:    "tokens_checked_total",
			Help:    "Tokens that were checked, by result.",
			Labels:  map[string]string{"result": result},
			Counter: true,
			Value:   func() float64 { return float64(count()) },
		}
	}
	return []metrics.Gauge{
		checks("accepted", func() uint64 { accepted, _ := s.Tokens.Checks(); return accepted }),
		checks("refused", func() uint64 { _, refused := s.Tokens.Checks(); return refused }),
	}
}

// cacheGauges returns the gauges of one cache of the catalog.
func cacheGauges(name string, stats func() catalog.CacheStats) []metrics.Gauge {
	requests := func(result string, count func() uint64) metrics.Gauge {
		return metrics.Gauge{
			Name:    "cache_requests_total",
			Help:    "Requests to a cache, by result.",
			Labels:  map[string]string{"cache": name, "result": result},
			Counter: true,
			Value:   func() float64 { return float64(count()) },
		}
	}
	return []metrics.Gauge{
		requests("hit", func() uint64 { return stats().Hits }),
		requests("miss", func() uint64 { return stats().Misses }),
		{
			Name:   "cache_bytes",
			Help:   "Approximate memory of a cache, in bytes.",
			Labels: map[string]string{"cache": name},
			Value:  func() float64 { return float64(stats().Bytes) },
		},
	}
}
