package s3storetest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/internal/linear"
	"github.com/patchsource/patchsource/store/s3store"
	"github.com/patchsource/patchsource/store/s3store/s3storetest"
	"github.com/patchsource/patchsource/store/storetest"
)

const (
	// workers is the number of processes that use the store at once.
	workers = 4
	// workerTimeout bounds the requests of a worker.
	workerTimeout = time.Second
	// nativeDelete is the fault of a worker that deletes with the condition of DeleteObject, which gofakes3 ignores.
	nativeDelete = "native delete"
)

// work makes calls until the process is killed. args are an endpoint, a prefix, an id and a fault.
func work(ctx context.Context, args []string) error {
	var client s3store.Client = s3storetest.Client(args[0])
	if args[3] == nativeDelete {
		client = nativeDeleter{client}
	}
	opts := &s3store.Options{Prefix: args[1], Timeout: workerTimeout}
	var s *s3store.Store
	for s == nil { // the connection may be cut
		var err error
		if s, err = s3store.Open(ctx, client, s3storetest.Bucket, opts); err != nil {
			linear.Pause(ctx, 100*time.Millisecond)
		}
	}
	return linear.Work(ctx, linear.Broken(args[3], s), args[2], os.Stdout)
}

// A nativeDeleter is a client that deletes an object in place of replacing it with a tombstone.
type nativeDeleter struct{ s3store.Client }

func (c nativeDeleter) PutObject(
	ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options),
) (*s3.PutObjectOutput, error) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	isTombstone := bytes.HasPrefix(body, []byte(`{"nonce"`)) && !bytes.Contains(body, []byte(`"id"`))
	if in.IfMatch == nil || !isTombstone {
		in.Body = bytes.NewReader(body)
		return c.Client.PutObject(ctx, in, opts...)
	}
	deletion := &s3.DeleteObjectInput{Bucket: in.Bucket, Key: in.Key, IfMatch: in.IfMatch}
	_, err = c.Client.DeleteObject(ctx, deletion, opts...)
	return &s3.PutObjectOutput{ETag: in.IfMatch}, err
}

// A cluster is a server and workers that reach it through proxies.
type cluster struct {
	server  *s3storetest.Server
	proxies [workers]*storetest.Proxy
	program string
	prefix  string
}

// newCluster returns a cluster with a prefix of its own until the test ends.
func newCluster(t *testing.T, s *s3storetest.Server) *cluster {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{server: s, program: program, prefix: newPrefix()}
	for i := range c.proxies {
		if c.proxies[i], err = storetest.NewProxy("tcp", s.Addr()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.proxies[i].Close)
	}
	return c
}

// command returns the command of a worker with a fault of its own.
func (c *cluster) command(fault string) func(worker, start int) *exec.Cmd {
	return func(worker, start int) *exec.Cmd {
		id := fmt.Sprintf("%d.%d", worker, start)
		cmd := exec.Command(c.program, "http://"+c.proxies[worker].Addr().String(), c.prefix, id, fault)
		cmd.Env = append(os.Environ(), role+"=work")
		return cmd
	}
}

// faults are the faults of the network.
func (c *cluster) faults() map[string]func(context.Context, int) error {
	return map[string]func(context.Context, int) error{
		"cut": func(_ context.Context, worker int) error { c.proxies[worker].Cut(); return nil },
		"black hole": func(ctx context.Context, worker int) error {
			c.proxies[worker].Hold(true)
			defer c.proxies[worker].Hold(false)
			linear.Pause(ctx, 2*workerTimeout)
			return nil
		},
	}
}

