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

func TestZeroValue(t *testing.T) {
	storetest.Run(t, storetest.Backend{New: func(*testing.T) store.Store { return new(memstore.Store) }})
}

// The changes that a slow reader has not read are replaced by a gap when they become too many.
func TestSlowReaderGetsAGap(t *testing.T) {
	s := memstore.New()
	gaps := 0
	for c, err := range s.Watch(t.Context(), "things") {
		if err != nil {
			t.Fatal(err)
		}
		if c.Key == (store.Key{}) {
			if gaps++; gaps == 2 {
				return
			}
			for i := range 10_001 {
				key := store.Key{Kind: "things", ID: fmt.Sprint(i % 7)}
				if _, err := s.Put(t.Context(), key, nil, store.Condition{}); err != nil {
					t.Fatal(err)
				}
			}
			continue
		}
		t.Fatalf("change %v, want the zero Key after too many changes", c)
	}
}

// Of two writers that have read the same revision, the second gets a conflict.
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
