package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
)

// A crowd is a Follower whose Apply takes a second for each change.
type crowd struct {
	mu      sync.Mutex
	active  int
	maximum int
	applied map[string][]string // the ids, by lane
	broken  map[string]bool     // ids that cannot be read
	reloads int
}

func newCrowd(concurrency int) (*crowd, store.Follower) {
	c := &crowd{applied: map[string][]string{}, broken: map[string]bool{}}
	lane := func(k store.Key) string { return k.ID[:1] }
	return c, store.Follower{Reload: c.reload, Apply: c.apply, Concurrency: concurrency, Lane: lane}
}

func (c *crowd) reload(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reloads++
	if c.active != 0 {
		return fmt.Errorf("%d changes are being applied", c.active)
	}
	return nil
}

func (c *crowd) apply(ctx context.Context, change store.Change) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active++
	c.maximum = max(c.maximum, c.active)
	defer func() { c.active-- }()
	c.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
	c.mu.Lock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c.broken[change.Key.ID]:
		return errors.New("broken")
	}
	lane := change.Key.ID[:1]
	c.applied[lane] = append(c.applied[lane], change.Key.ID)
	return nil
}

// Several changes are applied at once, those of one lane in order. A record that cannot be read delays its lane only.
func TestFollowConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScriptedStore()
		c, f := newCrowd(3)
		c.broken["c1"] = true
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			store.Follow(ctx, s, "things", f)
			close(done)
		}()
		s.changes <- store.Change{}
		for _, id := range []string{"a1", "a2", "b1", "c1", "c2", "d1", "a3"} {
			s.changes <- store.Change{Key: thing(id)}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want := map[string][]string{"a": {"a1", "a2", "a3"}, "b": {"b1"}, "d": {"d1"}}
		if diff := cmp.Diff(want, c.applied); diff != "" || c.maximum != 3 {
			t.Errorf("%d at once, want 3; applied (-want +got):\n%s", c.maximum, diff)
		}
		// After a gap nothing is applied any more, and everything is read.
		s.changes <- store.Change{}
		synctest.Wait()
		if c.reloads != 2 || c.active != 0 {
			t.Errorf("%d reloads, %d changes in progress, want 2 and none", c.reloads, c.active)
		}
		for range 3 {
			s.changes <- store.Change{Key: thing("e1")}
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := len(c.applied["e"]); got != 2 || c.applied["c"] != nil {
			t.Errorf("three changes of a record were applied as %d, want 2; %v after the gap", got, c.applied["c"])
		}
		s.changes <- store.Change{Key: thing("c1")}
		synctest.Wait()
		stop()
		<-done
	})
}

// While the store fails, many changed records are not all retried all the time. When it works again, all are applied
// soon.
func TestFollowConcurrentlyDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const records, concurrency = 2000, 16
		s := newScriptedStore()
		var broken atomic.Bool
		var calls, applied atomic.Int32
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		broken.Store(true)
		go func() {
			store.Follow(ctx, s, "things", store.Follower{
				Concurrency: concurrency,
				Reload:      func(context.Context) error { return nil },
				Apply: func(context.Context, store.Change) error {
					calls.Add(1)
					if broken.Load() {
						return errors.New("no connection")
					}
					applied.Add(1)
					return nil
				},
			})
			close(done)
		}()
		s.changes <- store.Change{}
		for i := range records {
			s.changes <- store.Change{Key: thing(fmt.Sprint(i))}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := calls.Load(); n > 10*records {
			t.Errorf("%d records were read %d times in a minute", records, n)
		}
		broken.Store(false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := applied.Load(); n != records {
			t.Errorf("%d of %d records were applied", n, records)
		}
		stop()
		<-done
	})
}
