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

// What came with a source and is there no more is deleted, however it was lost sight of;
// what is only not to be read at the moment is not.
func TestMirrorLosesNothing(t *testing.T) {
	all := patchsync.Mirror{Remove: true, MaxRemoveShare: 1}
	t.Run("in a round that broke off", func(t *testing.T) {
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
			if n := s.cat.Len(); n == 0 || n == 30 {
				t.Fatalf("%d titles after part of a round", n)
			}
			w.source(vendor, titles[5:]...)
			s = open(t, st, w, opts)
			stop = run(t, s)
			defer stop()
			time.Sleep(time.Minute)
			if s.cat.Len() != 25 || s.version("T00") != "-" {
				t.Errorf("%q", s.ids())
			}
		})
	})
	t.Run("when ids change case", func(t *testing.T) {
		live(t, all, func(t *testing.T, w *world, _ *counted, s *server) {
			before, _ := s.cat.Title("A")
			w.source(vendor, definition("a", "1"), definition("B", "1"), definition("C", "1"), definition("D", "1"))
			w.put(vendor+"/patch/a", page{status: 503})
			next()
			next()
			if after, err := s.cat.Title("A"); err != nil || after.UID != before.UID {
				t.Errorf("%q: %v", s.ids(), err)
			}
		})
	})
	t.Run("when what is new cannot be read yet", func(t *testing.T) {
		mirror := all
		mirror.Rename = func(d *patch.Definition) { d.ID = strings.TrimSuffix(d.ID, "-new") }
		live(t, mirror, func(t *testing.T, w *world, _ *counted, s *server) {
			before, _ := s.cat.Title("A")
			w.source(vendor, definition("A-new", "1"), definition("B", "1"), definition("C", "1"), definition("D", "1"))
			w.put(vendor+"/patch/A-new", page{status: 503})
			next()
			w.source(vendor, definition("A-new", "1"), definition("B", "1"), definition("C", "1"), definition("D", "1"))
			next()
			next()
			if after, err := s.cat.Title("A"); err != nil || after.UID != before.UID {
				t.Errorf("%q: %v", s.ids(), err)
			}
			// But not for ever.
			w.source(vendor, definition("X", "1"), definition("B", "1"), definition("C", "1"), definition("D", "1"))
			w.put(vendor+"/patch/X", page{body: []byte("{")})
			time.Sleep(40 * time.Hour)
			if s.version("A") != "-" {
				t.Errorf("%q", s.ids())
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
				t.Errorf("%q", got)
			}
		})
	})
}

// A mirror and a title of the same address are two things, and a mirror deletes nothing
// that is not its own.
func TestMirrorLeavesOthersAlone(t *testing.T) {
	const url = "https://vendor.example/app.json"
	w := newWorld(t)
	w.define(url, definition("App", "9"))
	s := open(
		t,
		newStore(),
		w,
		patchsync.Options{
			Mirrors: []patchsync.Mirror{
				{Source: patchsync.Definition(url), Remove: true, MaxRemoveShare: 1, AllowDowngrade: true},
			},
		},
	)
	title := s.follow(url, definition("App", "10"), nil)
	if _, err := s.cat.Create(t.Context(), definition("Of", "1"), &catalog.CreateOptions{Follows: url, Source: url}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.sync.Sync(t.Context(), "Of"); err != nil {
		t.Fatal(err)
	}
	if after, err := s.cat.Title("App"); err != nil || after.UID != title.UID || after.CurrentVersion != "10" ||
		s.version("Of") != "-" {
		t.Errorf("%q, %+v, %v", s.ids(), after, err)
	}
}

// Definitions that nobody, or somebody else, has signed are refused when it is said who
// may; and what a source says of another title is none of its own.
func TestMirrorTrust(t *testing.T) {
	for name, opts := range map[string]*patchsync.PatchSourceOptions{"unsigned": {RefuseUnsigned: true}, "roots": {Roots: x509.NewCertPool()}} {
		live(
			t,
			patchsync.Mirror{Source: patchsync.PatchSource(vendor, opts)},
			func(t *testing.T, w *world, _ *counted, s *server) {
				if state := s.round(vendor); s.ids() != "" || len(state.Refused) != 4 ||
					!strings.Contains(state.Refused["A"], "not signed") {
					t.Errorf("%s: %q, %v", name, s.ids(), state.Refused)
				}
			},
		)
	}
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, _ *counted, s *server) {
		w.source(vendor, definition("A", "2"), definition("B", "1"), definition("C", "1"), definition("D", "1"))
		w.define(vendor+"/patch/A", definition("B", "2"))
		next()
		if s.version("A") != "1" || s.version("B") != "1" ||
			!strings.Contains(s.round(vendor).Refused["A"], `the id "B"`) {
			t.Errorf("A %s, B %s: %v", s.version("A"), s.version("B"), s.round(vendor).Refused)
		}
	})
}

// What a source says is cut to what people can read.
func TestLongWords(t *testing.T) {
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, _ *counted, s *server) {
		long := strings.Repeat("9", 1<<20)
		w.put(
			vendor+"/software",
			page{
				body: []byte(
					`[{"id":"A","name":"A","publisher":"P","lastModified":"x","currentVersion":"` + long + `"},{"id":"` + long + `","name":"","publisher":"","lastModified":"` + long + `","currentVersion":"1"}]`,
				),
			},
		)
		next()
		state := s.round(vendor)
		if len(state.Refused) != 2 || len(state.LastError) > 2000 {
			t.Errorf("%d refused, an error of %d bytes", len(state.Refused), len(state.LastError))
		}
		for id, text := range state.Refused {
			if len(id) > 2000 || len(text) > 2000 {
				t.Errorf("%d bytes, %d bytes", len(id), len(text))
			}
		}
	})
}

// A shelf is a source of a kind of its own: it fetches through the Runner's fetcher, and
// says where it is itself.
type shelf struct{ titles atomic.Pointer[[]string] }

func (s *shelf) Key() string { return "shelf" }

func (s *shelf) List(_ context.Context, f *patchsync.Fetcher, memo string) (*patchsync.Listing, error) {
	titles := *s.titles.Load()
	now := strings.Join(titles, " ")
	if memo == now {
		return &patchsync.Listing{Unchanged: true, Memo: memo}, nil
	}
	l := &patchsync.Listing{Memo: now}
	for _, id := range titles {
		l.Items = append(
			l.Items,
			patchsync.Item{ID: id, Mark: "1", Fetch: func(ctx context.Context) (*patchsync.Fetched, error) {
				def, err := f.Definition(ctx, vendor+"/patch/"+id)
				return &patchsync.Fetched{Definition: def}, err
			}},
		)
	}
	return l, nil
}

func TestSourceOfAnotherKind(t *testing.T) {
	source := &shelf{}
	source.titles.Store(&[]string{"A", "C"})
	live(
		t,
		patchsync.Mirror{Source: source, Remove: true, MaxRemoveShare: 1},
		func(t *testing.T, w *world, st *counted, s *server) {
			if got := s.ids(); got != "A C" {
				t.Fatalf("%q", got)
			}
			if title, _ := s.cat.Title("A"); title.Follows != "shelf" {
				t.Errorf("it follows %q", title.Follows)
			}
			writes := st.written("titles") + st.written("syncs")
			next()
			if n := st.written("titles") + st.written("syncs"); n != writes {
				t.Errorf("%d writes, though nothing has changed", n-writes)
			}
			source.titles.Store(&[]string{"B", "C"})
			next()
			if got := s.ids(); got != "B C" {
				t.Errorf("%q", got)
			}
		},
	)
}
