package sqlstoretest_test

import (
	"testing"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/sqlstore"
	"github.com/patchsource/patchsource/store/storetest"
)

func TestStore(t *testing.T) {
	for _, c := range []struct {
		name, dsn string
		listen    bool
	}{
		{name: "polling"},
		{name: "listening with the simple protocol", dsn: " default_query_exec_mode=simple_protocol", listen: true},
		{name: "without prepared statements", dsn: " default_query_exec_mode=exec"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dsn := server(t).DSN() + c.dsn
			again := func(t *testing.T, schema string) store.Store {
				db := openDB(t, dsn)
				opts := &sqlstore.Options{Schema: schema}
				if c.listen {
					opts = listening(db, schema)
				}
				return &named{open(t, db, opts), schema}
			}
			storetest.Run(t, storetest.Backend{
				New:    func(t *testing.T) store.Store { return again(t, newSchema()) },
				Reopen: func(t *testing.T, s store.Store) store.Store { return again(t, s.(*named).schema) },
				Second: func(t *testing.T, s store.Store) store.Store { return again(t, s.(*named).schema) },
			})
		})
	}
}

// A named store knows its schema.
type named struct {
	store.Store
	schema string
}

func (n *named) Unwrap() store.Store { return n.Store }
