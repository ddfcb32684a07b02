package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// appending returns an edit that appends a letter to App's name. A panic is its error.
func appending(ctx context.Context, cat *catalog.Catalog, letter string) func() error {
	return func() (err error) {
		defer func() {
			if r := recover(); r != nil { // as net/http does
				err = fmt.Errorf("it panicked: %v", r)
			}
		}()
		_, err = cat.Edit(ctx, "App", func(d *patch.Definition) error { d.Name += letter; return nil }, nil)
		return err
	}
}

// A subscriber that panics does so in the caller of the edit that the event is about. All edits are made once, and the
// other events and the other subscribers are not affected.
func TestSubscriberPanics(t *testing.T) {
	s := &gated{Store: memstore.New()}
	cat := open(t, s, nil)
	create(t, cat, "App")
	var mu sync.Mutex
	names := map[int]string{} // by subscriber
	for i := range 3 {
		cat.Subscribe(func(e catalog.Event) {
			mu.Lock()
			defer mu.Unlock()
			names[i] += " " + e.Title.Name
			if i == 1 && strings.HasSuffix(e.After.Name, "b") {
				panic("broken")
			}
			e.After.Name = "changed by a subscriber"
		})
	}
	ctx := t.Context()
	edits := []func() error{appending(ctx, cat, "a"), appending(ctx, cat, "b"), appending(ctx, cat, "c")}
	if got := fmt.Sprint(s.together(t, cat, edits, nil)); got != "[<nil> it panicked: broken <nil>]" {
		t.Errorf("the outcomes are %s", got)
	}
	if title, err := cat.Title("App"); err != nil || title.Name != "App Appabc" {
		t.Errorf("the name is %q, %v; want App Appabc", title.Name, err)
	}
	for i := range 3 {
		if want := " App Appa App Appab App Appabc"; names[i] != want {
			t.Errorf("the events of subscriber %d are about%s, want%s", i, names[i], want)
		}
	}
}

// A function that ends its goroutine in Edit, as testing.T.FailNow does, ends that of its caller, and no other.
func TestEditEndsGoroutine(t *testing.T) {
	s := &gated{Store: memstore.New()}
	cat := open(t, s, nil)
	create(t, cat, "App", "1")
	exits := func() error {
		_, err := cat.Edit(t.Context(), "App", func(*patch.Definition) error { runtime.Goexit(); return nil }, nil)
		return err
	}
	ended := func() (err error) {
		done := make(chan struct{})
		err = errors.New("the goroutine has ended")
		go func() {
			defer close(done)
			err = exits()
		}()
		<-done
		return err
	}
	edits := []func() error{
		ended, adding(t.Context(), cat, "2", nil), ended, adding(t.Context(), cat, "3", nil),
	}
	got := fmt.Sprint(s.together(t, cat, edits, nil))
	if want := "[the goroutine has ended <nil> the goroutine has ended <nil>]"; got != want || state(cat) != "App 3" {
		t.Errorf("the outcomes are %s, want %s; the titles %s", got, want, state(cat))
	}
}

// changeRecord changes App's record in the store.
func changeRecord(t *testing.T, s store.Store, old, new string) {
	t.Helper()
	r, err := s.Get(t.Context(), titleRecord("app"))
	if err != nil {
		t.Fatal(err)
	}
	value := strings.Replace(string(r.Value), old, new, 1)
	if value == string(r.Value) {
		t.Fatalf("%s does not contain %s", value, old)
	}
	if _, err := s.Put(t.Context(), r.Key, []byte(value), store.Condition{}); err != nil {
		t.Fatal(err)
	}
}

// stageCommitted stages members of a change in App's record, as a server does that commits a restore and then dies.
func stageCommitted(t *testing.T, s store.Store, members string) {
	t.Helper()
	value, err := json.Marshal(map[string]any{"format": 1, "committed": true, "at": time.Now(), "beat": 1})
	if err == nil {
		_, err = s.Put(t.Context(), store.Key{Kind: "commits", ID: "BATCH"}, value, store.Condition{})
	}
	if err != nil {
		t.Fatal(err)
	}
	changeRecord(t, s, `"state":"live",`, `"state":"live","staged":{"batch":"BATCH"`+members+`},`)
}

// A commitStore can fail reads of the records of restores. It counts those of titles.
type commitStore struct {
	gated
	reads atomic.Int64
	fail  atomic.Pointer[func(ctx context.Context) error]
}

