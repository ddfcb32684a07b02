package patchsync_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	patchsync "github.com/patchsource/patchsource/sync"
)

const vendor = "https://vendor.example/jamf/v1"

// mirror runs one round of a mirror of vendor: what it says of how it went.
func (s *server) round(name string) patchsync.State {
	s.t.Helper()
	for state := range s.sync.States() {
		if state.Mirror == name {
			return state
		}
	}
	s.t.Fatalf("no mirror %s", name)
	return patchsync.State{}
}

// live runs sync while f does, in which time passes by itself.
func live(t *testing.T, mirror patchsync.Mirror, f func(t *testing.T, w *world, st *counted, s *server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		if mirror.Source == nil {
			mirror.Source = patchsync.PatchSource(vendor+"/", nil)
		}
		s := open(t, st, w, patchsync.Options{Interval: time.Hour, Mirrors: []patchsync.Mirror{mirror}})
		w.source(vendor, definition("A", "1"), definition("B", "1"), definition("C", "1"), definition("D", "1"))
		stop := run(t, s)
		defer stop()
		synctest.Wait()
		f(t, w, st, s)
	})
}

// a round later
func next() { time.Sleep(70 * time.Minute); synctest.Wait() }

func TestMirrorTakesWhatHasChanged(t *testing.T) {
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, st *counted, s *server) {
		if got := s.ids(); got != "A B C D" {
			t.Fatalf("%q is there", got)
		}
		title, _ := s.cat.Title("B")
		if title.Follows != vendor+"/patch/B" || title.LastModified != "2018-02-02T17:39:58Z" {
			t.Errorf("%+v", title)
		}
		if _, err := s.cat.Replace(t.Context(), "B", definition("B", "9"), nil); !errors.Is(err, catalog.ErrSynced) {
			t.Errorf("it can be changed: %v", err)
		}
		titles, states, lists, patches := st.written(
			"titles",
		), st.written(
			"syncs",
		), w.requests(
			vendor+"/software",
		), w.requests(
			vendor+"/patch/",
		)
		if titles != 4 || states != 1 || lists != 1 || patches != 4 {
			t.Errorf(
				"the first round wrote %d titles and %d states, and asked for %d lists and %d definitions",
				titles,
				states,
				lists,
				patches,
			)
		}
		next()
		next()
		if w.requests(vendor+"/software") == lists || st.written("titles") != titles || st.written("syncs") != states ||
			w.requests(vendor+"/patch/") != patches {
			t.Error("an unchanged round wrote, or fetched, something")
		}
		b := definition("B", "2", "1")
		b.LastModified = "2018-03-01T00:00:00Z"
		w.source(vendor, definition("A", "1"), b, definition("C", "1"), definition("D", "1"), definition("E", "1"))
		next()
		if s.version("B") != "2" || s.version("E") != "1" || w.requests(vendor+"/patch/") != patches+2 ||
			st.written("titles") != titles+2 {
			t.Errorf(
				"B %s, E %s, %d definitions were fetched",
				s.version("B"),
				s.version("E"),
				w.requests(vendor+"/patch/")-patches,
			)
		}
		if state := s.round(vendor); state.Titles != 5 || state.LastError != "" || state.Failures != 0 ||
			state.LastChange.IsZero() {
			t.Errorf("%+v", state)
		}
	})
}

// Who does not want to wait has all of a source asked at once; it is counted how rounds
// go.
func TestTriggerMirror(t *testing.T) {
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, _ *counted, s *server) {
		if got := s.sync.Rounds(); got != (patchsync.Rounds{Changed: 1}) {
			t.Errorf("%+v", got)
		}
		w.source(vendor, definition("A", "2"), definition("B", "1"), definition("C", "1"), definition("D", "1"))
		time.Sleep(time.Minute) // what is asked for too often waits
		if err := s.sync.TriggerMirror(vendor); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s.version("A") != "2" {
			t.Errorf("A is at %s", s.version("A"))
		}
		next()
		w.put(vendor+"/software", page{status: 503})
		next()
		if got := s.sync.Rounds(); got != (patchsync.Rounds{Changed: 2, Unchanged: 1, Failed: 1}) {
			t.Errorf("%+v", got)
		}
		if err := s.sync.TriggerMirror("nope"); !errors.Is(err, patchsync.ErrNotFollowed) {
			t.Errorf("%v", err)
		}
	})
}

