package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A gated store makes the next Get of a title wait until the gate is opened. It counts and can fail Puts of titles.
type gated struct {
	store.Store
	gate    atomic.Pointer[chan struct{}]
	reached chan struct{}
	puts    atomic.Int64
	fail    func(put func() error) error // if not nil, it is called for each Put
}

// Unwrap returns the inner store, so that [store.As] finds its capabilities.
func (s *gated) Unwrap() store.Store { return s.Store }

func (s *gated) Get(ctx context.Context, k store.Key) (store.Record, error) {
	if k.Kind == "titles" {
		if gate := s.gate.Swap(nil); gate != nil {
			close(s.reached)
			<-*gate
		}
	}
	return s.Store.Get(ctx, k)
}

func (s *gated) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (rev store.Revision, err error) {
	put := func() error {
		rev, err = s.Store.Put(ctx, k, v, c)
		return err
	}
	if k.Kind != "titles" {
		return rev, put()
	}
	s.puts.Add(1)
	if s.fail == nil {
		err = put()
	} else {
		err = s.fail(put)
	}
	return rev, err
}

// together makes edits of App that wait for each other, in this order, and returns their errors. meanwhile is called
// when all of them wait.
func (s *gated) together(t *testing.T, cat *catalog.Catalog, edits []func() error, meanwhile func()) []error {
	t.Helper()
	gate := make(chan struct{})
	s.reached = make(chan struct{})
	s.gate.Store(&gate)
	errs := make([]error, len(edits))
	var group sync.WaitGroup
	for i, edit := range edits {
		group.Go(func() { errs[i] = edit() })
		if i == 0 {
			<-s.reached
		}
		eventually(t, func() bool { return catalog.Waiting(cat, "App") == i+1 })
	}
	if meanwhile != nil {
		meanwhile()
	}
	close(gate)
	group.Wait()
	return errs
}

// adding returns an edit that adds a version.
func adding(ctx context.Context, cat *catalog.Catalog, v string, opts *catalog.EditOptions) func() error {
	return func() error {
		res, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version(v)}, opts)
		if err == nil && (!res.Changed || res.Title.CurrentVersion != v) {
			return fmt.Errorf("the result of %s is %+v", v, res)
		}
		return err
	}
}

