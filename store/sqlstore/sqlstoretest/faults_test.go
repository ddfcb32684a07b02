package sqlstoretest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
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

// A follower keeps the revisions of things by store.Follow, as a server keeps its index.
type follower struct {
	mu        sync.Mutex
	revisions map[string]store.Revision
	reports   int
}

// follow follows a store until the test ends.
func follow(t *testing.T, s store.Store) *follower {
	f := &follower{}
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		store.Follow(ctx, s, "things", store.Follower{
			Reload: func(ctx context.Context) error { return f.reload(ctx, s) },
			Apply:  func(ctx context.Context, c store.Change) error { return f.apply(ctx, s, c) },
			Report: func(error) { f.mu.Lock(); f.reports++; f.mu.Unlock() },
		})
	})
	t.Cleanup(func() { cancel(); work.Wait() })
	return f
}

// reload reads all revisions.
func (f *follower) reload(ctx context.Context, s store.Store) error {
	revisions, err := revisionsOf(ctx, s)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revisions = revisions
	return nil
}

// apply reads one record.
func (f *follower) apply(ctx context.Context, s store.Store, c store.Change) error {
	r, err := s.Get(ctx, c.Key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Revision == "" {
		delete(f.revisions, c.Key.ID)
	} else {
		f.revisions[c.Key.ID] = r.Revision
	}
	return nil
}

// expect waits until the revisions are those of a store. Writes that were canceled may still change it.
func (f *follower) expect(t *testing.T, s store.Store) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		want, err := revisionsOf(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		got := maps.Clone(f.revisions)
		f.mu.Unlock()
		if maps.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the revisions of the follower (-want +got):\n%s", cmp.Diff(want, got))
		}
	}
}

// revisionsOf returns the revisions of all things.
func revisionsOf(ctx context.Context, s store.Store) (map[string]store.Revision, error) {
	revisions := map[string]store.Revision{}
	for c, err := range store.Revisions(ctx, s, "things") {
		if err != nil {
			return nil, err
		}
		revisions[c.Key.ID] = c.Revision
	}
	return revisions, nil
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
	var all []*follower
	for _, s := range followers {
		all = append(all, follow(t, s))
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
		f.expect(t, s)
		if f.reports == 0 {
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
	f := follow(t, far)
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
	f.expect(t, s)
}

// awaitReport waits until a follower has reported one more error.
func awaitReport(t *testing.T, f *follower) {
	t.Helper()
	reports := func() int { f.mu.Lock(); defer f.mu.Unlock(); return f.reports }
	before := reports()
	for deadline := time.Now().Add(20 * time.Second); reports() == before; time.Sleep(5 * time.Millisecond) {
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
	opts.Listen = func(ctx context.Context, channel string, wake func()) error {
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
	w.expect(thing("b"))                       // because it listens again and reads the log
	mustPut(t, s, "c")
	w.expect(thing("c"))
}

// openOther returns another store that does not notify.
func openOther(t *testing.T, dsn, schema string) store.Store {
	return open(t, openDB(t, dsn), &sqlstore.Options{Schema: schema})
}
