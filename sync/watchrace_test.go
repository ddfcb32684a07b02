package patchsync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
	patchsync "github.com/patchsource/patchsource/sync"
)

// An interrupted store calls a function once, when a watch has written that it adds versions and before it adds them.
type interrupted struct {
	store.Store
	then func()
}

// Put implements [store.Store].
func (i *interrupted) Put(
	ctx context.Context, key store.Key, value []byte, c store.Condition,
) (store.Revision, error) {
	rev, err := i.Store.Put(ctx, key, value, c)
	if then := i.then; then != nil && key.Kind == "watches" && bytes.Contains(value, []byte(`"adding"`)) {
		i.then = nil
		then()
	}
	return rev, err
}

// A storedWatch is a part of the record of a watch.
type storedWatch struct {
	Ended bool                               `json:"ended"`
	Seen  map[string]struct{ Memory string } `json:"seen"`
	Adder string                             `json:"adder"`
	Held  []struct{ Version string }         `json:"held"`
}

// recordOf returns the record of the watch of a title.
func recordOf(t *testing.T, s store.Store, uid string) (rec storedWatch) {
	t.Helper()
	r, err := s.Get(t.Context(), store.Key{Kind: "watches", ID: uid})
	if err == nil {
		err = json.Unmarshal(r.Value, &rec)
	}
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// A version that the catalog rejects is not marked, the state says why, and it is added once the catalog accepts it,
// also if the feed has replaced it by then and if the watch was changed at the same moment.
func TestWatchAdditionIsRejected(t *testing.T) {
	for _, changed := range []bool{false, true} {
		t.Run(fmt.Sprintf("the watch was changed %v", changed), func(t *testing.T) {
			w := newWorld(t)
			st := &interrupted{Store: newStore()}
			server := func(limit int64) *server {
				c, err := catalog.Open(t.Context(), st, &catalog.Options{MaxAccountBytes: limit})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = c.Close() })
				opts := withLines(patchsync.Options{Transport: w})
				r, err := patchsync.New(c, st, &opts)
				if err != nil {
					t.Fatal(err)
				}
				return &server{t, c, r}
			}
			s := server(1 << 20)
			def := application(t, "App", "1.0.0")
			res, err := s.catalog.Create(t.Context(), def, &catalog.CreateOptions{Account: "a"})
			if err != nil {
				t.Fatal(err)
			}
			watches := s.sync.Watches()
			if err := watches.Set(t.Context(), "App", lineWatch(feedURL), patchsync.WatchOptions{}); err != nil {
				t.Fatal(err)
			}
			_ = s.catalog.Close()

			s = server(1)
			watches = s.sync.Watches()
			w.lines(feedURL, "1.1.0")
			for range 2 {
				if changed {
					st.then = func() {
						watch := lineWatch(feedURL)
						watch.Policy.Interval = recipe.Duration(2 * time.Hour)
						if err := watches.Set(t.Context(), "App", watch, patchsync.WatchOptions{}); err != nil {
							t.Error(err)
						}
					}
				}
				c := s.check("App")
				if !errors.Is(c.Err, catalog.ErrTooMuch) {
					t.Errorf("Check.Err is %v, want ErrTooMuch", c.Err)
				}
				expect(t, "added", c.Added, "[]")
				expect(t, "proposals", s.proposals(), "")
				rec := recordOf(t, st, res.Title.UID)
				expect(t, "the mark of 1.1.0", rec.Seen["1.1.0"].Memory, "")
				expect(t, "the server that adds versions", rec.Adder, "")
			}
			state := s.watchState("App")
			if state.Status != patchsync.WatchFailing || !strings.HasPrefix(state.LastError,
				"version 1.1.0 could not be added: ") || !strings.Contains(state.LastError, "too much space") {
				t.Errorf("state %+v, want the reason", state)
			}
			_ = s.catalog.Close()

			w.lines(feedURL, "1.2.0")
			s = server(1 << 20)
			expect(t, "added with more space", s.check("App").Added, "[1.1.0 1.2.0]")
			expect(t, "status", s.watchState("App").Status, patchsync.WatchOK)
		})
	}
}

