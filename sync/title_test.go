package patchsync_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	patchsync "github.com/patchsource/patchsource/sync"
)

const here = "https://vendor.example/d.json"

// Whatever a source answers, the last valid definition is served, and the state has the reason of a failure.
func TestTitleFollowsSource(t *testing.T) {
	dated := definition("App", "3")
	dated.LastModified = "2001-01-01T00:00:00Z"
	defined := func(d *patch.Definition) page { return page{body: document(t, d)} }
	text := func(s string) page { return page{body: []byte(s)} }
	tolerant, small := patchsync.Options{AllowDowngrade: true}, patchsync.Options{MaxBytes: 1000}
	for _, c := range []struct {
		name string
		page page
		opts patchsync.Options
		want string // the version that is served
		says string // part of the error, empty if there is none
	}{
		{"a newer version", defined(definition("App", "3", "2")), patchsync.Options{}, "3", ""},
		{"the same definition", defined(definition("App", "2", "1")), patchsync.Options{}, "2", ""},
		{"an id in another case", defined(definition("APP", "3")), patchsync.Options{}, "3", ""},
		{"an older date", defined(dated), patchsync.Options{}, "3", ""},
		{"a downgrade", defined(definition("App", "1.9", "1")), patchsync.Options{}, "2", "1.9"},
		{"a downgrade that is allowed", defined(definition("App", "1.9", "1")), tolerant, "1.9", ""},
		{"another id", defined(definition("Other", "9")), patchsync.Options{}, "2", "Other"},
		{"HTML", text("<html>"), patchsync.Options{}, "2", "invalid definition"},
		{"an empty body", text(""), patchsync.Options{}, "2", "invalid definition"},
		{"an incomplete definition", text(`{"id":"App"}`), patchsync.Options{}, "2", "invalid definition"},
		{"an invalid envelope", text("\x30\x03\x01\x01\x01"), patchsync.Options{}, "2", "envelope"},
		{"status 500", page{status: 500}, patchsync.Options{}, "2", "500 Internal Server Error"},
		{"status 410", page{status: 410}, patchsync.Options{}, "2", "410 Gone"},
		{"status 204", page{status: 204}, patchsync.Options{}, "2", "204"},
		{"status 304 to an unconditional request", page{status: 304}, patchsync.Options{}, "2", "304"},
		{"a large body", page{body: make([]byte, 2000)}, small, "2", "too large"},
		{"no connection", page{err: errors.New("connection refused")}, patchsync.Options{}, "2", "connection refused"},
		{"a redirect to a file", page{
			status: 302, header: http.Header{"Location": {"file:///etc/passwd"}},
		}, patchsync.Options{}, "2", "not allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := open(t, newStore(), w, c.opts)
			s.follow(here, definition("App", "2", "1"), nil)
			w.put(here, c.page)
			state, err := s.sync.Sync(t.Context(), "app")
			fails := c.says != ""
			if (err != nil) != fails || fails && !errors.Is(err, patchsync.ErrUpstream) {
				t.Errorf("Sync: %v, want an ErrUpstream: %v", err, fails)
			}
			if got := s.version("App"); got != c.want {
				t.Errorf("version %s is served, want %s", got, c.want)
			}
			if (state.LastError != "") != fails || !strings.Contains(state.LastError, c.says) {
				t.Errorf("LastError is %q, want %q", state.LastError, c.says)
			}
			if (state.Failures == 1) != fails || state.LastAttempt.IsZero() || state.LastSuccess.IsZero() != fails ||
				state.LastChange.IsZero() != (c.want == "2") {
				t.Errorf("state %+v", state)
			}
		})
	}
}

// The title of an author keeps the author's name in its id and name.
func TestTitleOfAnAuthor(t *testing.T) {
	w := newWorld(t)
	s := open(t, newStore(), w, patchsync.Options{})
	w.define(here, definition("App", "3"))
	s.follow(here, definition("App", "2"), &catalog.CreateOptions{Author: "José Núñez"})
	if _, err := s.sync.Sync(t.Context(), "App_Jose_Nunez"); err != nil {
		t.Fatal(err)
	}
	title, err := s.catalog.Title("App_Jose_Nunez")
	if err != nil || title.CurrentVersion != "3" || title.Name != "App (José Núñez)" {
		t.Errorf("title %+v, error %v", title, err)
	}
}

