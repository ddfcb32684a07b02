package memstore

import (
	"context"
	"iter"

	"github.com/patchsource/patchsource/store"
)

// maxPending bounds the changes that wait for a slow reader. If there are more, they are replaced by a gap.
const maxPending = 10_000

// A watcher is one call of Watch.
type watcher struct {
	kind    string
	wake    chan struct{}  // has a value if there may be pending changes
	pending []store.Change // guarded by Store.mu
}

// Watch implements [store.Watcher].
func (s *Store) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		if err := store.CheckKind(kind); err != nil {
			yield(store.Change{}, err)
			return
		}
		w := s.subscribe(kind)
		defer s.unsubscribe(w)
		for {
			for _, c := range s.takePending(w) {
				if ctx.Err() != nil || !yield(c, nil) {
					return
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-w.wake:
			}
		}
	}
}

// subscribe returns a new watcher of a kind, for which the zero Key is pending.
func (s *Store) subscribe(kind string) *watcher {
	w := &watcher{kind: kind, wake: make(chan struct{}, 1), pending: []store.Change{{}}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchers == nil {
		s.watchers = map[*watcher]bool{}
	}
	s.watchers[w] = true
	return w
}

// unsubscribe removes a watcher.
func (s *Store) unsubscribe(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, w)
}

// takePending returns the pending changes of a watcher, which has none afterwards.
func (s *Store) takePending(w *watcher) []store.Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	changes := w.pending
	w.pending = nil
	return changes
}

// notifyLocked passes a change on to the watchers. The caller must hold s.mu.
func (s *Store) notifyLocked(c store.Change) {
	for w := range s.watchers {
		if w.kind != c.Key.Kind {
			continue
		}
		if w.pending = append(w.pending, c); len(w.pending) > maxPending {
			w.pending = []store.Change{{}}
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}
