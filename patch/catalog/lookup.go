package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// definition returns a title's definition, and the entry that it belongs to. The error is ErrNotFound, ErrUnavailable
// or that of ctx.
func (s *titleStore) definition(ctx context.Context, id string) (*Document, *entry, error) {
	for try := 0; ; try++ {
		e := s.index.get().byID(id)
		if e == nil {
			return nil, nil, notFound(id)
		}
		doc, from := s.definitions.get(e.key)
		hit := doc != nil && from.rev == e.rev
		if try == 0 {
			s.definitions.count(hit)
		}
		if hit {
			return doc, e, nil
		}
		if try == 2 {
			// The title changes faster than it can be read.
			return s.lockedDefinition(ctx, e.key, id)
		}
		doc, err := s.readDefinition(ctx, e)
		if doc != nil || err != nil {
			return doc, e, err
		}
	}
}

// lockedDefinition is definition for a title that changes often: it reads with the title's lock.
func (s *titleStore) lockedDefinition(ctx context.Context, key, id string) (*Document, *entry, error) {
	t, err := s.lock(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	defer t.unlock()
	rec, err := s.readLocked(ctx, t)
	if errors.Is(err, store.ErrNotFound) || err == nil && rec.State != live {
		return nil, nil, cmp.Or(s.adopt(t, rec, err), notFound(id))
	}
	if err != nil {
		return nil, nil, err
	}
	e := s.index.get().byKey(key)
	if e == nil || e.rev != rec.rev {
		defer s.noteWork(key, rec) // once readers see it
		if e, err = rec.indexEntry(key); err != nil {
			return nil, nil, fmt.Errorf("%w: title %q: %w", ErrUnavailable, id, err)
		}
		s.publish(t, e)
	}
	return s.definitions.add(e, rec), e, nil
}

// readTimeout bounds a read of the store that several callers may wait for. It does not end with the first of them.
const readTimeout = 30 * time.Second

// readDefinition reads the definition of the title with this entry, once for all concurrent callers. It returns nil if
// the store has another definition now, and has updated the index.
func (s *titleStore) readDefinition(ctx context.Context, e *entry) (*Document, error) {
	result := s.reads.DoChan(e.key+" "+string(e.rev), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		rec, err := s.read(ctx, e.key)
		if errors.Is(err, store.ErrNotFound) || err == nil && rec.rev != e.rev {
			return (*Document)(nil), s.refresh(ctx, e.key)
		}
		if err != nil {
			return (*Document)(nil), err
		}
		return s.definitions.add(e, rec), nil
	})
	select {
	case r := <-result:
		return r.Val.(*Document), r.Err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// readLive reads the record of a live title. The error is ErrNotFound, ErrUnavailable or that of ctx.
func (s *titleStore) readLive(ctx context.Context, id string) (*record, error) {
	if !patch.ValidID(id) {
		return nil, notFound(id)
	}
	rec, err := s.read(ctx, titleKey(id))
	if errors.Is(err, store.ErrNotFound) || err == nil && rec.State != live {
		return nil, notFound(id)
	}
	return rec, err
}
