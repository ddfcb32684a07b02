package catalog_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A faulty store fails as it is told to.
type faulty struct {
	store.Store
	down    atomic.Bool // nothing is reached
	forgets atomic.Bool // Put and Delete happen, and fail
	gets    atomic.Int32
	hold    chan struct{} // Get of a title waits for it, if not nil
}

func (f *faulty) Get(ctx context.Context, k store.Key) (store.Record, error) {
	f.gets.Add(1)
	if f.hold != nil && k.Kind == "titles" {
		<-f.hold
	}
	if f.down.Load() {
		return store.Record{}, errDown
	}
	return f.Store.Get(ctx, k)
}

func (f *faulty) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if f.down.Load() {
		return "", errDown
	}
	rev, err := f.Store.Put(ctx, k, v, c)
	if f.forgets.Load() && err == nil {
		return "", errDown
	}
	return rev, err
}

func (f *faulty) Delete(ctx context.Context, k store.Key, c store.Condition) error {
	if f.down.Load() {
		return errDown
	}
	err := f.Store.Delete(ctx, k, c)
	if f.forgets.Load() && err == nil {
		return errDown
	}
	return err
}

func (f *faulty) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	if f.down.Load() {
		return func(yield func(store.Record, error) bool) { yield(store.Record{}, errDown) }
	}
	return f.Store.List(ctx, kind)
}

// In an outage titles must not vanish: nothing of it looks like "not found".
func TestOutage(t *testing.T) {
	ctx := t.Context()
	s := &faulty{Store: memstore.New()}
	cat := open(t, s, &catalog.Options{CacheBytes: 1})
	create(t, cat, "App")
	s.down.Store(true)
	_, readErr := cat.Definition(ctx, "App")
	_, createErr := cat.Create(ctx, definition("New", "1"), nil)
	_, addErr := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("2")}, nil)
	for name, err := range map[string]error{"read": readErr, "create": createErr, "add": addErr, "delete": cat.Delete(ctx, "App", nil)} {
		if !errors.Is(err, catalog.ErrUnavailable) || errors.Is(err, catalog.ErrNotFound) || !errors.Is(err, errDown) {
			t.Errorf("%s: %v, want ErrUnavailable and its cause", name, err)
		}
	}
	if got := listed(t, cat.Software()); !slices.Equal(got, []string{"App"}) {
		t.Errorf("the list is now %q", got)
	}
	if _, err := catalog.Open(ctx, s, nil); !errors.Is(err, catalog.ErrUnavailable) {
		t.Errorf("Open: %v, want ErrUnavailable", err)
	}
	s.down.Store(false)
	if got := versions(t, cat, "App"); !slices.Equal(got, []string{"1"}) {
		t.Errorf("afterwards: %q", got)
	}
}

// After a write whose outcome the store does not tell, the index says what the
// store has.
func TestUnknownOutcome(t *testing.T) {
	ctx := t.Context()
	s := &faulty{Store: memstore.New()}
	cat := open(t, s, &catalog.Options{History: -1}) // the title is all that is written
	create(t, cat, "App", "1")
	s.forgets.Store(true)
	if _, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("2")}, nil); !errors.Is(
		err,
		catalog.ErrUnavailable,
	) {
		t.Fatal(err)
	}
	if title, err := cat.Title("App"); err != nil || title.CurrentVersion != "2" {
		t.Errorf("%+v, %v", title, err)
	}
	if got := versions(t, cat, "App"); !slices.Equal(got, []string{"2", "1"}) {
		t.Errorf("%q", got)
	}
	if err := cat.Delete(ctx, "App", nil); !errors.Is(err, catalog.ErrUnavailable) || cat.Len() != 0 {
		t.Errorf("%v; %d titles", err, cat.Len())
	}
}

func TestAMissReadsOnceForAll(t *testing.T) {
	inside := memstore.New()
	create(t, open(t, inside, nil), "App")
	s := &faulty{Store: inside}
	cat := open(t, s, nil) // which reads, too
	s.hold = make(chan struct{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := cat.Definition(context.Background(), "App"); err != nil {
				t.Error(err)
			}
		})
	}
	// One who gives up does not take the others' read with it.
	short, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cat.Definition(short, "App"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	close(s.hold)
	wg.Wait()
	// Nobody knows how many came in time, but the first read serves all later ones.
	n := s.gets.Load()
	if _, err := cat.Definition(t.Context(), "APP"); err != nil || s.gets.Load() != n {
		t.Errorf("%v; %d reads after %d", err, s.gets.Load(), n)
	}
}

func TestCacheIsBounded(t *testing.T) {
	inside := memstore.New()
	writer := open(t, inside, nil)
	for i := range 50 {
		create(t, writer, "t"+strconv.Itoa(i))
	}
	s := &faulty{Store: inside}
	doc, err := writer.Definition(t.Context(), "t1")
	if err != nil {
		t.Fatal(err)
	}
	// Room for about five, without their compressed forms.
	cat := open(t, s, &catalog.Options{CacheBytes: int64(8 * (len(doc.Bytes()) + 400) * 5 / 7)})
	read := func(zip bool) (reads int32) {
		before := s.gets.Load()
		for range 2 {
			for i := range 4 {
				doc, err := cat.Definition(t.Context(), "t"+strconv.Itoa(i))
				if err != nil {
					t.Fatal(err)
				}
				if zip {
					doc.Gzip()
				}
			}
		}
		return s.gets.Load() - before
	}
	if n := read(false); n != 4 {
		t.Errorf("%d reads of four titles that fit, want 4", n)
	}
	if n := read(true); n == 0 {
		t.Error("compressed forms do not count")
	}
}
