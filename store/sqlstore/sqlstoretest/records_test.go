package sqlstoretest_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/sqlstore"
)

// fill writes records straight into the table: ids 00000 and so on, with values of a size.
func fill(t *testing.T, s *sqlstore.Store, schema string, n, size int) {
	t.Helper()
	checkUsable(t, s)
	db := openDB(t, server(t).DSN())
	exec(t, db, schema, `INSERT INTO {schema}.records
		SELECT 'filled', lpad(i::text, 5, '0'), nextval('{schema}.revision'), i, convert_to(repeat('x', $2), 'UTF8')
		FROM generate_series(0, $1 - 1) AS i`, n, size)
}

// Lists are read in pages, by number and by size.
func TestListOfManyPages(t *testing.T) {
	for _, c := range []struct{ n, size int }{{0, 0}, {1000, 10}, {2500, 10}, {21_000, 0}, {9, 3 << 20}} {
		db, schema := openDB(t, server(t).DSN()), newSchema()
		s := open(t, db, &sqlstore.Options{Schema: schema})
		fill(t, s, schema, c.n, c.size)
		var listed, revisions []store.Change
		for r, err := range s.List(t.Context(), "filled") {
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Value) != c.size || inUse(db) > 0 {
				t.Fatalf("%v has %d bytes, want %d; %d connections are in use", r.Key, len(r.Value), c.size, inUse(db))
			}
			listed = append(listed, store.Change{Key: r.Key, Revision: r.Revision})
		}
		for c, err := range store.Revisions(t.Context(), s, "filled") {
			if err != nil {
				t.Fatal(err)
			}
			revisions = append(revisions, c)
		}
		if diff := cmp.Diff(listed, revisions); diff != "" || len(listed) != c.n {
			t.Errorf("List yields %d records, want %d; the difference of Revisions:\n%s", len(listed), c.n, diff)
		}
	}
}

// A loop over a list may use as many connections as there are.
func TestListWithTwoConnections(t *testing.T) {
	db, schema := openDB(t, server(t).DSN()), newSchema()
	db.SetMaxOpenConns(2)
	s := open(t, db, &sqlstore.Options{Schema: schema})
	fill(t, s, schema, 10, 10)
	watch(t, s).expect(store.Key{})
	n := 0
	for outer, err := range s.List(t.Context(), "filled") {
		if err != nil {
			t.Fatal(err)
		}
		for inner, err := range s.List(t.Context(), "filled") {
			if err != nil {
				t.Fatal(err)
			}
			if inner.Key == outer.Key {
				checkUsable(t, s)
				n++
			}
		}
	}
	if n != 10 {
		t.Errorf("%d records, want 10", n)
	}
}

// After a restored backup the sequence of revisions begins at a lower number. Revisions do not come back all the same.
func TestRevisionsAfterARestoredBackup(t *testing.T) {
	db, schema := openDB(t, server(t).DSN()), newSchema()
	s := open(t, db, &sqlstore.Options{Schema: schema})
	first, err := s.Put(t.Context(), thing("a"), []byte("1"), store.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, schema, `SELECT setval('{schema}.revision', 1, false)`)
	exec(t, db, schema, `TRUNCATE {schema}.records, {schema}.changes`)
	second, err := s.Put(t.Context(), thing("a"), []byte("2"), store.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	number := func(r store.Revision) string { n, _, _ := strings.Cut(string(r), "-"); return n }
	if first == second || number(first) != number(second) {
		t.Errorf("the revisions are %q and %q, want the same number with another nonce", first, second)
	}
}

// A value is kept as it is, whatever its size.
func TestLargeValue(t *testing.T) {
	db := openDB(t, server(t).DSN())
	s := open(t, db, &sqlstore.Options{Schema: newSchema()})
	value := bytes.Repeat([]byte("\x00\xff"), 10<<20)
	if _, err := s.Put(t.Context(), thing("a"), value, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), thing("a"))
	if err != nil || !bytes.Equal(r.Value, value) {
		t.Errorf("Get returns %d bytes and %v, want the %d that were put", len(r.Value), err, len(value))
	}
}

// Errors name the record and not its value.
func TestErrorsOfTheDatabase(t *testing.T) {
	db, schema := openDB(t, server(t).DSN()), newSchema()
	s := open(t, db, &sqlstore.Options{Schema: schema})
	exec(t, db, schema, `DROP TABLE {schema}.records`)
	for i, err := range calls(t, s)[:3] {
		if err == nil || !strings.Contains(err.Error(), "things/a") || !strings.Contains(err.Error(), "42P01") {
			t.Errorf("call %d: %v, want the key and the error of the database", i, err)
		}
	}
	if got := fmt.Sprint(calls(t, s)[4]); !strings.Contains(got, "list things") {
		t.Errorf("List: %s", got)
	}
}
