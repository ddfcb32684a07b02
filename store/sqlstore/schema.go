package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/patchsource/patchsource/store"
)

// migrations has the statements of schema/1.sql, schema/2.sql and so on. File n upgrades version n-1 to version n,
// records version n in the table meta, and leaves the tables usable by the release before, so that servers can be
// upgraded one after the other.
//
//go:embed schema/*.sql
var migrations embed.FS

// schemaVersion is the newest version of the schema that this package knows.
const schemaVersion = 1

// The first keys of advisory locks. The second is a hash of the schema.
const (
	migrateLock = 0x7073_0001
	trimLock    = 0x7073_0002
)

// lockKey returns the second key of the advisory locks of a schema.
func lockKey(schema string) int32 { return int32(crc32.ChecksumIEEE([]byte(schema))) }

// A querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// migrate creates the schema, or upgrades it to schemaVersion. A schema that is up to date needs no lock and no
// privilege to change it.
func (s *Store) migrate(ctx context.Context) error {
	version, err := s.version(ctx, s.db)
	if err != nil || version == schemaVersion {
		return err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("sqlstore: migrate: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, lockMigration, migrateLock, lockKey(s.opts.Schema)); err != nil {
		return fmt.Errorf("sqlstore: migrate: lock: %w", err)
	}
	if version, err = s.version(ctx, tx); err != nil {
		return err
	}
	for version < schemaVersion {
		version++
		if err := s.upgrade(ctx, tx, version); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqlstore: migrate: commit: %w", err)
	}
	return nil
}

// version returns the version of the schema, which is 0 if it has no tables yet.
func (s *Store) version(ctx context.Context, q querier) (version int, err error) {
	var exists bool
	if err := q.QueryRowContext(ctx, selectHasMeta, s.opts.Schema).Scan(&exists); err != nil {
		return 0, fmt.Errorf("sqlstore: read the version of the schema %s: %w", s.opts.Schema, err)
	}
	if !exists {
		return 0, nil
	}
	if err := q.QueryRowContext(ctx, s.qualify.Replace(selectVersion)).Scan(&version); err != nil {
		return 0, fmt.Errorf("sqlstore: read the version of the schema %s: %w", s.opts.Schema, err)
	}
	return version, s.checkVersion(version)
}

// checkVersion returns a [store.ErrFormat] if a version of the schema is newer than this package knows. Changes are
// refused from then on.
func (s *Store) checkVersion(version int) error {
	if version <= schemaVersion {
		return nil
	}
	err := fmt.Errorf("sqlstore: %w: the schema %s has version %d, and this version knows schemas up to %d: "+
		"start the newer version, or restore a backup made before",
		store.ErrFormat, s.opts.Schema, version, schemaVersion)
	s.refusal.CompareAndSwap(nil, &err)
	return err
}

// upgrade upgrades the schema from the version before to this one.
func (s *Store) upgrade(ctx context.Context, tx *sql.Tx, version int) error {
	var exists bool
	if err := tx.QueryRowContext(ctx, selectHasSchema, s.opts.Schema).Scan(&exists); err != nil {
		return fmt.Errorf("sqlstore: migrate: %w", err)
	}
	if !exists { // CREATE SCHEMA IF NOT EXISTS would need the privilege in any case
		if _, err := tx.ExecContext(ctx, `CREATE SCHEMA "`+s.opts.Schema+`"`); err != nil {
			return fmt.Errorf("sqlstore: create the schema %s: %w", s.opts.Schema, err)
		}
	}
	file, err := migrations.ReadFile(fmt.Sprintf("schema/%d.sql", version))
	if err != nil {
		return err
	}
	for statement := range strings.SplitSeq(string(file), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := tx.ExecContext(ctx, s.qualify.Replace(statement)); err != nil {
			return fmt.Errorf("sqlstore: upgrade the schema %s to version %d: %w", s.opts.Schema, version, err)
		}
	}
	return nil
}
