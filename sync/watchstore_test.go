package patchsync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// Records of a newer version stop the Runner, and corrupt ones are reported; neither is written.
func TestWatchRecordsThatCannotBeRead(t *testing.T) {
	for _, c := range []struct {
		name, value string
		runs        bool
		want        error
	}{
		{"of a newer version", `{"format":2,"uid":"x"}`, false, store.ErrFormat},
		{"no JSON", `{"format":1,`, true, store.ErrCorrupt},
		{"without a format", `{}`, true, store.ErrCorrupt},
		{"of another shape", `{"format":1,"seen":[]}`, true, store.ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, w := newStore(), newWorld(t)
				var log bytes.Buffer
				s := open(t, st, w, withLines(patchsync.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}))
				w.lines(feedURL, "1.1.0")
				title := s.create(application(t, "App", "1.0.0"))
				key := store.Key{Kind: "watches", ID: title.UID}
				if _, err := st.Put(t.Context(), key, []byte(c.value), store.IfAbsent()); err != nil {
					t.Fatal(err)
				}
				if c.runs {
					stop := run(t, s)
					defer stop()
					synctest.Wait()
					if !strings.Contains(log.String(), "corrupt") {
						t.Errorf("the log does not report the record: %s", log.String())
					}
				} else if err := s.sync.Run(t.Context()); !errors.Is(err, c.want) {
					t.Errorf("Run returns %v, want %v", err, c.want)
				}
				err := s.sync.Watches().Set(t.Context(), "App", lineWatch(feedURL), patchsync.WatchOptions{})
				if !errors.Is(err, c.want) || !errors.Is(err, catalog.ErrUnavailable) {
					t.Errorf("Set returns %v, want %v", err, c.want)
				}
				if rec, err := st.Get(t.Context(), key); err != nil || string(rec.Value) != c.value {
					t.Errorf("the record is now %s (%v)", rec.Value, err)
				}
				if !c.runs {
					_ = s.catalog.Close()
				}
			})
		})
	}
}

// The record of a deleted title goes, and a later title with the same id has no watch and no memory. That of a title
// that is being created stays.
func TestWatchTidy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		s := open(t, st, w, withLines(patchsync.Options{}))
		defer run(t, s)()
		w.lines(feedURL, "1.1.0")
		s.watch("App", lineWatch(feedURL), "1.0.0")
		s.check("App")
		if _, err := s.catalog.RemoveVersion(t.Context(), "App", "1.1.0", nil); err != nil {
			t.Fatal(err)
		}
		if err := s.catalog.Delete(t.Context(), "App", nil); err != nil {
			t.Fatal(err)
		}
		s.create(application(t, "App", "1.0.0"))
		if _, err := s.sync.Watches().State("App"); !errors.Is(err, patchsync.ErrNotWatched) {
			t.Errorf("the state of a new title: %v, want ErrNotWatched", err)
		}
		for range s.sync.Watches().All() {
			t.Error("the watch of a deleted title is listed")
		}
		time.Sleep(time.Hour)
		expect(t, "records", len(watchRecords(t, st)), 0)
		err := s.sync.Watches().Set(t.Context(), "App", lineWatch(feedURL), patchsync.WatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "added to the new title", s.check("App").Added, "[1.1.0]")
		expect(t, "records", len(watchRecords(t, st)), 1)
	})
}

// The record of a deleted title goes although another title is corrupt, and that of the corrupt title stays.
func TestWatchTidyBesideACorruptTitle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		s := open(t, st, w, withLines(patchsync.Options{}))
		s.watch("App", lineWatch(feedURL), "1.0.0")
		corrupt := s.watch("Corrupt", lineWatch(feedURL), "1.0.0")
		_ = s.catalog.Close()
		key := store.Key{Kind: "titles", ID: "corrupt"}
		if _, err := st.Put(t.Context(), key, []byte("{"), store.Condition{}); err != nil {
			t.Fatal(err)
		}
		s = open(t, st, w, withLines(patchsync.Options{}))
		expect(t, "corrupt titles", s.catalog.Damaged(), 1)
		defer run(t, s)()
		if err := s.catalog.Delete(t.Context(), "App", nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		expect(t, "records", watchRecords(t, st), []string{corrupt.UID})
	})
}

