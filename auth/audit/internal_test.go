package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// An unsure is a store that carries out its first writes and reports a failure.
type unsure struct {
	store.Store
	left   int
	onList func()
}

func (u *unsure) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	r, err := u.Store.Put(ctx, k, v, c)
	if u.left > 0 && err == nil {
		u.left--
		return "", errors.New("connection reset")
	}
	return r, err
}

func (u *unsure) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range u.Store.List(ctx, kind) {
			if !yield(r, err) {
				return
			}
		}
		if u.onList != nil {
			u.onList()
		}
	}
}

// Entries whose write had an unknown outcome are there once, also if they are many.
func TestUnknownOutcomeOfManyEntries(t *testing.T) {
	s := &unsure{Store: memstore.New(), left: 1}
	l := New(s, nil)
	for i := range 120 {
		l.Record(Entry{Action: fmt.Sprint(i)})
	}
	if err := l.Flush(t.Context()); err == nil {
		t.Fatal("no error")
	}
	for i := range 150 { // of meanwhile
		l.Record(Entry{Action: fmt.Sprint(i)})
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, _, err := l.Entries(t.Context(), "", 1000, nil)
	if err != nil || len(found) != 270 {
		t.Errorf("%d entries of 270: %v", len(found), err)
	}
}

// The newest entry of a quiet server stays, although the first of its segment is old.
func TestNewestEntryOfQuietServerStays(t *testing.T) {
	s := memstore.New()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := &Options{Now: func() time.Time { return now }}
	quiet, busy := New(s, clock), New(s, clock)
	quiet.Record(Entry{Action: "first"})
	if err := quiet.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	for i := range MaxEntries {
		busy.Record(Entry{Action: fmt.Sprint(i)})
	}
	if err := busy.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	quiet.Record(Entry{Action: "newest"})
	if err := quiet.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := busy.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, _, err := busy.Entries(t.Context(), "", 1, nil)
	if err != nil || found[0].Action != "newest" {
		t.Errorf("the newest entry is now %q: %v", found[0].Action, err)
	}
}

// A clock that was wrong does not make all later times wrong.
func TestClockThatWasPutBack(t *testing.T) {
	now := time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)
	l := New(memstore.New(), &Options{Now: func() time.Time { return now }})
	l.Record(Entry{Action: "wrong"})
	now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l.Record(Entry{Action: "right"})
	found, _, _ := l.Entries(t.Context(), "", 10, nil)
	if e := found[1]; e.Action != "right" || e.At.Year() != 2026 {
		t.Errorf("the entry of 2026 is %+v", e)
	}
}

// An entry that is written while all are listed is not missed.
func TestEntryThatIsWrittenMeanwhile(t *testing.T) {
	s := &unsure{Store: memstore.New()}
	l := New(s, nil)
	l.Record(Entry{Action: "a"})
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.Record(Entry{Action: "b"})
	s.onList = func() { s.onList = nil; _ = l.Flush(t.Context()) }
	all, err := l.all(t.Context())
	if err != nil || len(all) != 2 {
		t.Errorf("%d entries of 2: %v", len(all), err)
	}
}
