package sqlstoretest_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	osexec "os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/sqlstore"
)

// Several processes can open a new schema at once.
func TestOpenByManyProcesses(t *testing.T) {
	dsn := server(t).DSN()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		schema := newSchema()
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				cmd := osexec.Command(program, dsn, schema)
				cmd.Env = append(os.Environ(), role+"=open")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			})
		}
		all.Wait()
	}
}

func TestOpenRefuses(t *testing.T) {
	dsn := server(t).DSN()
	db := openDB(t, dsn)
	for _, schema := range []string{"Upper", "pg_mine", "1st", `a"b`, "a.b", strings.Repeat("a", 41)} {
		if _, err := sqlstore.Open(t.Context(), db, &sqlstore.Options{Schema: schema}); err == nil {
			t.Errorf("the schema %q is accepted", schema)
		}
	}
	for n, opts := range map[int]*sqlstore.Options{1: {}, 2: listening(db, "")} {
		small := openDB(t, dsn)
		small.SetMaxOpenConns(n)
		want := fmt.Sprintf("allow %d or more", n+1)
		if _, err := sqlstore.Open(t.Context(), small, opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a pool of %d connections: %v, want %q", n, err, want)
		}
	}
	strict := openDB(t, dsn+" default_transaction_isolation=serializable")
	if _, err := sqlstore.Open(t.Context(), strict, nil); err == nil || !strings.Contains(err.Error(), "serializable") {
		t.Errorf("another isolation level: %v", err)
	}
	name := newSchema()
	exec(t, db, name, `CREATE DATABASE {schema} ENCODING 'LATIN1' TEMPLATE template0`)
	latin := openDB(t, strings.ReplaceAll(dsn, "dbname=postgres", "dbname="+name))
	if _, err := sqlstore.Open(t.Context(), latin, nil); err == nil || !strings.Contains(err.Error(), "'UTF8'") {
		t.Errorf("a database without UTF-8: %v", err)
	}
	unreachable := openDB(t, "host=/nowhere dbname=x password=secret")
	_, err := sqlstore.Open(t.Context(), unreachable, nil)
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a server that is not there: %v", err)
	}
}

// A user without the privilege to create schemas can use one that is empty, and one that is up to date.
func TestOpenWithFewPrivileges(t *testing.T) {
	dsn, schema := server(t).DSN(), newSchema()
	admin := openDB(t, dsn)
	exec(t, admin, schema, `CREATE ROLE {schema} LOGIN`)
	db := openDB(t, strings.ReplaceAll(dsn, "user=postgres", "user="+schema))
	opts := &sqlstore.Options{Schema: schema}
	_, err := sqlstore.Open(t.Context(), db, opts)
	if err == nil || !strings.Contains(err.Error(), "create the schema") {
		t.Errorf("Open without a schema: %v, want that it cannot be created", err)
	}
	exec(t, admin, schema, `CREATE SCHEMA {schema}`)
	exec(t, admin, schema, `GRANT CREATE, USAGE ON SCHEMA {schema} TO {schema}`)
	open(t, db, opts)
	exec(t, admin, schema, `REVOKE CREATE ON SCHEMA {schema} FROM {schema}`)
	checkUsable(t, open(t, db, opts))
}

