package sqlstore

import (
	"context"
	"iter"
	"time"

	"github.com/patchsource/patchsource/store"
)

// maxPending bounds the changes that wait for a slow reader. If there are more, they are replaced by a gap.
const maxPending = 10_000

// A watcher is one call of Watch. Its fields but the first three are guarded by Store.mu.
type watcher struct {
	kind       string
	heartbeats bool           // the reader wants them
	wake       chan struct{}  // has a value if there may be something to yield
	gap        bool           // changes may have been missed: the zero Key comes before the next change
	failed     error          // is yielded before the changes
	pending    []store.Change // wait for the reader
	heartbeat  time.Time      // is yielded after the changes; zero if there is none that is newer than the last one
}

// Watch implements [store.Watcher]. Changes are yielded in about the order in which they were made; those of one record
// may be yielded in another order. A Watch ends when the store is closed.
func (s *Store) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return s.watch(ctx, kind, false)
}

// WatchHeartbeats implements [store.HeartbeatWatcher]. It yields a heartbeat after each reading of the log that
// succeeds, or one for several if the reader is slow.
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
		w, err := s.subscribe(kind, heartbeats)
		if err != nil {
			yield(store.Change{}, err)
			return
		}
		defer s.unsubscribe(w)
		for {
			changes, failed := s.takePending(w)
			if failed != nil && ctx.Err() == nil && !yield(store.Change{}, failed) {
				return
			}
			for _, c := range changes {
				if ctx.Err() != nil || !yield(c, nil) {
					return
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-s.closing.Done():
				yield(store.Change{}, errClosed)
				return
			case <-w.wake:
			}
		}
	}
}

// subscribe returns a new watcher and has the log read, because the watcher gets the zero Key after the next read.
func (s *Store) subscribe(kind string, heartbeats bool) (*watcher, error) {
	w := &watcher{kind: kind, heartbeats: heartbeats, wake: make(chan struct{}, 1), gap: true}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Err() != nil {
		return nil, errClosed
	}
	s.watchers[w] = true
	if s.feeding {
		signal(s.awake)
	} else {
		s.feeding = true
		s.work.Go(s.feed)
	}
	return w, nil
}

// unsubscribe removes a watcher.
func (s *Store) unsubscribe(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, w)
}

// takePending returns what a watcher has to yield: first the error, if there is one, and then the changes, of which a
// heartbeat is the last.
func (s *Store) takePending(w *watcher) (changes []store.Change, failed error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changes, failed = w.pending, w.failed
	if !w.heartbeat.IsZero() {
		changes = append(changes, store.Change{Heartbeat: w.heartbeat})
	}
	w.pending, w.failed, w.heartbeat = nil, nil, time.Time{}
	return changes, failed
}

// deliver passes the outcome of a successful read of the log to the watchers. If gap, changes were missed. began is the
// time just before the log was read, so that no write that had returned by then is missing.
func (s *Store) deliver(changes []store.Change, gap bool, began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watchers {
		before := len(w.pending)
		switch {
		case gap || w.gap:
			w.pending, w.gap, before = []store.Change{{}}, false, 0
		default:
			for _, c := range changes {
				if c.Key.Kind == w.kind {
					w.pending = append(w.pending, c)
				}
			}
			if len(w.pending) > maxPending {
				w.pending, before = []store.Change{{}}, 0
			}
		}
		if w.heartbeats {
			w.heartbeat = began
		}
		if w.heartbeats || len(w.pending) > before {
			signal(w.wake)
		}
	}
}

// interrupt tells the watchers that the log cannot be read.
func (s *Store) interrupt(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watchers {
		w.failed, w.gap, w.pending, w.heartbeat = err, true, nil, time.Time{}
		signal(w.wake)
	}
}

// signal puts a value into a channel that has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
