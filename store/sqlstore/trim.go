package sqlstore

import (
	"context"
	"fmt"
	"time"
)

const (
	// trimInterval is the time between two attempts of a process to trim the log, at most.
	trimInterval = time.Minute
	// trimAge is the age of changes that are trimmed. A process that was suspended for longer has a gap.
	trimAge = 10 * time.Minute
	// maxTrimChanges bounds the changes that are trimmed at once.
	maxTrimChanges = 10_000
)

// trimRegularly trims the log until ctx ends.
func (s *Store) trimRegularly(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.trim(ctx); err != nil && ctx.Err() == nil {
			s.opts.Logger.Warn("the log of changes cannot be trimmed: retrying", "error", err)
		}
		pause(ctx, jitter(trimInterval))
	}
}

// trim deletes old changes from the log, unless another process does so at the moment.
func (s *Store) trim(ctx context.Context) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("sqlstore: trim: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	var held bool
	err = tx.QueryRowContext(ctx, tryTrimLock, trimLock, lockKey(s.opts.Schema)).Scan(&held)
	if err == nil && held {
		_, err = tx.ExecContext(ctx, s.qualify.Replace(trimChanges), maxTrimChanges, int(trimAge/time.Second))
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("sqlstore: trim: %w", err)
	}
	return nil
}
