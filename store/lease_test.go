package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

const ttl = 30 * time.Second

// A member is one process that campaigns over a shared store.
type member struct {
	store.Store
	mayRead, mayWrite atomic.Bool
	putLies           atomic.Bool  // Put writes and returns an error
	putDelay          atomic.Int64 // how long Put takes to return after it has written
	leading           atomic.Bool
	elections         atomic.Int32
	slow              time.Duration // how long its work takes to end
	stop              func()
}

var errCut = errors.New("no connection")

func (m *member) Unwrap() store.Store { return m.Store }

func (m *member) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if !m.mayRead.Load() {
		return store.Record{}, errCut
	}
	return m.Store.Get(ctx, key)
}

func (m *member) Put(ctx context.Context, k store.Key, v []byte, cond store.Condition) (store.Revision, error) {
	if !m.mayWrite.Load() {
		return "", errCut
	}
	rev, err := m.Store.Put(ctx, k, v, cond)
	if d := time.Duration(m.putDelay.Load()); d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	if m.putLies.Load() {
		return "", errCut
	}
	return rev, err
}

// campaign has a new process campaign until the test ends.
func campaign(t *testing.T, shared store.Store, slow time.Duration) *member {
	return campaignSlowly(t, shared, slow, 0)
}

// campaignSlowly is campaign of a process whose Puts take putDelay to return after they have written.
func campaignSlowly(t *testing.T, shared store.Store, slow, putDelay time.Duration) *member {
	m := &member{Store: shared, slow: slow}
	m.putDelay.Store(int64(putDelay))
	m.mayRead.Store(true)
	m.mayWrite.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		opts := store.LeaseOptions{Name: "work", TTL: ttl}
		store.Campaign(ctx, m, opts, func(ctx context.Context) {
			m.elections.Add(1)
			m.leading.Store(true)
			<-ctx.Done()
			m.leading.Store(false)
			time.Sleep(m.slow)
		})
	}()
	m.stop = func() { cancel(); <-done }
	return m
}

// expectLeader fails the test unless exactly this member leads.
func expectLeader(t *testing.T, all []*member, want *member) {
	t.Helper()
	synctest.Wait()
	for i, m := range all {
		if m.leading.Load() != (m == want) {
			t.Errorf("member %d: leading is %v", i, m.leading.Load())
		}
	}
}

func TestCampaign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New()
		var all []*member
		for range 3 {
			all = append(all, campaign(t, shared, 0))
			synctest.Wait()
		}
		expectLeader(t, all, all[0])
		time.Sleep(10 * ttl)
		expectLeader(t, all, all[0])
		if n := all[0].elections.Load(); n != 1 {
			t.Errorf("the leader was elected %d times", n)
		}
		all[0].stop()
		time.Sleep(ttl / 6) // the lease was released
		synctest.Wait()
		next := all[1]
		if all[2].leading.Load() {
			next = all[2]
		}
		expectLeader(t, all, next)
		for _, m := range all[1:] {
			m.stop()
		}
		r, err := shared.Get(t.Context(), store.Key{Kind: "leases", ID: "work"})
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]any
		if err := json.Unmarshal(r.Value, &members); err != nil || members["holder"] != "" || members["beat"] == nil ||
			members["at"] == nil || len(members) != 3 {
			t.Errorf("the record at the end is %s, %v", r.Value, err)
		}
	})
}

// A leader that is cut off from the store stops before another is elected, and becomes a candidate again.
func TestCampaignOfALeaderThatIsCutOff(t *testing.T) {
	for _, readable := range []bool{false, true} {
		t.Run(fmt.Sprint("readable ", readable), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := memstore.New()
				a := campaign(t, shared, 0)
				synctest.Wait()
				b := campaign(t, shared, 0)
				all := []*member{a, b}
				time.Sleep(ttl)
				expectLeader(t, all, a)
				a.mayRead.Store(readable)
				a.mayWrite.Store(false)
				cut := time.Now()
				for !b.leading.Load() {
					time.Sleep(time.Second)
					synctest.Wait()
					if a.leading.Load() && b.leading.Load() {
						t.Fatalf("two leaders %v after the cut", time.Since(cut))
					}
				}
				if d := time.Since(cut); d > 2*ttl {
					t.Errorf("another was elected after %v", d)
				}
				a.mayRead.Store(true)
				a.mayWrite.Store(true)
				time.Sleep(2 * ttl)
				expectLeader(t, all, b)
				b.stop()
				time.Sleep(ttl)
				expectLeader(t, all, a)
				a.stop()
			})
		})
	}
}

