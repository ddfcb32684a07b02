//go:build unix

package sqlstoretest_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/internal/linear"
	"github.com/patchsource/patchsource/store/sqlstore"
	"github.com/patchsource/patchsource/store/sqlstore/pgxlisten"
	"github.com/patchsource/patchsource/store/sqlstore/sqlstoretest"
	"github.com/patchsource/patchsource/store/storetest"
)

func init() {
	work = func() { linear.Main(openWorker) }
}

// openWorker opens the store of a worker. args are a connection string and a schema.
func openWorker(ctx context.Context, _ string, args []string) (store.Store, error) {
	db, err := sql.Open("pgx", args[0])
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	s, err := sqlstore.Open(ctx, db, &sqlstore.Options{
		Schema: args[1], Timeout: linear.WorkerTimeout, Listen: pgxlisten.Listen(db),
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// newCluster returns a cluster of workers over a server, with a schema of its own.
func newCluster(t *testing.T, s *sqlstoretest.Server) *linear.Cluster {
	schema := newSchema()
	open(t, openDB(t, s.DSN()), &sqlstore.Options{Schema: schema})
	return &linear.Cluster{
		Network: "unix", Address: s.Socket(),
		Args: func(p *storetest.Proxy) []string { return []string{proxied(p), schema} },
		Faults: map[string]func(context.Context, int) error{
			"restart": func(context.Context, int) error { return s.Restart() },
		},
	}
}

// All calls of several processes have the results that they would have one after the other, whatever happens to the
// processes, their connections and the server.
func TestLinearizable(t *testing.T) {
	newCluster(t, sqlstoretest.Require(t)).Test(t, 20*time.Second)
}

// The check finds stores that are not linearizable.
func TestBrokenStoresAreNotLinearizable(t *testing.T) {
	for _, fault := range []string{"late", "conflict"} {
		t.Run(fault, func(t *testing.T) { newCluster(t, server(t)).TestFault(t, fault) })
	}
}
