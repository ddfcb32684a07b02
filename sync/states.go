package patchsync

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/patchsource/patchsource/store"
)

// A stateStore reads and writes the states of sources. It is safe for concurrent use.
type stateStore struct {
	store store.Store
	log   *slog.Logger

	mu     sync.Mutex
	states map[string]savedState // by key, as last read or written
}

func newStateStore(s store.Store, log *slog.Logger) *stateStore {
	return &stateStore{store: s, log: log, states: map[string]savedState{}}
}

// saved returns a state as it was last read or written.
func (s *stateStore) saved(key string) (_ savedState, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state, ok := s.states[key]
	return state, ok
}

// keys returns the keys of all states.
func (s *stateStore) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.states))
}

// set remembers a state that was read or written.
func (s *stateStore) set(key string, state savedState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states[key] = state
}

// forget forgets a state that the store no longer has.
func (s *stateStore) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.states, key)
}

// load reads all states and returns them. A state that cannot be decoded is replaced by an empty one.
func (s *stateStore) load(ctx context.Context) (map[string]savedState, error) {
	states := map[string]savedState{}
	for rec, err := range s.store.List(ctx, stateKind) {
		if err != nil {
			return nil, err
		}
		state, err := decodeState(rec)
		if errors.Is(err, store.ErrFormat) {
			return nil, err // it must not be overwritten
		}
		if err != nil {
			s.log.Warn("the state of a source cannot be read and starts over", "error", err)
			state = savedState{revision: rec.Revision}
		}
		states[rec.Key.ID] = state
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = maps.Clone(states)
	return states, nil
}

// read reads a state that may have changed. changed is false if this server wrote the change, if the state is gone, or
// if it cannot be decoded.
func (s *stateStore) read(ctx context.Context, change store.Change) (state savedState, changed bool, err error) {
	key := change.Key.ID
	if known, _ := s.saved(key); known.revision == change.Revision && known.revision != "" {
		return savedState{}, false, nil
	}
	rec, err := s.store.Get(ctx, change.Key)
	corrupt := errors.Is(err, store.ErrCorrupt)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.forget(key)
		return savedState{}, false, nil
	case err != nil && !corrupt:
		return savedState{}, false, redactStoreError(key, err)
	case corrupt:
		err = redactStoreError(key, err)
	default:
		state, err = decodeState(rec)
	}
	if err != nil {
		s.log.Warn("the state of a source that another server wrote cannot be read", "error", err)
		return savedState{}, false, nil
	}
	s.set(key, state)
	return state, true, nil
}

// write writes a state and returns its revision. A state that another server has written meanwhile is overwritten,
// because the round of this one ended later, unless a newer version wrote it, which is a [store.ErrFormat].
func (s *stateStore) write(ctx context.Context, key string, state state) (store.Revision, error) {
	state.Format = stateFormat
	value, err := json.Marshal(&state)
	if err != nil {
		return "", err
	}
	known, _ := s.saved(key)
	rec, err := store.Update(ctx, s.store, store.Key{Kind: stateKind, ID: key},
		func(old store.Record) ([]byte, error) {
			if old.Revision != "" && old.Revision != known.revision {
				if _, err := decodeState(old); errors.Is(err, store.ErrFormat) {
					return nil, err
				}
			}
			return value, nil
		})
	if err != nil {
		return "", err
	}
	s.set(key, savedState{state, rec.Revision})
	return rec.Revision, nil
}

// remove removes the states with some keys. What cannot be removed is removed later.
func (s *stateStore) remove(ctx context.Context, keys []string) {
	for _, key := range keys {
		err := s.store.Delete(ctx, store.Key{Kind: stateKind, ID: key}, store.Condition{})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			s.log.Warn("the state of a title that was deleted could not be removed", "record", key, "error", err)
			return
		}
		s.forget(key)
	}
}
