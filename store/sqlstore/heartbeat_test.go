package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
)

// A fakeDatabase answers every reading of the log, after a while, with the changes that were made before.
type fakeDatabase struct {
	mu       sync.Mutex
	pause    time.Duration // until the log is read
	answer   time.Duration // from then until the answer
	err      error
	gap      bool
	changes  []string // ids of things
	readings int
}

func (d *fakeDatabase) Connect(context.Context) (driver.Conn, error) { return fakeConn{d}, nil }
func (d *fakeDatabase) Driver() driver.Driver                        { return nil }

// set changes what the database does.
func (d *fakeDatabase) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// read reads the log.
func (d *fakeDatabase) read() (rows scriptedRows, answer time.Duration, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.readings++
	rows = append(rows, header("1", false, d.gap))
	for _, id := range d.changes {
		rows = append(rows, header("1", false, d.gap, int64(1), "things", id, int64(1)))
	}
	d.gap, d.changes = false, nil
	return rows, d.answer, d.err
}

type fakeConn struct{ *fakeDatabase }

func (fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (fakeConn) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }
func (fakeConn) Close() error                        { return nil }

func (c fakeConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	c.mu.Lock()
	pause := c.pause
	c.mu.Unlock()
	time.Sleep(pause)
	rows, answer, err := c.read()
	time.Sleep(answer)
	return &rows, err
}

// A seen is what a watch yields, and when: an id, "gap" for the zero Key, "error", or "heartbeat".
type seen struct {
	what string
	beat time.Duration // the time of a heartbeat since the start of the test
}

// A recorder records what a watch yields. A test that takes the value of idle keeps it from reading on.
type recorder struct {
	began time.Time
	idle  chan struct{}
	mu    sync.Mutex
	all   []seen
}

// newRecorder returns a recorder that reads.
func newRecorder() *recorder {
	r := &recorder{began: time.Now(), idle: make(chan struct{}, 1)}
	r.idle <- struct{}{}
	return r
}

// record reads a watch until its context ends.
func (r *recorder) record(changes iter.Seq2[store.Change, error]) {
	for c, err := range changes {
		s := seen{what: cmp.Or(c.Key.ID, "gap")}
		switch {
		case err != nil:
			s.what = "error"
		case !c.Heartbeat.IsZero():
			s = seen{"heartbeat", c.Heartbeat.Sub(r.began)}
		}
		r.mu.Lock()
		r.all = append(r.all, s)
		r.mu.Unlock()
		<-r.idle
		r.idle <- struct{}{}
	}
}

// yields fails the test unless the watch has yielded this since the last call.
func (r *recorder) yields(t *testing.T, want ...seen) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := gocmp.Diff(want, r.all, gocmp.AllowUnexported(seen{})); diff != "" {
		t.Errorf("the watch yields (-want +got):\n%s", diff)
	}
	r.all = nil
}

// withHeartbeats runs a test in a bubble with a watch of things that has heartbeats, and one that has none.
func withHeartbeats(
	t *testing.T, poll time.Duration, test func(t *testing.T, d *fakeDatabase, beating, plain *recorder),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDatabase{}
		db := sql.OpenDB(d)
		defer func() { _ = db.Close() }()
		s := &Store{
			db: db, qualify: strings.NewReplacer(), watchers: map[*watcher]bool{}, awake: make(chan struct{}, 1),
			opts: Options{PollInterval: poll, Timeout: -1, Logger: slog.New(slog.DiscardHandler)},
		}
		s.closing, s.close = context.WithCancel(context.Background())
		defer func() { _ = s.Close() }()
		ctx, cancel := context.WithCancel(t.Context())
		beating, plain := newRecorder(), newRecorder()
		var all sync.WaitGroup
		all.Go(func() { plain.record(s.Watch(ctx, "things")) })
		synctest.Wait()
		all.Go(func() { beating.record(s.WatchHeartbeats(ctx, "things")) })
		defer all.Wait()
		defer cancel()
		test(t, d, beating, plain)
	})
}

