package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A scriptedStore is a memstore whose watches yield what a test sends. A watch ends when the test sends errEnd.
type scriptedStore struct {
	*memstore.Store
	changes chan any // store.Change or error
}

var errEnd = errors.New("the watch ends")

func newScriptedStore() *scriptedStore {
	return &scriptedStore{Store: memstore.New(), changes: make(chan any)}
}

func (s *scriptedStore) Watch(ctx context.Context, _ string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		for {
			select {
			case <-ctx.Done():
				return
			case v := <-s.changes:
				c, _ := v.(store.Change)
				err, _ := v.(error)
				if err == errEnd || !yield(c, err) {
					return
				}
			}
		}
	}
}

// A journal is a Follower that writes down its calls. Each call returns the next error, if there is one.
type journal struct {
	calls  []string
	errors []error
}

func (j *journal) call(text string) error {
	j.calls = append(j.calls, text)
	if len(j.errors) == 0 {
		return nil
	}
	err := j.errors[0]
	j.errors = j.errors[1:]
	return err
}

func (j *journal) follower() store.Follower {
	return store.Follower{
		Reload:  func(context.Context) error { return j.call("reload") },
		Apply:   func(_ context.Context, c store.Change) error { return j.call("apply " + c.Key.ID) },
		Started: func() { _ = j.call("started") },
		Report:  func(err error) { j.calls = append(j.calls, "report "+err.Error()) },
	}
}

// expect fails the test unless the calls since the last expect are these.
func (j *journal) expect(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, j.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	j.calls = nil
}

// follow runs Follow until the test ends, and returns a function that ends it sooner and waits.
func follow(t *testing.T, s store.Store, f store.Follower) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		store.Follow(ctx, s, "things", f)
	}()
	return func() { cancel(); <-done }
}

func thing(id string) store.Key { return store.Key{Kind: "things", ID: id} }

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := memstore.New(), &journal{}
		stop := follow(t, s, j.follower())
		synctest.Wait()
		j.expect(t, "started", "reload")
		put(t, s, thing("a"), "1")
		put(t, s, store.Key{Kind: "others", ID: "b"}, "1")
		synctest.Wait()
		j.expect(t, "apply a")
		if err := s.Delete(t.Context(), thing("a"), store.Condition{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		j.expect(t, "apply a")
		stop()
		put(t, s, thing("a"), "2")
		synctest.Wait()
		j.expect(t)
	})
}

func TestFollowWithoutApplyReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := memstore.New(), 0
		defer follow(t, s, store.Follower{Reload: func(context.Context) error { n++; return nil }})()
		synctest.Wait()
		put(t, s, thing("a"), "1")
		synctest.Wait()
		if n != 2 {
			t.Errorf("Reload was called %d times, want 2", n)
		}
	})
}

func TestFollowReloadsAfterAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := newScriptedStore(), &journal{}
		defer follow(t, s, j.follower())()
		s.changes <- store.Change{}
		s.changes <- store.Change{Key: thing("a")}
		s.changes <- errors.New("connection lost")
		s.changes <- store.Change{}
		synctest.Wait()
		j.expect(t, "started", "reload", "apply a", "report connection lost", "reload")
	})
}

func TestFollowWatchesAgainWhenTheWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := newScriptedStore(), &journal{}
		defer follow(t, s, j.follower())()
		s.changes <- store.Change{}
		s.changes <- errEnd
		began := time.Now()
		s.changes <- store.Change{} // is received by the next watch
		if d := time.Since(began); d != time.Second {
			t.Errorf("the next watch began after %v, want 1s", d)
		}
		synctest.Wait()
		j.expect(t, "started", "reload", "reload")
	})
}

func TestFollowRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		s, j := newScriptedStore(), &journal{errors: []error{nil, down, down, nil, down}}
		defer follow(t, s, j.follower())()
		began := time.Now()
		s.changes <- store.Change{}
		s.changes <- store.Change{Key: thing("a")} // received when Reload has succeeded
		if d := time.Since(began); d != 30*time.Millisecond {
			t.Errorf("two retries took %v, want 10ms and 20ms", d)
		}
		s.changes <- store.Change{Key: thing("b")}
		synctest.Wait()
		j.expect(t, "started", "reload", "report down", "reload", "report down", "reload",
			"apply a", "report down", "apply a", "apply b")
	})
}

