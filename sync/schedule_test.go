package patchsync_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	patchsync "github.com/patchsource/patchsource/sync"
)

// timesOfRequests returns the times of the next n requests for a URL, to the second.
func (w *world) timesOfRequests(url string, n int) (at []time.Time) {
	for seen := w.requests(url); len(at) < n; time.Sleep(time.Second) {
		if now := w.requests(url); now > seen {
			seen, at = now, append(at, time.Now())
		}
	}
	return at
}

// checkPauses compares the times between requests with the wanted minutes, give or take jitter.
func checkPauses(t *testing.T, at []time.Time, minutes ...int) {
	t.Helper()
	for i, m := range minutes {
		want := time.Duration(m) * time.Minute
		if got := at[i+1].Sub(at[i]); got < want*9/10-2*time.Second || got > want*11/10+2*time.Second {
			t.Errorf("pause after failure %d: %v, want about %v", i+1, got, want)
		}
	}
}

// A source that fails is asked with exponential backoff, up to 32 intervals, also after a restart. After a success, it
// is asked at its interval again.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		opts := patchsync.Options{Interval: time.Minute}
		s := open(t, st, w, opts)
		s.follow(here, definition("App", "2"), nil)
		w.put(here, page{status: 503})
		stop := run(t, s)
		checkPauses(t, w.timesOfRequests(here, 9), 1, 2, 4, 8, 16, 32, 32, 32)
		stop()
		s = open(t, st, w, opts)
		before := w.requests(here)
		stop = run(t, s)
		defer stop()
		time.Sleep(20 * time.Minute)
		if n := w.requests(here) - before; n != 0 {
			t.Errorf("%d requests soon after a restart", n)
		}
		state := s.state("App")
		if state.Failures != 9 || state.Status != 503 || !strings.Contains(state.LastError, "503") {
			t.Errorf("state after a restart: %+v", state)
		}
		w.define(here, definition("App", "3"))
		time.Sleep(20 * time.Minute)
		state = s.state("App")
		if s.version("App") != "3" || state.Failures != 0 || state.LastError != "" || state.Status != 0 {
			t.Errorf("version %s, state %+v", s.version("App"), state)
		}
	})
}

// A rejected definition is retried once soon and then rarely. A requested round applies the correction at once.
func TestRejectionsAreRetriedRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := open(t, newStore(), w, patchsync.Options{Interval: time.Minute})
		s.follow(here, definition("App", "2"), nil)
		w.put(here, page{body: []byte("<html>")})
		stop := run(t, s)
		defer stop()
		checkPauses(t, w.timesOfRequests(here, 5), 1, 16, 32, 32)
		w.define(here, definition("App", "3"))
		time.Sleep(time.Minute)
		if err := s.sync.Trigger("App"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		if s.version("App") != "3" {
			t.Errorf("version %s is served, want 3", s.version("App"))
		}
	})
}

// Retry-After and Cache-Control delay the next round, within bounds.
func TestRetryAfterAndFreshness(t *testing.T) {
	retryAfter := func(status int, value string) page {
		return page{status: status, header: http.Header{"Retry-After": {value}}}
	}
	cacheControl := func(value string) page { return page{header: http.Header{"Cache-Control": {value}}} }
	for _, c := range []struct {
		name string
		page page
		want time.Duration
	}{
		{"Retry-After in seconds", retryAfter(429, "600"), 10 * time.Minute},
		{"Retry-After as a date", page{status: 503, header: http.Header{
			"Date": {"Mon, 01 Jan 2001 00:00:00 GMT"}, "Retry-After": {"Mon, 01 Jan 2001 00:20:00 GMT"},
		}}, 20 * time.Minute},
		{"a huge Retry-After", retryAfter(503, "99999999999999999"), 32 * time.Minute},
		{"an invalid Retry-After", retryAfter(503, "soon"), time.Minute},
		{"a short Retry-After", retryAfter(503, "1"), time.Minute},
		{"max-age", cacheControl("public, max-age=120"), 2 * time.Minute},
		{"a huge max-age", cacheControl("max-age=31536000, immutable"), 4 * time.Minute},
		{"a short max-age", cacheControl("max-age=1"), time.Minute},
		{"no-cache", cacheControl("no-cache, max-age=120"), time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				s := open(t, newStore(), w, patchsync.Options{Interval: time.Minute})
				s.follow(here, definition("App", "2"), nil)
				if c.page.status == 0 {
					c.page.body = document(t, definition("App", "2"))
				}
				w.put(here, c.page)
				state, _ := s.sync.Sync(t.Context(), "App")
				if got := time.Until(state.NextAttempt); got < c.want*9/10 || got > c.want*11/10 {
					t.Errorf("the next round is in %v, want about %v", got, c.want)
				}
				_ = s.catalog.Close()
			})
		})
	}
}

// Trigger causes a round soon, but not more often than every ten seconds.
func TestTrigger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := open(t, newStore(), w, patchsync.Options{Interval: 24 * time.Hour})
		s.follow(here, definition("App", "2"), nil)
		w.define(here, definition("App", "3"))
		stop := run(t, s)
		defer stop()
		synctest.Wait()
		for range 60 {
			if err := s.sync.Trigger("App"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if got := s.version("App"); got != "3" {
			t.Errorf("version %s is served, want 3", got)
		}
		if n := w.requests(here); n < 5 || n > 7 {
			t.Errorf("%d requests in a minute, want about 6", n)
		}
	})
}

// Trigger during a round causes another round, because the one in progress may have read an older definition.
func TestTriggerDuringARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := open(t, newStore(), w, patchsync.Options{Interval: 24 * time.Hour, Timeout: time.Minute})
		s.follow(here, definition("App", "1"), nil)
		w.define(here, definition("App", "1"))
		stop := run(t, s)
		defer stop()
		synctest.Wait()
		w.slow(5 * time.Second)
		if err := s.sync.Trigger("App"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		w.define(here, definition("App", "2"))
		if err := s.sync.Trigger("App"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if s.version("App") != "2" {
			t.Errorf("version %s is served, want 2", s.version("App"))
		}
	})
}

// A state from a server whose clock was ahead does not delay the rounds of another server.
func TestClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		opts := patchsync.Options{
			Interval: time.Minute,
			Now:      func() time.Time { return time.Now().Add(365 * 24 * time.Hour) },
			Mirrors:  []patchsync.Mirror{{Source: patchsync.PatchSource(vendor, nil)}},
		}
		s := open(t, st, w, opts)
		s.follow(here, definition("App", "1"), nil)
		w.put(here, page{status: 500})
		w.source(vendor, definition("A", "1"))
		w.put(vendor+"/patch/A", page{status: 500})
		stop := run(t, s)
		time.Sleep(5 * time.Minute)
		stop()
		opts.Now = nil
		s = open(t, st, w, opts)
		stop = run(t, s)
		defer stop()
		w.define(here, definition("App", "2"))
		w.source(vendor, definition("A", "1"))
		time.Sleep(40 * time.Minute)
		if s.version("App") != "2" || s.version("A") != "1" {
			t.Errorf("versions %s and %s are served, want 2 and 1", s.version("App"), s.version("A"))
		}
	})
}
