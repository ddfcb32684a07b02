package patchsync_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A mirror deletes every title that has vanished, and none that only cannot be read at the moment.
func TestMirrorDeletesTheRightTitles(t *testing.T) {
	all := patchsync.Mirror{Remove: true, MaxRemoveShare: 1}
	t.Run("after an interrupted round", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, st := newWorld(t), newStore()
			mirror := all
			mirror.Source = patchsync.PatchSource(vendor, nil)
			opts := patchsync.Options{Interval: time.Hour, Mirrors: []patchsync.Mirror{mirror}}
			var titles []*patch.Definition
			for i := range 30 {
				titles = append(titles, definition(fmt.Sprintf("T%02d", i), "1"))
			}
			w.source(vendor, titles...)
			w.slow(time.Second)
			s := open(t, st, w, opts)
			stop := run(t, s)
			time.Sleep(2500 * time.Millisecond)
			stop()
			if n := s.catalog.Len(); n == 0 || n == 30 {
				t.Fatalf("%d titles after part of a round", n)
			}
			w.source(vendor, titles[5:]...)
			s = open(t, st, w, opts)
			stop = run(t, s)
			defer stop()
			time.Sleep(time.Minute)
			if s.catalog.Len() != 25 || s.version("T00") != "-" {
				t.Errorf("titles %q, want 25 without T00", s.ids())
			}
		})
	})
	t.Run("when ids change case", func(t *testing.T) {
		live(t, all, func(t *testing.T, w *world, _ *counted, s *server) {
			before, _ := s.catalog.Title("A")
			w.source(vendor, definition("a", "1"), definition("B", "1"), definition("C", "1"), definition("D", "1"))
			w.put(vendor+"/patch/a", page{status: 503})
			next()
			next()
			if after, err := s.catalog.Title("A"); err != nil || after.UID != before.UID {
				t.Errorf("titles %q, A is another title, error %v", s.ids(), err)
			}
		})
	})
	t.Run("when a new item cannot be read yet", func(t *testing.T) {
		mirror := all
		mirror.Rename = func(d *patch.Definition) { d.ID = strings.TrimSuffix(d.ID, "-new") }
		live(t, mirror, func(t *testing.T, w *world, _ *counted, s *server) {
			before, _ := s.catalog.Title("A")
			w.source(vendor, definition("A-new", "1"), definition("B", "1"), definition("C", "1"), definition("D", "1"))
			w.put(vendor+"/patch/A-new", page{status: 503})
			next()
			w.source(vendor, definition("A-new", "1"), definition("B", "1"), definition("C", "1"), definition("D", "1"))
			next()
			next()
			if after, err := s.catalog.Title("A"); err != nil || after.UID != before.UID {
				t.Errorf("titles %q, A is another title, error %v", s.ids(), err)
			}
			// After a few tries, the titles that have vanished are deleted.
			w.source(vendor, definition("X", "1"), definition("B", "1"), definition("C", "1"), definition("D", "1"))
			w.put(vendor+"/patch/X", page{body: []byte("{")})
			time.Sleep(40 * time.Hour)
			if s.version("A") != "-" {
				t.Errorf("titles %q, want none of the id A", s.ids())
			}
		})
	})
	t.Run("when an item becomes another title", func(t *testing.T) {
		suffix := ""
		mirror := all
		mirror.Rename = func(d *patch.Definition) { d.ID += suffix }
		live(t, mirror, func(t *testing.T, w *world, _ *counted, s *server) {
			suffix = "-x"
			changed := definition("A", "2")
			w.source(vendor, changed, definition("B", "1"), definition("C", "1"), definition("D", "1"))
			next()
			if got := s.ids(); got != "A-x B C D" {
				t.Errorf("titles %q, want A-x B C D", got)
			}
		})
	})
}

// A mirror does not touch a title that follows the same address on its own, and deletes its own titles only.
func TestMirrorLeavesOthersAlone(t *testing.T) {
	const url = "https://vendor.example/app.json"
	w := newWorld(t)
	w.define(url, definition("App", "9"))
	s := open(t, newStore(), w, patchsync.Options{Mirrors: []patchsync.Mirror{
		{Source: patchsync.Definition(url), Remove: true, MaxRemoveShare: 1, AllowDowngrade: true},
	}})
	title := s.follow(url, definition("App", "10"), nil)
	opts := &catalog.CreateOptions{Follows: url, Source: url}
	if _, err := s.catalog.Create(t.Context(), definition("Of", "1"), opts); err != nil {
		t.Fatal(err)
	}
	if _, err := s.sync.Sync(t.Context(), "Of"); err != nil {
		t.Fatal(err)
	}
	if after, err := s.catalog.Title("App"); err != nil || after.UID != title.UID || after.CurrentVersion != "10" ||
		s.version("Of") != "-" {
		t.Errorf("titles %q, App %+v, error %v", s.ids(), after, err)
	}
}