// Edits of one title that wait at the same moment share a write. Each has its own outcome.
func TestEditsShareWrites(t *testing.T) {
	canceled := errors.New("the caller has hung up")
	for _, c := range []struct {
		name  string
		edits func(ctx context.Context, cat *catalog.Catalog, etag string) []func() error
		errs  string // one word for each edit
		puts  int64
		want  string // the versions afterwards, if they are certain
	}{
		{"of versions", func(ctx context.Context, cat *catalog.Catalog, _ string) (all []func() error) {
			for _, v := range []string{"2", "3", "4", "5", "6"} {
				all = append(all, adding(ctx, cat, v, nil))
			}
			return all
		}, "ok ok ok ok ok", 1, "6 5 4 3 2 1"},
		{"a rejected one", func(ctx context.Context, cat *catalog.Catalog, _ string) []func() error {
			return []func() error{
				adding(ctx, cat, "1", nil), adding(ctx, cat, "2", nil), adding(ctx, cat, "2", nil),
				adding(ctx, cat, "", nil), adding(ctx, cat, "3", nil),
			}
		}, "exists ok exists invalid ok", 1, "3 2 1"},
		{"all rejected", func(ctx context.Context, cat *catalog.Catalog, _ string) []func() error {
			return []func() error{adding(ctx, cat, "1", nil), adding(ctx, cat, "", nil)}
		}, "exists invalid", 0, "1"},
		{"a condition that holds for one", func(ctx context.Context, cat *catalog.Catalog, etag string) []func() error {
			opts := &catalog.EditOptions{IfMatch: etag}
			return []func() error{adding(ctx, cat, "2", opts), adding(ctx, cat, "3", opts), adding(ctx, cat, "4", nil)}
		}, "ok precondition ok", 1, "4 2 1"},
		{"of several kinds", func(ctx context.Context, cat *catalog.Catalog, _ string) []func() error {
			return []func() error{
				adding(ctx, cat, "2", nil),
				func() error { _, err := cat.RemoveVersion(ctx, "App", "1", nil); return err },
				func() error {
					_, err := cat.Edit(ctx, "App", func(d *patch.Definition) error { d.Name = "New"; return nil }, nil)
					return err
				},
				adding(ctx, cat, "3", nil),
				func() error { _, err := cat.Replace(ctx, "App", definition("App", "9", "3"), nil); return err },
				adding(ctx, cat, "10", nil),
			}
		}, "ok ok ok ok ok ok", 1, "10 9 3"},
		{"more than fit together", func(ctx context.Context, cat *catalog.Catalog, _ string) (all []func() error) {
			for v := range 20 {
				all = append(all, adding(ctx, cat, fmt.Sprint(2+v), nil))
			}
			return all
		}, strings.Repeat("ok ", 19) + "ok", 3, "21 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1"},
		{"a large one", func(ctx context.Context, cat *catalog.Catalog, _ string) []func() error {
			return []func() error{
				adding(ctx, cat, "2", nil),
				func() error { _, err := cat.Replace(ctx, "App", large("5", 4000), nil); return err },
				adding(ctx, cat, "6", nil),
				func() error { _, err := cat.Replace(ctx, "App", large("7", 4000), nil); return err },
				adding(ctx, cat, "8", nil),
			}
		}, "ok ok ok ok ok", 2, "8 7"},
		{"a canceled one", func(ctx context.Context, cat *catalog.Catalog, _ string) []func() error {
			ended, cancel := context.WithCancelCause(ctx)
			cancel(canceled)
			return []func() error{
				adding(ctx, cat, "2", nil),
				func() error {
					return adding(&lateContext{Context: ended}, cat, "3", nil)()
				},
				adding(ctx, cat, "4", nil),
			}
		}, "ok canceled ok", 1, "4 2 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, taken := &gated{Store: memstore.New()}, &courier{}
			cat := open(t, s, withCourier(taken))
			var mu sync.Mutex
			var events []catalog.Event
			title := create(t, cat, "App", "1")
			eventually(t, func() bool { return len(taken.all()) == 1 })
			taken.setFail(true) // so that the notices stay in the record, and only edits write
			defer cat.Subscribe(func(e catalog.Event) {
				mu.Lock()
				defer mu.Unlock()
				events = append(events, e)
			})()
			eventually(t, func() bool { return !strings.Contains(recordOf(t, s), "undelivered") })
			before := s.puts.Load()
			errs := s.together(t, cat, c.edits(t.Context(), cat, title.ETag), nil)
			var got []string
			succeeded := 0
			for _, err := range errs {
				word := map[bool]string{
					errors.Is(err, patch.ErrVersionExists):  "exists",
					errors.Is(err, patch.ErrInvalid):        "invalid",
					errors.Is(err, catalog.ErrPrecondition): "precondition",
					errors.Is(err, canceled):                "canceled",
					err == nil:                              "ok",
				}[true]
				if word == "ok" {
					succeeded++
				}
				got = append(got, word)
			}
			if strings.Join(got, " ") != c.errs {
				t.Errorf("the outcomes are %v, want %s: %v", got, c.errs, errs)
			}
			if n := s.puts.Load() - before; n != c.puts {
				t.Errorf("%d writes, want %d", n, c.puts)
			}
			checkChain(t, cat, events, succeeded)
			for _, cat := range []*catalog.Catalog{cat, open(t, s.Store, nil)} {
				if got := strings.Join(versions(t, cat, "App"), " "); got != c.want {
					t.Errorf("the versions are %s, want %s", got, c.want)
				}
			}
			taken.setFail(false)
			eventually(t, func() bool { return len(taken.all()) == 1+succeeded })
		})
	}
}

// A lateContext has ended, but says so only when it is asked for its error.
type lateContext struct{ context.Context }

func (*lateContext) Done() <-chan struct{} { return nil }

// recordOf returns the record of App.
func recordOf(t *testing.T, s store.Store) string {
	t.Helper()
	r, err := s.Get(t.Context(), titleRecord("app"))
	if err != nil {
		t.Fatal(err)
	}
	return string(r.Value)
}

