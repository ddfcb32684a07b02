package linear

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
)

// awaitTimeout bounds the time until a Mirror is up to date.
const awaitTimeout = 20 * time.Second

// A Mirror keeps the revisions of the records of a kind by [store.Follow], as a server keeps its index.
type Mirror struct {
	store store.Store
	kind  string

	mu        sync.Mutex
	revisions map[string]store.Revision
	reports   int
	changed   chan struct{} // has a value after a change
}

// NewMirror returns the mirror of the records of a kind in a store, until the test ends.
func NewMirror(t testing.TB, s store.Store, kind string) *Mirror {
	m := &Mirror{store: s, kind: kind, changed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		store.Follow(ctx, s, kind, store.Follower{
			Reload: m.reload,
			Apply:  m.apply,
			Report: func(error) { m.mu.Lock(); m.reports++; m.mu.Unlock() },
		})
	})
	t.Cleanup(func() { cancel(); work.Wait() })
	return m
}

// reload reads all revisions.
func (m *Mirror) reload(ctx context.Context) error {
	revisions, err := revisionsOf(ctx, m.store, m.kind)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.revisions = revisions
	m.signalLocked()
	return nil
}

// apply reads the record of a change, as a server does, and keeps the revision of the change.
func (m *Mirror) apply(ctx context.Context, c store.Change) error {
	if _, err := m.store.Get(ctx, c.Key); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.revisions[c.Key.ID] = c.Revision; c.Revision == "" {
		delete(m.revisions, c.Key.ID)
	}
	m.signalLocked()
	return nil
}

// signalLocked reports a change. The caller must hold m.mu.
func (m *Mirror) signalLocked() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// Reports returns the number of errors that the mirror has noticed.
func (m *Mirror) Reports() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reports
}

// Await waits until the revisions are those of a store. Writes that were canceled may still change it.
func (m *Mirror) Await(t testing.TB, s store.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), awaitTimeout)
	defer cancel()
	for {
		want, err := revisionsOf(ctx, s, m.kind)
		if err != nil {
			t.Fatal(err)
		}
		m.mu.Lock()
		got := maps.Clone(m.revisions)
		m.mu.Unlock()
		if maps.Equal(got, want) {
			return
		}
		select {
		case <-m.changed:
		case <-ctx.Done():
			t.Fatalf("the revisions that a watch has shown (-want +got):\n%s", cmp.Diff(want, got))
		}
	}
}

// revisionsOf returns the revisions of all records of a kind.
func revisionsOf(ctx context.Context, s store.Store, kind string) (map[string]store.Revision, error) {
	revisions := map[string]store.Revision{}
	for c, err := range store.Revisions(ctx, s, kind) {
		if err != nil {
			return nil, err
		}
		revisions[c.Key.ID] = c.Revision
	}
	return revisions, nil
}
