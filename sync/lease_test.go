package patchsync_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A mortal store is the connection of one server to a store, which can break.
type mortal struct {
	store.Store
	dead     atomic.Bool
	readOnly atomic.Bool
}

var errDead = errors.New("no connection")

// Unwrap returns the store, so that [store.As] finds its capabilities.
func (m *mortal) Unwrap() store.Store { return m.Store }

// Get implements [store.Store].
func (m *mortal) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if m.dead.Load() {
		return store.Record{}, errDead
	}
	return m.Store.Get(ctx, key)
}

// Put implements [store.Store].
func (m *mortal) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if m.dead.Load() || m.readOnly.Load() {
		return "", errDead
	}
	return m.Store.Put(ctx, key, value, cond)
}

// A tagged transport counts the requests of one server.
type tagged struct {
	w    *world
	n    *atomic.Int32
	last *time.Time // when the last request was sent
}

// RoundTrip implements [http.RoundTripper].
func (c tagged) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	*c.last = time.Now()
	return c.w.RoundTrip(r)
}

// A member is one of several servers over a store.
type member struct {
	*server
	store *mortal
	n     atomic.Int32
	last  time.Time
	stop  func()
}

// A cluster is several servers over one store.
type cluster []*member

// newCluster starts n servers, whose clocks differ by 40 seconds.
func newCluster(t *testing.T, n int, shared store.Store, w *world, opts patchsync.Options) cluster {
	t.Helper()
	var all cluster
	for i := range n {
		m := &member{store: &mortal{Store: shared}}
		skew := time.Duration(i-1) * 40 * time.Second
		opts.Now = func() time.Time { return time.Now().Add(skew) }
		m.server = open(t, m.store, tagged{w, &m.n, &m.last}, opts)
		m.stop = run(t, m.server)
		all = append(all, m)
	}
	return all
}

// workers returns the servers that send requests in the next time, and the number of these requests.
func (c cluster) workers(d time.Duration) (active []*member, n int32) {
	var before []int32
	for _, m := range c {
		before = append(before, m.n.Load())
	}
	time.Sleep(d)
	for i, m := range c {
		if k := m.n.Load() - before[i]; k > 0 {
			active, n = append(active, m), n+k
		}
	}
	return active, n
}

// One of several servers sends requests, whatever their clocks say. Another takes over at once when it stops, and after
// the time of the lease when it dies. A title that was created on any of them is followed, and all of them know the
// state.
func TestOneServerDoesTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lease, interval = 30 * time.Second, 10 * time.Second
		w := newWorld(t)
		w.define(here, definition("App", "1"))
		all := newCluster(t, 3, memstore.New(), w, patchsync.Options{Interval: interval, Lease: lease})
		all[1].follow(here, definition("App", "1"), nil)
		time.Sleep(lease)
		active, n := all.workers(10 * time.Minute)
		if len(active) != 1 || n < 54 || n > 66 {
			t.Fatalf("%d servers sent %d requests in 60 intervals, want 1 server and about 60", len(active), n)
		}
		first := active[0]

		w.define(here, definition("App", "2"))
		time.Sleep(2 * interval)
		for i, m := range all {
			if v := m.version("App"); v != "2" {
				t.Errorf("server %d serves version %s, want 2", i, v)
			}
			if state := m.state("App"); state.LastChange.IsZero() {
				t.Errorf("server %d does not know of the change: %+v", i, state)
			}
		}

		first.stop()
		active, _ = all.workers(lease/2 + interval)
		if len(active) != 1 || active[0] == first {
			t.Fatalf("%d servers took over within half a lease, want 1", len(active))
		}
		second := active[0]

		second.store.dead.Store(true) // it can no longer release the lease
		began := time.Now()
		active, _ = all.workers(5 * time.Minute)
		active = slices.DeleteFunc(active, func(m *member) bool { return m == second }) // its last requests
		if len(active) != 1 || active[0] == first {
			t.Fatalf("%d servers took over after one had died, want 1", len(active))
		}
		third := active[0]
		if d := second.last.Sub(began); d > lease {
			t.Errorf("the server without a connection went on for %v", d)
		}
		if active, _ := all.workers(5 * time.Minute); len(active) != 1 || active[0] != third {
			t.Errorf("%d servers send requests in the end, want the third alone", len(active))
		}
		second.stop()
		third.stop()
	})
}

