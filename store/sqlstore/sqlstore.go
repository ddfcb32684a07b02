// Package sqlstore keeps records in PostgreSQL 13 or newer, so that several servers can share one store. It uses
// package database/sql and has no driver: the program that opens the database chooses one, such as
// github.com/jackc/pgx/v5/stdlib.
//
// # Tables
//
// [Open] creates a schema with its tables, or upgrades it to the version that this package knows, under an advisory
// lock, so that several servers can be started at once. It does not open a schema of a newer version. The database user
// needs the privilege to create a schema in the database, or to create tables in an existing, empty schema. The
// database must have the encoding UTF8.
//
// Every Put and Delete is one statement and so one round trip. A write is as durable as the database's setting of
// synchronous_commit makes it. A revision has a random part, so that it does not come back when a backup of the
// database is restored and its sequences begin again at a lower number.
//
// # Watching
//
// Writes append to a log of changes. A store that is watched reads the log twice a second over one connection that
// serves the watches of all kinds. If that connection fails or does not answer for a few seconds, each watch yields the
// error, the store connects again, and the watch yields the zero Key before any further change. The log is trimmed:
// a process that was suspended for more than ten minutes gets the zero Key too. Each reading that succeeds proves that
// no earlier change was missed, which is the heartbeat of [Store.WatchHeartbeats].
//
// [Options.Listen] shortens the time until a change is seen from half a second to milliseconds. Package
// store/sqlstore/pgxlisten has such a function for pgx, in a package of its own so that programs with another driver do
// not depend on pgx.
//
// # Connections
//
// The database must be reached at its primary server. The pool needs at least two connections, and a third with Listen.
// It should keep as many idle connections as it may open (see [sql.DB.SetMaxIdleConns]): package database/sql keeps two
// by default, and then opens a new one for most concurrent calls. A pooler in transaction mode, such as PgBouncer,
// works without Listen and if the driver does not use prepared statements, which is the setting
// default_query_exec_mode=exec of pgx.
package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultSchema       = "patchsource"
	defaultTimeout      = 10 * time.Second
	defaultPollInterval = 500 * time.Millisecond
	// minServerVersion is PostgreSQL 13, the first with the type xid8.
	minServerVersion = 130000
)

// Options are options of [Open].
type Options struct {
	// Schema is the PostgreSQL schema of the tables: 1 to 40 lower-case letters, digits and underscores that do not
	// begin with a digit or pg_. The default is "patchsource".
	Schema string
	// Timeout bounds each call of Get, Put, Delete and Ping and each page of a list, so that a database that does not
	// answer does not block the caller. The outcome of a write that timed out is unknown. The default is 10 s; a
	// negative number means no limit.
	Timeout time.Duration
	// PollInterval is the time between two reads of the log of changes. The default is 500 ms. While a watch with
	// heartbeats is open, it is 1 s at most.
	PollInterval time.Duration
	// Listen, if not nil, listens for notifications on a channel, as the SQL command LISTEN does. It calls wake once it
	// listens and after each notification, and returns an error when it can no longer listen, or when ctx ends. It is
	// called while a watch is open, and again after a pause when it has returned. Each store with a Listen function
	// notifies the others of its writes, at most a hundred times a second; the log is polled all the same, so that a
	// lost notification only delays a change. If nil, the store neither listens nor notifies.
	Listen func(ctx context.Context, channel string, wake func()) error
	// Logger logs lost connections of watches. If nil, nothing is logged.
	Logger *slog.Logger
}

// Store is a [store.Store] in a PostgreSQL database. It is also a [store.HeartbeatWatcher], a
// [store.Revisioner], a [store.Pinger] and an io.Closer. It is safe for concurrent use.
type Store struct {
	db       *sql.DB
	opts     Options
	channel  string                // of notifications
	qualify  *strings.Replacer     // names the schema in statements
	refusal  atomic.Pointer[error] // the error of every change once the schema has a newer version
	written  chan struct{}         // has a value if a write has not been notified yet
	awake    chan struct{}         // has a value if the log should be read at once
	notifier sync.Once             // starts the goroutine that notifies

	closing context.Context // ends when the store is closed
	close   context.CancelFunc
	work    sync.WaitGroup

	mu       sync.Mutex
	watchers map[*watcher]bool
	feeding  bool // a goroutine reads the log
}

// schemaName matches valid schemas. The name of the channel must fit into 63 bytes.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

