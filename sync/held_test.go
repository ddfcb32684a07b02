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

// override serves a title whose current version, in the list and in the definition, is not its first patch, as Kinobi
// does when an administrator overrides it.
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

// served returns the versions of a title that are served, the newest first.
func (s *server) served(id string) (versions []string) {
	s.t.Helper()
	d, _, err := s.catalog.Load(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range d.Patches {
		versions = append(versions, p.Version)
	}
	return versions
}

// A source whose list and definition agree on a current version that is not the first patch holds back its newest
// patches: they are not served until the source releases them.
func TestHeldPatches(t *testing.T) {
	two, three := []string{"1.8.152", "1.8.151"}, []string{"1.8.152", "1.8.151", "1.7"}
	four := []string{"1.9", "1.8.152", "1.8.151", "1.8"}
	for _, c := range []struct {
		name            string
		allow           bool
		listed, defined string
		patches         []string
		want            string // the versions that are served
		says            string // part of LastError, empty if there is none
	}{
		{"none", false, "1.8.152", "1.8.152", two, "1.8.152 1.8.151", ""},
		{"the newest", false, "1.8.151", "1.8.151", two, "1.8.151", ""},
		{"two", false, "1.8.151", "1.8.151", four, "1.8.151 1.8", ""},
		{"the list disagrees", false, "1.8.151", "1.8.152", two, "1.8.152 1.8.151", "the list says"},
		{"the definition disagrees", false, "1.8.152", "1.8.151", two, "1.8.152 1.8.151", ""},
		{"no patch of that version", false, "1.8.150", "1.8.150", two, "1.8.152 1.8.151", "the list says"},
		{"the served version", false, "1.7", "1.7", three, "1.8", "allow downgrades"},
		{"the served version, with downgrades", true, "1.7", "1.7", three, "1.7", ""},
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
				if got := s.version("App"); got != strings.Fields(c.want)[0] {
					t.Errorf("the current version is %s", got)
				}
				if says := s.round(vendor).LastError; c.says == "" && says != "" || !strings.Contains(says, c.says) {
					t.Errorf("LastError is %q, want %q", says, c.says)
				}
			})
		})
	}
}

// A new title begins with the newest patch that is not held back. The others are added as one change when the source
// releases them, and are held back again only if downgrades are allowed.
func TestHeldPatchesAreReleased(t *testing.T) {
	for _, allow := range []bool{false, true} {
		live(t, patchsync.Mirror{AllowDowngrade: allow}, func(t *testing.T, w *world, st *counted, s *server) {
			var events []string
			defer s.catalog.Subscribe(func(e catalog.Event) {
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
			check("1.8.151")
			if n := st.written("titles") - titles; n != 0 {
				t.Errorf("%d writes of titles in a round without changes", n)
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
					t.Errorf("App is refused because of %q, want held patches", says)
				}
			}
			if diff := cmp.Diff(want, events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// A patch that is held back must be valid, so that it can be served later.
func TestHeldPatchesAreChecked(t *testing.T) {
	live(t, patchsync.Mirror{}, func(t *testing.T, w *world, _ *counted, s *server) {
		d := definition("App", "2", "1")
		d.Patches[0].MinimumOperatingSystem = ""
		d.Patches[0].ReleaseDate = "yesterday"
		w.override("1", "1", "2019-01-01T00:00:00Z", d)
		next()
		if says := s.round(vendor).Refused["App"]; s.version("App") != "-" || !strings.Contains(says, "/patches/0/") {
			t.Errorf("version %s is served, refused because of %q", s.version("App"), says)
		}
	})
}

// A title that follows a definition on its own has no held patches, because there is no list that agrees.
func TestNoHeldPatchesWithoutAList(t *testing.T) {
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
		t.Errorf("version %s is served, error %v", s.version("App"), err)
	}
}
