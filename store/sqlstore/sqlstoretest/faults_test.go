package sqlstoretest_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/internal/linear"
	"github.com/patchsource/patchsource/store/sqlstore"
	"github.com/patchsource/patchsource/store/sqlstore/sqlstoretest"
	"github.com/patchsource/patchsource/store/storetest"
)

// behind returns a store that reaches a server through a proxy, and the proxy.
func behind(t *testing.T, s *sqlstoretest.Server, schema string) (*sqlstore.Store, *storetest.Proxy) {
	t.Helper()
	p, err := storetest.NewProxy("unix", s.Socket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return open(t, openDB(t, proxied(p)), &sqlstore.Options{Schema: schema, Timeout: time.Second}), p
}

// A connection that is cut is an error and then a gap.
func TestWatchOfACutConnection(t *testing.T) {
	srv, schema := server(t), newSchema()
	other := open(t, openDB(t, srv.DSN()), &sqlstore.Options{Schema: schema})
	s, proxy := behind(t, srv, schema)
	w := watch(t, s)
	w.expect(store.Key{})
	for i := range 3 {
		proxy.Cut()
		mustPut(t, other, "missed")
		w.recovered()
		id := strconv.Itoa(i)
		mustPut(t, other, id)
		w.expect(thing(id))
	}
}

// A server that does not answer any more is an error within a few seconds, for watches and for calls.
func TestWatchOfABlackHole(t *testing.T) {
	srv, schema := server(t), newSchema()
	other := open(t, openDB(t, srv.DSN()), &sqlstore.Options{Schema: schema})
	s, proxy := behind(t, srv, schema)
	w := watch(t, s)
	w.expect(store.Key{})
	mustPut(t, s, "a") // leaves a connection in the pool
	w.expect(thing("a"))

	proxy.Hold(true)
	began := time.Now()
	mustPut(t, other, "missed")
	if err := w.failure(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the watch: %v, want that the time is up", err)
	}
	noticed := time.Since(began)
	t.Logf("the watch has noticed the black hole after %v", noticed)
	if noticed > 4*time.Second {
		t.Errorf("the watch has noticed the black hole after %v, want 3 s", noticed)
	}
	for i, err := range calls(t, s) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("call %d: %v, want that the time is up", i, err)
		}
	}
	proxy.Hold(false)
	w.until(store.Key{})
	mustPut(t, other, "b")
	w.until(thing("b"))
}

// A load writes things until it is stopped.
type load struct {
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu    sync.Mutex
	acked map[string]int // the highest number that was acknowledged, by id
	acks  int
	fails int
}

const loadWriters = 8

// startLoad has eight writers count up records of their own in a store, and create and delete others.
func startLoad(t *testing.T, s store.Store) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{cancel: cancel, acked: map[string]int{}}
	for i := range loadWriters {
		l.work.Go(func() { l.write(ctx, s, i) })
	}
	t.Cleanup(l.stop)
	return l
}

