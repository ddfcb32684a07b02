package audit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/auth/audit"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// actions returns the actions of entries.
func actions(entries []audit.Entry) string {
	var all []string
	for _, e := range entries {
		all = append(all, e.Action)
	}
	return strings.Join(all, " ")
}

// read returns the entries of a log, all of them.
func read(t *testing.T, l *audit.Log) []audit.Entry {
	t.Helper()
	found, more, err := l.Entries(t.Context(), "", audit.MaxEntries*2, nil)
	if err != nil || more {
		t.Fatalf("more %v, error %v", more, err)
	}
	return found
}

// Entries are found at once on the server that made them, and after a second on the others, the newest first.
func TestServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		one, two := audit.New(s, nil), audit.New(s, nil)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, l := range []*audit.Log{one, two} {
			running.Go(func() {
				if err := l.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		one.Record(audit.Entry{Action: "a", Token: "T", Details: []audit.Detail{{Name: "title", Value: "App"}}})
		time.Sleep(100 * time.Millisecond)
		if got := read(t, one); len(got) != 1 || got[0].Token != "T" || got[0].Details[0].Value != "App" ||
			got[0].At.IsZero() || got[0].ID == "" {
			t.Errorf("the log has %+v", got)
		}
		two.Record(audit.Entry{Action: "b"})
		time.Sleep(2 * time.Second)
		one.Record(audit.Entry{Action: "c"})
		time.Sleep(2 * time.Second)
		for i, l := range []*audit.Log{one, two} {
			if got := actions(read(t, l)); got != "c b a" {
				t.Errorf("server %d has %s", i, got)
			}
		}
		stop()
		running.Wait()
	})
}

func TestPages(t *testing.T) {
	l := audit.New(memstore.New(), nil)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 7 {
		l.Record(audit.Entry{Action: fmt.Sprint(i), At: at.Add(time.Duration(i) * time.Second)})
	}
	odd := func(e audit.Entry) bool { return (e.Action[0]-'0')%2 == 1 }
	found, more, err := l.Entries(t.Context(), "", 2, odd)
	if err != nil || !more || actions(found) != "5 3" {
		t.Fatalf("got %s, more %v, error %v", actions(found), more, err)
	}
	found, more, err = l.Entries(t.Context(), found[1].ID, 2, odd)
	if err != nil || more || actions(found) != "1" {
		t.Errorf("the next page: %s, more %v, error %v", actions(found), more, err)
	}
	if found, _, err := l.Entries(t.Context(), "no such id", 2, nil); !errors.Is(err, audit.ErrNoEntry) {
		t.Errorf("after an unknown id: %s, error %v, want ErrNoEntry", actions(found), err)
	}
}

// Long texts are cut, and entries beyond a segment begin another one.
func TestBounds(t *testing.T) {
	s := memstore.New()
	l := audit.New(s, nil)
	long := audit.Entry{Action: strings.Repeat("ü", 1000) + "\xff"}
	for range 100 {
		long.Details = append(long.Details, audit.Detail{Name: "n", Value: strings.Repeat("x", 1000)})
	}
	for range 450 {
		l.Record(long)
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := read(t, l)
	if len(all) != 450 || len(all[0].Action) > 510 || len(all[0].Details) > 20 || len(all[0].Details[0].Value) > 510 {
		t.Errorf("%d entries, of which the first has %d bytes and %d details", len(all), len(all[0].Action),
			len(all[0].Details))
	}
	records := 0
	for range s.List(t.Context(), "audit") {
		records++
	}
	if records < 3 {
		t.Errorf("450 entries are in %d records", records)
	}
}

// Entries are removed after 90 days, and the oldest of more than 10,000.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later := time.Duration(0)
		l := audit.New(memstore.New(), &audit.Options{Now: func() time.Time { return time.Now().Add(later) }})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = l.Run(ctx) })
		for i := range 10_600 {
			l.Record(audit.Entry{Action: fmt.Sprint(i)})
			if i%200 == 199 {
				time.Sleep(2 * time.Second)
			}
		}
		time.Sleep(2 * time.Hour)
		all := read(t, l)
		if len(all) < audit.MaxEntries || len(all) > audit.MaxEntries+200 || all[0].Action != "10599" {
			t.Errorf("%d entries are left, of which the newest is %s", len(all), all[0].Action)
		}
		synctest.Wait()
		later = audit.Retention
		l.Record(audit.Entry{Action: "new"})
		time.Sleep(2 * time.Hour)
		if got := actions(read(t, l)); got != "new" {
			t.Errorf("after 90 days, %d entries are left", len(strings.Fields(got)))
		}
		stop()
		running.Wait()
	})
}

// A flaky is a store whose writes fail, some of them after they were carried out.
type flaky struct {
	store.Store
	fail, silent atomic.Bool
}

func (s *flaky) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if s.fail.Load() {
		return "", errors.New("the disk is full")
	}
	rev, err := s.Store.Put(ctx, k, v, c)
	if s.silent.Load() {
		return "", errors.New("the connection is lost")
	}
	return rev, err
}

// Entries that cannot be written are kept, and one whose write had an unknown outcome is there once.
func TestFailures(t *testing.T) {
	s := &flaky{Store: memstore.New()}
	l := audit.New(s, nil)
	s.fail.Store(true)
	l.Record(audit.Entry{Action: "a"})
	if err := l.Flush(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if got := actions(read(t, l)); got != "a" {
		t.Errorf("while the store fails, the log has %q", got)
	}
	s.fail.Store(false)
	s.silent.Store(true)
	if err := l.Flush(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if got := actions(read(t, l)); got != "a" {
		t.Errorf("after a write of unknown outcome, the log has %q", got)
	}
	s.silent.Store(false)
	l.Record(audit.Entry{Action: "b"})
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, audit.New(s, nil)); len(got) != 2 {
		t.Errorf("the log has %q", actions(got))
	}
}

// A log that a newer version wrote is not read, and not written over.
func TestNewerFormat(t *testing.T) {
	s := memstore.New()
	key := store.Key{Kind: "audit", ID: "x"}
	if _, err := s.Put(t.Context(), key, []byte(`{"format":9,"entries":[]}`), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	l := audit.New(s, nil)
	l.Record(audit.Entry{Action: "a"})
	if _, _, err := l.Entries(t.Context(), "", 1, nil); !errors.Is(err, store.ErrFormat) {
		t.Errorf("error %v, want ErrFormat", err)
	}
	if r, err := s.Get(t.Context(), key); err != nil || !strings.Contains(string(r.Value), `"format":9`) {
		t.Errorf("the record is %s, error %v", r.Value, err)
	}
}
