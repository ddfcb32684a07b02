package memstore_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Backend{
		New:    func(*testing.T) store.Store { return memstore.New() },
		Second: func(_ *testing.T, s store.Store) store.Store { return s },
	})
}

func TestTheZeroStoreIsReady(t *testing.T) {
	storetest.Run(t, storetest.Backend{New: func(*testing.T) store.Store { return new(memstore.Store) }})
}

// A reader that falls far behind is told to read everything anew, instead of
// keeping every change in memory.
func TestASlowWatcherIsToldToStartOver(t *testing.T) {
	s := memstore.New()
	anew := 0
	for c, err := range s.Watch(t.Context(), "things") {
		if err != nil {
			t.Fatal(err)
		}
		if c.Key == (store.Key{}) {
			if anew++; anew == 2 {
				return
			}
			for i := range 10_001 {
				if _, err := s.Put(t.Context(), store.Key{Kind: "things", ID: fmt.Sprint(i % 7)}, nil, store.Condition{}); err != nil {
					t.Fatal(err)
				}
			}
			continue
		}
		t.Fatalf("change %v, want the zero Key after an overflow", c)
	}
}

func Example() {
	ctx := context.Background()
	s := memstore.New()
	key := store.Key{Kind: "titles", ID: "composer"}
	rev, err := s.Put(ctx, key, []byte("first"), store.IfAbsent())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = s.Put(ctx, key, []byte("second"), store.IfRevision(rev))
	fmt.Println(err)
	_, err = s.Put(ctx, key, []byte("third"), store.IfRevision(rev))
	fmt.Println(err)
	r, _ := s.Get(ctx, key)
	fmt.Println(string(r.Value))
	// Output:
	// <nil>
	// record has changed
	// second
}