// wait lets time pass in a bubble of synctest.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// beat returns the heartbeat of a time.
func beat(ms int) seen { return seen{"heartbeat", time.Duration(ms) * time.Millisecond} }

// The time of a heartbeat is that of the question, and each comes after the changes that the answer has. A watch
// without heartbeats yields none.
func TestHeartbeats(t *testing.T) {
	withHeartbeats(t, 500*time.Millisecond, func(t *testing.T, d *fakeDatabase, beating, plain *recorder) {
		wait(100 * time.Millisecond)
		beating.yields(t, seen{what: "gap"}, beat(10)) // the second watch has the log read again after a short pause
		plain.yields(t, seen{what: "gap"})
		d.set(func() { d.pause, d.answer, d.changes = 100*time.Millisecond, 100*time.Millisecond, []string{"a"} })
		wait(590 * time.Millisecond)
		beating.yields(t)
		wait(20 * time.Millisecond)
		beating.yields(t, seen{what: "a"}, beat(510))
		plain.yields(t, seen{what: "a"})
		d.set(func() { d.gap = true })
		wait(700 * time.Millisecond)
		beating.yields(t, seen{what: "gap"}, beat(1210))
	})
}

// There is a heartbeat each second even if the log is read less often without them.
func TestHeartbeatsOfASlowPoll(t *testing.T) {
	withHeartbeats(t, time.Hour, func(t *testing.T, _ *fakeDatabase, beating, plain *recorder) {
		wait(3100 * time.Millisecond)
		beating.yields(t, seen{what: "gap"}, beat(10), beat(1010), beat(2010), beat(3010))
		plain.yields(t, seen{what: "gap"})
	})
}

// While the log cannot be read there are no heartbeats. The zero Key comes before the next.
func TestNoHeartbeatsDuringAnInterruption(t *testing.T) {
	withHeartbeats(t, 500*time.Millisecond, func(t *testing.T, d *fakeDatabase, beating, _ *recorder) {
		wait(100 * time.Millisecond)
		beating.yields(t, seen{what: "gap"}, beat(10))
		<-beating.idle // the reader is slow: it reads one more and then nothing
		d.set(func() { d.changes = []string{"a"} })
		wait(500 * time.Millisecond)
		beating.yields(t, seen{what: "a"})
		d.set(func() { d.err = errors.New("cut") })
		wait(10 * time.Second)
		d.set(func() { d.err = nil })
		wait(10 * time.Second)
		beating.idle <- struct{}{}
		synctest.Wait()
		beating.mu.Lock()
		got := beating.all
		beating.all = nil
		beating.mu.Unlock()
		// The heartbeat of the reading before the interruption was taken with the change.
		if len(got) != 4 || got[0] != beat(510) || got[1].what != "error" || got[2].what != "gap" ||
			got[3].beat < 19*time.Second {
			t.Errorf("the watch yields %v, want the heartbeat after the change, an error, the zero Key and one "+
				"heartbeat of a time after it", got)
		}
	})
}

// A slow reader gets a heartbeat after the changes that precede it, and the newest one only.
func TestHeartbeatsOfASlowReader(t *testing.T) {
	withHeartbeats(t, 500*time.Millisecond, func(t *testing.T, d *fakeDatabase, beating, plain *recorder) {
		wait(100 * time.Millisecond)
		beating.yields(t, seen{what: "gap"}, beat(10))
		plain.yields(t, seen{what: "gap"})
		<-beating.idle
		for _, id := range []string{"a", "b", "c"} {
			d.set(func() { d.changes = []string{id} })
			wait(500 * time.Millisecond)
		}
		wait(time.Second)
		beating.idle <- struct{}{}
		synctest.Wait()
		beating.yields(t, seen{what: "a"}, beat(510), seen{what: "b"}, seen{what: "c"}, beat(2510))
		plain.yields(t, seen{what: "a"}, seen{what: "b"}, seen{what: "c"})
	})
}
