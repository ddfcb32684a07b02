package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/sqlstore"
)

// A program imports a driver, such as _ "github.com/jackc/pgx/v5/stdlib", and opens a store over its database. The
// driver reads the password from a file or from the environment, so that it is not in the program's arguments. The
// example is compiled only, because it needs a database; the tests in package sqlstoretest run the same calls.
func Example() {
	ctx := context.Background()
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(10)
	db.SetMaxIdleConns(10)
	s, err := sqlstore.Open(ctx, db, &sqlstore.Options{
		Schema: "patchsource",
		// Listen: pgxlisten.Listen(db),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close() }()
	rev, err := s.Put(ctx, store.Key{Kind: "titles", ID: "composer"}, []byte("{}"), store.IfAbsent())
	fmt.Println(rev, err)
}
