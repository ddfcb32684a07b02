package filestore

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/patchsource/patchsource/store"
)

const (
	// writeDelay is how long changes wait in the journal for further ones, so that several changes of a record share
	// the writing of the file. They wait again while there are further ones, at most maxDelays times.
	writeDelay = time.Second
	maxDelays  = 10
	// From these sizes on, files are written without a delay.
	busyRecords = 4096
	busyBytes   = 32 << 20
	busyJournal = 64 << 20
	// At these sizes, changes wait until files have been written.
	maxRecords = 3 * busyRecords
	maxBytes   = 3 * busyBytes
	maxJournal = 3 * busyJournal
	// fileWriters is how many files are written at once, fileSyncs how many are synced at once, and openTemps how many
	// are written before they are synced.
	fileWriters = 4
	fileSyncs   = 16
	openTemps   = 256
)

// A writeBehind writes the pending records to their files.
type writeBehind struct {
	delay time.Duration
	cycle sync.Mutex    // held while files are written
	dirty chan struct{} // has a value after a change
	busy  chan struct{} // has a value when files must be written without delay
	stop  chan struct{}
	ended chan struct{} // closed when the goroutine has ended

	mu       sync.Mutex
	finished chan struct{} // closed at the end of a cycle
	failure  error         // of the last cycle
	// unwritten are the files that the last cycle could not write.
	unwritten []store.Fault
}

func newWriteBehind() writeBehind {
	return writeBehind{
		delay: writeDelay, dirty: make(chan struct{}, 1), busy: make(chan struct{}, 1),
		stop: make(chan struct{}), finished: make(chan struct{}),
	}
}

// lastFailure returns the error of the last cycle.
func (w *writeBehind) lastFailure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure
}

// wakeWriteBehind tells the goroutine of write-behind that a record is pending.
func (s *Store) wakeWriteBehind() {
	notify(s.behind.dirty)
	if s.loaded(busyRecords, busyBytes, busyJournal) {
		notify(s.behind.busy)
	}
}

// notify sends to a channel of capacity one unless it has a value.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// loaded reports whether the pending records have reached one of these bounds.
func (s *Store) loaded(records int, bytes, journal int64) bool {
	n, size := s.overlay.load()
	return n >= records || size >= bytes || n > 0 && s.journal.bytes.Load() >= journal
}

// runWriteBehind writes files until the store is closed.
func (s *Store) runWriteBehind() {
	w := &s.behind
	defer close(w.ended)
	for {
		select {
		case <-w.stop:
			return
		case <-w.dirty:
		}
		if !w.wait() {
			return
		}
		if err := s.writeFiles(); err != nil && s.stopped() == nil {
			time.AfterFunc(w.delay, func() { notify(w.dirty) })
		}
	}
}

// wait waits after a change until there are no further changes for a while, or there are many. It returns false if the
// store is closed.
func (w *writeBehind) wait() bool {
	delays := maxDelays
	if w.lastFailure() != nil {
		delays = 1
	}
	delay := time.NewTimer(w.delay)
	defer delay.Stop()
	for range delays {
		select {
		case <-w.stop:
			return false
		case <-w.busy:
			return true
		case <-delay.C:
		}
		select {
		case <-w.dirty:
			delay.Reset(w.delay)
		default:
			return true
		}
	}
	return true
}

// waitForRoom waits while too many records are pending. It returns the error of the last cycle if that has failed.
func (s *Store) waitForRoom(ctx context.Context) error {
	w := &s.behind
	for s.loaded(maxRecords, maxBytes, maxJournal) {
		w.mu.Lock()
		finished, err := w.finished, w.failure
		w.mu.Unlock()
		if err != nil {
			return err
		}
		if !s.loaded(maxRecords, maxBytes, maxJournal) {
			break
		}
		notify(w.busy)
		notify(w.dirty)
		select {
		case <-finished:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Flush writes every change that is only in the journal to the file of its record, for example before the files are
// copied. Changes are durable without it.
func (s *Store) Flush(ctx context.Context) error { return s.do(ctx, s.writeFiles) }

// writeFiles is a cycle: it writes all pending records to their files and then trims the journal.
func (s *Store) writeFiles() error {
	w := &s.behind
	w.cycle.Lock()
	defer w.cycle.Unlock()
	err := s.stopped()
	if err == nil {
		err = s.writePending()
	}
	w.mu.Lock()
	if err != nil && w.failure == nil && s.stopped() == nil {
		s.log.Error("cannot write changes to the files of their records; they are safe in the journal", "error", err)
	}
	w.failure = err
	close(w.finished)
	w.finished = make(chan struct{})
	w.mu.Unlock()
	return err
}

// writePending does the work of writeFiles. A crash at any point leaves each file as it was or as it becomes, and the
// journal until all files are durable.
func (s *Store) writePending() error {
	if n, _ := s.overlay.load(); n == 0 && len(s.journal.sealed) == 0 {
		return nil
	}
	s.seal()
	pending := s.overlay.all() // after seal, so that it has every change in the sealed segments
	written, failed, err := s.replaceFiles(pending)
	for _, p := range written {
		s.overlay.remove(p)
	}
	s.behind.mu.Lock()
	s.behind.unwritten = s.faultsOf(failed)
	s.behind.mu.Unlock()
	if err != nil {
		return err
	}
	if len(failed) == 0 {
		return s.trim()
	}
	err = joinFailures(failed)
	if len(written) == 0 && s.journal.bytes.Load() < busyJournal {
		return err // nothing to gain
	}
	if ok, repeatErr := s.repeatChanges(failed); !ok || repeatErr != nil {
		return errors.Join(err, repeatErr)
	}
	return errors.Join(err, s.trim())
}