// Open opens a store over db, and creates or upgrades its schema. If opts is nil, the defaults are used. ctx bounds
// Open only. The error is [store.ErrFormat] if the schema has a version that is newer than this package knows.
//
// Close ends the work of the store. It does not close db, and db must not be closed before.
func Open(ctx context.Context, db *sql.DB, opts *Options) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	s := &Store{
		db: db, opts: *opts, watchers: map[*watcher]bool{},
		written: make(chan struct{}, 1), awake: make(chan struct{}, 1),
	}
	s.opts.Schema = cmp.Or(opts.Schema, defaultSchema)
	s.opts.Timeout = cmp.Or(opts.Timeout, defaultTimeout)
	s.opts.PollInterval = cmp.Or(max(opts.PollInterval, 0), defaultPollInterval)
	s.opts.Logger = cmp.Or(opts.Logger, slog.New(slog.DiscardHandler))
	if !schemaName.MatchString(s.opts.Schema) || strings.HasPrefix(s.opts.Schema, "pg_") {
		return nil, fmt.Errorf("sqlstore: the schema %q does not have 1 to 40 letters from a to z, digits and _, "+
			"or begins with a digit or pg_", s.opts.Schema)
	}
	s.channel = "patchsource_" + s.opts.Schema
	s.qualify = strings.NewReplacer("SCHEMA.", `"`+s.opts.Schema+`".`)
	if err := s.checkServer(ctx); err != nil {
		return nil, err
	}
	if err := s.migrate(ctx); err != nil {
		return nil, err
	}
	s.closing, s.close = context.WithCancel(context.Background())
	return s, nil
}

// checkServer returns an error if the database is not suitable.
func (s *Store) checkServer(ctx context.Context) error {
	needed := 2 // one of them for the watches
	if s.opts.Listen != nil {
		needed++
	}
	if n := s.db.Stats().MaxOpenConnections; n > 0 && n < needed {
		return fmt.Errorf("sqlstore: the pool may open %d connections: allow %d or more", n, needed)
	}
	var version int
	var encoding, isolation string
	var standby bool
	row := s.db.QueryRowContext(ctx, selectServer)
	if err := row.Scan(&version, &encoding, &isolation, &standby); err != nil {
		return fmt.Errorf("sqlstore: connect: %w", err)
	}
	switch {
	case version < minServerVersion:
		return fmt.Errorf("sqlstore: the server is PostgreSQL %d, want 13 or newer", version/10000)
	case encoding != "UTF8":
		return fmt.Errorf("sqlstore: the database has the encoding %s: create one with ENCODING 'UTF8'", encoding)
	case isolation != "read committed":
		return fmt.Errorf("sqlstore: default_transaction_isolation is %q: set it to 'read committed' for this user, "+
			"because others report conflicts as failures", isolation)
	case standby:
		return errStandby
	}
	return nil
}

var errStandby = errors.New("sqlstore: the server is a standby or read-only: connect to the primary server")

// Close ends the watches and the background work of the store, and waits for that work. Later calls fail with
// fs.ErrClosed. It does not close the *sql.DB. Closing a closed store does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	s.close()
	s.mu.Unlock()
	s.work.Wait()
	return nil
}

// Ping implements [store.Pinger]. It returns an error if the database cannot be reached, is read-only or has a schema
// of a newer version.
func (s *Store) Ping(ctx context.Context) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	var version int
	var readOnly bool
	if err := s.db.QueryRowContext(ctx, s.qualify.Replace(selectPing)).Scan(&version, &readOnly); err != nil {
		return failure(ctx, "ping", err)
	}
	if readOnly {
		return errStandby
	}
	return s.checkVersion(version)
}

// begin returns the context of one call, or the error of a call that cannot be made. The caller must call end.
func (s *Store) begin(ctx context.Context) (call context.Context, end context.CancelFunc, err error) {
	switch {
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case s.closing.Err() != nil:
		return nil, nil, errClosed
	case s.opts.Timeout < 0:
		return ctx, func() {}, nil
	}
	call, end = context.WithTimeout(ctx, s.opts.Timeout)
	return call, end, nil
}

var errClosed = fmt.Errorf("sqlstore: %w", fs.ErrClosed)

// failure returns the error of a call. It is that of ctx too if ctx has ended, which not every driver reports.
func failure(ctx context.Context, call string, err error) error {
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		return fmt.Errorf("sqlstore: %s: %w: %w", call, ended, err)
	}
	return fmt.Errorf("sqlstore: %s: %w", call, err)
}
