package catalog

import (
	"context"
	"errors"

	"github.com/patchsource/patchsource/store"
)

// follow updates the index with the changes of other servers, until ctx ends. It calls started when no later change is
// missed: the caller must load the index after that.
func (s *titleStore) follow(ctx context.Context, started func()) {
	loaded := false
	store.Follow(ctx, s.store, titleKind, store.Follower{
		Started: started,
		Reload: func(ctx context.Context) error {
			if !loaded {
				loaded = true // by the caller, after started
				return nil
			}
			return s.followAll(ctx)
		},
		Apply:  s.followOne,
		Report: func(err error) { s.log.Error("changes made by other servers are seen late", "error", err) },
	})
}

// followOne updates the index with a change of one title.
func (s *titleStore) followOne(ctx context.Context, change store.Change) error {
	x := s.index.loaded()
	if x == nil {
		return nil
	}
	if e := x.byKey(change.Key.ID); e != nil && e.rev == change.Revision {
		return nil // this server made it
	}
	err := s.refresh(ctx, change.Key.ID)
	switch {
	case errors.Is(err, store.ErrCorrupt): // the title has left the index
		return nil
	case errors.Is(err, errUnreadable): // it is not readable the next time either
		s.log.Error("a title that another server has changed cannot be read and stays as it was",
			"record", change.Key.String(), "error", err)
		s.damaged.add(change.Key.ID)
		return nil
	}
	return err
}

// followAll updates the index with all records of the store, after changes may have been missed.
func (s *titleStore) followAll(ctx context.Context) error {
	if s.index.loaded() == nil {
		return nil
	}
	stored := map[string]bool{}
	for r, err := range s.store.List(ctx, titleKind) {
		if err != nil {
			return err
		}
		stored[r.Key.ID] = true
		if err := s.followOne(ctx, store.Change{Key: r.Key, Revision: r.Revision}); err != nil {
			return err
		}
	}
	for _, e := range s.index.get().sorted {
		if !stored[e.key] {
			if err := s.followOne(ctx, store.Change{Key: storeKey(e.key)}); err != nil {
				return err
			}
		}
	}
	return nil
}
