package audit

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A damagedStore is a store with a corrupt record. Like object storage, it ends a list with the error of that record.
type damagedStore struct {
	store.Store
	corrupt store.Key
}

func (d *damagedStore) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if key == d.corrupt {
		return store.Record{}, store.ErrCorrupt
	}
	return d.Store.Get(ctx, key)
}

func (d *damagedStore) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range d.Store.List(ctx, kind) {
			if r.Key == d.corrupt {
				yield(store.Record{}, store.ErrCorrupt)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Revisions implements store.Revisioner.
func (d *damagedStore) Revisions(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return store.Revisions(ctx, d.Store, kind)
}

// record records an entry and writes it.
func record(t *testing.T, l *Log, action string) {
	t.Helper()
	l.Record(Entry{Action: action})
	if err := l.Flush(t.Context()); err != nil {
		t.Errorf("the entry %q is not written: %v", action, err)
	}
}

// newestActions returns the actions of all entries, the newest first.
func newestActions(t *testing.T, l *Log) (all []string) {
	t.Helper()
	found, _, err := l.Entries(t.Context(), "", MaxEntries, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range found {
		all = append(all, e.Action)
	}
	return all
}

// A segment that can no longer be read does not stop the log: later entries go into another one.
func TestDamagedSegmentIsNotContinued(t *testing.T) {
	for name, damage := range map[string]func(s *damagedStore, key store.Key) error{
		"corrupt": func(s *damagedStore, key store.Key) error { s.corrupt = key; return nil },
		"garbage": func(s *damagedStore, key store.Key) error {
			_, err := s.Put(t.Context(), key, []byte(`{"format":1,`), store.Condition{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &damagedStore{Store: memstore.New()}
			l := New(s, nil)
			record(t, l, "lost")
			if err := damage(s, l.segment); err != nil {
				t.Fatal(err)
			}
			record(t, l, "next")
			record(t, l, "last")
			if got := fmt.Sprint(newestActions(t, New(s, nil))); got != "[last next]" {
				t.Errorf("another server reads %s", got)
			}
		})
	}
}

// A segment that is corrupt hides no other, and others are still removed.
func TestCorruptSegmentHidesNoOther(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := &Options{Now: func() time.Time { return now }}
	s := &damagedStore{Store: memstore.New()}
	for _, action := range []string{"old", "corrupt", "older than most", "new"} {
		l := New(s, clock)
		record(t, l, action)
		if action == "corrupt" {
			s.corrupt = l.segment
		}
		now = now.Add(40 * 24 * time.Hour)
	}
	l := New(s, clock)
	if got := fmt.Sprint(newestActions(t, l)); got != "[new older than most old]" {
		t.Errorf("the log has %s", got)
	}
	if err := l.prune(t.Context()); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(newestActions(t, l)); got != "[new older than most]" {
		t.Errorf("after old entries are removed, the log has %s", got)
	}
}

// An entry that a quiet server adds to its old segment while another server removes old segments is not lost.
func TestEntryThatIsWrittenDuringRemoval(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := &Options{Now: func() time.Time { return now }}
	s := &unsure{Store: memstore.New()}
	quiet, other := New(s, clock), New(s, clock)
	record(t, quiet, "first")
	now = now.Add(2 * Retention)
	s.onList = func() { s.onList = nil; record(t, quiet, "second") }
	if err := other.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := newestActions(t, other); len(got) == 0 || got[0] != "second" {
		t.Errorf("the log has %v, want the second entry", got)
	}
}

// Old entries are removed although no process runs for an hour.
func TestShortProcessesRemoveOldEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		for range 3 * MaxEntries / segmentEntries / 2 {
			l := New(s, nil)
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { _ = l.Run(ctx) })
			for i := range segmentEntries {
				l.Record(Entry{Action: fmt.Sprint(i)})
			}
			time.Sleep(pruneInterval / 2)
			stop()
			running.Wait()
		}
		if n := len(newestActions(t, New(s, nil))); n != MaxEntries {
			t.Errorf("the newest %d entries can be read", n)
		}
		n := 0
		for range s.List(t.Context(), kind) {
			n++
		}
		if limit := MaxEntries/segmentEntries + 1; n > limit {
			t.Errorf("%d records are left, want at most %d", n, limit)
		}
	})
}