// A title that vanishes while a watch adds versions to it keeps its watch from its successor, whatever that is.
func TestWatchTitleVanishesDuringCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(s *server)
		want string // the versions of the successor
	}{
		{"deleted", func(*server) {}, ""},
		{"created again", func(s *server) { s.create(application(s.t, "App", "0.9.0")) }, "0.9.0"},
		{"with another case", func(s *server) { s.create(application(s.t, "APP", "0.9.0")) }, "0.9.0"},
		{"following a source", func(s *server) { s.follow(here, definition("App", "0.9.0"), nil) }, "0.9.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, in := newWorld(t), &inbox{}
			st := &interrupted{Store: newStore()}
			s := open(t, st, w, withLines(patchsync.Options{Notify: in.notify}))
			w.lines(feedURL, "1.1.0")
			title := s.watch("App", lineWatch(feedURL), "1.0.0")
			st.then = func() {
				if err := s.catalog.Delete(t.Context(), "App", nil); err != nil {
					t.Error(err)
				}
				c.then(s)
			}
			watches := s.sync.Watches()
			if c, err := watches.Check(t.Context(), "App", "", false); !errors.Is(err, catalog.ErrNotFound) {
				t.Errorf("the check returns %+v, %v; want ErrNotFound", c, err)
			}
			rec := recordOf(t, st, title.UID)
			expect(t, "the mark of 1.1.0", rec.Seen["1.1.0"].Memory, "")
			for range watches.All() {
				t.Error("the watch of the deleted title is listed")
			}
			if c.want == "" {
				return
			}
			if _, err := watches.Check(t.Context(), "App", "", false); !errors.Is(err, patchsync.ErrNotWatched) {
				t.Errorf("a check of the new title returns %v, want ErrNotWatched", err)
			}
			expect(t, "versions of the new title", s.versions("App"), c.want)
		})
	}
}

// A watch that changes or ends while it adds versions remembers them nevertheless.
func TestWatchChangesDuringAddition(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(w *patchsync.Watches) error
		ends bool
	}{
		{"another policy", func(w *patchsync.Watches) error {
			return w.Set(context.Background(), "App", proposing(), patchsync.WatchOptions{})
		}, false},
		{"another feed", func(w *patchsync.Watches) error {
			return w.Set(context.Background(), "App", lineWatch(here), patchsync.WatchOptions{})
		}, false},
		{"paused", func(w *patchsync.Watches) error {
			watch := lineWatch(feedURL)
			watch.Policy.Mode = recipe.Off
			return w.Set(context.Background(), "App", watch, patchsync.WatchOptions{})
		}, false},
		{"the end", func(w *patchsync.Watches) error { return w.End(context.Background(), "App", "") }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			st := &interrupted{Store: newStore()}
			s := open(t, st, w, withLines(patchsync.Options{}))
			w.lines(feedURL, "1.1.0")
			title := s.watch("App", lineWatch(feedURL), "1.0.0")
			watches := s.sync.Watches()
			st.then = func() {
				if err := c.then(watches); err != nil {
					t.Error(err)
				}
			}
			expect(t, "added", s.check("App").Added, "[1.1.0]")
			rec := recordOf(t, st, title.UID)
			expect(t, "the mark of 1.1.0", rec.Seen["1.1.0"].Memory, "added")
			expect(t, "the server that adds versions", rec.Adder, "")
			expect(t, "held releases", len(rec.Held), 0)
			expect(t, "ended", rec.Ended, c.ends)
			if _, err := s.catalog.RemoveVersion(t.Context(), "App", "1.1.0", nil); err != nil {
				t.Fatal(err)
			}
			if err := watches.Set(t.Context(), "App", lineWatch(feedURL), patchsync.WatchOptions{}); err != nil {
				t.Fatal(err)
			}
			s.check("App")
			expect(t, "versions", s.versions("App"), "1.0.0")
			expect(t, "proposals", s.proposals(), "")
		})
	}
}

// A person who changes the title at the moment at which a watch adds versions, and the watch too, loses nothing.
func TestWatchAndTitleChangeDuringAddition(t *testing.T) {
	w := newWorld(t)
	st := &interrupted{Store: newStore()}
	s := open(t, st, w, withLines(patchsync.Options{}))
	w.lines(feedURL, "1.1.0")
	s.watch("App", lineWatch(feedURL), "1.0.0", "0.9.0")
	st.then = func() {
		if _, err := s.catalog.RemoveVersion(t.Context(), "App", "0.9.0", nil); err != nil {
			t.Error(err)
		}
		watch := lineWatch(feedURL)
		watch.Policy.Interval = recipe.Duration(2 * time.Hour)
		if err := s.sync.Watches().Set(t.Context(), "App", watch, patchsync.WatchOptions{}); err != nil {
			t.Error(err)
		}
	}
	expect(t, "added", s.check("App").Added, "[1.1.0]")
	expect(t, "versions", s.versions("App"), "1.1.0 1.0.0")
	expect(t, "proposals", s.proposals(), "")
}

