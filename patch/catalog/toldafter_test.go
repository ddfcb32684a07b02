package catalog_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// A readingCourier reads each title of which it gets a notice.
type readingCourier struct {
	catalog chan *catalog.Catalog
	read    chan error
}

// Wants implements catalog.Courier.
func (c *readingCourier) Wants(string, catalog.EventKind) (notice, definition bool) {
	return true, false
}

// Take implements catalog.Courier.
func (c *readingCourier) Take(ctx context.Context, n catalog.Notice) error {
	opened := <-c.catalog
	c.catalog <- opened
	_, err := opened.Definition(ctx, n.Title.ID)
	c.read <- err
	return nil
}

// Whoever gets a notice of a change can read the title as it is after it.
func TestNoticeComesAfterTheChange(t *testing.T) {
	courier := &readingCourier{catalog: make(chan *catalog.Catalog, 1), read: make(chan error)}
	c := open(t, memstore.New(), &catalog.Options{Couriers: []catalog.Courier{courier}})
	courier.catalog <- c
	for i := range 300 {
		create(t, c, fmt.Sprint("App", i))
		if err := <-courier.read; err != nil {
			t.Fatalf("title %d: %v", i, err)
		}
	}
}
