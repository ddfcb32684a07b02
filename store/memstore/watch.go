package memstore

import (
	"context"
	"iter"
	"time"

	"github.com/patchsource/patchsource/store"
)

// maxPending bounds the changes that wait for a slow reader. If there are more, they are replaced by a gap.
const maxPending = 10_000

// heartbeatInterval is the time between two heartbeats of a watch.
const heartbeatInterval = time.Second

// A watcher is one call of Watch.
type watcher struct {
	kind    string
	wake    chan struct{}  // has a value if there may be pending changes
	pending []store.Change // guarded by Store.mu
}

// Watch implements [store.Watcher].
func (s *Store) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return s.watch(ctx, kind, false)
}

// WatchHeartbeats implements [store.HeartbeatWatcher].
func (s *Store) WatchHeartbeats(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return s.watch(ctx, kind, true)
}

// watch yields changes, and heartbeats as well if the caller wants them.
func (s *Store) watch(ctx context.Context, kind string, heartbeats bool) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		if err := store.CheckKind(kind); err != nil {
			yield(store.Change{}, err)
			return
		}
		w := s.subscribe(kind)
		defer s.unsubscribe(w)
		var beat <-chan time.Time // nil without heartbeats
		if heartbeats {
			tick := time.NewTicker(heartbeatInterval)
			defer tick.Stop()
			beat = tick.C
		}
		beating := false
		for {
			now := time.Now() // before the changes are taken: none that was made earlier is left out
			changes := s.takePending(w)
			if beating {
				changes = append(changes, store.Change{Heartbeat: now})
			}
			for _, c := range changes {
				if ctx.Err() != nil || !yield(c, nil) {
					return
				}
			}
			beating = false
			select {
			case <-ctx.Done():
				return
			case <-beat:
				beating = true
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