func (s *commitStore) Get(ctx context.Context, k store.Key) (store.Record, error) {
	if fail := s.fail.Load(); fail != nil && k.Kind == "commits" {
		if err := (*fail)(ctx); err != nil {
			return store.Record{}, err
		}
	}
	s.reads.Add(1)
	return s.gated.Get(ctx, k)
}

// If a committed restore cannot be applied to a title, all edits of the title that wait fail at once.
func TestEditsOfTitleThatCannotBeSettled(t *testing.T) {
	s := &commitStore{gated: gated{Store: memstore.New()}}
	cat := open(t, s, nil)
	create(t, cat, "App")
	var reads int64
	ctx := t.Context()
	var edits []func() error
	for v := range 20 {
		edits = append(edits, adding(ctx, cat, fmt.Sprint(2+v), nil))
	}
	errs := s.together(t, cat, edits, func() {
		changeRecord(t, s.Store, `"publisher":`, `"publisherX":`)
		stageCommitted(t, s.Store, "")
		reads = s.reads.Load()
	})
	for i, err := range errs {
		if !errors.Is(err, catalog.ErrUnavailable) {
			t.Errorf("edit %d: %v, want ErrUnavailable", i, err)
		}
	}
	if n := s.reads.Load() - reads; n > 100 {
		t.Errorf("%d reads; want a few for each edit at most", n)
	}
}

// A caller that hangs up while the title is read for several edits does not make those of others fail.
func TestFirstEditIsCanceledInRestore(t *testing.T) {
	s := &commitStore{gated: gated{Store: memstore.New()}}
	cat := open(t, s, nil)
	create(t, cat, "App")
	staged, err := definition("App", "1.5", "1").MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	edits := []func() error{
		adding(ctx, cat, "2", nil), adding(t.Context(), cat, "3", nil), adding(t.Context(), cat, "4", nil),
	}
	errs := s.together(t, cat, edits, func() {
		stageCommitted(t, s.Store, `,"definition":`+string(staged))
		fail := func(ctx context.Context) error {
			s.fail.Store(nil)
			cancel()
			<-ctx.Done()
			return ctx.Err()
		}
		s.fail.Store(&fail)
	})
	if errs[0] != context.Canceled || errs[1] != nil || errs[2] != nil {
		t.Errorf("the outcomes are %v", errs)
	}
	if got := strings.Join(versions(t, cat, "App"), " "); got != "4 3 1.5 1" {
		t.Errorf("the versions are %s, want 4 3 1.5 1", got)
	}
}

// A caller that hangs up after a conflict with another server does not make the edits of others fail.
func TestFirstEditIsCanceledAfterConflict(t *testing.T) {
	shared := memstore.New()
	there := open(t, shared, nil)
	s := &gated{Store: shared}
	cat := open(t, s, nil)
	create(t, cat, "App", "1")
	ctx, cancel := context.WithCancel(t.Context())
	s.fail = func(put func() error) error {
		if ctx.Err() == nil {
			cancel()
			add(t, there, "App", "there")
		}
		return put()
	}
	edits := []func() error{
		adding(ctx, cat, "2", nil), adding(t.Context(), cat, "3", nil), adding(t.Context(), cat, "4", nil),
	}
	errs := s.together(t, cat, edits, nil)
	if !errors.Is(errs[0], context.Canceled) || errs[1] != nil || errs[2] != nil {
		t.Errorf("the outcomes are %v", errs)
	}
	if got := strings.Join(versions(t, cat, "App"), " "); got != "4 3 there 1" {
		t.Errorf("the versions are %s, want 4 3 there 1", got)
	}
}

// A change whose caller hangs up while the record of a restore is read returns the error of the context.
func TestChangeIsCanceledInRestore(t *testing.T) {
	s := &commitStore{gated: gated{Store: memstore.New()}}
	cat := open(t, s, nil)
	create(t, cat, "App")
	stageCommitted(t, s.Store, "")
	ctx, cancel := context.WithCancel(t.Context())
	fail := func(ctx context.Context) error {
		cancel()
		return ctx.Err()
	}
	s.fail.Store(&fail)
	if err := cat.Delete(ctx, "App", nil); !errors.Is(err, context.Canceled) || errors.Is(err, catalog.ErrUnavailable) {
		t.Errorf("%v; want context.Canceled", err)
	}
}
