package filestore

import (
	"fmt"
	"time"
)

// maxBatch bounds the bytes of entries that are written at once, but for the last of them.
const maxBatch = 8 << 20

// maxPause bounds how long a change waits for others to be written with it.
const maxPause = time.Millisecond

// A change is an entry that waits for the committer.
type change struct {
	data    []byte         // the encoded entry
	pending *pendingRecord // for the overlay; nil for a checkpoint
	done    chan error
}

// commit makes an entry durable and adds its record to the overlay.
func (s *Store) commit(e *entry, p *pendingRecord) error {
	data, err := appendEntry(nil, e)
	if err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	c := &change{data: data, pending: p, done: make(chan error, 1)}
	j := &s.journal
	j.mu.Lock()
	j.waiting = append(j.waiting, c)
	j.mu.Unlock()
	j.arrived.Signal()
	return <-c.done
}

// runCommitter writes batches of entries until the journal is closed.
func (s *Store) runCommitter() {
	defer close(s.journal.done)
	for {
		batch := s.journal.nextBatch()
		if batch == nil {
			return
		}
		start := time.Now()
		err := s.writeBatch(batch)
		// The writers that wait for this batch are likely to come again.
		s.journal.last, s.journal.pause = len(batch), min(time.Since(start)/4, maxPause)
		for _, c := range batch {
			c.done <- err
		}
	}
}

// nextBatch waits for changes and returns those that are written at once. It returns none if the journal is closed.
func (j *journal) nextBatch() (batch []*change) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.waiting) == 0 {
		if j.closing {
			return nil
		}
		j.arrived.Wait()
	}
	j.gather()
	n, size := 0, 0
	for n < len(j.waiting) && (n == 0 || size < maxBatch) {
		size += len(j.waiting[n].data)
		n++
	}
	batch = j.waiting[:n:n]
	j.waiting = j.waiting[n:]
	return batch
}

// gather waits a little until as many changes wait as the last batch had, so that the writers of that batch share the
// next one too. The caller must hold j.mu.
func (j *journal) gather() {
	if len(j.waiting) >= j.last {
		return
	}
	late := false
	timer := time.AfterFunc(j.pause, func() {
		j.mu.Lock()
		late = true
		j.mu.Unlock()
		j.arrived.Signal()
	})
	defer timer.Stop()
	for len(j.waiting) < j.last && !late && !j.closing {
		j.arrived.Wait()
	}
}

// writeBatch makes changes durable and adds them to the overlay.
func (s *Store) writeBatch(batch []*change) error {
	j := &s.journal
	j.writing.Lock()
	defer j.writing.Unlock()
	if err := s.stopped(); err != nil {
		return err
	}
	if err := s.activate(); err != nil {
		return err
	}
	if err := s.segmentInPlace(j.active); err != nil {
		return err
	}
	data, number := j.buffer[:0], j.entries
	if j.active.end == 0 {
		first, err := appendEntry(data, j.checkpoint())
		if err != nil {
			return err
		}
		data = first
		number++
		sealEntry(data, j.active.nonce, number, j.entries+1)
	}
	for _, c := range batch {
		number++
		sealEntry(c.data, j.active.nonce, number, j.entries+1)
		data = append(data, c.data...)
	}
	if cap(data) <= maxBatch {
		j.buffer = data
	}
	if err := s.appendTo(j.active, data); err != nil {
		return err
	}
	j.entries, j.active.last = number, number
	j.bytes.Add(int64(len(data)))
	for _, c := range batch {
		if c.pending != nil {
			s.overlay.put(c.pending)
			s.wakeWriteBehind()
		}
	}
	return nil
}
