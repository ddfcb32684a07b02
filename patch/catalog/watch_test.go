package catalog_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A scripted store is a memstore whose Watch of titles yields the changes that a test sends.
type scripted struct {
	*memstore.Store
	changes  chan store.Change
	failList atomic.Int32 // the number of Lists that fail
	lists    chan bool    // if not nil, each List receives from it first
}

func (s *scripted) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	if kind != "titles" {
		return s.Store.Watch(ctx, kind)
	}
	return func(yield func(store.Change, error) bool) {
		for {
			select {
			case <-ctx.Done():
				return
			case c := <-s.changes:
				if !yield(c, nil) {
					return
				}
			}
		}
	}
}

func (s *scripted) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	if s.lists != nil && kind == "titles" {
		<-s.lists
	}
	if s.failList.Add(-1) >= 0 {
		return func(yield func(store.Record, error) bool) { yield(store.Record{}, errors.New("connection lost")) }
	}
	return s.Store.List(ctx, kind)
}

func newScripted() *scripted {
	s := &scripted{Store: memstore.New(), changes: make(chan store.Change, 10)}
	s.changes <- store.Change{} // the watch has begun
	return s
}

// After a gap in the watch, all titles are read again, until that succeeds.
func TestGap(t *testing.T) {
	s := newScripted()
	here := open(t, s, nil)
	there := open(t, unwatched{s.Store}, nil)
	create(t, there, "A")
	create(t, there, "B")
	s.failList.Store(3)
	s.changes <- store.Change{}
	eventually(t, func() bool { return here.Len() == 2 })
	if err := there.Delete(t.Context(), "A", nil); err != nil {
		t.Fatal(err)
	}
	s.changes <- store.Change{}
	eventually(t, func() bool { return here.Len() == 1 })
}

// A change to a record that cannot be read does not keep the catalog from seeing later changes.
func TestUnreadableChange(t *testing.T) {
	s := newScripted()
	here := open(t, s, nil)
	there := open(t, unwatched{s.Store}, nil)
	key := store.Key{Kind: "titles", ID: "newer"}
	if _, err := s.Put(t.Context(), key, []byte(`{"format":99,"definition":{}}`), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	create(t, there, "B")
	s.changes <- store.Change{Key: key}
	s.changes <- store.Change{Key: store.Key{Kind: "titles", ID: "b"}}
	eventually(t, func() bool { return here.Len() == 1 })
}

// A gap in the watch while Open reads the titles does not lose titles.
func TestGapWhileLoading(t *testing.T) {
	s := newScripted()
	create(t, open(t, unwatched{s.Store}, nil), "A")
	s.lists = make(chan bool, 10)
	s.changes <- store.Change{}
	opened := make(chan *catalog.Catalog)
	go func() {
		c, err := catalog.Open(context.Background(), s, nil)
		if err != nil {
			t.Error(err)
		}
		opened <- c
	}()
	for range 3 {
		s.lists <- true
	}
	c := <-opened
	defer c.Close()
	if c.Len() != 1 {
		t.Errorf("%d titles, want 1", c.Len())
	}
}

// A catalog sees the changes that another one over the same store makes.
func TestChangesByOtherServers(t *testing.T) {
	s := memstore.New()
	here, there := open(t, s, nil), open(t, s, nil)
	create(t, there, "App", "1")
	eventually(t, func() bool { return here.Len() == 1 })
	if _, err := there.AddVersions(t.Context(), "App", patch.Position{}, []patch.Patch{version("2")}, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { title, err := here.Title("App"); return err == nil && title.CurrentVersion == "2" })
	if err := there.Delete(t.Context(), "App", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return here.Len() == 0 })
}

// A catalog that does not watch its store finds changes of another one when it reads a definition.
func TestMissFindsChangesByOtherServers(t *testing.T) {
	s := memstore.New()
	here := open(t, unwatched{s}, &catalog.Options{CacheBytes: 1}) // nothing is cached
	there := open(t, s, nil)
	create(t, here, "App", "1")
	if _, err := there.AddVersions(t.Context(), "App", patch.Position{}, []patch.Patch{version("2")}, nil); err != nil {
		t.Fatal(err)
	}
	if got := versions(t, here, "App"); !slices.Equal(got, []string{"2", "1"}) {
		t.Errorf("versions %q, want 2 and 1", got)
	}
	if title, _ := here.Title("App"); title.CurrentVersion != "2" {
		t.Errorf("the summary has version %s, want 2", title.CurrentVersion)
	}
	if err := there.Delete(t.Context(), "App", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := here.Definition(t.Context(), "App"); !errors.Is(err, catalog.ErrNotFound) || here.Len() != 0 {
		t.Errorf("error %v, %d titles; want ErrNotFound and none", err, here.Len())
	}
}