// checkUsable fails the test unless a store can be written and read.
func checkUsable(t *testing.T, s store.Store) {
	t.Helper()
	rev, err := s.Put(t.Context(), thing("usable"), []byte("1"), store.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.Get(t.Context(), thing("usable")); err != nil || r.Revision != rev {
		t.Errorf("Get returns the revision %q and %v, want %q", r.Revision, err, rev)
	}
}

func thing(id string) store.Key { return store.Key{Kind: "things", ID: id} }

// A schema of a newer version is not opened. A store that was opened before stops changing it.
func TestNewerSchema(t *testing.T) {
	db, schema := openDB(t, server(t).DSN()), newSchema()
	opts := &sqlstore.Options{Schema: schema}
	s := open(t, db, opts)
	rev, err := s.Put(t.Context(), thing("a"), []byte("1"), store.IfAbsent())
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, s)
	w.expect(store.Key{})
	exec(t, db, schema, `UPDATE {schema}.meta SET version = 2`)
	_, err = sqlstore.Open(t.Context(), db, opts)
	if !errors.Is(err, store.ErrFormat) || !strings.Contains(err.Error(), "has version 2, and this version knows") {
		t.Errorf("Open: %v, want ErrFormat and both versions", err)
	}
	if err := store.Ping(t.Context(), s); !errors.Is(err, store.ErrFormat) {
		t.Errorf("Ping: %v, want ErrFormat", err)
	}
	_, putErr := s.Put(t.Context(), thing("a"), []byte("2"), store.IfRevision(rev))
	for _, err := range []error{putErr, s.Delete(t.Context(), thing("a"), store.IfRevision(rev))} {
		if !errors.Is(err, store.ErrFormat) {
			t.Errorf("a change: %v, want ErrFormat", err)
		}
	}
	if r, err := s.Get(t.Context(), thing("a")); err != nil || r.Revision != rev {
		t.Errorf("Get: the revision %q and %v, want %q", r.Revision, err, rev)
	}
	exec(t, db, schema, `INSERT INTO {schema}.changes (seq, kind, id) VALUES (100, 'things', 'by the newer version')`)
	w.expect(thing("by the newer version"))
}

// A watch notices a newer version by itself.
func TestWatchNoticesANewerSchema(t *testing.T) {
	db, schema := openDB(t, server(t).DSN()), newSchema()
	s := open(t, db, &sqlstore.Options{Schema: schema})
	w := watch(t, s)
	w.expect(store.Key{})
	exec(t, db, schema, `UPDATE {schema}.meta SET version = 2`)
	exec(t, db, schema, `INSERT INTO {schema}.changes (seq, kind, id) VALUES (100, 'things', 'a')`)
	w.expect(thing("a"))
	if _, err := s.Put(t.Context(), thing("a"), nil, store.Condition{}); !errors.Is(err, store.ErrFormat) {
		t.Errorf("Put: %v, want ErrFormat", err)
	}
}

func TestPing(t *testing.T) {
	dsn, schema := server(t).DSN(), newSchema()
	open(t, openDB(t, dsn), &sqlstore.Options{Schema: schema})
	readOnly := openDB(t, dsn+" default_transaction_read_only=on")
	s := open(t, readOnly, &sqlstore.Options{Schema: schema})
	if err := store.Ping(t.Context(), s); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a read-only database: %v", err)
	}
	if err := store.Ping(t.Context(), open(t, openDB(t, dsn), &sqlstore.Options{Schema: schema})); err != nil {
		t.Errorf("a database that can be changed: %v", err)
	}
}

// Close ends watches and calls, and leaves the database open.
func TestClose(t *testing.T) {
	db, schema := openDB(t, server(t).DSN()), newSchema()
	s := open(t, db, listening(db, schema))
	checkUsable(t, s)
	w := watch(t, s)
	w.expect(store.Key{})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.failure(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("the watch: %v, want fs.ErrClosed", err)
	}
	if _, open := <-w.events; open {
		t.Error("the watch has not ended")
	}
	closed := calls(t, s)
	for _, err := range s.Watch(t.Context(), "things") {
		closed = append(closed, err)
	}
	if len(closed) != 7 {
		t.Errorf("%d calls have returned an error, want 7", len(closed))
	}
	for _, err := range closed {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("a call: %v, want fs.ErrClosed", err)
		}
	}
	// A call that was canceled returns its connection a moment after it has returned.
	for end := time.Now().Add(10 * time.Second); inUse(db) != 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if n := inUse(db); n != 0 {
		t.Errorf("%d connections are still in use", n)
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

// inUse returns the number of connections of a pool that are reserved.
func inUse(db *sql.DB) int { return db.Stats().InUse }

// calls makes one call of each kind but Watch and returns the errors.
func calls(t *testing.T, s *sqlstore.Store) (errs []error) {
	ctx := t.Context()
	_, getErr := s.Get(ctx, thing("a"))
	_, putErr := s.Put(ctx, thing("a"), nil, store.Condition{})
	errs = append(errs, getErr, putErr, s.Delete(ctx, thing("a"), store.Condition{}), s.Ping(ctx))
	for _, err := range s.List(ctx, "things") {
		errs = append(errs, err)
	}
	for _, err := range s.Revisions(ctx, "things") {
		errs = append(errs, err)
	}
	return errs
}
