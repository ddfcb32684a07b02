package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// writeDelay is how long a change waits in the journal, so that further changes of its record share the writing of
	// the file.
	writeDelay = time.Second
	// From these sizes on, files are written without a delay.
	busyRecords = 4096
	busyBytes   = 32 << 20
	busyJournal = 64 << 20
	// At these sizes, changes wait until files have been written.
	maxRecords = 3 * busyRecords
	maxBytes   = 3 * busyBytes
	maxJournal = 3 * busyJournal
	// fileWriters is how many files are written at once, and openTemps how many are written before they are synced.
	fileWriters = 4
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
}

func newWriteBehind() writeBehind {
	return writeBehind{
		delay: writeDelay, dirty: make(chan struct{}, 1), busy: make(chan struct{}, 1),
		stop: make(chan struct{}), finished: make(chan struct{}),
	}
}

// wake tells the goroutine that a record is pending.
func (w *writeBehind) wake(s *Store) {
	notify(w.dirty)
	if s.loaded(busyRecords, busyBytes, busyJournal) {
		notify(w.busy)
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
		delay := time.NewTimer(w.delay)
		select {
		case <-w.stop:
			delay.Stop()
			return
		case <-delay.C:
		case <-w.busy:
			delay.Stop()
		}
		if err := s.writeFiles(); err != nil && s.stopped() == nil {
			time.AfterFunc(w.delay, func() { notify(w.dirty) })
		}
	}
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
	written, err := s.replaceFiles(pending)
	for _, p := range written {
		s.overlay.remove(p)
	}
	if err != nil {
		return err
	}
	return s.trim()
}

// replaceFiles makes the files of records durable and returns the records for which that has succeeded.
func (s *Store) replaceFiles(pending []*pending) (written []*pending, err error) {
	temps, errs := s.createTemps(pending)
	touched := map[*directory]bool{}
	var failures []error
	for i, p := range pending {
		d, err := s.kind(p.kind)
		switch {
		case errs[i] != nil:
			err = errs[i]
		case err != nil: // the directory was deleted
		case temps[i] != nil:
			err = s.renameTemp(temps[i], p.name)
		default:
			if err = s.removeFile(d, p.name); errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("filestore: %s/%s/%s: %w", s.dir, p.kind, p.name, err))
			continue
		}
		touched[d] = true
		written = append(written, p)
	}
	for d := range touched {
		if err := s.flush(d); err != nil {
			return nil, err
		}
	}
	return written, errors.Join(failures[:min(len(failures), 3)]...)
}

// createTemps creates durable temporary files for the records that were not deleted.
func (s *Store) createTemps(pending []*pending) (temps []*tempFile, errs []error) {
	temps, errs = make([]*tempFile, len(pending)), make([]error, len(pending))
	for from := 0; from < len(pending); from += openTemps {
		// Most of the work of the first sync is of use to the others too, if their bytes have been written before.
		to := min(from+openTemps, len(pending))
		inParallel(to-from, func(i int) {
			if p := pending[from+i]; p.revision != "" {
				temps[from+i], errs[from+i] = s.createTempOf(p)
			}
		})
		inParallel(to-from, func(i int) {
			if temp := temps[from+i]; temp != nil {
				errs[from+i] = s.syncTemp(temp)
			}
		})
	}
	return temps, errs
}

// createTempOf creates a temporary file for a record.
func (s *Store) createTempOf(p *pending) (*tempFile, error) {
	d, err := s.makeKind(p.kind)
	if err != nil {
		return nil, err
	}
	data, err := encodeRecord(p.id, p.revision, p.value)
	if err != nil {
		return nil, err
	}
	temp, err := s.createTemp(d, data)
	if err == nil {
		s.startWriting(temp.file)
	}
	return temp, err
}

// inParallel calls f with 0 to n-1, several at once, and returns when all calls have.
func inParallel(n int, f func(i int)) {
	var (
		all  sync.WaitGroup
		next atomic.Int64
	)
	for range min(n, fileWriters) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}

// seal ends the active segment, so that the journal can be trimmed after the records in it have been written.
func (s *Store) seal() {
	j := &s.journal
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.active != nil && len(j.sealed) == 0 {
		j.sealed, j.active = []*segment{j.active}, nil
	}
}

// trim removes the sealed segments, whose changes are in the files of their records.
func (s *Store) trim() error {
	j := &s.journal
	j.writing.Lock()
	sealed, active := j.sealed, j.active
	for _, g := range sealed {
		j.needed = max(j.needed, g.last+1)
	}
	checkpoint := &entry{typ: checkpointEntry, needed: j.needed, accounted: j.accounted}
	j.writing.Unlock()
	if active != nil {
		if err := s.commit(checkpoint, nil); err != nil {
			return err
		}
	}
	// Newest first, and durably: what a loss of power leaves must have its beginning.
	for i := len(sealed) - 1; i >= 0; i-- {
		if err := s.dropSegment(sealed[i]); err != nil {
			return err
		}
		j.writing.Lock()
		j.sealed = sealed[:i]
		j.bytes.Add(-sealed[i].end)
		j.writing.Unlock()
	}
	return nil
}

// dropSegment removes a segment from the journal, or makes it the next one.
func (s *Store) dropSegment(g *segment) error {
	j := &s.journal
	if g.broken {
		return s.keepBroken(g)
	}
	j.writing.Lock()
	recycle := j.next == nil && g.file != nil && g.size <= maxRecycled
	if recycle {
		defer j.writing.Unlock()
		j.segments++
		next, err := s.newSegment(j.segments, g)
		j.next = next
		return err
	}
	j.writing.Unlock()
	if g.file != nil {
		_ = g.file.Close()
		g.file = nil
	}
	return s.removeSegments(g)
}
