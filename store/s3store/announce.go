package s3store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/patchsource/patchsource/store"
)

const (
	// headTimeout bounds an attempt to write the head, which competes with those of other processes.
	headTimeout = 30 * time.Second
	// minRetryPause and maxRetryPause bound the pause after an attempt that failed. The pause doubles in between.
	minRetryPause = 100 * time.Millisecond
	maxRetryPause = 5 * time.Second
)

// A queue has the changes of this process that are not in the head yet. It is guarded by Store.mu.
type queue struct {
	waiting []announcement
	skipped int64 // how many changes before those could not be written to the head and were forgotten
	busy    bool  // a goroutine writes the head
}

// An announcement is a change that is to be written to the head.
type announcement struct {
	change store.Change
	done   chan<- error // receives the outcome of the first attempt
}

// announce adds a change with the outcome err to the head and returns when the head was written. If the outcome is
// unknown, other servers must read the record too: announce adds the change and returns err at once.
func (s *Store) announce(ctx context.Context, c store.Change, err error) error {
	switch {
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound), errors.Is(err, errInvalid):
		return err
	case slices.Contains(s.opts.Unannounced, c.Key.Kind):
		return err
	case err != nil:
		s.enqueue(store.Change{Key: c.Key})
		return err
	}
	select {
	case err = <-s.enqueue(c):
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("s3store: %v was changed, but other servers may not know it yet: %w", c.Key, err)
	}
	return nil
}

// enqueue adds a change to the queue and starts flush if it does not run. The channel receives the outcome of the first
// attempt to write the head; after a failure, flush retries.
func (s *Store) enqueue(c store.Change) <-chan error {
	done := make(chan error, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.waiting = append(s.queue.waiting, announcement{c, done})
	if !s.queue.busy {
		s.queue.busy = true
		s.work.Go(s.flush)
	}
	return done
}

// flush writes the queued changes to the head until the queue is empty or the store is closed.
func (s *Store) flush() {
	pause := minRetryPause
	for {
		batch, skipped := s.takeQueue()
		if len(batch) == 0 {
			return
		}
		err := s.writeBatch(batch, skipped)
		for _, a := range batch {
			select {
			case a.done <- err:
			default: // this is not the first attempt
			}
		}
		if err == nil || errors.Is(err, store.ErrFormat) { // a head of a newer layout is not written
			pause = minRetryPause
			continue
		}
		s.opts.Logger.Warn("changes cannot be announced to other servers: retrying",
			"changes", len(batch), "error", err)
		s.putBack(batch, skipped)
		sleep(s.closing, jitter(pause))
		pause = min(2*pause, maxRetryPause)
	}
}

// takeQueue empties the queue and returns its changes. If there are none, or the store is closed, flush must return,
// and the next change starts it again.
func (s *Store) takeQueue() (batch []announcement, skipped int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Err() == nil {
		batch, skipped = s.queue.waiting, s.queue.skipped
	}
	s.queue.waiting, s.queue.skipped, s.queue.busy = nil, 0, len(batch) > 0
	return batch, skipped
}

// putBack returns changes to the queue. If there are too many, it drops the oldest: watchers get the zero Key for them.
func (s *Store) putBack(batch []announcement, skipped int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := append(batch, s.queue.waiting...)
	if n := len(waiting) - maxRing; n > 0 {
		n = min(n, len(batch)) // the others have not been tried
		skipped += int64(n)
		waiting = waiting[n:]
	}
	s.queue.waiting, s.queue.skipped = waiting, s.queue.skipped+skipped
}

// writeBatch writes changes to the head.
func (s *Store) writeBatch(batch []announcement, skipped int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), headTimeout)
	defer cancel()
	changes := make([]store.Change, 0, len(batch))
	for _, a := range batch {
		changes = append(changes, a.change)
	}
	return s.writeHead(ctx, changes, skipped)
}

// noteWritten records the time of a write that was carried out.
func (s *Store) noteWritten() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = time.Now()
}