// With RefuseUnsigned or Roots, definitions must be signed. A definition with another id than the list's is rejected.
func TestMirrorTrust(t *testing.T) {
	for name, opts := range map[string]*patchsync.PatchSourceOptions{
		"RefuseUnsigned": {RefuseUnsigned: true},
		"Roots":          {Roots: x509.NewCertPool()},
	} {
		mirror := patchsync.Mirror{Source: patchsync.PatchSource(vendor, opts)}
		live(t, mirror, func(t *testing.T, _ *world, _ *counted, s *server) {
			state := s.round(vendor)
			if s.ids() != "" || len(state.Refused) != 4 || !strings.Contains(state.Refused["A"], "not signed") {
				t.Errorf("%s: titles %q, refused %v", name, s.ids(), state.Refused)
			}
		})
	}
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, _ *counted, s *server) {
		w.source(vendor, definition("A", "2"), definition("B", "1"), definition("C", "1"), definition("D", "1"))
		w.define(vendor+"/patch/A", definition("B", "2"))
		next()
		if s.version("A") != "1" || s.version("B") != "1" ||
			!strings.Contains(s.round(vendor).Refused["A"], `the id "B"`) {
			t.Errorf("versions %s of A and %s of B are served, want 1 and 1; refused %v",
				s.version("A"), s.version("B"), s.round(vendor).Refused)
		}
	})
}

// Long texts of a source are shortened in its state.
func TestLongTexts(t *testing.T) {
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, _ *counted, s *server) {
		long := strings.Repeat("9", 1<<20)
		list := `[{"id":"A","name":"A","publisher":"P","lastModified":"x","currentVersion":"LONG"},` +
			`{"id":"LONG","name":"","publisher":"","lastModified":"LONG","currentVersion":"1"}]`
		w.put(vendor+"/software", page{body: []byte(strings.ReplaceAll(list, "LONG", long))})
		next()
		state := s.round(vendor)
		if len(state.Refused) != 2 || len(state.LastError) > 2000 {
			t.Errorf("%d titles refused, LastError has %d bytes", len(state.Refused), len(state.LastError))
		}
		for id, text := range state.Refused {
			if len(id) > 2000 || len(text) > 2000 {
				t.Errorf("an id of %d bytes is refused because of a text of %d bytes", len(id), len(text))
			}
		}
	})
}

// A shelf is a [patchsync.Source] from outside the package. It fetches with the Runner's Fetcher.
type shelf struct{ titles atomic.Pointer[[]string] }

// Key implements [patchsync.Source].
func (s *shelf) Key() string { return "shelf" }

// List implements [patchsync.Source].
func (s *shelf) List(_ context.Context, f *patchsync.Fetcher, memo string) (*patchsync.Listing, error) {
	titles := *s.titles.Load()
	now := strings.Join(titles, " ")
	if memo == now {
		return &patchsync.Listing{Unchanged: true, Memo: memo}, nil
	}
	l := &patchsync.Listing{Memo: now}
	for _, id := range titles {
		fetch := func(ctx context.Context) (*patchsync.Fetched, error) {
			def, err := f.Definition(ctx, vendor+"/patch/"+id)
			return &patchsync.Fetched{Definition: def}, err
		}
		l.Items = append(l.Items, patchsync.Item{ID: id, Mark: "1", Fetch: fetch})
	}
	return l, nil
}

// A mirror follows a source that the caller implements.
func TestCustomSource(t *testing.T) {
	source := &shelf{}
	source.titles.Store(&[]string{"A", "C"})
	mirror := patchsync.Mirror{Source: source, Remove: true, MaxRemoveShare: 1}
	live(t, mirror, func(t *testing.T, _ *world, st *counted, s *server) {
		if got := s.ids(); got != "A C" {
			t.Fatalf("titles %q, want A C", got)
		}
		if title, _ := s.catalog.Title("A"); title.Follows != "shelf" {
			t.Errorf("A follows %q, want shelf", title.Follows)
		}
		writes := st.written("titles") + st.written("syncs")
		next()
		if n := st.written("titles") + st.written("syncs"); n != writes {
			t.Errorf("%d writes in a round without changes", n-writes)
		}
		source.titles.Store(&[]string{"B", "C"})
		next()
		if got := s.ids(); got != "B C" {
			t.Errorf("titles %q, want B C", got)
		}
	})
}
