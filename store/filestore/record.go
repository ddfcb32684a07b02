package filestore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/patchsource/patchsource/store"
)

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
	name := fileName(key.ID)
	// Encode first, while other writers of the record need not wait.
	next := store.Revision(rand.Text())
	data, err := encodeRecord(key.ID, next, value)
	if err != nil {
		return "", fmt.Errorf("filestore: %w", err)
	}
	err = s.do(ctx, func() error {
		d, err := s.makeKind(key.Kind)
		if err != nil {
			return err
		}
		return s.change(ctx, d, name, func(current store.Revision) error {
			if err := cond.Check(current); err != nil {
				return err
			}
			return s.write(d, name, data)
		})
	})
	if err != nil {
		return "", err
	}
	return next, nil
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, key store.Key, cond store.Condition) error {
	if err := key.Check(); err != nil {
		return err
	}
	name := fileName(key.ID)
	// Deleting a record whose corrupt file was set aside ends that fault. If there is a condition, it may refer to an
	// earlier record and can no longer be checked.
	unconditional := cond == store.Condition{}
	return s.do(ctx, func() error {
		d, err := s.kind(key.Kind)
		if errors.Is(err, store.ErrNotFound) && s.stopped() == nil && unconditional {
			s.forgetAside(key.Kind, name)
		}
		if err != nil {
			return err
		}
		return s.change(ctx, d, name, func(current store.Revision) error {
			if current == "" {
				if unconditional {
					s.forgetAside(d.name, name)
				}
				return store.ErrNotFound
			}
			if err := cond.Check(current); err != nil {
				return err
			}
			return s.remove(d, name)
		})
	})
}

// change calls do with the current revision of a record, which is empty if there is none, while no other writer changes
// the record. If do succeeds, the record is no longer a fault.
func (s *Store) change(ctx context.Context, d *directory, name string, do func(current store.Revision) error) error {
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
	if err := do(current); err != nil {
		return err
	}
	s.faults.files.remove(d, name)
	s.forgetAside(d.name, name)
	return nil
}

// lockRecord locks a record for a writer.
func (s *Store) lockRecord(kind, name string) (unlock func()) {
	mu := s.recordLock(kind, name)
	mu.Lock()
	return mu.Unlock
}

// recordLock returns the lock of a record, which it shares with other records.
func (s *Store) recordLock(kind, name string) *sync.Mutex {
	return &s.writing[maphash.String(s.seed, kind+"/"+name)%uint64(len(s.writing))]
}
