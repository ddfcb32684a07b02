package s3store

import (
	"context"
	"errors"
	"time"
)

// writeProof is the time for which a write that was carried out proves that the store can be changed.
const writeProof = time.Minute

// noTag is the tag of no object.
const noTag = "00000000000000000000000000000000"

// Ping implements [store.Pinger]. It reads the head. If nothing was written in the last minute, it also sends a write
// that the server must refuse because of its condition, and not because of missing permissions.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	s.mu.Lock()
	refused, proven, tag := s.refused, time.Since(s.written) < writeProof, s.head.tag
	s.mu.Unlock()
	if refused != nil {
		return refused
	}
	_, err := s.bucket.getUnless(ctx, s.headName(), tag)
	if err != nil && !errors.Is(err, errUnchanged) && !errors.Is(err, errAbsent) {
		return err
	}
	if proven {
		return nil
	}
	w := newTombstone(s.headName())
	_, err = s.bucket.put(ctx, w.name, w.body, condition{tag: noTag})
	if err != nil && !errors.Is(err, errRefused) && !errors.Is(err, errAbsent) {
		return err
	}
	s.noteWritten()
	return nil
}
