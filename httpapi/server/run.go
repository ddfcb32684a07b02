package server

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// flushInterval is the time between two calls of Tokens.Flush and Tokens.Purge.
	flushInterval = 5 * time.Minute
	// tokenRetention is the time for which the record of a token is kept after the token expired or was revoked.
	tokenRetention = 30 * 24 * time.Hour
	// minBackoff and maxBackoff bound the wait before failed background work is retried.
	minBackoff = time.Second
	maxBackoff = time.Minute
	// runDelay is the time after Open at which a missing call of Run is logged.
	runDelay = time.Minute
)

// Run does all background work until ctx ends or the server is closed, and then waits for the work in progress: it asks
// the upstreams of titles and mirrors for changes, delivers webhooks, looks for warnings about titles, follows the
// tokens and contributors of other servers, saves and removes tokens, and removes old jobs. Work that fails is retried
// with exponential backoff. Without Run, requests are still answered.
//
// The error is ErrRunning if another call of Run is in progress, ErrClosed after Close, and nil otherwise.
func (s *Server) Run(ctx context.Context) error {
	ctx, end, err := s.background.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { s.retry(ctx, "sync", s.Sync.Run) })
	work.Go(func() { s.Tokens.Follow(ctx) })
	work.Go(func() { s.retry(ctx, "audit log", s.Audit.Run) })
	work.Go(func() { s.retry(ctx, "survey", s.Survey.Run) })
	if s.Community != nil {
		work.Go(func() { s.Community.Follow(ctx) })
	}
	if s.Webhooks != nil {
		work.Go(func() { s.retry(ctx, "webhooks", s.Webhooks.Run) })
	}
	s.tidy(ctx)
	return nil
}

// retry calls run until it returns nil, with exponential backoff, or until ctx ends.
func (s *Server) retry(ctx context.Context, name string, run func(context.Context) error) {
	for wait := minBackoff; ; wait = min(2*wait, maxBackoff) {
		begun := time.Now()
		err := run(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if time.Since(begun) > maxBackoff {
			wait = minBackoff
		}
		s.log.Error("background work failed and is retried", "work", name, "error", err, "wait", wait)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// tidy saves when tokens were last used, and removes tokens that expired or were revoked long ago and jobs that ended
// long ago, until ctx ends.
func (s *Server) tidy(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.flush(ctx)
		if err := s.Tokens.Purge(ctx, s.now().Add(-tokenRetention)); err != nil && ctx.Err() == nil {
			s.log.Error("could not remove expired and revoked tokens", "error", err)
		}
		s.jobs.Prune(ctx)
	}
}

// flush saves when tokens were last used, and logs failures. The next flush saves the same again.
func (s *Server) flush(ctx context.Context) {
	if err := s.Tokens.Flush(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("could not save when tokens were last used", "error", err)
	}
}

// A background is the state of Run.
type background struct {
	mu       sync.Mutex
	closed   bool
	reminder *time.Timer        // logs that Run was not called
	cancel   context.CancelFunc // ends the Run in progress; nil if there is none
	running  sync.WaitGroup
}

// open starts the timer that logs a missing call of Run.
func (b *background) open(log *slog.Logger) {
	b.reminder = time.AfterFunc(runDelay, func() {
		log.Warn("Run was not called: titles are not synchronized and events are not delivered")
	})
}

// begin returns a context for the work, which ends with ctx and with close, and a function that the caller calls when
// the work has ended.
func (b *background) begin(ctx context.Context) (context.Context, func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return nil, nil, ErrClosed
	case b.cancel != nil:
		return nil, nil, ErrRunning
	}
	b.reminder.Stop()
	ctx, b.cancel = context.WithCancel(ctx)
	b.running.Add(1)
	return ctx, b.end, nil
}

// end records the end of the work.
func (b *background) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cancel()
	b.cancel = nil
	b.running.Done()
}

// close ends the work in progress and waits for it. No work begins afterwards.
func (b *background) close() {
	b.mu.Lock()
	b.closed = true
	if b.reminder != nil {
		b.reminder.Stop()
	}
	if b.cancel != nil {
		b.cancel()
	}
	b.mu.Unlock()
	b.running.Wait()
}
