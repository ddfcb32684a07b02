package s3store

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/patchsource/patchsource/store"
)

// maxPending bounds the changes that wait for a slow reader. If there are more, they are replaced by a gap.
const maxPending = 10_000

// A feed serves the watchers of one kind. It is guarded by Store.mu.
type feed struct {
	watchers map[*watcher]bool
	known    map[string]store.Revision // the records when they were last listed, and their changes since; nil at first
	checking bool                      // the records are being listed
	check    time.Time                 // when they should be listed again
}

// A watcher is one call of Watch. Its fields but the first two are guarded by Store.mu.
type watcher struct {
	heartbeats bool           // the reader wants them
	wake       chan struct{}  // has a value if there may be something to yield
	gap        bool           // changes may have been missed: the zero Key comes before the next change
	failed     error          // is yielded before the changes
	pending    []store.Change // wait for the reader
	heartbeat  time.Time      // is yielded after the changes; zero if there is none that is newer than the last one
}

// Watch implements [store.Watcher]. It yields changes in the order of the head, and may yield a change twice. It ends
// when the store is closed.
func (s *Store) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return s.watch(ctx, kind, false)
}

// WatchHeartbeats implements [store.HeartbeatWatcher]. It yields a heartbeat after each reading of the head that
// succeeds, or one for several if the reader is slow.
func (s *Store) WatchHeartbeats(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return s.watch(ctx, kind, true)
}

// watch yields changes, and heartbeats as well if the caller wants them.
func (s *Store) watch(ctx context.Context, kind string, heartbeats bool) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		w, err := s.subscribe(kind, heartbeats)
		if err != nil {
			yield(store.Change{}, err)
			return
		}
		defer s.unsubscribe(kind, w)
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

// subscribe returns a new watcher. It starts the work that the watcher needs.
func (s *Store) subscribe(kind string, heartbeats bool) (*watcher, error) {
	if err := store.CheckKind(kind); err != nil {
		return nil, err
	}
	if slices.Contains(s.opts.Unannounced, kind) {
		return nil, fmt.Errorf("s3store: %s cannot be watched: remove the kind from Options.Unannounced at all servers",
			kind)
	}
	w := &watcher{heartbeats: heartbeats, wake: make(chan struct{}, 1), gap: true}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	f := s.feeds[kind]
	if f == nil {
		f = &feed{watchers: map[*watcher]bool{}}
		s.feeds[kind] = f
		s.checkLocked(kind, f)
	}
	f.watchers[w] = true
	if !s.polling {
		s.polling = true
		s.work.Go(s.poll)
	}
	signal(s.awake)
	return w, nil
}

// unsubscribe removes a watcher.
func (s *Store) unsubscribe(kind string, w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.feeds[kind]
	if delete(f.watchers, w); len(f.watchers) == 0 {
		delete(s.feeds, kind)
	}
}

// takePending returns what a watcher has to yield: changes, of which a heartbeat is the last, and an error that comes
// before them.
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

// deliverLocked passes changes on to the watchers. The caller must hold s.mu.
func (s *Store) deliverLocked(changes []store.Change) {
	for _, c := range changes {
		f := s.feeds[c.Key.Kind]
		if f == nil {
			continue
		}
		if f.known != nil {
			f.known[c.Key.ID] = c.Revision
		}
		for w := range f.watchers {
			w.add(c)
		}
	}
}

// add passes a change on to a watcher.
func (w *watcher) add(c store.Change) {
	if w.gap {
		return // the zero Key will come
	}
	if w.pending = append(w.pending, c); len(w.pending) > maxPending {
		w.pending = []store.Change{{}}
	}
	signal(w.wake)
}

// gapLocked tells the watchers of all kinds that changes were missed. The caller must hold s.mu.
func (s *Store) gapLocked() {
	for _, f := range s.feeds {
		for w := range f.watchers {
			w.gap, w.pending, w.heartbeat = true, nil, time.Time{}
		}
	}
}

// interruptLocked tells the watchers of a kind that changes cannot be seen. The caller must hold s.mu.
func (f *feed) interruptLocked(err error) {
	for w := range f.watchers {
		w.failed, w.gap, w.pending, w.heartbeat = err, true, nil, time.Time{}
		signal(w.wake)
	}
}

// resumeLocked tells the watchers of a kind that have missed changes, or that are new, that no later change is missed.
// The caller must hold s.mu, and the head must have been read. began is the time just before that: every write that had
// returned by then was in the head, and is pending, or the zero Key in its place.
func (f *feed) resumeLocked(began time.Time) {
	if f.known == nil {
		return // a change that was made before the records are listed would be missed
	}
	for w := range f.watchers {
		resumed := w.gap
		if w.gap {
			w.gap, w.pending = false, []store.Change{{}}
		}
		if w.heartbeats {
			w.heartbeat = began
		}
		if resumed || w.heartbeats {
			signal(w.wake)
		}
	}
}

// signal puts a value into a channel that has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
