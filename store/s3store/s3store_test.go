package s3store_test

import (
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/s3store"
	"github.com/patchsource/patchsource/store/storetest"
)

func TestStore(t *testing.T) {
	opts := &s3store.Options{Prefix: "some/where", PollInterval: 5 * time.Millisecond}
	clients := map[store.Store]*fake{}
	again := func(t *testing.T, f *fake) store.Store {
		s := open(t, f, opts)
		clients[s] = f
		return s
	}
	storetest.Run(t, storetest.Backend{
		New: func(t *testing.T) store.Store {
			f := newFake()
			f.pageSize = 7
			return again(t, f)
		},
		Reopen: func(t *testing.T, s store.Store) store.Store { return again(t, clients[s]) },
		Second: func(t *testing.T, s store.Store) store.Store { return again(t, clients[s]) },
	})
}