// All calls of several processes have the results that they would have one after the other, whatever happens to the
// processes and their connections. A server that watches the records sees all changes, also of processes that were
// killed before they announced them.
func TestLinearizable(t *testing.T) {
	eachServer(t, func(t *testing.T, server *s3storetest.Server) {
		duration := 15 * time.Second
		if testing.Short() {
			duration = 8 * time.Second
		}
		if n, err := strconv.Atoi(os.Getenv("PATCHSOURCE_LINEAR_SECONDS")); err == nil {
			duration = time.Duration(n) * time.Second
		}
		c := newCluster(t, server)
		seen := newMirror(t, open(t, server.Client(), &s3store.Options{Prefix: c.prefix, CheckInterval: time.Second}))
		h, faults, err := linear.Run(t.Context(), linear.Plan{
			Workers: workers, Command: c.command(""), Processes: true, Faults: c.faults(), Time: duration,
		})
		if err != nil {
			t.Fatal(err)
		}
		h.RacyDeletes = true
		began := time.Now()
		results, err := h.Check(time.Minute)
		t.Logf("calls %v, faults %v, checked in %v", h.Counts(), faults, time.Since(began))
		if err != nil {
			t.Error(err)
		}
		for key, r := range results {
			if r != porcupine.Ok {
				t.Errorf("key %s: %s", key, r)
			}
		}
		for _, name := range []string{"kill", "stop", "cut", "black hole"} {
			if faults[name] == 0 {
				t.Errorf("no fault %q in %v", name, duration)
			}
		}
		for _, name := range []string{"put ok", "put conflict", "get ok", "delete ok", "delete not found"} {
			if h.Counts()[name] < 20 {
				t.Errorf("%d calls %q", h.Counts()[name], name)
			}
		}
		seen.await(t)
	})
}

// A mirror knows the revisions of the records of a kind from a watch alone.
type mirror struct {
	store *s3store.Store

	mu        sync.Mutex
	revisions map[string]store.Revision
	changed   chan struct{} // has a value after a change
}

// newMirror returns the mirror of the records of the workers in a store, until the test ends.
func newMirror(t *testing.T, s *s3store.Store) *mirror {
	m := &mirror{store: s, changed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(cancel)
	all.Go(func() {
		store.Follow(ctx, s, "linear", store.Follower{
			Reload: m.reload,
			Apply:  func(_ context.Context, c store.Change) error { m.apply(c); return nil },
		})
	})
	return m
}

// list returns the revisions of all records.
func (m *mirror) list(ctx context.Context) (map[string]store.Revision, error) {
	revisions := map[string]store.Revision{}
	for c, err := range m.store.Revisions(ctx, "linear") {
		if err != nil {
			return nil, err
		}
		revisions[c.Key.ID] = c.Revision
	}
	return revisions, nil
}

// reload reads the revisions of all records.
func (m *mirror) reload(ctx context.Context) error {
	revisions, err := m.list(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.revisions = revisions
	signal(m.changed)
	return nil
}

// apply learns a change.
func (m *mirror) apply(c store.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.revisions[c.Key.ID] = c.Revision; c.Revision == "" {
		delete(m.revisions, c.Key.ID)
	}
	signal(m.changed)
}

// await waits until the mirror is equal to the records, which do not change any more.
func (m *mirror) await(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	want, err := m.list(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for {
		m.mu.Lock()
		got := maps.Clone(m.revisions)
		m.mu.Unlock()
		if maps.Equal(got, want) {
			return
		}
		select {
		case <-m.changed:
		case <-ctx.Done():
			t.Errorf("the watch has seen the revisions %v, the records have %v", got, want)
			return
		}
	}
}

// signal puts a value into a channel that has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// The check finds stores that are not linearizable: one that deletes with the condition of DeleteObject, which gofakes3
// ignores, and one that checks the condition of a Put itself.
func TestBrokenStoresAreNotLinearizable(t *testing.T) {
	for _, fault := range []string{nativeDelete, "late"} {
		t.Run(fault, func(t *testing.T) {
			c := newCluster(t, server(t))
			h, _, err := linear.Run(t.Context(), linear.Plan{
				Workers: workers, Command: c.command(fault), Time: 3 * time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			h.RacyDeletes = true
			results, err := h.Check(time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("calls %v, results %v", h.Counts(), results)
			for _, r := range results {
				if r == porcupine.Illegal {
					return
				}
			}
			t.Errorf("the results are %v for the calls %v, want Illegal", results, h.Counts())
		})
	}
}
