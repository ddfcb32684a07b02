package catalog

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/store"
)

// maxFollowers bounds the titles that other servers have changed and that are read at once.
const maxFollowers = 16

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
		Apply:       s.followOne,
		Concurrency: maxFollowers,
		Report:      func(err error) { s.log.Error("changes made by other servers are seen late", "error", err) },
	})
}

// followOne updates the index with a change of one title.
func (s *titleStore) followOne(ctx context.Context, change store.Change) error {
	x := s.index.loaded()
	if x == nil {
		return nil
	}
	if e := x.anyByKey(change.Key.ID); e != nil && e.rev == change.Revision {
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

// followAll updates the index with all records of the store, after changes may have been missed. It reads only the
// records whose revisions differ from those in the index.
func (s *titleStore) followAll(ctx context.Context) error {
	if s.index.loaded() == nil {
		return nil
	}
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(maxFollowers)
	follow := func(c store.Change) { group.Go(func() error { return s.followOne(working, c) }) }
	stored := map[string]bool{}
	var failed error
	for c, err := range store.Revisions(ctx, s.store, titleKind) {
		if failed = err; err != nil || working.Err() != nil {
			break
		}
		stored[c.Key.ID] = true
		follow(c)
	}
	if err := errors.Join(failed, group.Wait()); err != nil {
		return err
	}
	for _, key := range s.missing(stored) {
		if err := s.followOne(ctx, store.Change{Key: storeKey(key)}); err != nil {
			return err
		}
	}
	return nil
}

// missing returns the keys of the titles that this server knows and that are not among those in the store.
func (s *titleStore) missing(stored map[string]bool) (keys []string) {
	x := s.index.get()
	for e := range x.all() {
		if !stored[e.key] {
			keys = append(keys, e.key)
		}
	}
	for e := range x.disabled {
		if !stored[e.key] {
			keys = append(keys, e.key)
		}
	}
	for _, key := range s.work.all() {
		if !stored[key] {
			keys = append(keys, key)
		}
	}
	return keys
}
