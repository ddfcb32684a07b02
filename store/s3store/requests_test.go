package s3store_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
)

// day returns the requests that a store makes in a day while run runs, besides those before it.
func day(t *testing.T, records int, run func(ctx context.Context, s store.Store)) map[string]int {
	requests := map[string]int{}
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, nil)
		for i := range records {
			f.set("titles/"+strconv.Itoa(i), "") // is only listed
		}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { run(ctx, s) })
		time.Sleep(time.Minute + 100*time.Millisecond) // after the first lists
		before := map[string]int{}
		for call := range f.requests {
			before[call] = f.count(call)
		}
		time.Sleep(24 * time.Hour)
		for call := range f.requests {
			if n := f.count(call) - before[call]; n > 0 {
				requests[call] = n
			}
		}
		cancel()
		all.Wait()
	})
	return requests
}

// watchKind watches a kind until ctx ends.
func watchKind(ctx context.Context, s store.Store, kind string) {
	w, _ := store.As[store.Watcher](s)
	for range w.Watch(ctx, kind) {
	}
}

// beat watches a kind with heartbeats until ctx ends.
func beat(ctx context.Context, s store.Store, kind string) {
	w, _ := store.As[store.HeartbeatWatcher](s)
	for range w.WatchHeartbeats(ctx, kind) {
	}
}

// lead competes for a lease until ctx ends.
func lead(ctx context.Context, s store.Store) { leadFor(ctx, s, 0) }

// leadFor competes for a lease that takes a while until ctx ends.
func leadFor(ctx context.Context, s store.Store, ttl time.Duration) {
	store.Campaign(ctx, s, store.LeaseOptions{Name: "work", TTL: ttl}, func(context.Context) {})
}

// compete has two servers compete for a lease until ctx ends.
func compete(ctx context.Context, s store.Store, ttl time.Duration) {
	other := make(chan struct{})
	go func() { defer close(other); leadFor(ctx, s, ttl) }()
	time.Sleep(time.Second)
	leadFor(ctx, s, ttl)
	<-other
}

// The requests of an idle server, which the comment of the package has. Prices are those that Amazon published for the
// region us-east-1 in 2026: dollars for a thousand requests.
func TestRequestsOfADay(t *testing.T) {
	if testing.Short() {
		t.Skip("it counts the requests of several days")
	}
	prices := map[string]float64{"get": 0.0004, "put": 0.005, "list": 0.005}
	for _, c := range []struct {
		name    string
		records int
		run     func(ctx context.Context, s store.Store)
		want    map[string]int
	}{
		{"a store that is not watched", 0, func(ctx context.Context, _ store.Store) { <-ctx.Done() }, map[string]int{}},
		{
			"watching a kind of up to 1,000 records", 900,
			func(ctx context.Context, s store.Store) { watchKind(ctx, s, "titles") },
			map[string]int{"get": 172_800, "list": 144},
		},
		{
			"watching two kinds, one of 10,000 records and one with heartbeats", 10_000,
			func(ctx context.Context, s store.Store) {
				var all sync.WaitGroup
				defer all.Wait()
				all.Go(func() { watchKind(ctx, s, "titles") })
				all.Go(func() { beat(ctx, s, "tokens") })
			},
			map[string]int{"get": 172_800, "list": 1440 + 144},
		},
		{"holding a lease", 0, lead, map[string]int{"put": 17_280}},
		{
			"waiting for a lease", 0,
			func(ctx context.Context, s store.Store) { compete(ctx, s, 0) },
			map[string]int{"get": 17_280, "put": 17_280},
		},
		{
			"waiting for a long lease", 0,
			func(ctx context.Context, s store.Store) { compete(ctx, s, 2*time.Minute) },
			map[string]int{"get": 4320, "put": 4320},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := day(t, c.records, c.run)
			dollars := 0.0
			for call, n := range got {
				dollars += 30 * float64(n) / 1000 * prices[call]
			}
			t.Logf("a day: %v; 30 days: $%.2f", got, dollars)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("requests of a day (-want +got):\n%s", diff)
			}
		})
	}
}

// A change is two writes, one of the record and one of the head, and no reading at the server that makes it.
func TestRequestsOfAChange(t *testing.T) {
	f := newFake()
	s := open(t, f, nil)
	rev := put(t, s, thing, "1")
	puts, gets, lists := f.count("put"), f.count("get"), f.count("list")
	if _, err := s.Put(t.Context(), thing, []byte("2"), store.IfRevision(rev)); err != nil {
		t.Fatal(err)
	}
	got := []int{f.count("put") - puts, f.count("get") - gets, f.count("list") - lists}
	if diff := cmp.Diff([]int{2, 0, 0}, got); diff != "" {
		t.Errorf("writes, readings and lists (-want +got):\n%s", diff)
	}
}
