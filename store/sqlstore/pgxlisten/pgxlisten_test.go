package pgxlisten_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/store/sqlstore"
	"github.com/patchsource/patchsource/store/sqlstore/pgxlisten"
)

// An otherDriver is a driver other than pgx.
type otherDriver struct{}

func (otherDriver) Connect(context.Context) (driver.Conn, error) { return otherDriver{}, nil }
func (otherDriver) Driver() driver.Driver                        { return nil }
func (otherDriver) Prepare(string) (driver.Stmt, error)          { return nil, errors.ErrUnsupported }
func (otherDriver) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }
func (otherDriver) Close() error                                 { return nil }

// The tests with a server are in package sqlstoretest.
func TestListenWithAnotherDriver(t *testing.T) {
	db := sql.OpenDB(otherDriver{})
	defer func() { _ = db.Close() }()
	err := pgxlisten.Listen(db)(t.Context(), "channel", func() { t.Error("it listens") })
	if err == nil || !strings.Contains(err.Error(), "want pgx") {
		t.Errorf("%v, want an error that names pgx", err)
	}
}

// Two servers with such a store see each other's changes within milliseconds.
func Example() {
	ctx := context.Background()
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Close() }()
	s, err := sqlstore.Open(ctx, db, &sqlstore.Options{Listen: pgxlisten.Listen(db)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close() }()
}