// A watch that changes or ends while its feed is asked does not use the answer.
func TestWatchChangesDuringRequest(t *testing.T) {
	const other = "https://vendor.example/other.txt"
	for _, c := range []struct {
		name string
		do   func(w *patchsync.Watches) error
		want string
		err  error
	}{
		{"another feed", func(w *patchsync.Watches) error {
			return w.Set(context.Background(), "App", lineWatch(other), patchsync.WatchOptions{})
		}, "1.2.0 1.0.0", nil},
		{"paused", func(w *patchsync.Watches) error {
			watch := lineWatch(feedURL)
			watch.Policy.Mode = recipe.Off
			return w.Set(context.Background(), "App", watch, patchsync.WatchOptions{})
		}, "1.0.0", nil},
		{"the end", func(w *patchsync.Watches) error { return w.End(context.Background(), "App", "") }, "1.0.0",
			patchsync.ErrNotWatched},
	} {
		for _, runs := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, by the Runner %v", c.name, runs), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					s := open(t, newStore(), w, withLines(patchsync.Options{}))
					w.lines(feedURL, "1.1.0")
					w.lines(other, "1.2.0")
					w.slow(time.Minute)
					s.watch("App", lineWatch(feedURL), "1.0.0")
					watches := s.sync.Watches()
					stop := func() { _ = s.catalog.Close() }
					if runs {
						stop = run(t, s)
						defer func() { stop() }()
					} else {
						defer func() { stop() }()
						go func() {
							if _, err := watches.Check(t.Context(), "App", "", false); !errors.Is(err, c.err) {
								t.Errorf("the check returns %v, want %v", err, c.err)
							}
						}()
					}
					time.Sleep(30 * time.Second)
					expect(t, "requests before the change", w.requests(feedURL), 1)
					if err := c.do(watches); err != nil {
						t.Error(err)
					}
					w.slow(0)
					time.Sleep(5 * time.Minute)
					expect(t, "versions", s.versions("App"), c.want)
				})
			})
		}
	}
}

// A title keeps its id when a definition with another case replaces it, and its watch stays, whatever the case of the
// id in a call.
func TestWatchCaseOfTitle(t *testing.T) {
	w, in := newWorld(t), &inbox{}
	s := open(t, newStore(), w, withLines(patchsync.Options{Notify: in.notify}))
	w.lines(feedURL, "1.1.0", "2024.1")
	s.watch("App", lineWatch(feedURL), "1.0.0")
	s.check("App")
	def := application(t, "APP", "1.1.0", "1.0.0")
	def.Publisher = "Another"
	if _, err := s.catalog.Replace(t.Context(), "app", def, nil); err != nil {
		t.Fatal(err)
	}
	w.lines(feedURL, "1.2.0", "2024.1")
	for _, id := range []string{"app", "APP"} {
		for state := range s.sync.Watches().All() {
			expect(t, "the title of the watch", state.Title, "App")
		}
		expect(t, "the title of its state", s.watchState(id).Title, "App")
		expect(t, "the title of a check's proposal", s.check(id).Proposal.Title, "App")
	}
	expect(t, "versions", s.versions("APP"), "1.2.0 1.1.0 1.0.0")
	if err := s.sync.Watches().End(t.Context(), "aPP", ""); err != nil {
		t.Error(err)
	}
}

// A version that was added and removed between two checks stays away: by a person, or by a watch that was killed before
// it could note the addition.
func TestWatchRemovedBetweenChecks(t *testing.T) {
	for _, c := range []struct {
		name string
		add  func(t *testing.T, s *server, st *fragile)
	}{
		{"added by a person", func(t *testing.T, s *server, _ *fragile) {
			def := application(t, "App", "1.1.0", "1.0.0")
			_, err := s.catalog.AddVersions(t.Context(), "App", patch.Ordered(), def.Patches[:1], nil)
			if err != nil {
				t.Fatal(err)
			}
		}},
		{"added below a newer one", func(t *testing.T, s *server, _ *fragile) {
			def := application(t, "App", "1.2.0", "1.1.0", "1.0.0")
			for _, i := range []int{0, 1} {
				_, err := s.catalog.AddVersions(t.Context(), "App", patch.Ordered(), def.Patches[i:i+1], nil)
				if err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.catalog.RemoveVersion(t.Context(), "App", "1.1.0", nil); err != nil {
				t.Fatal(err)
			}
		}},
		{"added by a check that was killed", func(t *testing.T, s *server, st *fragile) {
			st.dies.Store(st.writes.Load() + 3)
			if _, err := s.sync.Watches().Check(t.Context(), "App", "", false); err == nil {
				t.Error("the check succeeded")
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, disk := newWorld(t), newStore()
			st := &fragile{Store: disk}
			w.lines(feedURL, "1.1.0")
			s := open(t, st, w, withLines(patchsync.Options{}))
			s.watch("App", lineWatch(feedURL), "1.0.0")
			c.add(t, s, st)
			_ = s.catalog.Close()
			s = open(t, disk, w, withLines(patchsync.Options{}))
			current, _, _ := strings.Cut(s.versions("App"), " ")
			if _, err := s.catalog.RemoveVersion(t.Context(), "App", current, nil); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				s.check("App")
				expect(t, "versions", s.versions("App"), "1.0.0")
				expect(t, "proposals", s.proposals(), "")
			}
		})
	}
}