// Trigger and Sync work on every server, and the others learn the state.
func TestSyncOnAnyServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, w := memstore.New(), newWorld(t)
		w.define(here, definition("App", "1"))
		opts := patchsync.Options{Interval: 24 * time.Hour}
		a, b := open(t, shared, w, opts), open(t, shared, w, opts)
		a.follow(here, definition("App", "1"), nil)
		stopA, stopB := run(t, a), run(t, b)
		defer stopA()
		defer stopB()
		time.Sleep(time.Minute)
		w.define(here, definition("App", "2"))
		for _, s := range []*server{a, b} {
			if err := s.sync.Trigger("App"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(11 * time.Second)
		}
		if a.version("App") != "2" || b.version("App") != "2" {
			t.Errorf("versions %s and %s are served, want 2", a.version("App"), b.version("App"))
		}
		w.put(here, page{status: 500})
		if _, err := b.sync.Sync(t.Context(), "App"); err == nil {
			t.Error("Sync of a source that fails: no error")
		}
		time.Sleep(time.Second)
		if state := a.state("App"); state.Status != 500 {
			t.Errorf("the other server does not know of the failure: %+v", state)
		}
	})
}

// A server that cannot renew the lease stops before another one begins.
func TestNoTwoServersWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lease = time.Minute
		shared, w := memstore.New(), newWorld(t)
		w.define(here, definition("App", "1"))
		var n [2]atomic.Int32
		var last [2]time.Time
		var stores [2]*mortal
		for i := range 2 {
			stores[i] = &mortal{Store: shared}
			s := open(t, stores[i], tagged{w, &n[i], &last[i]}, patchsync.Options{Interval: time.Second, Lease: lease})
			if i == 0 {
				s.follow(here, definition("App", "1"), nil)
			}
			stop := run(t, s)
			defer stop()
			time.Sleep(lease)
		}
		if n[0].Load() == 0 || n[1].Load() != 0 {
			t.Fatalf("%d and %d requests, want the first server alone", n[0].Load(), n[1].Load())
		}
		stores[0].readOnly.Store(true)
		for n[1].Load() == 0 {
			time.Sleep(time.Second)
		}
		began := time.Now()
		time.Sleep(5 * lease)
		if last[0].After(began) {
			t.Errorf("both servers sent requests for %v", last[0].Sub(began))
		}
	})
}

// A noticing source has no titles, counts how often it is listed, and notices a change when it begins to be watched.
type noticing struct{ lists atomic.Int32 }

// Key implements [patchsync.Source].
func (n *noticing) Key() string { return "noticing" }

// List implements [patchsync.Source].
func (n *noticing) List(context.Context, *patchsync.Fetcher, string) (*patchsync.Listing, error) {
	n.lists.Add(1)
	return &patchsync.Listing{}, nil
}

// Watch implements [patchsync.Watcher].
func (n *noticing) Watch(ctx context.Context, changed func()) error {
	changed()
	<-ctx.Done()
	return nil
}

// A change that a source notices before the server is elected leads to a round when it is.
func TestChangeBeforeElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, source := memstore.New(), &noticing{}
		opts := patchsync.Options{
			Interval: time.Hour,
			Lease:    time.Minute,
			Mirrors:  []patchsync.Mirror{{Source: source}},
		}
		s := open(t, shared, newWorld(t), opts)
		stop := run(t, s)
		time.Sleep(time.Minute)
		stop()
		dead := []byte(`{"holder":"a server that has died","beat":1}`)
		key := store.Key{Kind: "leases", ID: "sync"}
		if _, err := shared.Put(t.Context(), key, dead, store.Condition{}); err != nil {
			t.Fatal(err)
		}
		before := source.lists.Load()
		s = open(t, shared, newWorld(t), opts)
		defer run(t, s)()
		time.Sleep(5 * time.Minute)
		if n := source.lists.Load() - before; n != 1 {
			t.Errorf("the source was listed %d times after the election, want 1", n)
		}
	})
}
