package patchsync_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	patchsync "github.com/patchsource/patchsource/sync"
)

const here = "https://vendor.example/d.json"

// Whatever a source does, what is served is the last good definition, and the state
// says what is wrong.
func TestWhatIsTaken(t *testing.T) {
	for _, c := range []struct {
		name string
		page func(t *testing.T) page
		opts patchsync.Options
		want string // the version that is served
		says string // in the last error; empty: nothing is wrong
	}{
		{"a newer version", func(t *testing.T) page { return page{body: document(t, definition("App", "3", "2"))} }, patchsync.Options{}, "3", ""},
		{"the same", func(t *testing.T) page { return page{body: document(t, definition("App", "2", "1"))} }, patchsync.Options{}, "2", ""},
		{"an id in other case", func(t *testing.T) page { return page{body: document(t, definition("APP", "3"))} }, patchsync.Options{}, "3", ""},
		{"an older date", func(t *testing.T) page {
			d := definition("App", "3")
			d.LastModified = "2001-01-01T00:00:00Z"
			return page{body: document(t, d)}
		}, patchsync.Options{}, "3", ""},
		{"a downgrade", func(t *testing.T) page { return page{body: document(t, definition("App", "1.9", "1"))} }, patchsync.Options{}, "2", "1.9"},
		{"a downgrade that is allowed", func(t *testing.T) page { return page{body: document(t, definition("App", "1.9", "1"))} }, patchsync.Options{AllowDowngrade: true}, "1.9", ""},
		{"another id", func(t *testing.T) page { return page{body: document(t, definition("Other", "9"))} }, patchsync.Options{}, "2", "Other"},
		{"no JSON", func(*testing.T) page { return page{body: []byte("<html>")} }, patchsync.Options{}, "2", "invalid definition"},
		{"nothing", func(*testing.T) page { return page{body: []byte{}} }, patchsync.Options{}, "2", "invalid definition"},
		{"no definition", func(*testing.T) page { return page{body: []byte(`{"id":"App"}`)} }, patchsync.Options{}, "2", "invalid definition"},
		{"no envelope", func(*testing.T) page { return page{body: []byte("\x30\x03\x01\x01\x01")} }, patchsync.Options{}, "2", "envelope"},
		{"an error", func(*testing.T) page { return page{status: 500} }, patchsync.Options{}, "2", "500 Internal Server Error"},
		{"gone", func(*testing.T) page { return page{status: 410} }, patchsync.Options{}, "2", "410 Gone"},
		{"nothing there", func(*testing.T) page { return page{status: 204} }, patchsync.Options{}, "2", "204"},
		{"unchanged, though nothing was asked", func(*testing.T) page { return page{status: 304} }, patchsync.Options{}, "2", "304"},
		{"too large", func(*testing.T) page { return page{body: make([]byte, 2000)} }, patchsync.Options{MaxBytes: 1000}, "2", "too large"},
		{"no connection", func(*testing.T) page { return page{err: errors.New("connection refused")} }, patchsync.Options{}, "2", "connection refused"},
		{"a redirect to a file", func(*testing.T) page {
			return page{status: 302, header: http.Header{"Location": {"file:///etc/passwd"}}}
		}, patchsync.Options{}, "2", "not allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := open(t, newStore(), w, c.opts)
			s.follow(here, definition("App", "2", "1"), nil)
			w.put(here, c.page(t))
			state, err := s.sync.Sync(t.Context(), "app")
			if (err == nil) != (c.says == "") || err != nil && !errors.Is(err, patchsync.ErrUpstream) {
				t.Errorf("%v", err)
			}
			if got := s.version("App"); got != c.want {
				t.Errorf("%s is served, want %s", got, c.want)
			}
			if c.says == "" && state.LastError != "" || !strings.Contains(state.LastError, c.says) {
				t.Errorf("it says %q, want %q", state.LastError, c.says)
			}
			if (state.Failures == 1) != (c.says != "") || state.LastAttempt.IsZero() ||
				state.LastSuccess.IsZero() != (c.says != "") ||
				state.LastChange.IsZero() != (c.want == "2") {
				t.Errorf("%+v", state)
			}
		})
	}
}

// An author's title is followed under the author's name.
func TestAuthorOfAFollowedTitle(t *testing.T) {
	w := newWorld(t)
	s := open(t, newStore(), w, patchsync.Options{})
	w.define(here, definition("App", "3"))
	s.follow(here, definition("App", "2"), &catalog.CreateOptions{Author: "José Núñez"})
	if _, err := s.sync.Sync(t.Context(), "App_Jose_Nunez"); err != nil {
		t.Fatal(err)
	}
	title, err := s.cat.Title("App_Jose_Nunez")
	if err != nil || title.CurrentVersion != "3" || title.Name != "App (José Núñez)" {
		t.Errorf("%+v, %v", title, err)
	}
}

