package patchsync_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	patchsync "github.com/patchsource/patchsource/sync"
)

const vendor = "https://vendor.example/jamf/v1"

// round returns the state of a mirror, by its name.
func (s *server) round(name string) patchsync.State {
	s.t.Helper()
	for state := range s.sync.States() {
		if state.Mirror == name {
			return state
		}
	}
	s.t.Fatalf("there is no mirror %s", name)
	return patchsync.State{}
}

// live runs f while a Runner follows a mirror of vendor, in a bubble of synctest. The first round has ended.
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

// next waits for the end of the next round.
func next() { time.Sleep(70 * time.Minute); synctest.Wait() }

// Of a mirror, only what has changed is fetched and written.
func TestMirrorAppliesChanges(t *testing.T) {
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, st *counted, s *server) {
		if got := s.ids(); got != "A B C D" {
			t.Fatalf("titles %q", got)
		}
		title, _ := s.catalog.Title("B")
		if title.Follows != vendor+"/patch/B" || title.LastModified != "2018-02-02T17:39:58Z" {
			t.Errorf("title %+v", title)
		}
		_, err := s.catalog.Replace(t.Context(), "B", definition("B", "9"), nil)
		if !errors.Is(err, catalog.ErrSynced) {
			t.Errorf("Replace of a title of a mirror: %v, want ErrSynced", err)
		}
		// work returns the requests and writes so far.
		work := func() string {
			return fmt.Sprintf("%d lists and %d definitions fetched, %d titles and %d states written",
				w.requests(vendor+"/software"), w.requests(vendor+"/patch/"), st.written("titles"), st.written("syncs"))
		}
		check := func(round, want string) {
			t.Helper()
			if got := work(); got != want {
				t.Errorf("after %s: %s; want %s", round, got, want)
			}
		}
		check("the first round", "1 lists and 4 definitions fetched, 4 titles and 1 states written")
		next()
		lists := w.requests(vendor + "/software")
		if lists == 1 {
			t.Error("the list was fetched only once")
		}
		check("an unchanged round",
			fmt.Sprintf("%d lists and 4 definitions fetched, 4 titles and 1 states written", lists))
		b := definition("B", "2", "1")
		b.LastModified = "2018-03-01T00:00:00Z"
		w.source(vendor, definition("A", "1"), b, definition("C", "1"), definition("D", "1"), definition("E", "1"))
		next()
		lists = w.requests(vendor + "/software")
		check("a round with two changes",
			fmt.Sprintf("%d lists and 6 definitions fetched, 6 titles and 2 states written", lists))
		if s.version("B") != "2" || s.version("E") != "1" {
			t.Errorf("versions %s of B and %s of E, want 2 and 1", s.version("B"), s.version("E"))
		}
		if state := s.round(vendor); state.Titles != 5 || state.LastError != "" || state.Failures != 0 ||
			state.LastChange.IsZero() {
			t.Errorf("state %+v", state)
		}
	})
}

// TriggerMirror causes a round of a mirror, and Rounds counts rounds by their outcome.
func TestTriggerMirror(t *testing.T) {
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, _ *counted, s *server) {
		if got := s.sync.Rounds(); got != (patchsync.Rounds{Changed: 1}) {
			t.Errorf("after the first round: %+v", got)
		}
		w.source(vendor, definition("A", "2"), definition("B", "1"), definition("C", "1"), definition("D", "1"))
		time.Sleep(time.Minute) // rounds are not triggered more often than every ten seconds
		if err := s.sync.TriggerMirror(vendor); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s.version("A") != "2" {
			t.Errorf("version %s of A is served, want 2", s.version("A"))
		}
		next()
		w.put(vendor+"/software", page{status: 503})
		next()
		if got := s.sync.Rounds(); got != (patchsync.Rounds{Changed: 2, Unchanged: 1, Failed: 1}) {
			t.Errorf("after four rounds: %+v", got)
		}
		if err := s.sync.TriggerMirror("nope"); !errors.Is(err, patchsync.ErrNotFollowed) {
			t.Errorf("a mirror that does not exist: %v, want ErrNotFollowed", err)
		}
	})
}

// checkRefused compares the titles that a state refuses, and the reasons.
func checkRefused(t *testing.T, state patchsync.State, want map[string]string) {
	t.Helper()
	for id, says := range want {
		if !strings.Contains(state.Refused[id], says) {
			t.Errorf("%s is refused because of %q, want %q", id, state.Refused[id], says)
		}
	}
	if len(state.Refused) != len(want) {
		t.Errorf("%d titles are refused, want %d: %v", len(state.Refused), len(want), state.Refused)
	}
}