// checkChain checks that App has n revisions after the first, that each event leads from one to the next, and that they
// can be read.
func checkChain(t *testing.T, cat *catalog.Catalog, events []catalog.Event, n int) {
	t.Helper()
	all, err := cat.History(t.Context(), "App")
	if err != nil || len(all) != n+1 || len(events) != n {
		t.Fatalf("%d revisions, %v, and %d events; want %d and %d", len(all), err, len(events), n+1, n)
	}
	for i, e := range events {
		for number, d := range map[int]*patch.Definition{i + 1: e.Before, i + 2: e.After} {
			stored, err := cat.Revision(t.Context(), "App", uint64(number))
			if err != nil {
				t.Fatal(err)
			}
			want, _ := stored.MarshalJSON()
			if got, err := d.MarshalJSON(); err != nil || string(got) != string(want) {
				t.Errorf("event %d is about %s, %v; want %s", i, got, err, want)
			}
		}
		if e.Kind != catalog.Updated || e.Title.CurrentVersion != e.After.CurrentVersion {
			t.Errorf("event %d is %+v", i, e)
		}
	}
}

// An edit that conflicts with a change by another server is repeated with those that are written with it.
func TestSharedWriteConflicts(t *testing.T) {
	shared := memstore.New()
	there := open(t, shared, nil)
	s := &gated{Store: shared}
	here := open(t, s, nil)
	create(t, here, "App", "1")
	s.puts.Store(0)
	left := 3
	s.fail = func(put func() error) error {
		if left > 0 {
			left--
			add(t, there, "App", fmt.Sprint("there.", left))
		}
		return put()
	}
	var edits []func() error
	for v := range 6 {
		edits = append(edits, adding(t.Context(), here, fmt.Sprint(2+v), nil))
	}
	for i, err := range s.together(t, here, edits, nil) {
		if err != nil {
			t.Errorf("edit %d: %v", i, err)
		}
	}
	want := "7 6 5 4 3 2 there.0 there.1 there.2 1"
	for _, cat := range []*catalog.Catalog{here, open(t, shared, nil)} {
		if got := strings.Join(versions(t, cat, "App"), " "); got != want {
			t.Errorf("the versions are %s, want %s", got, want)
		}
		if all, err := cat.History(t.Context(), "App"); err != nil || len(all) != 10 {
			t.Errorf("%d revisions, %v; want 10", len(all), err)
		}
	}
	if n := s.puts.Load(); n != 4 {
		t.Errorf("%d writes, want 4", n)
	}
}

// If a shared write fails, all edits fail, and the index says what the store has.
func TestSharedWriteFails(t *testing.T) {
	for name, c := range map[string]struct {
		written bool
		want    string
	}{"before it is made": {false, "App 1"}, "after it was made": {true, "App 4"}} {
		t.Run(name, func(t *testing.T) {
			s := &gated{Store: memstore.New()}
			cat := open(t, s, nil)
			create(t, cat, "App", "1")
			s.fail = func(put func() error) error {
				if c.written {
					_ = put()
				}
				return errStopped
			}
			ctx := t.Context()
			edits := []func() error{
				adding(ctx, cat, "1", nil), adding(ctx, cat, "2", nil), adding(ctx, cat, "2", nil),
				adding(ctx, cat, "3", nil), adding(ctx, cat, "4", nil),
			}
			for i, err := range s.together(t, cat, edits, nil) {
				want := catalog.ErrUnavailable
				if i == 0 {
					want = patch.ErrVersionExists // it does not depend on the write
				}
				if !errors.Is(err, want) {
					t.Errorf("edit %d: %v, want %v", i, err, want)
				}
			}
			if stored := open(t, s.Store, nil); state(cat) != c.want || state(stored) != c.want {
				t.Errorf("the titles are %s, and %s in the store; want %s", state(cat), state(stored), c.want)
			}
			s.fail = nil
			add(t, cat, "App", "9")
			if got := state(cat); got != "App 9" {
				t.Errorf("the titles are %s, want App 9", got)
			}
		})
	}
}