func TestSyncOfWhatFollowsNothing(t *testing.T) {
	s := open(t, newStore(), newWorld(t), patchsync.Options{})
	if _, err := s.cat.Create(t.Context(), definition("Own", "1"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.cat.Create(t.Context(), definition("Of", "1"), &catalog.CreateOptions{Follows: here, Source: "a mirror of yesterday"}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]error{"Own": patchsync.ErrNotFollowed, "Of": patchsync.ErrNotFollowed, "Nope": catalog.ErrNotFound} {
		if _, err := s.sync.Sync(t.Context(), id); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", id, err, want)
		}
		if err := s.sync.Trigger(id); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", id, err, want)
		}
	}
}

// run runs a server's sync in the background until the returned function stops it.
func run(t *testing.T, s *server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.sync.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = s.cat.Close()
	}
}

// What is unchanged is asked for conditionally, at its interval, and not written.
func TestUnchangedWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		s := open(t, st, w, patchsync.Options{Interval: time.Hour})
		w.define(here, definition("App", "2"))
		s.follow(here, definition("App", "2"), nil)
		stop := run(t, s)
		defer stop()
		time.Sleep(90 * time.Minute) // asked once, at some time in the first hour, or twice
		titles, states, rev := st.written("titles"), st.written("syncs"), s.cat.Software().ETag()
		before := w.requests(here)
		time.Sleep(100 * time.Hour)
		if n := w.requests(here) - before; n < 90 || n > 112 {
			t.Errorf("asked %d times in 100 hours", n)
		}
		for _, r := range w.asked[here][1:] {
			if r.Header.Get("If-None-Match") == "" {
				t.Error("asked for without a condition")
			}
		}
		if st.written("titles") != titles || st.written("syncs") != states || states > 1 ||
			s.cat.Software().ETag() != rev {
			t.Errorf("written: %d titles, %d states", st.written("titles")-titles, st.written("syncs"))
		}
		state := s.state("App")
		if now := time.Now(); now.Sub(state.LastSuccess) > 70*time.Minute || state.NextAttempt.Before(now) ||
			state.NextAttempt.After(now.Add(70*time.Minute)) {
			t.Errorf("%+v", state)
		}
		w.define(here, definition("App", "3", "2"))
		time.Sleep(70 * time.Minute)
		if got := s.version("App"); got != "3" {
			t.Errorf("%s is served", got)
		}
	})
}

// A source that fails is asked ever more seldom, at least every 32 intervals, also
// after a restart; and is back at once when it recovers.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		opts := patchsync.Options{Interval: time.Minute}
		s := open(t, st, w, opts)
		s.follow(here, definition("App", "2"), nil)
		w.put(here, page{status: 503})
		stop := run(t, s)
		var at []time.Time
		for n := 0; len(at) < 9; time.Sleep(time.Second) {
			if now := w.requests(here); now > n {
				n, at = now, append(at, time.Now())
			}
		}
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 32, 32} {
			want *= time.Minute
			if got := at[i+1].Sub(at[i]); got < want*9/10-2*time.Second || got > want*11/10+2*time.Second {
				t.Errorf("after failure %d: %v, want about %v", i+1, got, want)
			}
		}
		stop()
		s = open(t, st, w, opts)
		before := w.requests(here)
		stop = run(t, s)
		defer stop()
		time.Sleep(20 * time.Minute)
		if n := w.requests(here) - before; n != 0 {
			t.Errorf("asked %d times after a restart, though it fails", n)
		}
		if state := s.state("App"); state.Failures != 9 || state.Status != 503 ||
			!strings.Contains(state.LastError, "503") {
			t.Errorf("%+v", state)
		}
		w.define(here, definition("App", "3"))
		time.Sleep(20 * time.Minute)
		if state := s.state("App"); s.version("App") != "3" || state.Failures != 0 || state.LastError != "" ||
			state.Status != 0 {
			t.Errorf("%s, %+v", s.version("App"), state)
		}
	})
}

