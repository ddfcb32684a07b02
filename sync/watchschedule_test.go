package patchsync_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// One conditional request an hour serves all watches of an address, and nothing is written while nothing changes. A
// new version is added to all titles within the hour.
func TestWatchesShareRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		s := open(t, st, w, withLines(patchsync.Options{}))
		w.lines(feedURL, "a:1.0.0", "b:2.0.0")
		const titles = 10
		for i := range titles {
			watch := lineWatch(feedURL)
			watch.Feed.Match = []string{"a:", "b:"}[i%2]
			s.watch(fmt.Sprintf("App%d", i), watch, []string{"1.0.0", "2.0.0"}[i%2])
		}
		defer run(t, s)()
		time.Sleep(time.Hour)
		before, writes := w.requests(feedURL), st.written("watches")
		time.Sleep(24 * time.Hour)
		if n := w.requests(feedURL) - before; n < 21 || n > 27 {
			t.Errorf("%d requests in a day, want about 24 for all titles", n)
		}
		expect(t, "writes in a day without news", st.written("watches")-writes, 0)
		w.mu.Lock()
		last := w.log[feedURL][len(w.log[feedURL])-1]
		w.mu.Unlock()
		if last.Header.Get("If-None-Match") == "" {
			t.Error("the last request was not conditional")
		}
		w.lines(feedURL, "a:1.1.0", "b:2.0.0")
		time.Sleep(67 * time.Minute)
		for i := range titles {
			want := []string{"1.1.0 1.0.0", "2.0.0"}[i%2]
			expect(t, fmt.Sprintf("versions of title %d", i), s.versions(fmt.Sprintf("App%d", i)), want)
		}
		expect(t, "writes for a version of five titles", st.written("watches")-writes, 2*titles/2)
		counts := s.sync.Watches().Counts()
		if counts.Added != titles/2 || counts.Failed != 0 || counts.Unchanged == 0 {
			t.Errorf("counts %+v", counts)
		}
	})
}

// A feed is asked at the smallest interval of its watches, and less often when that watch ends.
func TestWatchIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := open(t, newStore(), w, withLines(patchsync.Options{}))
		w.lines(feedURL, "1.0.0")
		defer run(t, s)()
		s.watch("Slow", lineWatch(feedURL), "1.0.0")
		quick := lineWatch(feedURL)
		quick.Policy.Interval = recipe.Duration(10 * time.Minute)
		s.watch("Quick", quick, "1.0.0")
		time.Sleep(time.Minute)
		if n := w.requests(feedURL); n < 1 || n > 2 {
			t.Errorf("%d requests soon after two watches were made, want 1 or 2", n)
		}
		before := w.requests(feedURL)
		time.Sleep(10 * time.Hour)
		if n := w.requests(feedURL) - before; n < 54 || n > 67 {
			t.Errorf("%d requests in ten hours, want about 60", n)
		}
		if err := s.sync.Watches().End(t.Context(), "Quick", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		before = w.requests(feedURL)
		time.Sleep(10 * time.Hour)
		if n := w.requests(feedURL) - before; n < 9 || n > 12 {
			t.Errorf("%d requests in ten hours after the end of a watch, want about 10", n)
		}
		if err := s.catalog.Delete(t.Context(), "Slow", nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		before = w.requests(feedURL)
		time.Sleep(10 * time.Hour)
		expect(t, "requests after the title was deleted", w.requests(feedURL)-before, 0)
	})
}

