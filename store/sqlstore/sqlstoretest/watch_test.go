package sqlstoretest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/sqlstore"
)

// An event is what a watch yields.
type event struct {
	change store.Change
	err    error
}

// A watching is a watch of things that a test reads.
type watching struct {
	t      *testing.T
	events chan event
}

// watch watches things until the test ends.
func watch(t *testing.T, s *sqlstore.Store) *watching {
	w := &watching{t, make(chan event, 100_000)}
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		defer close(w.events)
		for c, err := range s.Watch(ctx, "things") {
			w.events <- event{c, err}
		}
	})
	t.Cleanup(func() { cancel(); work.Wait() })
	return w
}

// next returns the next event.
func (w *watching) next() event {
	w.t.Helper()
	select {
	case e, open := <-w.events:
		if !open {
			w.t.Fatal("the watch has ended")
		}
		return e
	case <-time.After(20 * time.Second):
		w.t.Fatal("the watch yields nothing")
	}
	panic("unreachable")
}

// expect fails the test unless the next events are changes of these keys.
func (w *watching) expect(keys ...store.Key) {
	w.t.Helper()
	for _, k := range keys {
		if e := w.next(); e.err != nil || e.change.Key != k {
			w.t.Fatalf("the watch yields %v, want %v", e, k)
		}
	}
}

// failure returns the error that must come next.
func (w *watching) failure() error {
	w.t.Helper()
	e := w.next()
	if e.err == nil {
		w.t.Fatalf("the watch yields %v, want an error", e.change)
	}
	return e.err
}

// recovered reads errors, of which there must be one, until the zero Key, which must come before any other change.
func (w *watching) recovered() {
	w.t.Helper()
	_ = w.failure()
	for {
		if e := w.next(); e.err == nil {
			if e.change.Key != (store.Key{}) {
				w.t.Fatalf("after an error the watch yields %v, want the zero Key", e)
			}
			return
		}
	}
}

// until reads events until a change of a key or the zero Key, and returns the number of other changes.
func (w *watching) until(k store.Key) (others int) {
	w.t.Helper()
	for {
		switch e := w.next(); {
		case e.err == nil && (e.change.Key == k || e.change.Key == store.Key{}):
			return others
		case e.err == nil:
			others++
		}
	}
}

