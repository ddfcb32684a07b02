package app

import "github.com/patchsource/patchsource/httpapi/metrics"

// gauges are what the metrics look at. They are asked when everything is open.
func (b *backend) gauges() []metrics.Gauge {
	const (
		sources  = "Sources that are followed, by how their last attempt went."
		rounds   = "How often sources were asked, by how that went."
		checks   = "Tokens that were checked, by whether they were good for anything."
		hits     = "How often a cache had what was wanted, and had not."
		held     = "About how much memory a cache takes."
		hitTotal = "cache_requests_total"
	)
	label := func(pairs ...string) map[string]string {
		labels := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			labels[pairs[i]] = pairs[i+1]
		}
		return labels
	}
	all := []metrics.Gauge{
		{Name: "titles", Help: "Titles that are served.", Value: func() float64 { return float64(b.catalog.Len()) }},
		{
			Name:  "webhook_deliveries_pending",
			Help:  "Events that wait for a webhook.",
			Value: func() float64 { return float64(b.hooks.Pending()) },
		},
		{
			Name:   "sources",
			Help:   sources,
			Labels: label("result", "ok"),
			Value:  func() float64 { return b.countSources(false) },
		},
		{
			Name:   "sources",
			Help:   sources,
			Labels: label("result", "failing"),
			Value:  func() float64 { return b.countSources(true) },
		},
		{
			Name:    "sync_rounds_total",
			Help:    rounds,
			Labels:  label("result", "changed"),
			Counter: true,
			Value:   func() float64 { return float64(b.sync.Rounds().Changed) },
		},
		{
			Name:    "sync_rounds_total",
			Help:    rounds,
			Labels:  label("result", "unchanged"),
			Counter: true,
			Value:   func() float64 { return float64(b.sync.Rounds().Unchanged) },
		},
		{
			Name:    "sync_rounds_total",
			Help:    rounds,
			Labels:  label("result", "failed"),
			Counter: true,
			Value:   func() float64 { return float64(b.sync.Rounds().Failed) },
		},
		{
			Name:    "tokens_checked_total",
			Help:    checks,
			Labels:  label("result", "accepted"),
			Counter: true,
			Value:   func() float64 { n, _ := b.auth.Checks(); return float64(n) },
		},
		{
			Name:    "tokens_checked_total",
			Help:    checks,
			Labels:  label("result", "refused"),
			Counter: true,
			Value:   func() float64 { _, n := b.auth.Checks(); return float64(n) },
		},
	}
	for _, cache := range []string{"definitions", "selections"} {
		stats := func() (hits, misses, bytes float64) {
			s, selections := b.catalog.Caches()
			if cache == "selections" {
				s = selections
			}
			return float64(s.Hits), float64(s.Misses), float64(s.Bytes)
		}
		all = append(
			all,
			metrics.Gauge{
				Name:    hitTotal,
				Help:    hits,
				Labels:  label("cache", cache, "result", "hit"),
				Counter: true,
				Value:   func() float64 { n, _, _ := stats(); return n },
			},
			metrics.Gauge{
				Name:    hitTotal,
				Help:    hits,
				Labels:  label("cache", cache, "result", "miss"),
				Counter: true,
				Value:   func() float64 { _, n, _ := stats(); return n },
			},
			metrics.Gauge{
				Name:   "cache_bytes",
				Help:   held,
				Labels: label("cache", cache),
				Value:  func() float64 { _, _, n := stats(); return n },
			},
		)
	}
	return all
}

// countSources counts the sources whose last attempt failed, or those whose did not.
func (b *backend) countSources(failing bool) (n float64) {
	for s := range b.sync.States() {
		if failing == (s.Failures > 0) {
			n++
		}
	}
	return n
}