// The pause between retries is bounded, and ends with the context.
func TestFollowBacksOffUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		stop := follow(t, memstore.New(), store.Follower{Reload: func(context.Context) error {
			at = append(at, time.Now())
			return errors.New("down")
		}})
		time.Sleep(10*time.Second + time.Millisecond)
		began := time.Now()
		stop()
		if d := time.Since(began); d != 0 {
			t.Errorf("Follow returned %v after its context had ended", d)
		}
		if n := len(at); n < 10 || at[n-1].Sub(at[n-2]) != time.Second {
			t.Errorf("%d attempts in 10 s, want one a second in the end", n)
		}
	})
}

// An error that a function returns because the context ended is not reported.
func TestFollowReportsNothingAfterItsContextEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := follow(t, memstore.New(), store.Follower{
			Reload: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			Report: func(err error) { t.Errorf("reported: %v", err) },
		})
		synctest.Wait()
		stop()
	})
}

func TestFollowReturnsAtOnceWithoutAWatcher(t *testing.T) {
	s := struct{ store.Store }{memstore.New()}
	store.Follow(t.Context(), s, "things", store.Follower{Reload: func(context.Context) error {
		t.Error("Reload was called")
		return nil
	}})
}

// An index of all things follows the store.
func ExampleFollow() {
	ctx, cancel := context.WithCancel(context.Background())
	s := memstore.New()
	things := map[string]string{}
	changed := make(chan string)

	reload := func(ctx context.Context) error {
		clear(things)
		for r, err := range s.List(ctx, "things") {
			if err != nil {
				return err
			}
			things[r.Key.ID] = string(r.Value)
		}
		changed <- "reloaded"
		return nil
	}
	apply := func(ctx context.Context, c store.Change) error {
		r, err := s.Get(ctx, c.Key)
		switch {
		case errors.Is(err, store.ErrNotFound):
			delete(things, c.Key.ID)
		case err != nil:
			return err
		default:
			things[r.Key.ID] = string(r.Value)
		}
		changed <- fmt.Sprint("changed: ", slices.Sorted(maps.Keys(things)))
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		store.Follow(ctx, s, "things", store.Follower{Reload: reload, Apply: apply})
	}()

	fmt.Println(<-changed)
	for _, id := range []string{"a", "b"} {
		if _, err := s.Put(ctx, store.Key{Kind: "things", ID: id}, []byte("1"), store.IfAbsent()); err != nil {
			fmt.Println(err)
		}
		fmt.Println(<-changed)
	}
	cancel()
	<-done
	// Output:
	// reloaded
	// changed: [a]
	// changed: [a b]
}

// Follow reports how far everything is applied: when a Reload began, and with each heartbeat after the changes before
// it.
func TestFollowReportsFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := memstore.New()
		began := time.Now()
		var mu sync.Mutex
		var fresh []time.Duration
		applied := 0
		// seen returns what was reported and applied after d.
		seen := func(d time.Duration) ([]time.Duration, int) {
			time.Sleep(d)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(fresh), applied
		}
		go store.Follow(ctx, s, "things", store.Follower{
			Reload: func(context.Context) error { time.Sleep(100 * time.Millisecond); return nil },
			Apply: func(context.Context, store.Change) error {
				time.Sleep(10 * time.Second)
				mu.Lock()
				defer mu.Unlock()
				applied++
				return nil
			},
			Fresh: func(upTo time.Time) {
				mu.Lock()
				defer mu.Unlock()
				fresh = append(fresh, upTo.Sub(began))
			},
		})
		want := []time.Duration{0, time.Second, 2 * time.Second}
		if got, _ := seen(2500 * time.Millisecond); !slices.Equal(got, want) {
			t.Errorf("fresh up to %v, want %v", got, want)
		}
		if _, err := s.Put(ctx, store.Key{Kind: "things", ID: "a"}, nil, store.Condition{}); err != nil {
			t.Fatal(err)
		}
		if got, n := seen(5 * time.Second); len(got) != 3 || n != 0 {
			t.Errorf("fresh up to %v after %d changes, while one is being applied", got, n)
		}
		if got, n := seen(10 * time.Second); len(got) < 5 || n != 1 {
			t.Errorf("fresh up to %v after %d changes, want more heartbeats", got, n)
		}
		cancel()
	})
}
