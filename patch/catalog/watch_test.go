package catalog_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A scripted store is a memstore whose watch says what a test wants.
type scripted struct {
	*memstore.Store
	changes  chan store.Change
	failList atomic.Int32 // so many Lists fail
	lists    chan bool    // if not nil, each List waits for one
}

func (s *scripted) Watch(ctx context.Context, _ string) iter.Seq2[store.Change, error] {
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
	if s.lists != nil {
		<-s.lists
	}
	if s.failList.Add(-1) >= 0 {
		return func(yield func(store.Record, error) bool) { yield(store.Record{}, errors.New("connection lost")) }
	}
	return s.Store.List(ctx, kind)
}

func newScripted() *scripted {
	s := &scripted{Store: memstore.New(), changes: make(chan store.Change, 10)}
	s.changes <- store.Change{} // it watches
	return s
}

// What happened in a gap is seen, though the first attempts to read it fail.
func TestAfterAGap(t *testing.T) {
	s := newScripted()
	here := open(t, s, nil)
	there := open(t, blind{s.Store}, nil)
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

// A record of a newer version stops nothing else.
func TestAnUnreadableRecordStopsNothing(t *testing.T) {
	s := newScripted()
	here := open(t, s, nil)
	there := open(t, blind{s.Store}, nil)
	key := store.Key{Kind: "titles", ID: "newer"}
	if _, err := s.Put(t.Context(), key, []byte(`{"format":99,"definition":{}}`), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	create(t, there, "B")
	s.changes <- store.Change{Key: key}
	s.changes <- store.Change{Key: store.Key{Kind: "titles", ID: "b"}}
	eventually(t, func() bool { return here.Len() == 1 })
}

// A gap that comes while the titles are being read is waited for.
func TestAGapWhileLoading(t *testing.T) {
	s := newScripted()
	create(t, open(t, blind{s.Store}, nil), "A")
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
		t.Errorf("%d titles", c.Len())
	}
}
