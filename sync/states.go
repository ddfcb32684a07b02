package patchsync

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/patchsource/patchsource/store"
)

// A stateStore reads and writes the states of sources. It is safe for concurrent use.
type stateStore struct {
	store store.Store
	log   *slog.Logger

	mu       sync.Mutex
	states   map[string]savedState // by key, as last read or written
	requests map[string]time.Time  // by key, when this server first saw them
}

func newStateStore(s store.Store, log *slog.Logger) *stateStore {
	return &stateStore{
		store:    s,
		log:      log,
		states:   map[string]savedState{},
		requests: map[string]time.Time{},
	}
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

// load reads all states and returns them. A state that cannot be decoded is replaced by an empty one, and one that the
// store cannot read is left out.
func (s *stateStore) load(ctx context.Context) (map[string]savedState, error) {
	states := map[string]savedState{}
	skip := func(key store.Key, err error) {
		s.log.Error("the state of a source cannot be read: changes of the source are not followed until the record is "+
			"restored or deleted", "error", redactStoreError(key.ID, err))
	}
	for rec, err := range store.ListReadable(ctx, s.store, stateKind, skip) {
		if err != nil {
			return nil, err
		}
		if key, ok := strings.CutPrefix(rec.Key.ID, requestPrefix); ok {
			s.noteRequest(key)
			continue
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
	if requested, ok := strings.CutPrefix(key, requestPrefix); ok {
		return savedState{}, false, s.readRequest(ctx, requested)
	}
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

// write writes a state whose revision was old, which is empty if there was none, and returns its revision. The error is
// [store.ErrConflict] if another server has written the state meanwhile; see reread.
func (s *stateStore) write(ctx context.Context, key string, state state, old store.Revision) (store.Revision, error) {
	state.Format = stateFormat
	value, err := json.Marshal(&state)
	if err != nil {
		return "", err
	}
	var rev store.Revision
	err = store.Finish(ctx, func(ctx context.Context) error {
		rev, err = s.store.Put(ctx, store.Key{Kind: stateKind, ID: key}, value, store.IfUnchanged(old))
		return err
	})
	if err != nil {
		return "", err
	}
	s.set(key, savedState{state, rev})
	return rev, nil
}

// reread reads a state that another server has written. It is empty if there is none, or if it cannot be decoded. The
// error is a [store.ErrFormat] if a newer version wrote it.
func (s *stateStore) reread(ctx context.Context, key string) (savedState, error) {
	rec, err := s.store.Get(ctx, store.Key{Kind: stateKind, ID: key})
	if errors.Is(err, store.ErrNotFound) {
		s.forget(key)
		return savedState{}, nil
	}
	if err != nil {
		return savedState{}, err
	}
	state, err := decodeState(rec)
	if errors.Is(err, store.ErrFormat) {
		return savedState{}, err // it must not be overwritten
	}
	if err != nil {
		state = savedState{revision: rec.Revision}
	}
	s.set(key, state)
	return state, nil
}

// remove removes the states with some keys. It reports whether it has removed all of them.
func (s *stateStore) remove(ctx context.Context, keys []string) bool {
	for _, key := range keys {
		err := s.store.Delete(ctx, store.Key{Kind: stateKind, ID: key}, store.Condition{})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			s.log.Warn("the state of a title that was deleted could not be removed", "record", key, "error", err)
			return false
		}
		s.forget(key)
	}
	return true
}
