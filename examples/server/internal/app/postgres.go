package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/sqlstore"
	"github.com/patchsource/patchsource/store/sqlstore/pgxlisten"
)

const (
	// defaultPoolConns is the default of pool_max_conns.
	defaultPoolConns = 10
	// minPoolConns is the smallest pool: one connection each for the watch, for notifications and for calls.
	minPoolConns = 3
	// connectTimeout is the default of connect_timeout. It bounds the attempt at each host.
	connectTimeout = 5 * time.Second
	// maxConnIdle is the time after which an idle connection is closed.
	maxConnIdle = 5 * time.Minute
	// maxPasswordBytes bounds the file of --store-password-file.
	maxPasswordBytes = 4 << 10
)

// A postgresSpec is a parsed value of --store that names a PostgreSQL database.
type postgresSpec struct {
	conn   *pgx.ConnConfig
	schema string // the default of package sqlstore if empty
	listen bool
	conns  int
}

// parsePostgres parses a URL such as postgres://user@host/database?schema=NAME&listen=on&pool_max_conns=10.
// The parameter lease is that of flags.lease. Other parameters are those of pgx, such as sslmode. If passwordFile is
// not empty, the password is read from it. Otherwise it is that of the URL, of PGPASSWORD or of PGPASSFILE. Errors do
// not contain the password.
func parsePostgres(name, passwordFile string) (*postgresSpec, error) {
	u, query, err := parseStoreURL(name)
	if err != nil {
		return nil, err
	}
	spec := &postgresSpec{schema: query.Get("schema"), listen: true, conns: defaultPoolConns}
	if query.Has("listen") {
		if spec.listen, err = parseSwitch("listen", query.Get("listen")); err != nil {
			return nil, err
		}
	}
	if query.Has("pool_max_conns") {
		spec.conns, err = strconv.Atoi(query.Get("pool_max_conns"))
		if err != nil || spec.conns < minPoolConns {
			return nil, fmt.Errorf("pool_max_conns=%s: it must be a number of at least %d",
				query.Get("pool_max_conns"), minPoolConns)
		}
	}
	if _, err := parseLease(query); err != nil {
		return nil, err
	}
	for _, own := range []string{"schema", "listen", "pool_max_conns", "lease"} {
		query.Del(own)
	}
	u.RawQuery = query.Encode()
	if spec.conn, err = pgx.ParseConfig(u.String()); err != nil {
		return nil, withoutPasswords(err, u, query)
	}
	if spec.conn.ConnectTimeout == 0 {
		spec.conn.ConnectTimeout = connectTimeout
	}
	if spec.conn.RuntimeParams["application_name"] == "" {
		spec.conn.RuntimeParams["application_name"] = "patchsource"
	}
	if passwordFile != "" {
		return spec, spec.readPassword(passwordFile)
	}
	return spec, nil
}

// withoutPasswords returns an error of pgx, or another one if its text contains a password of the URL.
func withoutPasswords(err error, u *url.URL, query url.Values) error {
	password, _ := u.User.Password()
	secrets := []string{password, url.QueryEscape(password)}
	for param, values := range query {
		if isSecretName(param) {
			secrets = append(secrets, values[0], url.QueryEscape(values[0]))
		}
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(err.Error(), s) {
			return errors.New("its parameters are not valid")
		}
	}
	return err
}

// readPassword reads the password from a file of one line.
func (s *postgresSpec) readPassword(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("--store-password-file: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxPasswordBytes+1))
	password := strings.TrimRight(string(data), "\r\n")
	switch {
	case err != nil:
		return fmt.Errorf("--store-password-file %s: %w", name, err)
	case password == "" || len(data) > maxPasswordBytes || strings.ContainsAny(password, "\r\n"):
		return fmt.Errorf("--store-password-file %s: it must contain one line, the password", name)
	}
	s.conn.Password = password
	return nil
}

// openPostgres opens a store in a PostgreSQL database.
func openPostgres(ctx context.Context, name, passwordFile string, log *slog.Logger) (store.Store, error) {
	spec, err := parsePostgres(name, passwordFile)
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDB(*spec.conn)
	db.SetMaxOpenConns(spec.conns)
	db.SetMaxIdleConns(spec.conns)
	db.SetConnMaxIdleTime(maxConnIdle)
	opts := &sqlstore.Options{Schema: spec.schema, Logger: log}
	if spec.listen {
		opts.Listen = pgxlisten.Listen(db)
	}
	s, err := sqlstore.Open(ctx, db, opts)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return connectedStore{s, func() error { return errors.Join(s.Close(), closeDB(db)) }}, nil
}

// closeDB closes a database. Connections that a call does not give back, because the server no longer answers, must not
// keep the process from ending.
func closeDB(db *sql.DB) error {
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	timeout := time.NewTimer(connectTimeout)
	defer timeout.Stop()
	select {
	case err := <-closed:
		return err
	case <-timeout.C:
		return errors.New("the database does not answer: its connections were not closed")
	}
}