// mustPut writes a thing.
func mustPut(t *testing.T, s store.Store, id string) store.Revision {
	t.Helper()
	rev, err := s.Put(t.Context(), thing(id), []byte("1"), store.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// insertChange adds a change of a thing to the log within a transaction.
func insertChange(t *testing.T, tx *sql.Tx, schema, id string) {
	t.Helper()
	_, err := tx.Exec(`INSERT INTO `+schema+`.changes (seq, kind, id) VALUES (-1, 'things', $1)`, id)
	if err != nil {
		t.Fatal(err)
	}
}

// A transaction that commits after one that began later is not missed.
func TestWatchOfTransactionsThatCommitOutOfOrder(t *testing.T) {
	db, schema := openDB(t, server(t).DSN()), newSchema()
	s := open(t, db, &sqlstore.Options{Schema: schema, PollInterval: 20 * time.Millisecond})
	w := watch(t, s)
	w.expect(store.Key{})
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	insertChange(t, tx, schema, "slow")
	for i := range 50 {
		id := strconv.Itoa(i)
		mustPut(t, s, id)
		w.expect(thing(id)) // each change once, also while the transaction is open
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	w.expect(thing("slow"))
	mustPut(t, s, "end")
	w.expect(thing("end"))
}

// Changes of a transaction that was rolled back are not seen.
func TestWatchOfARollback(t *testing.T) {
	db, schema := openDB(t, server(t).DSN()), newSchema()
	s := open(t, db, &sqlstore.Options{Schema: schema})
	w := watch(t, s)
	w.expect(store.Key{})
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	insertChange(t, tx, schema, "a")
	mustPut(t, s, "b")
	w.expect(thing("b"))
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "c")
	w.expect(thing("c"))
}

// More changes than fit into one read of the log are a gap.
func TestWatchOfTooManyChanges(t *testing.T) {
	db, schema := openDB(t, server(t).DSN()), newSchema()
	s := open(t, db, &sqlstore.Options{Schema: schema})
	w := watch(t, s)
	w.expect(store.Key{})
	exec(t, db, schema, `INSERT INTO {schema}.changes (seq, kind, id)
		SELECT -i, CASE WHEN i = 1 THEN 'things' ELSE 'others' END, i::text FROM generate_series(1, 10002) AS i`)
	w.expect(store.Key{})
	mustPut(t, s, "next")
	w.expect(thing("next"))
}

// A process that was suspended until changes it has not seen were trimmed has a gap.
func TestWatchBelowTheFloor(t *testing.T) {
	db, schema := openDB(t, server(t).DSN()), newSchema()
	s := open(t, db, &sqlstore.Options{Schema: schema, PollInterval: time.Hour})
	w := watch(t, s)
	w.expect(store.Key{}) // it does not read the log again
	trimmer := open(t, db, &sqlstore.Options{Schema: schema})
	mustPut(t, trimmer, "missed")
	exec(t, db, schema, `UPDATE {schema}.changes SET at = at - interval '11 minutes'`)
	mustPut(t, trimmer, "kept")
	watch(t, trimmer).expect(store.Key{}) // its feed trims the log when it begins
	awaitChanges(t, db, schema, 1)
	other := watch(t, s) // wakes the feed
	w.expect(store.Key{})
	other.expect(store.Key{})
	mustPut(t, trimmer, "after")
	watch(t, s).expect(store.Key{})
	w.expect(thing("after"))
}

// awaitChanges waits until the log has n changes.
func awaitChanges(t *testing.T, db *sql.DB, schema string, n int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var got int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM `+schema+`.changes`).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log has %d changes, want %d", got, n)
		}
	}
}

// fromTheFuture adds a change of another server, whose transaction ids were higher.
const fromTheFuture = `INSERT INTO {schema}.changes (seq, xid, kind, id) VALUES (-1, '1000000000000', 'things', 'old')`

// A log and a floor that come from the backup of a server with higher transaction ids do no harm.
func TestWatchAfterARestoredBackup(t *testing.T) {
	db, schema := openDB(t, server(t).DSN()), newSchema()
	s := open(t, db, &sqlstore.Options{Schema: schema})
	exec(t, db, schema, fromTheFuture)
	exec(t, db, schema, `UPDATE {schema}.meta SET floor = '1000000000000'`)
	w := watch(t, s)
	w.expect(store.Key{})
	awaitChanges(t, db, schema, 0)
	mustPut(t, s, "a")
	w.until(thing("a")) // a gap until the floor was reset, or the change
	mustPut(t, s, "b")
	w.until(thing("b"))
	mustPut(t, s, "c")
	w.expect(thing("c"))
	// The same before the log is trimmed.
	exec(t, db, schema, fromTheFuture)
	mustPut(t, s, "d")
	w.expect(thing("d"))
}

// While a transaction is open, changes of later ones are not trimmed, however old they are: other servers would take
// the floor for a gap at each read.
func TestTrimDuringALongTransaction(t *testing.T) {
	db, schema := openDB(t, server(t).DSN()), newSchema()
	s := open(t, db, &sqlstore.Options{Schema: schema, PollInterval: 20 * time.Millisecond})
	w := watch(t, s)
	w.expect(store.Key{})
	mustPut(t, s, "before")
	w.expect(thing("before"))
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec(`SELECT pg_current_xact_id()`); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "during")
	w.expect(thing("during"))
	exec(t, db, schema, `UPDATE {schema}.changes SET at = at - interval '11 minutes'`)
	watch(t, open(t, db, &sqlstore.Options{Schema: schema})).expect(store.Key{}) // its feed trims the log
	awaitChanges(t, db, schema, 1)
	for _, id := range []string{"a", "b"} {
		mustPut(t, s, id)
		w.expect(thing(id))
	}
}

// Watches begin while others write, and miss nothing after their zero Key.
func TestWatchesThatBeginDuringWrites(t *testing.T) {
	dsn, schema := server(t).DSN(), newSchema()
	writer := open(t, openDB(t, dsn), &sqlstore.Options{Schema: schema})
	s := open(t, openDB(t, dsn), &sqlstore.Options{Schema: schema, PollInterval: 5 * time.Millisecond})
	var all sync.WaitGroup
	defer all.Wait()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for i := range 4 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_, err := writer.Put(ctx, thing(fmt.Sprintf("%d-%d", i, n)), nil, store.Condition{})
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		w := watch(t, s)
		w.expect(store.Key{})
		id := fmt.Sprint("mark ", time.Now().UnixNano())
		mustPut(t, writer, id)
		w.until(thing(id))
	}
}