// The lease of a leader runs from the beginning of the write that won it: the write may return late.
func TestCampaignAfterASlowElection(t *testing.T) {
	for _, delay := range []time.Duration{ttl / 7, 2 * ttl / 3} {
		t.Run(delay.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := memstore.New()
				a := campaignSlowly(t, shared, 0, delay)
				synctest.Wait()
				b := campaign(t, shared, 0)
				for range 4 * ttl / time.Second {
					time.Sleep(time.Second)
					synctest.Wait()
					if a.leading.Load() {
						a.mayRead.Store(false) // it cannot renew the lease
						a.mayWrite.Store(false)
						if b.leading.Load() {
							t.Fatal("two leaders")
						}
					}
				}
				expectLeader(t, []*member{a, b}, b)
				a.stop()
				b.stop()
			})
		})
	}
}

// A renewal that was written although the store returned an error does not end the leadership.
func TestCampaignAfterAnUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := campaign(t, memstore.New(), 0)
		synctest.Wait()
		m.putLies.Store(true)
		time.Sleep(10 * ttl)
		synctest.Wait()
		if !m.leading.Load() || m.elections.Load() != 1 {
			t.Errorf("leading is %v after %d elections", m.leading.Load(), m.elections.Load())
		}
		m.stop()
	})
}

// A leader that could not renew its lease for some time, and whose lease no other process has taken meanwhile, leads
// again as soon as it can: it need not wait until its own lease expires.
func TestCampaignAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := campaign(t, memstore.New(), 0)
		time.Sleep(ttl)
		m.mayRead.Store(false)
		m.mayWrite.Store(false)
		time.Sleep(ttl)
		synctest.Wait()
		if m.leading.Load() {
			t.Error("it leads although its lease may have expired")
		}
		m.mayRead.Store(true)
		m.mayWrite.Store(true)
		time.Sleep(ttl / 6)
		synctest.Wait()
		if !m.leading.Load() || m.elections.Load() != 2 {
			t.Errorf("leading is %v after %d elections", m.leading.Load(), m.elections.Load())
		}
		m.stop()
	})
}

// A lease that another process has taken ends the leadership at the next renewal.
func TestCampaignAfterAConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New()
		m := campaign(t, shared, 0)
		synctest.Wait()
		put(t, shared, store.Key{Kind: "leases", ID: "work"}, `unreadable`)
		time.Sleep(ttl / 6)
		synctest.Wait()
		if m.leading.Load() {
			t.Error("it leads without the lease")
		}
		time.Sleep(2 * ttl) // the other one does not renew it
		synctest.Wait()
		if !m.leading.Load() || m.elections.Load() != 2 {
			t.Errorf("leading is %v after %d elections", m.leading.Load(), m.elections.Load())
		}
		m.stop()
	})
}

// The lease is released only when the work has ended.
func TestCampaignWaitsForTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New()
		a := campaign(t, shared, 2*time.Second)
		synctest.Wait()
		began := time.Now()
		a.stop()
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("Campaign returned after %v, want the 2s of the work", d)
		}
		b := campaign(t, shared, 0)
		synctest.Wait()
		if !b.leading.Load() {
			t.Error("the lease was not released")
		}
		b.stop()
	})
}

// The lease outlives the function that is called at an election.
func TestCampaignKeepsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			store.Campaign(ctx, memstore.New(), store.LeaseOptions{Name: "work"}, func(context.Context) { n++ })
		}()
		time.Sleep(10 * time.Minute)
		cancel()
		<-done
		if n != 1 {
			t.Errorf("%d elections, want 1", n)
		}
	})
}

func TestCampaignWithoutAWatcher(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &countingStore{Store: memstore.New()}
	elected := false
	store.Campaign(ctx, s, store.LeaseOptions{Name: "work"}, func(context.Context) { elected = true; cancel() })
	if !elected || s.gets+s.puts > 0 {
		t.Errorf("elected is %v, after %d Gets and %d Puts", elected, s.gets, s.puts)
	}
}

func ExampleCampaign() {
	ctx, cancel := context.WithCancel(context.Background())
	s := memstore.New() // shared by several processes, as a database would be
	store.Campaign(ctx, s, store.LeaseOptions{Name: "reports"}, func(ctx context.Context) {
		fmt.Println("this process sends the reports")
		cancel()
		<-ctx.Done()
		fmt.Println("it stops")
	})
	// Output:
	// this process sends the reports
	// it stops
}