// A title that is rejected holds up no other title. It is retried with exponential backoff until it is corrected.
func TestMirrorRejects(t *testing.T) {
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, _ *counted, s *server) {
		if _, err := s.catalog.Create(t.Context(), definition("Own", "1"), nil); err != nil {
			t.Fatal(err)
		}
		changed := func(id string, versions ...string) *patch.Definition {
			d := definition(id, versions...)
			d.LastModified = "2019-01-01T00:00:00Z"
			return d
		}
		w.source(vendor, changed("A", "0.9"), changed("B", "2"), changed("C", "2"), changed("D", "2"),
			definition("Own", "9"))
		w.put(vendor+"/patch/B", page{status: 500})
		w.put(vendor+"/patch/C", page{body: []byte("{}")})
		next()
		for id, want := range map[string]string{"A": "1", "B": "1", "C": "1", "D": "2", "Own": "1"} {
			if got := s.version(id); got != want {
				t.Errorf("version %s of %s is served, want %s", got, id, want)
			}
		}
		state := s.round(vendor)
		if state.Failures != 0 || !strings.HasPrefix(state.LastError, "4 of 5 titles are not up to date") {
			t.Errorf("state %+v", state)
		}
		checkRefused(t, state, map[string]string{
			"A": "0.9", "B": "500", "C": "invalid definition", "Own": "did not come from this source",
		})
		title, _ := s.catalog.Title("B")
		if of, ok := s.sync.State(title); !ok || !strings.Contains(of.LastError, "500") {
			t.Errorf("state of B: %+v", of)
		}
		title, _ = s.catalog.Title("D")
		if of, ok := s.sync.State(title); !ok || of.LastError != "" {
			t.Errorf("state of D: %+v", of)
		}
		before := w.requests(vendor + "/patch/C")
		time.Sleep(100 * time.Hour)
		if n := w.requests(vendor+"/patch/C") - before; n < 4 || n > 8 {
			t.Errorf("a rejected title was fetched %d times in 100 hours, want 4 to 8", n)
		}
		w.define(vendor+"/patch/C", changed("C", "2"))
		time.Sleep(40 * time.Hour)
		if s.version("C") != "2" {
			t.Errorf("version %s of C is served after the correction, want 2", s.version("C"))
		}
	})
}

// A mirror deletes titles that have vanished, unless they are too many at once.
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
		{"as many as allowed", patchsync.Mirror{Remove: true}, many(10, 100), 90, false},
		{"too many", patchsync.Mirror{Remove: true}, many(11, 100), 100, true},
		{"all", patchsync.Mirror{Remove: true}, nil, 100, true},
		{"all, with a share of nearly all", patchsync.Mirror{Remove: true, MaxRemoveShare: 0.99}, nil, 100, true},
		{"all, with a share of all", patchsync.Mirror{Remove: true, MaxRemoveShare: 1}, nil, 0, false},
		{"too many, while others appear", patchsync.Mirror{Remove: true}, many(50, 120), 120, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			live(t, c.mirror, func(t *testing.T, w *world, _ *counted, s *server) {
				w.source(vendor, many(0, 100)...)
				next() // without A to D
				for _, id := range []string{"A", "B", "C", "D"} {
					_ = s.catalog.Delete(t.Context(), id, nil)
				}
				next()
				if n := s.catalog.Len(); n != 100 {
					t.Fatalf("%d titles, want 100: %+v", n, s.round(vendor))
				}
				w.source(vendor, c.left...)
				for range 3 {
					next()
					if n := s.catalog.Len(); n != c.want {
						t.Errorf("%d titles, want %d", n, c.want)
					}
					if says := s.round(vendor).LastError; strings.Contains(says, "none was deleted") != c.protest {
						t.Errorf("LastError is %q, want a protest: %v", says, c.protest)
					}
				}
				// All come back.
				w.source(vendor, many(0, 120)...)
				next()
				if n := s.catalog.Len(); n != 120 || s.round(vendor).LastError != "" {
					t.Errorf("%d titles after all came back, want 120: %q", n, s.round(vendor).LastError)
				}
			})
		})
	}
}

