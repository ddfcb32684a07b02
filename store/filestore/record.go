package filestore

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"hash/maphash"
	"sync"

	"github.com/patchsource/patchsource/store"
)

// minDelta is the length of the shortest value that the journal may have as a delta.
const minDelta = 256

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, key store.Key) (r store.Record, err error) {
	if err := key.Check(); err != nil {
		return r, err
	}
	err = s.do(ctx, func() error {
		d, err := s.kind(key.Kind)
		if err != nil {
			return err
		}
		r, err = s.read(d, fileName(key.ID))
		return err
	})
	return r, err
}

// Put implements [store.Store].
func (s *Store) Put(
	ctx context.Context, key store.Key, value []byte, cond store.Condition,
) (rev store.Revision, err error) {
	if err := key.Check(); err != nil {
		return "", err
	}
	rev = store.Revision(rand.Text())
	err = s.do(ctx, func() error {
		if err := s.waitForRoom(ctx); err != nil {
			return err
		}
		d, err := s.makeKind(key.Kind)
		if err != nil {
			return err
		}
		return s.put(ctx, d, key, rev, value, cond)
	})
	if err != nil {
		return "", err
	}
	return rev, nil
}

// put writes a record if cond holds.
func (s *Store) put(
	ctx context.Context, d *directory, key store.Key, rev store.Revision, value []byte, cond store.Condition,
) error {
	name := fileName(key.ID)
	defer s.lockRecord(d.name, name)()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.changeable(d); err != nil {
		return err
	}
	base, err := s.readBase(d, name, len(value))
	if err != nil {
		return err
	}
	if err := cond.Check(base.Revision); err != nil {
		return err
	}
	if key.Kind == configKind {
		err = s.writeThrough(d, name, key.ID, rev, value)
	} else {
		e := &entry{typ: valueEntry, key: key, base: base.Revision, next: rev, payload: value}
		if len(base.Value) >= minDelta {
			if delta, ok := makeDelta(base.Value, value); ok {
				e.typ, e.payload = deltaEntry, delta
			}
		}
		next := &pendingRecord{kind: d.name, name: name, id: key.ID, revision: rev, value: bytes.Clone(value)}
		err = s.commit(e, next)
	}
	if err == nil {
		s.endFaults(d, name)
	}
	return err
}

// readBase returns the current revision of a record, which is empty if there is none, and its value if that may make
// the entry for a new value shorter. It sets a corrupt file aside and then returns no revision. The caller must hold
// the record's lock, and d must be in place.
func (s *Store) readBase(d *directory, name string, size int) (store.Record, error) {
	if p := s.overlay.get(d.name, name); p != nil {
		return store.Record{Revision: p.revision, Value: p.value}, nil
	}
	if size >= minDelta {
		r, err := s.readFile(d, name)
		if err == nil {
			return r, nil
		}
		if errors.Is(err, store.ErrCorrupt) {
			return store.Record{}, s.lost(d, name, err)
		}
	}
	rev, err := s.revision(d, name)
	return store.Record{Revision: rev}, err
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, key store.Key, cond store.Condition) error {
	if err := key.Check(); err != nil {
		return err
	}
	return s.do(ctx, func() error {
		if err := s.waitForRoom(ctx); err != nil {
			return err
		}
		d, err := s.kind(key.Kind)
		if errors.Is(err, store.ErrNotFound) && s.stopped() == nil && cond == (store.Condition{}) {
			s.forgetAside(key.Kind, fileName(key.ID))
		}
		if err != nil {
			return err
		}
		return s.delete(ctx, d, key, cond)
	})
}

// delete deletes a record if cond holds.
func (s *Store) delete(ctx context.Context, d *directory, key store.Key, cond store.Condition) error {
	name := fileName(key.ID)
	defer s.lockRecord(d.name, name)()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.changeable(d); err != nil {
		return err
	}
	current, err := s.revision(d, name)
	if err != nil {
		return err
	}
	if current == "" {
		// Deleting a record whose corrupt file was set aside ends that fault. If there is a condition, it may refer to
		// an earlier record and can no longer be checked.
		if cond == (store.Condition{}) {
			s.forgetAside(d.name, name)
		}
		return store.ErrNotFound
	}
	if err := cond.Check(current); err != nil {
		return err
	}
	if d.name == configKind {
		err = s.removeThrough(d, name)
	} else {
		e := &entry{typ: deletionEntry, key: key, base: current}
		err = s.commit(e, &pendingRecord{kind: d.name, name: name, id: key.ID})
	}
	if err == nil {
		s.endFaults(d, name)
	}
	return err
}

// endFaults ends the faults of a record that was written or deleted.
func (s *Store) endFaults(d *directory, name string) {
	s.faults.files.remove(d, name)
	s.forgetAside(d.name, name)
}

// lockRecord locks a record for a writer.
func (s *Store) lockRecord(kind, name string) (unlock func()) {
	mu := s.recordLock(kind, name)
	mu.Lock()
	return mu.Unlock
}

// recordLock returns the lock of a record, which it shares with other records.
func (s *Store) recordLock(kind, name string) *sync.Mutex {
	return &s.writing[s.lockIndex(kind, name)]
}

// lockIndex returns the index of the lock of a record.
func (s *Store) lockIndex(kind, name string) uint64 {
	return maphash.String(s.seed, kind+"/"+name) % uint64(len(s.writing))
}
