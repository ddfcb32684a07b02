package patchsync_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	patchsync "github.com/patchsource/patchsource/sync"
)

// The failing titles are those whose state has an error, and those whose mirror is gone.
func TestFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.source("https://good.example", definition("Good", "1"))
		w.source("https://lost.example", definition("Lost1", "1"), definition("Lost2", "1"))
		w.define("https://vendor.example/ok.json", definition("Fine", "1"))
		w.define("https://vendor.example/bad.json", definition("Bad", "1"))
		s := open(t, newStore(), w, patchsync.Options{Interval: time.Hour, Mirrors: []patchsync.Mirror{
			{Source: patchsync.PatchSource("https://good.example", nil)},
			{Source: patchsync.PatchSource("https://lost.example", nil)},
		}})
		s.follow("https://vendor.example/ok.json", definition("Fine", "1"), nil)
		s.follow("https://vendor.example/bad.json", definition("Bad", "1"), nil)
		orphan := &catalog.CreateOptions{Follows: "https://gone.example", Source: "https://gone.example"}
		if _, err := s.catalog.Create(t.Context(), definition("Orphan", "1"), orphan); err != nil {
			t.Fatal(err)
		}
		if _, err := s.catalog.Create(t.Context(), definition("Own", "1"), nil); err != nil {
			t.Fatal(err)
		}
		defer run(t, s)()
		next()
		checkFailing(t, s, "Orphan")
		w.put("https://vendor.example/bad.json", page{status: 500})
		w.put("https://lost.example/software", page{status: 500})
		next()
		next()
		checkFailing(t, s, "Bad", "Lost1", "Lost2", "Orphan")
	})
}

// A title that a mirror cannot update because it does not belong to it follows nothing, and is not failing.
func TestFailingIgnoresTitlesOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.source("https://good.example", definition("Good", "1"), definition("Mine", "1"))
		s := open(t, newStore(), w, patchsync.Options{Interval: time.Hour, Mirrors: []patchsync.Mirror{
			{Source: patchsync.PatchSource("https://good.example", nil)},
		}})
		defer run(t, s)()
		next()
		checkFailing(t, s)
		err := s.catalog.Delete(t.Context(), "Mine", &catalog.EditOptions{From: "https://good.example"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.catalog.Create(t.Context(), definition("Mine", "7"), nil); err != nil {
			t.Fatal(err)
		}
		w.source("https://good.example", definition("Good", "1"), definition("Mine", "2", "1"))
		next()
		next()
		checkFailing(t, s)
		for state := range s.sync.States() {
			if state.Refused["Mine"] == "" {
				t.Errorf("the mirror does not report the title Mine: %+v", state)
			}
		}
	})
}

// checkFailing compares the failing titles with those that are wanted, and with the states of all titles.
func checkFailing(t *testing.T, s *server, want ...string) {
	t.Helper()
	failing := slices.Sorted(slices.Values(s.sync.Failing()))
	if !slices.Equal(failing, want) {
		t.Errorf("the failing titles are %v, want %v", failing, want)
	}
	for title := range s.catalog.Find(catalog.Filter{}) {
		state, ok := s.sync.State(title)
		if trouble := state.LastError != "" || !ok && title.Source != ""; trouble != slices.Contains(want, title.ID) {
			t.Errorf("%s: failing is %t by its state %+v", title.ID, trouble, state)
		}
	}
}
