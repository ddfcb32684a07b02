package patchsync_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	patchsync "github.com/patchsource/patchsource/sync"
)

// override serves a title whose list and definition say what its current version is,
// whatever its first patch is, as Kinobi's override does.
func (w *world) override(listed, defined, lastModified string, d *patch.Definition) {
	w.t.Helper()
	d.Complete(time.Now())
	d.CurrentVersion, d.LastModified = defined, lastModified
	data, err := d.MarshalJSON()
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(vendor+"/patch/"+d.ID, page{body: data})
	summary := d.Summary()
	summary.CurrentVersion = listed
	list, err := json.Marshal([]patch.Summary{summary})
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(vendor+"/software", page{body: list})
}

// served returns the versions of a title that are served, the first one first.
func (s *server) served(id string) (versions []string) {
	s.t.Helper()
	d, _, err := s.cat.Load(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range d.Patches {
		versions = append(versions, p.Version)
	}
	return versions
}

// A source whose list and definition agree on a current version that is not the first
// patch holds its newest back: they are not served until it releases them.
func TestSourceHoldsItsNewestBack(t *testing.T) {
	for _, c := range []struct {
		name            string
		allow           bool
		listed, defined string
		patches         []string
		want            string // the versions that are served
		says            string // in the last error; empty: nothing is wrong
	}{
		{"nothing", false, "1.8.152", "1.8.152", []string{"1.8.152", "1.8.151"}, "1.8.152 1.8.151", ""},
		{"the newest", false, "1.8.151", "1.8.151", []string{"1.8.152", "1.8.151"}, "1.8.151", ""},
		{"two", false, "1.8.151", "1.8.151", []string{"1.9", "1.8.152", "1.8.151", "1.8"}, "1.8.151 1.8", ""},
		{"the list disagrees", false, "1.8.151", "1.8.152", []string{"1.8.152", "1.8.151"}, "1.8.152 1.8.151", "the list says"},
		{"the definition disagrees", false, "1.8.152", "1.8.151", []string{"1.8.152", "1.8.151"}, "1.8.152 1.8.151", ""},
		{"no patch of that version", false, "1.8.150", "1.8.150", []string{"1.8.152", "1.8.151"}, "1.8.152 1.8.151", "the list says"},
		{"what is served", false, "1.7", "1.7", []string{"1.8.152", "1.8.151", "1.7"}, "1.8", "allow downgrades"},
		{"what is served, and it may", true, "1.7", "1.7", []string{"1.8.152", "1.8.151", "1.7"}, "1.7", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			live(t, patchsync.Mirror{AllowDowngrade: c.allow}, func(t *testing.T, w *world, _ *counted, s *server) {
				w.override("1.8", "1.8", "2019-01-01T00:00:00Z", definition("App", "1.8"))
				next()
				w.override(c.listed, c.defined, "2019-02-01T00:00:00Z", definition("App", c.patches...))
				next()
				if diff := cmp.Diff(strings.Fields(c.want), s.served("App")); diff != "" {
					t.Errorf("served (-want +got):\n%s", diff)
				}
				if got, _ := s.cat.Title("App"); got.CurrentVersion != strings.Fields(c.want)[0] {
					t.Errorf("the current version is %s", got.CurrentVersion)
				}
				if says := s.round(vendor).LastError; c.says == "" && says != "" || !strings.Contains(says, c.says) {
					t.Errorf("it says %q, want %q", says, c.says)
				}
			})
		})
	}
}

// A new title whose newest patches are held back begins with the one that is not; they
// come when they are released, as one change, and are held back again only if
// downgrades are allowed.
func TestHeldPatchesAreReleased(t *testing.T) {
	for _, allow := range []bool{false, true} {
		live(t, patchsync.Mirror{AllowDowngrade: allow}, func(t *testing.T, w *world, st *counted, s *server) {
			var events []string
			defer s.cat.Subscribe(func(e catalog.Event) {
				events = append(events, string(e.Kind)+" "+e.Title.CurrentVersion)
			})()
			newest := func() *patch.Definition { return definition("App", "1.8.152", "1.8.151") }
			check := func(want ...string) {
				t.Helper()
				next()
				if diff := cmp.Diff(want, s.served("App")); diff != "" {
					t.Errorf("served (-want +got):\n%s", diff)
				}
			}
			w.override("1.8.151", "1.8.151", "2019-01-01T00:00:00Z", newest())
			check("1.8.151")
			titles := st.written("titles")
			check("1.8.151") // unchanged
			if n := st.written("titles") - titles; n != 0 {
				t.Errorf("%d writes of titles, though nothing has changed", n)
			}
			w.override("1.8.152", "1.8.152", "2019-02-01T00:00:00Z", newest())
			check("1.8.152", "1.8.151")
			w.override("1.8.151", "1.8.151", "2019-03-01T00:00:00Z", newest())
			want := []string{"created 1.8.151", "updated 1.8.152"}
			if allow {
				check("1.8.151")
				want = append(want, "updated 1.8.151")
			} else {
				check("1.8.152", "1.8.151")
				if says := s.round(vendor).Refused["App"]; !strings.Contains(says, "holds back") {
					t.Errorf("it says %q", says)
				}
			}
			if diff := cmp.Diff(want, events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// A patch that is held back must be one that can be served later.
func TestHeldPatchesAreChecked(t *testing.T) {
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, _ *counted, s *server) {
		d := definition("App", "2", "1")
		d.Patches[0].MinimumOperatingSystem = ""
		d.Patches[0].ReleaseDate = "yesterday"
		w.override("1", "1", "2019-01-01T00:00:00Z", d)
		next()
		if says := s.round(vendor).Refused["App"]; s.version("App") != "-" || !strings.Contains(says, "/patches/0/") {
			t.Errorf("%s is served, it says %q", s.version("App"), says)
		}
	})
}

// The Source of one definition, and a title that follows one, serve its first patch:
// there is no list that says the same.
func TestOneDefinitionHoldsNothingBack(t *testing.T) {
	w := newWorld(t)
	s := open(t, newStore(), w, patchsync.Options{})
	d := definition("App", "3", "2")
	d.Complete(time.Now())
	d.CurrentVersion = "2"
	data, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	w.put(here, page{body: data})
	s.follow(here, definition("App", "2"), nil)
	if _, err := s.sync.Sync(t.Context(), "App"); err != nil || s.version("App") != "3" {
		t.Errorf("%s, %v", s.version("App"), err)
	}
}