// Sync and Trigger return ErrNotFollowed for a title without a source, and for one whose mirror is gone.
func TestSyncWithoutASource(t *testing.T) {
	s := open(t, newStore(), newWorld(t), patchsync.Options{})
	for id, opts := range map[string]*catalog.CreateOptions{
		"Own":    nil,
		"Orphan": {Follows: here, Source: "a mirror that is gone"},
	} {
		if _, err := s.catalog.Create(t.Context(), definition(id, "1"), opts); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[string]error{
		"Own":    patchsync.ErrNotFollowed,
		"Orphan": patchsync.ErrNotFollowed,
		"Nope":   catalog.ErrNotFound,
	} {
		if _, err := s.sync.Sync(t.Context(), id); !errors.Is(err, want) {
			t.Errorf("Sync %s: %v, want %v", id, err, want)
		}
		if err := s.sync.Trigger(id); !errors.Is(err, want) {
			t.Errorf("Trigger %s: %v, want %v", id, err, want)
		}
	}
}

// An unchanged definition is requested conditionally, once per interval, and not written.
func TestUnchangedWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		s := open(t, st, w, patchsync.Options{Interval: time.Hour})
		w.define(here, definition("App", "2"))
		s.follow(here, definition("App", "2"), nil)
		stop := run(t, s)
		defer stop()
		time.Sleep(90 * time.Minute) // one round in the first hour, and perhaps another
		titles, states, etag := st.written("titles"), st.written("syncs"), s.catalog.Software().ETag()
		before := w.requests(here)
		time.Sleep(100 * time.Hour)
		if n := w.requests(here) - before; n < 90 || n > 112 {
			t.Errorf("%d requests in 100 hours, want about 100", n)
		}
		for _, r := range w.log[here][1:] {
			if r.Header.Get("If-None-Match") == "" {
				t.Error("a request has no condition")
			}
		}
		if n := st.written("titles") - titles; n != 0 || s.catalog.Software().ETag() != etag {
			t.Errorf("%d writes of titles, ETag %s", n, s.catalog.Software().ETag())
		}
		if n := st.written("syncs"); n != states || n > 1 {
			t.Errorf("%d writes of the state", n)
		}
		state := s.state("App")
		if now := time.Now(); now.Sub(state.LastSuccess) > 70*time.Minute || state.NextAttempt.Before(now) ||
			state.NextAttempt.After(now.Add(70*time.Minute)) {
			t.Errorf("state %+v", state)
		}
		w.define(here, definition("App", "3", "2"))
		time.Sleep(70 * time.Minute)
		if got := s.version("App"); got != "3" {
			t.Errorf("version %s is served, want 3", got)
		}
	})
}

// After a title was deleted, its source is no longer polled, its state is removed, and a new title with the same id
// is not followed.
func TestDeletedTitle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		s := open(t, st, w, patchsync.Options{Interval: time.Minute})
		w.define(here, definition("App", "2"))
		s.follow(here, definition("App", "2"), nil)
		stop := run(t, s)
		defer stop()
		time.Sleep(5 * time.Minute)
		if err := s.catalog.Delete(t.Context(), "App", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := s.catalog.Create(t.Context(), definition("App", "1"), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		before := w.requests(here)
		time.Sleep(time.Hour)
		if n := w.requests(here) - before; n != 0 || s.version("App") != "1" {
			t.Errorf("%d requests after the title was deleted, version %s is served", n, s.version("App"))
		}
		for rec, err := range st.List(t.Context(), "syncs") {
			t.Errorf("state %v is left, error %v", rec.Key, err)
		}
	})
}

// A round replaces a definition that was changed here by that of the source, even if the source has not changed.
func TestChangeHereIsReplaced(t *testing.T) {
	w := newWorld(t)
	s := open(t, newStore(), w, patchsync.Options{})
	w.define(here, definition("App", "3"))
	title := s.follow(here, definition("App", "2"), nil)
	for range 2 {
		if _, err := s.sync.Sync(t.Context(), "App"); err != nil || s.version("App") != "3" {
			t.Fatalf("version %s is served, error %v", s.version("App"), err)
		}
		opts := &catalog.EditOptions{From: title.From()}
		if _, err := s.catalog.Replace(t.Context(), "App", definition("App", "2"), opts); err != nil {
			t.Fatal(err)
		}
	}
}