// write counts up one record until ctx ends.
func (l *load) write(ctx context.Context, s store.Store, writer int) {
	for n := 1; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("%d-%d", writer, n%3)
		_, err := s.Put(ctx, thing(id), []byte(strconv.Itoa(n)), store.Condition{})
		temporary := thing(fmt.Sprintf("%d temporary %d", writer, n%7))
		_, _ = s.Put(ctx, temporary, nil, store.Condition{})
		if n%2 == 0 {
			_ = s.Delete(ctx, temporary, store.Condition{})
		}
		l.mu.Lock()
		if err == nil {
			l.acked[id] = n
			l.acks++
		} else {
			l.fails++
		}
		l.mu.Unlock()
		if err != nil {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// stop ends the load.
func (l *load) stop() {
	l.cancel()
	l.work.Wait()
}

// check fails the test unless all that was acknowledged is there.
func (l *load) check(t *testing.T, s store.Store) {
	t.Helper()
	for id, want := range l.acked {
		r, err := s.Get(t.Context(), thing(id))
		n, _ := strconv.Atoi(string(r.Value))
		if err != nil || n < want {
			t.Errorf("%s has the number %d (%v), and %d was acknowledged", id, n, err, want)
		}
	}
}

// What was acknowledged is there after the server was restarted, and other servers see it.
func TestRestartUnderLoad(t *testing.T) {
	srv, schema := sqlstoretest.Require(t), newSchema()
	listener := openDB(t, srv.DSN())
	followers := []store.Store{
		open(t, openDB(t, srv.DSN()), &sqlstore.Options{Schema: schema}),
		open(t, listener, listening(listener, schema)),
	}
	var all []*linear.Mirror
	for _, s := range followers {
		all = append(all, linear.NewMirror(t, s, "things"))
	}
	s := open(t, openDB(t, srv.DSN()), listening(openDB(t, srv.DSN()), schema))
	l := startLoad(t, s)
	for range 3 {
		awaitAcks(t, l, 50)
		if err := srv.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	awaitAcks(t, l, 50)
	l.stop()
	l.check(t, s)
	for i, f := range all {
		f.Await(t, s)
		if f.Reports() == 0 {
			t.Errorf("follower %d has noticed no restart", i)
		}
	}
	t.Logf("%d writes were acknowledged, %d have failed", l.acks, l.fails)
}

// awaitAcks waits until the load has written a number of records more.
func awaitAcks(t *testing.T, l *load, n int) {
	t.Helper()
	acks := func() int { l.mu.Lock(); defer l.mu.Unlock(); return l.acks }
	target := acks() + n
	for deadline := time.Now().Add(30 * time.Second); acks() < target; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the load makes no progress")
		}
	}
}

// A follower behind a bad network ends up with the records as they are.
func TestFollowUnderFaults(t *testing.T) {
	srv, schema := server(t), newSchema()
	s := open(t, openDB(t, srv.DSN()), &sqlstore.Options{Schema: schema})
	far, proxy := behind(t, srv, schema)
	f := linear.NewMirror(t, far, "things")
	l := startLoad(t, s)
	for i := range 6 {
		awaitAcks(t, l, 50)
		if i%3 == 2 {
			proxy.Hold(true)
			awaitReport(t, f)
			proxy.Hold(false)
		} else {
			proxy.Cut()
		}
	}
	l.stop()
	f.Await(t, s)
}

// awaitReport waits until a follower has reported one more error.
func awaitReport(t *testing.T, f *linear.Mirror) {
	t.Helper()
	before := f.Reports()
	for deadline := time.Now().Add(20 * time.Second); f.Reports() == before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the follower has noticed no fault")
		}
	}
}

// A lost notification, or a listener that was cut off, only delays a change.
func TestListenerThatIsCutOff(t *testing.T) {
	dsn, schema := server(t).DSN(), newSchema()
	db := openDB(t, dsn)
	opts := listening(db, schema)
	opts.PollInterval = time.Hour
	wakes := make(chan struct{}, 100)
	inner := opts.Listen
	mayListen := make(chan struct{}, 100)
	mayListen <- struct{}{}
	opts.Listen = func(ctx context.Context, channel string, wake func()) error {
		select {
		case <-mayListen:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		return inner(ctx, channel, func() { wake(); wakes <- struct{}{} })
	}
	s := open(t, db, opts)
	w := watch(t, s)
	w.expect(store.Key{})
	<-wakes // it listens
	mustPut(t, s, "a")
	w.expect(thing("a"))
	exec(t, db, schema, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE query LIKE 'LISTEN "patchsource_{schema}"%' AND pid <> pg_backend_pid()`)
	mustPut(t, openOther(t, dsn, schema), "b") // without a notification
	close(mayListen)
	w.expect(thing("b")) // because it listens again and reads the log
	mustPut(t, s, "c")
	w.expect(thing("c"))
}

// openOther returns another store that does not notify.
func openOther(t *testing.T, dsn, schema string) store.Store {
	return open(t, openDB(t, dsn), &sqlstore.Options{Schema: schema})
}
