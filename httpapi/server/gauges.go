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
	all = append(all, s.watchGauges()...)
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

func (s *Server) watchGauges() []metrics.Gauge {
	watches := func(status string) metrics.Gauge {
		return metrics.Gauge{
			Name:   "watches",
			Help:   "Titles that follow a release feed, by the state of the feed.",
			Labels: map[string]string{"state": status},
			Value:  func() float64 { return s.countWatches(status) },
		}
	}
	counter := func(name, help, result string, count func(patchsync.WatchCounts) uint64) metrics.Gauge {
		g := metrics.Gauge{
			Name:    name,
			Help:    help,
			Counter: true,
			Value:   func() float64 { return float64(count(s.Sync.Watches().Counts())) },
		}
		if result != "" {
			g.Labels = map[string]string{"result": result}
		}
		return g
	}
	const checks, help = "watch_checks_total", "Checks of a title's release feed, by result."
	return []metrics.Gauge{
		watches(patchsync.WatchOK),
		watches(patchsync.WatchFailing),
		watches(patchsync.WatchPaused),
		counter(checks, help, "succeeded", func(c patchsync.WatchCounts) uint64 { return c.Succeeded }),
		counter(checks, help, "unchanged", func(c patchsync.WatchCounts) uint64 { return c.Unchanged }),
		counter(checks, help, "failed", func(c patchsync.WatchCounts) uint64 { return c.Failed }),
		counter("watch_requests_total", "Requests for release feeds. One serves all titles that have the same feed.",
			"", func(c patchsync.WatchCounts) uint64 { return c.Requests }),
		counter("watch_versions_added_total", "Versions that were added from release feeds.",
			"", func(c patchsync.WatchCounts) uint64 { return c.Added }),
		{
			Name:  "proposals",
			Help:  "Proposals of versions that wait for a person.",
			Value: s.countProposals,
		},
	}
}

// countWatches counts the titles that follow a release feed in a state.
func (s *Server) countWatches(status string) (n float64) {
	for state := range s.Sync.Watches().All() {
		if state.Status == status {
			n++
		}
	}
	return n
}

// countProposals counts the proposals that wait for a person.
func (s *Server) countProposals() (n float64) {
	for range s.Sync.Watches().Proposals() {
		n++
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