// What was refused is looked at once more soon, and then seldom; and who asks for it
// when it is mended has it at once.
func TestRefusalsAreAskedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := open(t, newStore(), w, patchsync.Options{Interval: time.Minute})
		s.follow(here, definition("App", "2"), nil)
		w.put(here, page{body: []byte("<html>")})
		stop := run(t, s)
		defer stop()
		var at []time.Time
		for n := 0; len(at) < 5; time.Sleep(time.Second) {
			if now := w.requests(here); now > n {
				n, at = now, append(at, time.Now())
			}
		}
		for i, want := range []time.Duration{1, 16, 32, 32} {
			want *= time.Minute
			if got := at[i+1].Sub(at[i]); got < want*9/10-2*time.Second || got > want*11/10+2*time.Second {
				t.Errorf("after refusal %d: %v, want about %v", i+1, got, want)
			}
		}
		w.define(here, definition("App", "3"))
		time.Sleep(time.Minute)
		if err := s.sync.Trigger("App"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		if s.version("App") != "3" {
			t.Errorf("%s is served", s.version("App"))
		}
	})
}

// What a source asks for is respected, within bounds.
func TestRetryAfterAndFreshness(t *testing.T) {
	for _, c := range []struct {
		name string
		page page
		want time.Duration
	}{
		{"Retry-After in seconds", page{status: 429, header: http.Header{"Retry-After": {"600"}}}, 10 * time.Minute},
		{"Retry-After as a date", page{status: 503, header: http.Header{"Date": {"Mon, 01 Jan 2001 00:00:00 GMT"}, "Retry-After": {"Mon, 01 Jan 2001 00:20:00 GMT"}}}, 20 * time.Minute},
		{"Retry-After for ever", page{status: 503, header: http.Header{"Retry-After": {"99999999999999999"}}}, 32 * time.Minute},
		{"Retry-After of nothing", page{status: 503, header: http.Header{"Retry-After": {"soon"}}}, time.Minute},
		{"Retry-After too soon", page{status: 503, header: http.Header{"Retry-After": {"1"}}}, time.Minute},
		{"fresh for a while", page{header: http.Header{"Cache-Control": {"public, max-age=120"}}}, 2 * time.Minute},
		{"fresh for ever", page{header: http.Header{"Cache-Control": {"max-age=31536000, immutable"}}}, 4 * time.Minute},
		{"fresh for a moment", page{header: http.Header{"Cache-Control": {"max-age=1"}}}, time.Minute},
		{"never fresh", page{header: http.Header{"Cache-Control": {"no-cache, max-age=120"}}}, time.Minute},
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
					t.Errorf("asked again after %v, want about %v", got, c.want)
				}
				_ = s.cat.Close()
			})
		})
	}
}

// Who asks for it gets it soon, but a source is not asked again and again.
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
			t.Errorf("%s is served", got)
		}
		if n := w.requests(here); n < 5 || n > 7 {
			t.Errorf("asked %d times in a minute", n)
		}
	})
}

// Who asks while the source is being asked, perhaps for what was there before, is not
// forgotten.
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
			t.Errorf("%s is served", s.version("App"))
		}
	})
}

// A state that was written by a clock that is ahead keeps nobody waiting.
func TestClockThatWasAhead(t *testing.T) {
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
			t.Errorf("App %s, A %s", s.version("App"), s.version("A"))
		}
	})
}

// A title that is deleted is asked for no more, and leaves nothing behind; what takes
// its id is another.
func TestDeletedTitle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		s := open(t, st, w, patchsync.Options{Interval: time.Minute})
		w.define(here, definition("App", "2"))
		s.follow(here, definition("App", "2"), nil)
		stop := run(t, s)
		defer stop()
		time.Sleep(5 * time.Minute)
		if err := s.cat.Delete(t.Context(), "App", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := s.cat.Create(t.Context(), definition("App", "1"), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		before := w.requests(here)
		time.Sleep(time.Hour)
		if n := w.requests(here) - before; n != 0 || s.version("App") != "1" {
			t.Errorf("asked %d times, %s is served", n, s.version("App"))
		}
		for rec, err := range st.List(t.Context(), "syncs") {
			t.Errorf("left over: %v, %v", rec.Key, err)
		}
	})
}

// Who restores an older definition gets the source's again, although that has not
// changed.
func TestPutBackIsNoticed(t *testing.T) {
	w := newWorld(t)
	s := open(t, newStore(), w, patchsync.Options{})
	w.define(here, definition("App", "3"))
	title := s.follow(here, definition("App", "2"), nil)
	for range 2 {
		if _, err := s.sync.Sync(t.Context(), "App"); err != nil || s.version("App") != "3" {
			t.Fatalf("%s, %v", s.version("App"), err)
		}
		if _, err := s.cat.Replace(t.Context(), "App", definition("App", "2"), &catalog.EditOptions{From: title.From()}); err != nil {
			t.Fatal(err)
		}
	}
}
