package patchsync

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// quietTime is the time without a warning after which a digest is logged.
	quietTime = 15 * time.Second
	// maxDigestTime bounds the time that a digest covers.
	maxDigestTime = 5 * time.Minute
)

// A digest logs warnings of one kind. The first one is logged as it is. Those that follow soon, as when the network is
// down, are logged at the level of debugging, and together in one line when no more come: their number and the first of
// them. It is safe for concurrent use.
type digest struct {
	log       *slog.Logger
	one, many string        // the messages of a warning and of several
	added     chan struct{} // receives a value when a warning was left for the digest

	mu      sync.Mutex
	since   time.Time // when the first warning was logged
	last    time.Time // when the last one was given
	count   int       // the warnings that were left for the digest
	example []any     // the attributes of the first of them
}

func newDigest(log *slog.Logger, one, many string) *digest {
	return &digest{log: log, one: one, many: many, added: make(chan struct{}, 1)}
}

// warn logs a warning with attributes, or leaves it for the digest.
func (d *digest) warn(attrs ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if !now.Before(d.end()) {
		d.flush()
		d.since, d.last = now, now
		d.log.Warn(d.one, attrs...)
		return
	}
	d.last = now
	if d.count == 0 {
		d.example = attrs
		wake(d.added)
	}
	d.count++
	d.log.Debug(d.one, attrs...)
}

// end returns when the digest is logged if no more warnings are given. The caller must hold mu.
func (d *digest) end() time.Time {
	return earliest(d.last.Add(quietTime), d.since.Add(maxDigestTime))
}

// flush logs the digest if a warning was left for it. The caller must hold mu.
func (d *digest) flush() {
	if d.count > 0 {
		d.log.Warn(d.many, append([]any{"more", d.count}, d.example...)...)
	}
	d.count, d.example = 0, nil
}

// run logs the digest when it is due until ctx ends, and what is left of it then.
func (d *digest) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-d.added:
		}
		for ctx.Err() == nil {
			d.mu.Lock()
			wait := time.Until(d.end())
			if wait <= 0 {
				d.flush()
			}
			d.mu.Unlock()
			if wait <= 0 {
				break
			}
			sleep(ctx, wait)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flush()
}