// A title and its watch appear together, and the record of a title that is not published goes.
func TestWatchBegin(t *testing.T) {
	w, st := newWorld(t), newStore()
	s := open(t, st, w, withLines(patchsync.Options{}))
	watches := s.sync.Watches()
	w.lines(feedURL, "1.1.0", "1.0.0")
	var begun catalog.Title
	opts := func(fail error) *catalog.CreateOptions {
		return &catalog.CreateOptions{
			Confirm: func(ctx context.Context, t catalog.Title) error {
				begun = t
				err := watches.Begin(ctx, t, lineWatch(feedURL), patchsync.WatchOptions{Trusted: true})
				return errors.Join(err, fail)
			},
			Undo: func(ctx context.Context) error { return watches.Undo(ctx, begun) },
		}
	}
	refused := errors.New("refused")
	_, err := s.catalog.Create(t.Context(), application(t, "App", "1.0.0"), opts(refused))
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	expect(t, "records after a refusal", len(watchRecords(t, st)), 0)
	if _, err := s.catalog.Create(t.Context(), application(t, "App", "1.0.0"), opts(nil)); err != nil {
		t.Fatal(err)
	}
	state := s.watchState("App")
	if !state.Trusted || state.Status != patchsync.WatchOK {
		t.Errorf("state %+v", state)
	}
	expect(t, "added", s.check("App").Added, "[1.1.0]")
}

// What a watch remembers is bounded.
func TestWatchMemoryIsBounded(t *testing.T) {
	w, st := newWorld(t), newStore()
	s := open(t, st, w, withLines(patchsync.Options{}))
	var feed []string
	for i := range 3000 {
		feed = append(feed, fmt.Sprintf("1.%d.0", i))
	}
	w.lines(feedURL, feed...)
	title := s.watch("App", lineWatch(feedURL), "1.0.0")
	s.check("App")
	if err := s.sync.Watches().Reject(t.Context(), s.proposalOf("App"), ""); err != nil {
		t.Fatal(err)
	}
	rec, err := st.Get(t.Context(), store.Key{Kind: "watches", ID: title.UID})
	if err != nil {
		t.Fatal(err)
	}
	var stored struct {
		Seen map[string]any `json:"seen"`
	}
	if err := json.Unmarshal(rec.Value, &stored); err != nil || len(stored.Seen) > 1000 || len(rec.Value) > 200_000 {
		t.Errorf("the record remembers %d versions in %d bytes (%v)", len(stored.Seen), len(rec.Value), err)
	}
	expect(t, "proposals", s.proposals(), "")
}

// Another server sees a watch at once, and states follow.
func TestWatchOtherServersSee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, w := memstore.New(), newWorld(t)
		a := open(t, shared, w, withLines(patchsync.Options{}))
		defer run(t, a)()
		b := open(t, shared, w, withLines(patchsync.Options{}))
		defer run(t, b)()
		w.put(feedURL, page{status: 500})
		a.watch("App", lineWatch(feedURL), "1.0.0")
		synctest.Wait()
		b.check("App")
		synctest.Wait()
		expect(t, "failures on the other server", a.watchState("App").Failures >= 1, true)
		if err := b.sync.Watches().End(t.Context(), "App", ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := a.sync.Watches().State("App"); !errors.Is(err, patchsync.ErrNotWatched) {
			t.Errorf("the state after the end: %v, want ErrNotWatched", err)
		}
	})
}

// lateStore delays the answer of one Get of a watch.
type lateStore struct {
	store.Store
	hold atomic.Pointer[chan struct{}] // closed to let the answer go
	got  chan struct{}                 // receives a value once the store has answered
}

// Get implements [store.Store].
func (l *lateStore) Get(ctx context.Context, key store.Key) (store.Record, error) {
	rec, err := l.Store.Get(ctx, key)
	if key.Kind == "watches" {
		if hold := l.hold.Swap(nil); hold != nil {
			l.got <- struct{}{}
			<-*hold
		}
	}
	return rec, err
}

// An answer of the store that is late does not undo what has changed since then.
func TestWatchLateRead(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(s *server) error
		want   string // the state afterwards
	}{
		{"ended", func(s *server) error { return s.sync.Watches().End(s.t.Context(), "App", "") }, "not watched"},
		{"changed", func(s *server) error {
			watch := lineWatch(feedURL)
			watch.Policy.Mode = recipe.Off
			return s.sync.Watches().Set(s.t.Context(), "App", watch, patchsync.WatchOptions{})
		}, patchsync.WatchPaused},
		{"removed", func(s *server) error {
			title, err := s.catalog.Title("App")
			if err != nil {
				return err
			}
			return s.sync.Watches().Undo(s.t.Context(), title)
		}, "not watched"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			st := &lateStore{Store: newStore(), got: make(chan struct{})}
			s := open(t, st, w, withLines(patchsync.Options{}))
			w.lines(feedURL, "1.0.0")
			s.watch("App", lineWatch(feedURL), "1.0.0")
			s.check("App")
			hold, done := make(chan struct{}), make(chan struct{})
			st.hold.Store(&hold)
			go func() {
				defer close(done)
				_, _ = s.sync.Watches().Check(t.Context(), "App", "", false)
			}()
			<-st.got
			if err := c.change(s); err != nil {
				t.Fatal(err)
			}
			close(hold)
			<-done
			got := "not watched"
			if state, err := s.sync.Watches().State("App"); err == nil {
				got = state.Status
			} else if !errors.Is(err, patchsync.ErrNotWatched) {
				t.Fatal(err)
			}
			expect(t, "the state", got, c.want)
		})
	}
}
