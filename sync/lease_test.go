package patchsync_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A mortal store is what one server has of a store: when the server is dead, or cut
// off, it does nothing any more.
type mortal struct {
	store.Store
	dead atomic.Bool
	deaf atomic.Bool // it can read, and not write
}

var errDead = errors.New("no connection")

func (m *mortal) Unwrap() store.Store { return m.Store }

// Get implements store.Store.
func (m *mortal) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if m.dead.Load() {
		return store.Record{}, errDead
	}
	return m.Store.Get(ctx, key)
}

// Put implements store.Store.
func (m *mortal) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if m.dead.Load() || m.deaf.Load() {
		return "", errDead
	}
	return m.Store.Put(ctx, key, value, cond)
}

// A tagged transport counts who asks.
type tagged struct {
	w   *world
	n   *atomic.Int32
	now *time.Time // of the last
}

func (c tagged) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	*c.now = time.Now()
	return c.w.RoundTrip(r)
}

// Of several servers one asks, whatever their clocks say; another takes over when
// it stops at once, and when it dies after a lease; a title that one of them creates
// is followed by whoever does the work, and all of them know how it goes.
func TestOneServerDoesTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lease, interval = 30 * time.Second, 10 * time.Second
		shared, w := memstore.New(), newWorld(t)
		w.define(here, definition("App", "1"))
		type member struct {
			*server
			store *mortal
			n     atomic.Int32
			last  time.Time
			stop  func()
		}
		var all []*member
		for i := range 3 {
			m := &member{store: &mortal{Store: shared}}
			skew := time.Duration(i-1) * 40 * time.Second
			m.server = open(
				t,
				m.store,
				tagged{w, &m.n, &m.last},
				patchsync.Options{
					Interval: interval,
					Lease:    lease,
					Now:      func() time.Time { return time.Now().Add(skew) },
				},
			)
			m.stop = run(t, m.server)
			all = append(all, m)
		}
		all[1].follow(here, definition("App", "1"), nil)
		// workers returns who asks in the time to come, and their requests.
		workers := func(d time.Duration) (who []*member, n int32) {
			var before []int32
			for _, m := range all {
				before = append(before, m.n.Load())
			}
			time.Sleep(d)
			for i, m := range all {
				if k := m.n.Load() - before[i]; k > 0 {
					who, n = append(who, m), n+k
				}
			}
			return who, n
		}
		time.Sleep(lease)
		who, n := workers(10 * time.Minute)
		if len(who) != 1 || n < 54 || n > 66 {
			t.Fatalf("%d servers asked, %d times in 60 intervals", len(who), n)
		}
		first := who[0]

		w.define(here, definition("App", "2"))
		time.Sleep(2 * interval)
		for i, m := range all {
			if v := m.version("App"); v != "2" {
				t.Errorf("server %d serves %s", i, v)
			}
			if state := m.state("App"); state.LastChange.IsZero() {
				t.Errorf("server %d does not know how it goes: %+v", i, state)
			}
		}

		first.stop() // in good order
		who, _ = workers(lease/2 + interval)
		if len(who) != 1 || who[0] == first {
			t.Fatalf("%d servers took over within half a lease", len(who))
		}
		second := who[0]

		second.store.dead.Store(true) // without a word
		began := time.Now()
		who, _ = workers(5 * time.Minute)
		third := who[len(who)-1]
		if third == second || third == first {
			third = who[0]
		}
		if third == second || third == first || len(who) > 2 {
			t.Fatalf("%d servers asked after one had died", len(who))
		}
		if d := second.last.Sub(began); d > lease {
			t.Errorf("the one that was cut off asked for %v more", d)
		}
		if who, _ := workers(5 * time.Minute); fmt.Sprint(who) != fmt.Sprint([]*member{third}) {
			t.Errorf("%d servers ask in the end", len(who))
		}
		second.stop()
		third.stop()
	})
}

// Any server brings a title up to date for who asks for it.
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
			t.Errorf("%s and %s are served", a.version("App"), b.version("App"))
		}
		w.put(here, page{status: 500})
		if _, err := b.sync.Sync(t.Context(), "App"); err == nil {
			t.Error("no error")
		}
		time.Sleep(time.Second)
		if state := a.state("App"); state.Status != 500 {
			t.Errorf("the other server does not know: %+v", state)
		}
	})
}

// Who cannot renew the lease stops before another one begins.
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
			t.Fatalf("%d and %d requests", n[0].Load(), n[1].Load())
		}
		stores[0].deaf.Store(true)
		for n[1].Load() == 0 {
			time.Sleep(time.Second)
		}
		began := time.Now()
		time.Sleep(5 * lease)
		if last[0].After(began) {
			t.Errorf("both asked for %v", last[0].Sub(began))
		}
	})
}
