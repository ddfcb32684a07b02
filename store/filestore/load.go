package filestore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/patchsource/patchsource/store"
)

// maxLoadBytes bounds the memory for the records of a batch, but for the last of them.
const maxLoadBytes = 8 << 20

// Load implements [store.Loader]. It writes records to their files and not to the journal. While a batch of them is
// written, the next one is read.
func (s *Store) Load(ctx context.Context, records iter.Seq2[store.Record, error]) error {
	trimmed := false
	err := s.do(ctx, func() (err error) {
		trimmed, err = s.writeAll()
		return err
	})
	if err != nil {
		return err
	}
	if !trimmed { // other calls change records all the time
		return store.Load(ctx, struct{ store.Store }{s}, records)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches, ended := make(chan []*pendingRecord), make(chan struct{})
	go func() {
		defer close(ended)
		for batch := range batches {
			if err := s.do(ctx, func() error { return s.writeNew(batch) }); err != nil {
				cancel(err)
			}
		}
	}()
	func() {
		defer close(batches) // also if records panics
		if err := s.sendBatches(ctx, records, batches); err != nil {
			cancel(err)
		}
	}()
	<-ended
	return context.Cause(ctx)
}

// writeAll writes all pending records to their files and reports whether no change that was made before is left in the
// journal. A replay would not recognize a file that was written past such a change.
func (s *Store) writeAll() (trimmed bool, err error) {
	j := &s.journal
	j.writing.Lock()
	last := j.entries
	j.writing.Unlock()
	for range 2 { // the first time, only what an earlier failure has left may be written
		if err := s.writeFiles(); err != nil {
			return false, err
		}
	}
	j.writing.Lock()
	defer j.writing.Unlock()
	return j.firstNeeded > last || j.active == nil && len(j.sealed) == 0, nil
}

// sendBatches reads records and sends them in batches until ctx ends.
func (s *Store) sendBatches(
	ctx context.Context, records iter.Seq2[store.Record, error], batches chan<- []*pendingRecord,
) error {
	var batch []*pendingRecord
	var size int64
	send := func() {
		if len(batch) > 0 {
			batches <- batch
		}
		batch, size = nil, 0
	}
	for r, err := range records {
		if err == nil {
			err = r.Key.Check()
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		p := &pendingRecord{
			kind:     r.Key.Kind,
			name:     fileName(r.Key.ID),
			id:       r.Key.ID,
			revision: store.Revision(rand.Text()),
			value:    r.Value,
		}
		batch, size = append(batch, p), size+p.size()
		if len(batch) == s.batch || size >= maxLoadBytes {
			send()
		}
	}
	send()
	return nil
}

// writeNew makes the files of new records durable. Other changes of these records wait meanwhile, so that what they
// build on is durable.
func (s *Store) writeNew(batch []*pendingRecord) error {
	directories := map[string]*directory{}
	for _, p := range batch {
		if directories[p.kind] != nil {
			continue
		}
		d, err := s.makeKind(p.kind)
		if err == nil {
			err = s.changeable(d)
		}
		if err != nil {
			return err
		}
		directories[p.kind] = d
	}
	defer s.lockRecords(batch)()
	seen := map[string]bool{}
	for _, p := range batch {
		err := s.checkNew(directories[p.kind], p.name)
		if path := p.kind + "/" + p.name; seen[path] {
			err = store.ErrConflict
		} else {
			seen[path] = true
		}
		if err != nil {
			return fmt.Errorf("record %q: %w", p.id, err)
		}
	}
	written, failed, err := s.replaceFiles(batch)
	for _, p := range written {
		s.endFaults(directories[p.kind], p.name)
	}
	return errors.Join(err, joinFailures(failed))
}

// checkNew returns store.ErrConflict if there is a record, or if a change of it is pending. The caller must hold the
// record's lock.
func (s *Store) checkNew(d *directory, name string) error {
	if s.overlay.get(d.name, name) != nil {
		return store.ErrConflict
	}
	current, err := s.revision(d, name)
	if err == nil && current != "" {
		err = store.ErrConflict
	}
	return err
}

// lockRecords locks several records for a writer. It takes the locks in the order of their indexes, so that two callers
// do not wait for each other. The caller must not hold the lock of a record.
func (s *Store) lockRecords(records []*pendingRecord) (unlock func()) {
	locks := make([]uint64, 0, len(records))
	for _, p := range records {
		locks = append(locks, s.lockIndex(p.kind, p.name))
	}
	slices.Sort(locks)
	locks = slices.Compact(locks)
	for _, i := range locks {
		s.writing[i].Lock()
	}
	return func() {
		for _, i := range locks {
			s.writing[i].Unlock()
		}
	}
}
