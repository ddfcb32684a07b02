package server_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// One setting is that of all leases. With the default, each would be renewed every five seconds.
func TestLease(t *testing.T) {
	records := memstore.New()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	s := open(t, server.Config{Store: records, Secret: newSecret(t), Lease: 600 * time.Millisecond})
	stop := start(t, s)
	defer func() { _ = stop() }()
	writes := map[string]int{}
	all := func() bool { return writes["notices"] > 2 && writes["webhooks"] > 2 && writes["sync"] > 2 }
	for c, err := range records.Watch(ctx, "leases") {
		if err != nil {
			t.Fatal(err)
		}
		if writes[c.Key.ID]++; c.Key != (store.Key{}) && all() {
			break
		}
	}
	delete(writes, "")
	if !all() || len(writes) != 3 {
		t.Errorf("the leases were written so often in 4 s: %v, want three that were renewed", writes)
	}
}

func TestNegativeLease(t *testing.T) {
	_, err := server.Open(t.Context(), server.Config{Store: memstore.New(), Lease: -time.Second})
	if err == nil || !strings.Contains(err.Error(), "Config.Lease is -1s") {
		t.Errorf("Open: %v, want an error that names the field", err)
	}
}