// What is wrong with one title keeps no other back, and is tried again, ever more
// seldom, until it is mended there.
func TestMirrorRefusesWhatIsWrong(t *testing.T) {
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, _ *counted, s *server) {
		if _, err := s.cat.Create(t.Context(), definition("Own", "1"), nil); err != nil {
			t.Fatal(err)
		}
		at := func(v, id string, versions ...string) *patch.Definition {
			d := definition(id, versions...)
			d.LastModified = v
			return d
		}
		const later = "2019-01-01T00:00:00Z"
		w.source(
			vendor,
			at(later, "A", "0.9"),
			at(later, "B", "2"),
			at(later, "C", "2"),
			at(later, "D", "2"),
			definition("Own", "9"),
		)
		w.put(vendor+"/patch/B", page{status: 500})
		w.put(vendor+"/patch/C", page{body: []byte("{}")})
		next()
		if got := fmt.Sprint(s.version("A"), s.version("B"), s.version("C"), s.version("D"), s.version("Own")); got != "11121" {
			t.Errorf("served: %s", got)
		}
		state := s.round(vendor)
		if got := slices.Sorted(maps.Keys(state.Refused)); strings.Join(got, " ") != "A B C Own" ||
			state.Failures != 0 ||
			!strings.HasPrefix(state.LastError, "4 of 5 titles are not up to date") {
			t.Errorf("%+v", state)
		}
		for id, says := range map[string]string{"A": "0.9", "B": "500", "C": "invalid definition", "Own": "did not come from this source"} {
			if !strings.Contains(state.Refused[id], says) {
				t.Errorf("%s: %q", id, state.Refused[id])
			}
		}
		title, _ := s.cat.Title("B")
		if of, ok := s.sync.State(title); !ok || !strings.Contains(of.LastError, "500") {
			t.Errorf("of B: %+v", of)
		}
		title, _ = s.cat.Title("D")
		if of, ok := s.sync.State(title); !ok || of.LastError != "" {
			t.Errorf("of D: %+v", of)
		}
		asked := w.requests(vendor + "/patch/C")
		time.Sleep(100 * time.Hour)
		if n := w.requests(vendor+"/patch/C") - asked; n < 4 || n > 8 {
			t.Errorf("what is refused was fetched %d times in 100 hours", n)
		}
		w.define(vendor+"/patch/C", at(later, "C", "2"))
		time.Sleep(40 * time.Hour)
		if s.version("C") != "2" {
			t.Errorf("C %s after it was mended", s.version("C"))
		}
	})
}

func TestMirrorRemoves(t *testing.T) {
	many := func(from, to int) (all []*patch.Definition) {
		for i := from; i < to; i++ {
			all = append(all, definition(fmt.Sprintf("T%03d", i), "1"))
		}
		return all
	}
	for _, c := range []struct {
		name    string
		mirror  patchsync.Mirror
		left    []*patch.Definition
		want    int
		protest bool
	}{
		{"kept", patchsync.Mirror{}, many(5, 100), 100, false},
		{"few", patchsync.Mirror{Remove: true}, many(5, 100), 95, false},
		{"as many as may", patchsync.Mirror{Remove: true}, many(10, 100), 90, false},
		{"too many", patchsync.Mirror{Remove: true}, many(11, 100), 100, true},
		{"all", patchsync.Mirror{Remove: true}, nil, 100, true},
		{"all, with a share that is nearly all", patchsync.Mirror{Remove: true, MaxRemoveShare: 0.99}, nil, 100, true},
		{"all, and that is allowed", patchsync.Mirror{Remove: true, MaxRemoveShare: 1}, nil, 0, false},
		{"too many, and others come", patchsync.Mirror{Remove: true}, many(50, 120), 120, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			live(t, c.mirror, func(t *testing.T, w *world, _ *counted, s *server) {
				w.source(vendor, many(0, 100)...)
				next() // A to D vanish
				for _, id := range []string{"A", "B", "C", "D"} {
					_ = s.cat.Delete(t.Context(), id, nil)
				}
				next()
				if n := s.cat.Len(); n != 100 {
					t.Fatalf("%d titles: %+v", n, s.round(vendor))
				}
				w.source(vendor, c.left...)
				for range 3 { // it does not give in
					next()
					if n := s.cat.Len(); n != c.want {
						t.Errorf("%d titles, want %d", n, c.want)
					}
					if says := s.round(vendor).LastError; strings.Contains(says, "none was deleted") != c.protest {
						t.Errorf("it says %q", says)
					}
				}
				// They come back.
				w.source(vendor, many(0, 120)...)
				next()
				if n := s.cat.Len(); n != 120 || s.round(vendor).LastError != "" {
					t.Errorf("%d titles after all came back: %q", n, s.round(vendor).LastError)
				}
			})
		})
	}
}

// A list that is none, and a source that is down, take nothing away.
func TestMirrorOfABrokenSource(t *testing.T) {
	for name, p := range map[string]page{
		"null": {body: []byte("null")}, "an object": {body: []byte("{}")}, "a page": {body: []byte("<html>")}, "half": {body: []byte(`[{"id":"A"`)}, "down": {status: 502}, "empty": {body: []byte("")},
		"numbers": {body: []byte("[1,2]")}, "nothing": {status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			live(
				t,
				patchsync.Mirror{Remove: true, MaxRemoveShare: 1},
				func(t *testing.T, w *world, _ *counted, s *server) {
					w.put(vendor+"/software", p)
					next()
					if state := s.round(vendor); s.ids() != "A B C D" || state.Failures == 0 || state.LastError == "" {
						t.Errorf("%q, %+v", s.ids(), state)
					}
				},
			)
		})
	}
}

