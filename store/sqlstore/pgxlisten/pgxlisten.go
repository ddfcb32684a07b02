// Package pgxlisten receives the notifications of package sqlstore through the driver pgx. It is a package of its own,
// so that programs with another driver, or without Listen, do not depend on pgx.
package pgxlisten

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Listen returns a function for sqlstore.Options.Listen. It listens over a connection of db, which must use the driver
// pgx, and which it reserves for as long as it listens. The connection must not lead to a pooler in transaction mode.
func Listen(db *sql.DB) func(ctx context.Context, channel string, wake func()) error {
	return func(ctx context.Context, channel string, wake func()) error {
		conn, err := db.Conn(ctx)
		if err != nil {
			return fmt.Errorf("pgxlisten: connect: %w", err)
		}
		defer func() { _ = conn.Close() }()
		rawErr := conn.Raw(func(driverConn any) error {
			c, ok := driverConn.(*stdlib.Conn)
			if !ok {
				err = fmt.Errorf("the driver is %T, want pgx", driverConn)
				return nil
			}
			err = listen(ctx, c.Conn(), channel, wake)
			return driver.ErrBadConn // a connection that has listened must not go back to the pool
		})
		return fmt.Errorf("pgxlisten: %w", cmp.Or(err, rawErr))
	}
}

// listen listens until it fails or ctx ends.
func listen(ctx context.Context, conn *pgx.Conn, channel string, wake func()) error {
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return err
	}
	for {
		wake()
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}
