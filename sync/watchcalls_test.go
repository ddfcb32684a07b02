package patchsync

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// The answer of a call is remembered unless a call that began later has ended before, or a write has ended meanwhile.
func TestWatchCallsInOrder(t *testing.T) {
	version := func(n int) savedWatch {
		rec := &watchRecord{UID: "u", By: fmt.Sprint(n)}
		return savedWatch{record: rec, revision: store.Revision(fmt.Sprint(n))}
	}
	for _, c := range []struct {
		name string
		run  func(s *watchStore) (current bool)
		want string // the version in memory, empty if there is none
		is   bool   // the last call is current
	}{
		{"reads in order", func(s *watchStore) bool {
			a, b := s.begin("u"), s.begin("u")
			s.end("u", a, version(1), false)
			_, current := s.end("u", b, version(2), false)
			return current
		}, "2", true},
		{"reads in the other order", func(s *watchStore) bool {
			a, b := s.begin("u"), s.begin("u")
			s.end("u", b, version(2), false)
			_, current := s.end("u", a, version(1), false)
			return current
		}, "2", false},
		{"a write during a read", func(s *watchStore) bool {
			w := s.begin("u")
			r := s.begin("u")
			s.end("u", w, version(2), true)
			_, current := s.end("u", r, version(1), false)
			return current
		}, "2", false},
		{"a read of a later change during a write", func(s *watchStore) bool {
			w := s.begin("u")
			r := s.begin("u")
			s.end("u", r, version(3), false)
			_, current := s.end("u", w, version(2), true)
			return current
		}, "3", false},
		{"a deletion during a read", func(s *watchStore) bool {
			r := s.begin("u")
			s.end("u", s.begin("u"), savedWatch{}, true)
			_, current := s.end("u", r, version(1), false)
			return current
		}, "", false},
		{"a list that began before a write", func(s *watchStore) bool {
			s.calls++
			list := s.calls
			s.listing = true
			_, current := s.end("u", s.begin("u"), version(2), true)
			s.adoptAll(map[string]savedWatch{"u": version(1)}, list)
			s.listing = false
			return current
		}, "2", true},
		{"a list without a record during a read", func(s *watchStore) bool {
			r := s.begin("u")
			s.calls++
			s.adoptAll(map[string]savedWatch{}, s.calls)
			_, current := s.end("u", r, version(1), false)
			return current
		}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newWatchStore(memstore.New(), slog.New(slog.DiscardHandler))
			if current := c.run(s); current != c.is {
				t.Errorf("the last call is current: %v, want %v", current, c.is)
			}
			got := ""
			if saved, ok := s.get("u"); ok {
				got = saved.record.By
			}
			if got != c.want {
				t.Errorf("the version in memory is %q, want %q", got, c.want)
			}
			if len(s.pending) > 0 || got == "" && len(s.latest) > 0 {
				t.Errorf("calls are left: %v, %v", s.pending, s.latest)
			}
		})
	}
}