func TestMirrorChoosesAndRenames(t *testing.T) {
	for _, c := range []struct {
		name   string
		mirror patchsync.Mirror
		want   string
	}{
		{"some", patchsync.Mirror{Only: []string{"b", "D", "Z"}}, "B D"},
		{"all but some", patchsync.Mirror{Except: []string{"b", "D"}}, "A C"},
		{"an author", patchsync.Mirror{Only: []string{"A"}, Author: "The Vendor"}, "A_The_Vendor"},
		{"renamed", patchsync.Mirror{Only: []string{"A", "B"}, Rename: func(d *patch.Definition) { d.ID = "x-" + d.ID }}, "x-A x-B"},
		{"two to one", patchsync.Mirror{Rename: func(d *patch.Definition) { d.ID = "same" }}, "same"},
		{"to what is no id", patchsync.Mirror{Rename: func(d *patch.Definition) { d.ID = "../etc" }}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			live(t, c.mirror, func(t *testing.T, w *world, _ *counted, s *server) {
				if got := s.ids(); got != c.want {
					t.Errorf("%q, want %q", got, c.want)
				}
				next()
				if got := s.ids(); got != c.want {
					t.Errorf("%q after another round", got)
				}
				state := s.round(vendor)
				switch c.name {
				case "some":
					if !strings.Contains(state.LastError, `"Z"`) {
						t.Errorf("it does not say that Z is missing: %q", state.LastError)
					}
				case "two to one":
					if len(state.Refused) != 3 {
						t.Errorf("%v", state.Refused)
					}
				}
			})
		})
	}
}

// A title that somebody has deleted here comes back: a mirror is a mirror.
func TestMirrorPutsBack(t *testing.T) {
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, _ *counted, s *server) {
		if err := s.cat.Delete(t.Context(), "B", nil); err != nil {
			t.Fatal(err)
		}
		next()
		if got := s.ids(); got != "A B C D" {
			t.Errorf("%q", got)
		}
	})
}

// A source whose list and definitions are of two moments is looked at again.
func TestMirrorOfASourceBetweenTwoStates(t *testing.T) {
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, _ *counted, s *server) {
		w.source(vendor, definition("A", "2", "1"))
		w.define(vendor+"/patch/A", definition("A", "1")) // not yet
		next()
		if s.version("A") != "1" || s.round(vendor).Refused["A"] == "" {
			t.Fatalf("A %s, %+v", s.version("A"), s.round(vendor))
		}
		w.define(vendor+"/patch/A", definition("A", "2", "1"))
		next()
		if s.version("A") != "2" || s.round(vendor).Refused["A"] != "" {
			t.Errorf("A %s, %+v", s.version("A"), s.round(vendor))
		}
	})
}

// One that is stopped in its first round goes on where it was.
func TestMirrorIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		opts := patchsync.Options{
			Interval: time.Hour,
			Mirrors:  []patchsync.Mirror{{Source: patchsync.PatchSource(vendor, nil)}},
		}
		var all []*patch.Definition
		for i := range 50 {
			all = append(all, definition(fmt.Sprintf("T%02d", i), "1"))
		}
		w.source(vendor, all...)
		w.slow(time.Second)
		s := open(t, st, w, opts)
		stop := run(t, s)
		time.Sleep(4500 * time.Millisecond)
		stop()
		n := s.cat.Len()
		if n == 0 || n == 50 {
			t.Fatalf("%d titles after half a round", n)
		}
		s = open(t, st, w, opts)
		stop = run(t, s)
		defer stop()
		time.Sleep(time.Minute)
		if s.cat.Len() != 50 || st.written("titles") != 50 {
			t.Errorf("%d titles, %d written", s.cat.Len(), st.written("titles"))
		}
	})
}

func TestMirrorsThatCannotBe(t *testing.T) {
	s := open(t, newStore(), newWorld(t), patchsync.Options{})
	source := patchsync.PatchSource(vendor, nil)
	for name, mirrors := range map[string][]patchsync.Mirror{
		"no source":     {{}},
		"a share":       {{Source: source, MaxRemoveShare: 1.5}},
		"an author":     {{Source: source, Author: "///"}},
		"twice":         {{Source: source}, {Source: source}},
		"one name, two": {{Source: source, Name: "x"}, {Source: patchsync.Folder("."), Name: "x"}},
	} {
		if _, err := patchsync.New(s.cat, newStore(), &patchsync.Options{Mirrors: mirrors}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
