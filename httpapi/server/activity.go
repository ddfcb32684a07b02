package server

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// An activity records when things last happened, for the metrics.
type activity struct {
	fullBackup atomic.Int64 // a Unix time in seconds; 0: not since the server was opened
}

// recordFullBackup records that a full backup was made.
func (s *Server) recordFullBackup() { s.activity.fullBackup.Store(s.now().Unix()) }

// readyTimeout bounds the question whether the server is ready.
const readyTimeout = 2 * time.Second

// isReady reports whether the server is ready, as /readyz does.
func (s *Server) isReady(tolerateFaults bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	return s.Catalog.Ping(ctx) == nil && (tolerateFaults || s.faults(ctx) == 0)
}

// faults returns the number of records that cannot be read.
func (s *Server) faults(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return max(s.Catalog.Damaged(), len(store.Faults(ctx, s.guard)))
}

const (
	// attentionAge is the time for which the numbers of an attention are kept: to count takes as long as there are
	// titles and tokens.
	attentionAge = time.Minute
	// tokenExpiresSoon is the time before its end at which a token is counted, as in the overview.
	tokenExpiresSoon = 30 * 24 * time.Hour
)

// An attention counts what needs attention. It is safe for concurrent use.
type attention struct {
	mu      sync.Mutex
	counted time.Time
	counts  attentionCounts
}

// attentionCounts are the numbers of titles that have warnings, and of those whose next version is overdue, and the
// number of tokens that expire soon.
type attentionCounts struct{ warnings, overdue, tokens int }

// needsAttention returns the numbers of at most a minute ago.
func (s *Server) needsAttention() attentionCounts {
	a := &s.attention
	a.mu.Lock()
	defer a.mu.Unlock()
	now := s.now()
	if age := now.Sub(a.counted); age >= 0 && age < attentionAge {
		return a.counts
	}
	a.counted, a.counts = now, attentionCounts{}
	for t := range s.Catalog.Find(catalog.Filter{}) {
		facts, _ := s.Survey.Facts(t)
		if facts.Warnings > 0 {
			a.counts.warnings++
		}
		if facts.Stale(now) {
			a.counts.overdue++
		}
	}
	for _, t := range s.Tokens.List() {
		if !t.Expires.IsZero() && t.Expires.Before(now.Add(tokenExpiresSoon)) {
			a.counts.tokens++
		}
	}
	return a.counts
}