// A feed that fails is asked with exponential backoff, also after a restart, and at its interval after a success.
// Retry-After and Cache-Control are followed within bounds.
func TestWatchBackoff(t *testing.T) {
	failing := func(header ...string) page {
		p := page{status: 503, header: http.Header{}}
		for i := 0; i < len(header); i += 2 {
			p.header.Set(header[i], header[i+1])
		}
		return p
	}
	for _, c := range []struct {
		name string
		page page
		want []int // minutes
	}{
		{"failures", failing(), []int{60, 120, 240, 480, 960, 1920, 1920}},
		{"a feed that cannot be read", page{body: []byte("\n")}, []int{60, 120, 240}},
		{"a network error", page{err: http.ErrHandlerTimeout}, []int{60, 120, 240}},
		{"Retry-After", failing("Retry-After", "7200"), []int{120, 120, 240}},
		{"a huge Retry-After", failing("Retry-After", "999999999"), []int{1920, 1920}},
		{"max-age", page{body: []byte("1.0.0\n"), header: http.Header{"Cache-Control": {"max-age=5400"}}},
			[]int{90, 90}},
		{"a huge max-age", page{body: []byte("1.0.0\n"), header: http.Header{"Cache-Control": {"max-age=9999999"}}},
			[]int{120, 120}},
		{"a short max-age", page{body: []byte("1.0.0\n"), header: http.Header{"Cache-Control": {"max-age=1"}}},
			[]int{60, 60}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, st := newWorld(t), newStore()
				s := open(t, st, w, withLines(patchsync.Options{}))
				w.put(feedURL, c.page)
				s.watch("App", lineWatch(feedURL), "1.0.0")
				stop := run(t, s)
				checkPauses(t, w.timesOfRequests(feedURL, len(c.want)+1), c.want...)
				stop()
				if len(c.want) < 7 {
					return
				}
				s = open(t, st, w, withLines(patchsync.Options{}))
				before := w.requests(feedURL)
				stop = run(t, s)
				defer stop()
				time.Sleep(20 * time.Hour)
				expect(t, "requests after a restart", w.requests(feedURL)-before, 0)
				w.lines(feedURL, "1.1.0")
				time.Sleep(16 * time.Hour)
				expect(t, "versions", s.versions("App"), "1.1.0 1.0.0")
				expect(t, "failures", s.watchState("App").Failures, 0)
				checkPauses(t, w.timesOfRequests(feedURL, 3), 60, 60)
			})
		})
	}
}

// A failure of one watch of a shared address, whose words do not fit the page, does not disturb the others.
func TestWatchFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := open(t, newStore(), w, withLines(patchsync.Options{}))
		w.lines(feedURL, "a:1.0.0")
		good, bad := lineWatch(feedURL), lineWatch(feedURL)
		good.Feed.Match, bad.Feed.Match = "a:", "b:"
		s.watch("Good", good, "1.0.0")
		s.watch("Bad", bad, "1.0.0")
		defer run(t, s)()
		time.Sleep(12 * time.Hour)
		expect(t, "status of the good one", s.watchState("Good").Status, patchsync.WatchOK)
		state := s.watchState("Bad")
		if state.Status != patchsync.WatchFailing || !strings.Contains(state.LastError, "no release") {
			t.Errorf("state %+v, want a failure", state)
		}
		w.lines(feedURL, "a:1.1.0", "b:1.2.0")
		time.Sleep(67 * time.Minute)
		expect(t, "versions", s.versions("Good"), "1.1.0 1.0.0")
		expect(t, "versions", s.versions("Bad"), "1.2.0 1.0.0")
		expect(t, "failures", s.watchState("Bad").Failures, 0)
	})
}

// A feed whose first answer leads to others is read again even if the first has not changed.
func TestWatchReadsFurtherAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := open(t, newStore(), w, withLines(patchsync.Options{}))
		w.lines(feedURL, "1.0.0", "more https://vendor.example/assets.txt")
		w.lines("https://vendor.example/assets.txt", "0.9.0")
		s.watch("App", lineWatch(feedURL), "1.0.0")
		defer run(t, s)()
		time.Sleep(2 * time.Hour)
		w.lines("https://vendor.example/assets.txt", "1.1.0")
		time.Sleep(67 * time.Minute)
		expect(t, "versions", s.versions("App"), "1.1.0 1.0.0")
	})
}