// An invalid list, or a source that fails, deletes nothing.
func TestMirrorOfABrokenSource(t *testing.T) {
	mirror := patchsync.Mirror{Remove: true, MaxRemoveShare: 1}
	for name, p := range map[string]page{
		"null":             {body: []byte("null")},
		"an object":        {body: []byte("{}")},
		"HTML":             {body: []byte("<html>")},
		"a truncated list": {body: []byte(`[{"id":"A"`)},
		"an empty body":    {body: []byte("")},
		"numbers":          {body: []byte("[1,2]")},
		"status 502":       {status: 502},
		"status 404":       {status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			live(t, mirror, func(t *testing.T, w *world, _ *counted, s *server) {
				w.put(vendor+"/software", p)
				next()
				if state := s.round(vendor); s.ids() != "A B C D" || state.Failures == 0 || state.LastError == "" {
					t.Errorf("titles %q, state %+v", s.ids(), state)
				}
			})
		})
	}
}

// A mirror follows the titles that are wanted, under the names that the administrator wants.
func TestMirrorSelectsAndRenames(t *testing.T) {
	rename := func(f func(id string) string) func(*patch.Definition) {
		return func(d *patch.Definition) { d.ID = f(d.ID) }
	}
	prefix := rename(func(id string) string { return "x-" + id })
	same := rename(func(string) string { return "same" })
	invalid := rename(func(string) string { return "../etc" })
	for _, c := range []struct {
		name   string
		mirror patchsync.Mirror
		want   string
	}{
		{"only", patchsync.Mirror{Only: []string{"b", "D", "Z"}}, "B D"},
		{"except", patchsync.Mirror{Except: []string{"b", "D"}}, "A C"},
		{"an author", patchsync.Mirror{Only: []string{"A"}, Author: "The Vendor"}, "A_The_Vendor"},
		{"a prefix", patchsync.Mirror{Only: []string{"A", "B"}, Rename: prefix}, "x-A x-B"},
		{"one id for all", patchsync.Mirror{Rename: same}, "same"},
		{"an invalid id", patchsync.Mirror{Rename: invalid}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			live(t, c.mirror, func(t *testing.T, w *world, _ *counted, s *server) {
				if got := s.ids(); got != c.want {
					t.Errorf("titles %q, want %q", got, c.want)
				}
				next()
				if got := s.ids(); got != c.want {
					t.Errorf("titles %q after another round, want %q", got, c.want)
				}
				state := s.round(vendor)
				switch c.name {
				case "only":
					if !strings.Contains(state.LastError, `"Z"`) {
						t.Errorf("LastError is %q, want one about Z, which is missing", state.LastError)
					}
				case "one id for all":
					if len(state.Refused) != 3 {
						t.Errorf("refused %v, want 3 titles", state.Refused)
					}
				}
			})
		})
	}
}

// A title that was deleted here comes back in the next round.
func TestMirrorRestoresDeletedTitle(t *testing.T) {
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, _ *counted, s *server) {
		if err := s.catalog.Delete(t.Context(), "B", nil); err != nil {
			t.Fatal(err)
		}
		next()
		if got := s.ids(); got != "A B C D" {
			t.Errorf("titles %q", got)
		}
	})
}

// If a source changes between its list and a definition, the definition is fetched again in the next round.
func TestListAndDefinitionDisagree(t *testing.T) {
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, _ *counted, s *server) {
		w.source(vendor, definition("A", "2", "1"))
		w.define(vendor+"/patch/A", definition("A", "1")) // it has not changed yet
		next()
		if s.version("A") != "1" || s.round(vendor).Refused["A"] == "" {
			t.Fatalf("version %s of A is served, state %+v", s.version("A"), s.round(vendor))
		}
		w.define(vendor+"/patch/A", definition("A", "2", "1"))
		next()
		if s.version("A") != "2" || s.round(vendor).Refused["A"] != "" {
			t.Errorf("version %s of A is served, state %+v", s.version("A"), s.round(vendor))
		}
	})
}

// A mirror whose first round was interrupted does not begin again.
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
		n := s.catalog.Len()
		if n == 0 || n == 50 {
			t.Fatalf("%d titles after part of a round", n)
		}
		s = open(t, st, w, opts)
		stop = run(t, s)
		defer stop()
		time.Sleep(time.Minute)
		if s.catalog.Len() != 50 || st.written("titles") != 50 {
			t.Errorf("%d titles and %d writes, want 50 each", s.catalog.Len(), st.written("titles"))
		}
	})
}
