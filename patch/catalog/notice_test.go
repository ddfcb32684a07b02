package catalog_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// A keeper is a courier that wants all definitions.
type keeper struct {
	mu   sync.Mutex
	got  []catalog.Notice
	more chan struct{}
}

func (k *keeper) Wants(string, catalog.EventKind) (notice, definition bool) { return true, true }

func (k *keeper) Take(_ context.Context, n catalog.Notice) error {
	k.mu.Lock()
	k.got = append(k.got, n)
	k.mu.Unlock()
	k.more <- struct{}{}
	return nil
}

// A notice carries a small definition, and none that would double a large record.
func TestNoticesCarrySmallDefinitions(t *testing.T) {
	k := &keeper{more: make(chan struct{}, 2)}
	cat, err := catalog.Open(t.Context(), memstore.New(), &catalog.Options{Couriers: []catalog.Courier{k}})
	if err != nil {
		t.Fatal(err)
	}
	defer cat.Close()
	large := definition("Large", "1")
	for i := range 200 {
		large.ExtensionAttributes = append(large.ExtensionAttributes, patch.ExtensionAttribute{
			Key: strings.Repeat("k", i+1), Value: strings.Repeat("eHh4", 100), DisplayName: "x"})
	}
	for _, d := range []*patch.Definition{definition("Small", "1"), large} {
		if _, err := cat.Create(t.Context(), d, nil); err != nil {
			t.Fatal(err)
		}
	}
	<-k.more
	<-k.more
	for _, n := range k.got {
		if got := n.Definition != nil; got != (n.Title.ID == "Small") {
			t.Errorf("%s: %d bytes of definition", n.Title.ID, len(n.Definition))
		}
	}
}

func TestDone(t *testing.T) {
	cat, err := catalog.Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-cat.Done():
		t.Error("done before it was closed")
	default:
	}
	_ = cat.Close()
	<-cat.Done()
}
