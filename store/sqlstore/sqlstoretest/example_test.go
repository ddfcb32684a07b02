package sqlstoretest_test

import (
	"database/sql"
	"testing"

	"github.com/patchsource/patchsource/store/sqlstore"
	"github.com/patchsource/patchsource/store/sqlstore/sqlstoretest"
)

// A test of a program opens a store over a server of its own. It is skipped where PostgreSQL is not installed.
func Example() {
	_ = func(t *testing.T) { // the body of func TestProgram(t *testing.T)
		db, err := sql.Open("pgx", sqlstoretest.Require(t).DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		s, err := sqlstore.Open(t.Context(), db, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
	}
}