// A version that the policy holds is added when its time comes, also after a restart, and the state says so.
func TestWatchHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		s := open(t, st, w, withLines(patchsync.Options{}))
		w.lines(feedURL, "1.0.0")
		watch := lineWatch(feedURL)
		watch.Policy.Hold = recipe.Duration(48 * time.Hour)
		s.watch("App", watch, "1.0.0")
		stop := run(t, s)
		time.Sleep(time.Minute)
		w.lines(feedURL, "1.1.0")
		time.Sleep(67 * time.Minute)
		held := s.watchState("App").Held
		if len(held) != 1 || held[0].Version != "1.1.0" {
			t.Fatalf("held %+v, want 1.1.0", held)
		}
		stop()
		s = open(t, st, w, withLines(patchsync.Options{}))
		defer run(t, s)()
		time.Sleep(time.Until(held[0].Until) - time.Minute)
		expect(t, "versions a minute before", s.versions("App"), "1.0.0")
		time.Sleep(2 * time.Minute)
		expect(t, "versions a minute after", s.versions("App"), "1.1.0 1.0.0")
		expect(t, "held", len(s.watchState("App").Held), 0)
	})
}

// Of several servers, the leader alone asks, another takes over when it dies, and all know the states.
func TestWatchLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, w := memstore.New(), newWorld(t)
		servers := newCluster(t, 3, shared, w, withLines(patchsync.Options{}))
		defer func() {
			for _, m := range servers {
				m.stop()
			}
		}()
		w.lines(feedURL, "1.0.0")
		synctest.Wait()
		servers[1].watch("App", lineWatch(feedURL), "1.0.0")
		time.Sleep(time.Minute)
		active, n := servers.workers(10 * time.Hour)
		if len(active) != 1 || n < 9 || n > 12 {
			t.Fatalf("%d servers sent %d requests, want one with about 10", len(active), n)
		}
		w.lines(feedURL, "1.1.0")
		time.Sleep(67 * time.Minute)
		for i, m := range servers {
			expect(t, fmt.Sprintf("versions on server %d", i), m.versions("App"), "1.1.0 1.0.0")
			expect(t, fmt.Sprintf("newest on server %d", i), m.watchState("App").Newest, "1.1.0")
		}
		active[0].store.dead.Store(true)
		w.put(feedURL, page{status: 500})
		time.Sleep(3 * time.Hour)
		others := 0
		for _, m := range servers {
			if m == active[0] {
				continue
			}
			if s := m.watchState("App"); s.Status == patchsync.WatchFailing && s.Failures > 0 {
				others++
			}
		}
		expect(t, "servers that know of the failure", others, 2)
	})
}

// Checks that people ask for during a short outage do not put off the next check at the interval, and are no reason to
// report the feed.
func TestWatchChecksByPeopleDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var events []string
		s := open(t, newStore(), w, withLines(patchsync.Options{
			Notify: func(_ context.Context, e patchsync.WatchEvent) error {
				events = append(events, e.Kind)
				return nil
			},
		}))
		w.lines(feedURL, "1.0.0")
		s.watch("App", lineWatch(feedURL), "1.0.0")
		defer run(t, s)()
		time.Sleep(time.Minute)
		next := s.watchState("App").NextCheck
		w.put(feedURL, page{status: 503})
		for range 6 {
			s.check("App")
			time.Sleep(time.Second)
		}
		state := s.watchState("App")
		expect(t, "failures", state.Failures, 1)
		expect(t, "status", state.Status, patchsync.WatchFailing)
		if state.NextCheck.After(next) {
			t.Errorf("the next check is at %v, want no later than %v", state.NextCheck, next)
		}
		time.Sleep(time.Until(next) + time.Minute)
		expect(t, "failures after the next check", s.watchState("App").Failures, 2)
		w.lines(feedURL, "1.1.0")
		time.Sleep(140 * time.Minute)
		expect(t, "versions", s.versions("App"), "1.1.0 1.0.0")
		synctest.Wait()
		expect(t, "events", events, "[]")
	})
}