// An edit whose caller hangs up while it waits for others does not wait any longer, and is not made.
func TestWaitingEditIsCanceled(t *testing.T) {
	s := &gated{Store: memstore.New()}
	cat := open(t, s, nil)
	create(t, cat, "App", "1")
	ctx, cancel := context.WithCancel(t.Context())
	var canceled sync.WaitGroup
	canceled.Add(1)
	edits := []func() error{
		adding(t.Context(), cat, "2", nil),
		func() error { defer canceled.Done(); return adding(ctx, cat, "3", nil)() },
		adding(t.Context(), cat, "4", nil),
	}
	errs := s.together(t, cat, edits, func() { cancel(); canceled.Wait() })
	if errs[0] != nil || !errors.Is(errs[1], context.Canceled) || errs[2] != nil {
		t.Errorf("the outcomes are %v", errs)
	}
	if got := strings.Join(versions(t, cat, "App"), " "); got != "4 2 1" {
		t.Errorf("the versions are %s, want 4 2 1", got)
	}
}

// The edits that wait for one whose caller hangs up are made by another caller.
func TestFirstEditIsCanceled(t *testing.T) {
	s := &gated{Store: memstore.New()}
	cat := open(t, s, nil)
	create(t, cat, "App", "1")
	ctx, cancel := context.WithCancel(t.Context())
	edits := []func() error{
		adding(ctx, cat, "2", nil), adding(t.Context(), cat, "3", nil), adding(t.Context(), cat, "4", nil),
	}
	errs := s.together(t, cat, edits, cancel)
	if !errors.Is(errs[0], context.Canceled) || errs[1] != nil || errs[2] != nil {
		t.Errorf("the outcomes are %v", errs)
	}
	if got := strings.Join(versions(t, cat, "App"), " "); got != "4 3 1" {
		t.Errorf("the versions are %s, want 4 3 1", got)
	}
}

// A function that panics in Edit does so in its caller, and in no other.
func TestEditPanics(t *testing.T) {
	s := &gated{Store: memstore.New()}
	cat := open(t, s, nil)
	create(t, cat, "App", "1")
	panics := func() (err error) {
		defer func() { err = fmt.Errorf("it panicked: %v", recover()) }()
		_, err = cat.Edit(t.Context(), "App", func(*patch.Definition) error { panic("broken") }, nil)
		return err
	}
	edits := []func() error{
		adding(t.Context(), cat, "2", nil), panics, adding(t.Context(), cat, "3", nil), panics,
	}
	got := fmt.Sprint(s.together(t, cat, edits, nil))
	if got != "[<nil> it panicked: broken <nil> it panicked: broken]" || state(cat) != "App 3" {
		t.Errorf("the outcomes are %s, the titles %s", got, state(cat))
	}
}

// Edits that race with a deletion either happen before it or find no title.
func TestEditsAndDelete(t *testing.T) {
	for round := range 20 {
		s, taken := memstore.New(), &courier{}
		cat := open(t, s, withCourier(taken))
		create(t, cat, "App", "1")
		var made atomic.Int64
		var group sync.WaitGroup
		for v := range 20 {
			group.Go(func() {
				err := adding(t.Context(), cat, fmt.Sprint(2+v), nil)()
				if err == nil {
					made.Add(1)
				} else if !errors.Is(err, catalog.ErrNotFound) {
					t.Error(err)
				}
			})
			if v == round {
				group.Go(func() {
					if err := cat.Delete(t.Context(), "App", nil); err != nil {
						t.Error(err)
					}
				})
			}
		}
		group.Wait()
		eventually(t, func() bool { return len(taken.all()) == 2+int(made.Load()) })
		for i, n := range taken.all() {
			want := catalog.Updated
			if i == 0 {
				want = catalog.Created
			} else if i == 1+int(made.Load()) {
				want = catalog.Deleted
			}
			if n.Kind != want {
				t.Errorf("notice %d of %d is %s, want %s", i, 2+made.Load(), n.Kind, want)
			}
		}
		if cat.Len() != 0 {
			t.Error("the title is still there")
		}
		eventually(t, func() bool { return records(t, s, "titles")+records(t, s, "history") == 0 })
	}
}
