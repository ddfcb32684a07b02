package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/patchsource/patchsource/store"
)

const (
	// feedTimeout bounds each statement of the feed. With PollInterval it is the time until a watch notices that the
	// database does not answer.
	feedTimeout = 2500 * time.Millisecond
	// minPollPause is the shortest time between two reads of the log.
	minPollPause = 10 * time.Millisecond
	// heartbeatInterval bounds the time between two reads of the log while a watch wants heartbeats.
	heartbeatInterval = time.Second
	// maxPollChanges bounds the changes that one read of the log returns. If there are more, they are a gap.
	maxPollChanges = 10_000
	// minConnectPause and maxConnectPause bound the pause before the feed connects again.
	minConnectPause = 50 * time.Millisecond
	maxConnectPause = 2 * time.Second
)

// feed reads the log for the watchers until there are none or the store is closed.
func (s *Store) feed() {
	ctx, stop := context.WithCancel(s.closing)
	defer stop()
	s.work.Go(func() { s.trimRegularly(ctx) })
	if s.opts.Listen != nil {
		s.work.Go(func() { s.listen(ctx) })
	}
	connectPause := minConnectPause
	for !s.idle() {
		polled, err := s.session(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.interrupt(err)
		s.opts.Logger.Warn("the changes of other servers cannot be read: retrying", "error", err)
		if polled {
			connectPause = minConnectPause
		}
		pause(ctx, jitter(connectPause))
		connectPause = min(2*connectPause, maxConnectPause)
	}
}

// session connects and reads the log until there are no watchers, when it returns nil, or until an error. It reports
// whether the log was read at all.
func (s *Store) session(ctx context.Context) (polled bool, err error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return false, err
	}
	// The next session gets a new connection: this one may lead to a server that is not the primary any more.
	defer func() {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = conn.Close()
	}()
	var last reading
	for !s.idle() {
		began := time.Now()
		next, err := s.poll(ctx, conn, last)
		if err != nil {
			return polled, err
		}
		polled = true
		s.deliver(next.changes, next.gap, began)
		next.changes = nil
		last = next
		if s.await(ctx); ctx.Err() != nil {
			return polled, ctx.Err()
		}
	}
	return polled, nil
}

// connect reserves a connection.
func (s *Store) connect(ctx context.Context) (*sql.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, feedTimeout)
	defer cancel()
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, failure(ctx, "watch: connect", err)
	}
	return conn, nil
}

// idle reports whether there are no watchers. If so, the feed must end, and the next watcher begins another.
func (s *Store) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.watchers) > 0 {
		return false
	}
	s.feeding = false
	return true
}

// await waits until it is time for the next read of the log.
func (s *Store) await(ctx context.Context) {
	pause(ctx, minPollPause)
	t := time.NewTimer(max(s.pollInterval()-minPollPause, 0))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-s.awake:
	case <-t.C:
	}
}

// pollInterval returns the time between two reads of the log. The subscription of a watch that shortens it has the log
// read at once.
func (s *Store) pollInterval() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watchers {
		if w.heartbeats {
			return min(s.opts.PollInterval, heartbeatInterval)
		}
	}
	return s.opts.PollInterval
}

// A reading is the outcome of a read of the log.
type reading struct {
	server   string // the start of the server process
	snapshot string // what the next reading does not read again
	changes  []store.Change
	gap      bool // changes were missed
}

// poll reads the changes since the last reading, of which the zero value stands for none.
func (s *Store) poll(ctx context.Context, conn *sql.Conn, last reading) (next reading, err error) {
	ctx, cancel := context.WithTimeout(ctx, feedTimeout)
	defer cancel()
	rows, err := conn.QueryContext(ctx, s.qualify.Replace(selectChanges), last.snapshot, maxPollChanges+1)
	if err == nil {
		err = scanAll(rows, func(rows *sql.Rows) error { return s.scanChange(rows, &next) })
	}
	switch {
	case err != nil:
		return reading{}, failure(ctx, "watch", err)
	case next.server == "":
		return reading{}, errors.New("sqlstore: watch: the table meta is empty: restore a backup of the database")
	case last.server != "" && next.server != last.server:
		return reading{}, errAnotherServer
	}
	next.gap = next.gap || len(next.changes) > maxPollChanges
	return next, nil
}

// scanChange adds a row to a reading. A row without a change stands for no changes.
func (s *Store) scanChange(rows *sql.Rows, next *reading) error {
	var version int
	var standby bool
	var seq sql.NullInt64
	var kind, id sql.NullString
	var nonce sql.NullInt32
	err := rows.Scan(&version, &standby, &next.server, &next.snapshot, &next.gap, &seq, &kind, &id, &nonce)
	if err != nil {
		return fmt.Errorf("read a row: %w", err)
	}
	if standby {
		return errStandby
	}
	_ = s.checkVersion(version) // from now on changes are refused; they are still seen
	if seq.Valid {
		c := store.Change{Key: store.Key{Kind: kind.String, ID: id.String}}
		if nonce.Valid {
			c.Revision = revision{seq.Int64, nonce.Int32}.text()
		}
		next.changes = append(next.changes, c)
	}
	return nil
}

var errAnotherServer = errors.New("sqlstore: watch: the connection leads to another server, or to one that was " +
	"restarted")

// jitter returns a random time between the half and the whole of d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2) }

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
