package sqlstoretest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx

	"github.com/patchsource/patchsource/store/sqlstore"
	"github.com/patchsource/patchsource/store/sqlstore/pgxlisten"
	"github.com/patchsource/patchsource/store/sqlstore/sqlstoretest"
	"github.com/patchsource/patchsource/store/storetest"
)

// shared is the server of most tests. Those that restart a server start another.
var shared = sync.OnceValues(func() (*sqlstoretest.Server, error) {
	s, err := sqlstoretest.Start("fsync=off")
	running = s
	return s, err
})

// running is the shared server once a test has started it.
var running *sqlstoretest.Server

// role is the environment variable of a process that a test starts with this program to open a store.
const role = "SQLSTORETEST_ROLE"

// work makes calls if this process is a worker of a test, and otherwise returns. It is set on Unix.
var work = func() {}

func TestMain(m *testing.M) {
	work()
	if os.Getenv(role) == "open" {
		if err := openOnce(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if running != nil {
		running.Stop()
	}
	os.Exit(code)
}

// server returns the shared server, or skips the test.
func server(t testing.TB) *sqlstoretest.Server {
	t.Helper()
	s, err := shared()
	sqlstoretest.Check(t, err)
	return s
}

// proxied returns the connection string of a server behind a proxy.
func proxied(p *storetest.Proxy) string {
	host, port, _ := net.SplitHostPort(p.Addr().String())
	return fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres sslmode=disable connect_timeout=2", host, port)
}

// openDB returns a database with a pool until the test ends.
func openDB(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(40)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// open returns a store over a database until the test ends.
func open(t testing.TB, db *sql.DB, opts *sqlstore.Options) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), db, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

var schemas atomic.Int64

// newSchema returns the name of a schema that no other test uses.
func newSchema() string { return fmt.Sprintf("test_%d", schemas.Add(1)) }

// listening returns options with a schema and notifications over db.
func listening(db *sql.DB, schema string) *sqlstore.Options {
	return &sqlstore.Options{Schema: schema, Listen: pgxlisten.Listen(db)}
}

// exec runs a statement with {schema} in place of the name of a schema.
func exec(t testing.TB, db *sql.DB, schema, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), strings.ReplaceAll(statement, "{schema}", schema), args...); err != nil {
		t.Fatal(err)
	}
}

// openOnce opens a store and closes it. args are a connection string and a schema.
func openOnce(ctx context.Context, args []string) (err error) {
	db, err := sql.Open("pgx", args[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s, err := sqlstore.Open(ctx, db, &sqlstore.Options{Schema: args[1]})
	if err != nil {
		return err
	}
	return s.Close()
}
