package server

import (
	"context"

	"github.com/patchsource/patchsource/httpapi/metrics"
	"github.com/patchsource/patchsource/patch/catalog"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/webhook"
)

// gauges returns the values that are read when the metrics are collected. Those of the server are 0 until it is open.
func (s *Server) gauges(c *Config) []metrics.Gauge {
	all := s.stateGauges(c.TolerateFaults)
	all = append(all, s.webhookGauges()...)
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
	return append(all, c.Gauges...)
}

// stateGauges returns the gauges about the state of the server and of its titles.
func (s *Server) stateGauges(tolerateFaults bool) []metrics.Gauge {
	count := func(name, help string, value func() int) metrics.Gauge {
		return metrics.Gauge{Name: name, Help: help, Value: func() float64 { return float64(value()) }}
	}
	return []metrics.Gauge{
		count("titles", "Titles that are served.", func() int { return s.Catalog.Len() }),
		count("titles_with_warnings", "Titles that have warnings, counted once a minute.",
			func() int { return s.needsAttention().warnings }),
		count("titles_overdue", "Titles whose next version is overdue, counted once a minute.",
			func() int { return s.needsAttention().overdue }),
		count("tokens_expiring", "Valid tokens that expire within 30 days, counted once a minute.",
			func() int { return s.needsAttention().tokens }),
		count("ready", "1 if the server is ready, as /readyz says, and 0 otherwise.", func() int {
			if s.isReady(tolerateFaults) {
				return 1
			}
			return 0
		}),
		count("store_faults", "Records that cannot be read, and other faults of the storage.",
			func() int { return s.faults(context.Background()) }),
		count("feed_read_timestamp_seconds", "When a list of titles was last read from this server's feed, as a Unix "+
			"time; 0 if none was since the start.", func() int { return int(s.reads.second.Load()) }),
		count("full_backup_timestamp_seconds", "When this server last made a full backup, as a Unix time; 0 if it did "+
			"not since the start.", func() int { return int(s.activity.fullBackup.Load()) }),
	}
}

// webhookGauges returns the gauges about webhooks.
func (s *Server) webhookGauges() []metrics.Gauge {
	hooks := func(state string, in func(webhook.Status) bool) metrics.Gauge {
		return metrics.Gauge{
			Name:   "webhooks",
			Help:   "Webhooks, by the result of the last attempt that this server made.",
			Labels: map[string]string{"state": state},
			Value:  func() float64 { return s.countWebhooks(in) },
		}
	}
	return []metrics.Gauge{
		{
			Name:  "webhook_deliveries_pending",
			Help:  "Events that wait to be delivered.",
			Value: s.pendingDeliveries,
		},
		{
			Name: "webhook_deliveries_dropped",
			Help: "Events that this server has given up since the start, of the webhooks that exist.",
			Value: func() (n float64) {
				for _, w := range s.webhookStatuses() {
					n += float64(w.Dropped)
				}
				return n
			},
		},
		hooks("ok", func(w webhook.Status) bool { return w.Hook.Enabled && w.Failures == 0 }),
		hooks("failing", func(w webhook.Status) bool { return w.Hook.Enabled && w.Failures > 0 }),
		hooks("disabled", func(w webhook.Status) bool { return !w.Hook.Enabled }),
	}
}

// webhookStatuses returns the statuses of all webhooks.
func (s *Server) webhookStatuses() []webhook.Status {
	if s.Webhooks == nil {
		return nil
	}
	return s.Webhooks.List()
}

// countWebhooks counts the webhooks in a state.
func (s *Server) countWebhooks(in func(webhook.Status) bool) (n float64) {
	for _, w := range s.webhookStatuses() {
		if in(w) {
			n++
		}
	}
	return n
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
			Value: func() float64 {
				return s.countWatches(func(w patchsync.WatchState) bool { return w.Status == status })
			},
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
		{
			Name: "watches_silent",
			Help: "Titles whose release feed has listed nothing new for much longer than usual.",
			Value: func() float64 {
				return s.countWatches(func(w patchsync.WatchState) bool { return w.Silent })
			},
		},
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
func (s *Server) countWatches(in func(patchsync.WatchState) bool) (n float64) {
	for state := range s.Sync.Watches().All() {
		if in(state) {
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
