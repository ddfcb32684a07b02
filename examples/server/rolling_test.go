//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/patchsource/patchsource/examples/internal/trial"
	"github.com/patchsource/patchsource/store/s3store/s3storetest"
	"github.com/patchsource/patchsource/store/sqlstore/sqlstoretest"
)

// oldServer and oldFormat are the environment variables with the path of a server of an earlier version, and with the
// newest format that it knows. By default, that is 4.
const (
	oldServer = "PATCHSOURCE_OLD_SERVER"
	oldFormat = "PATCHSOURCE_OLD_FORMAT"
)

// Servers over one store are upgraded one after another while clients change titles and read at all of them: nothing
// that was acknowledged is lost. Once a new server has raised the format, old ones refuse changes with 503 and serve
// the feed.
func TestRollingUpgrade(t *testing.T) {
	old := os.Getenv(oldServer)
	if old == "" {
		t.Skipf("%s is not set: .ci/slow builds an earlier server and names it there", oldServer)
	}
	t.Run("PostgreSQL", func(t *testing.T) {
		testRolling(t, old, databaseStore(sqlstoretest.Require(t), "rolling"))
	})
	t.Run("S3", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "access")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "secret-of-a-test")
		testRolling(t, old, bucketStore(s3storetest.Require(t), "rolling"))
	})
}

// A fleet is several servers over one store, of two versions.
type fleet struct {
	t       *testing.T
	dir     string
	store   string
	servers [sharedServers]atomic.Pointer[server]

	mu    sync.Mutex
	acked map[string]bool            // versions
	by    [sharedServers]map[int]int // the number of answers to changes, by server and status
}

// testRolling upgrades servers over a store.
func testRolling(t *testing.T, old, name string) {
	current, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, dir: t.TempDir(), store: name, acked: map[string]bool{}}
	for i := range f.servers {
		f.start(i, old)
	}
	if status, body := f.servers[0].Load().do("POST", "/api/v1/title", trial.Definition("App", "0")); status != 201 {
		t.Fatalf("got status %d: %s", status, body)
	}
	for i := range f.servers {
		eventually(t, 10*time.Second, "the title at every server", func() bool {
			status, _ := f.servers[i].Load().do("GET", "/jamf/v1/patch/App", "")
			return status == 200
		})
	}
	stop := f.work()
	f.expect("all are old", 201, 201, 201)
	f.replace(0, current)
	f.expect("one is new", 201, 201, 201)
	f.replace(1, current)
	f.expect("two are new", 201, 201, 201)
	status, body := f.servers[0].Load().do("PUT", "/api/v1/titles/App/draft", trial.Definition("App", "draft"))
	if status/100 != 2 {
		t.Fatalf("a draft: got status %d: %s", status, body)
	}
	answer := 503
	if format, err := strconv.Atoi(os.Getenv(oldFormat)); err == nil && format >= 5 { // it knows drafts
		answer = 201
	}
	f.expect("the format was raised", 201, 201, answer)
	f.replace(2, current)
	f.expect("all are new", 201, 201, 201)
	stop()
	f.check()
}

// start starts a server.
func (f *fleet) start(i int, path string) {
	f.t.Helper()
	f.servers[i].Store(startProgram(f.t, path, f.dir, "--store", f.store, "--rate-limit=false", "--no-access-log",
		"--secret-file", filepath.Join(f.dir, "secret"), "--no-community",
		"--admin-token-file", filepath.Join(f.dir, "data.admin-token")))
}

// replace stops a server and starts one of another version.
func (f *fleet) replace(i int, path string) {
	f.t.Helper()
	s := f.servers[i].Load()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		f.t.Errorf("server %d stopped with %v", i, err)
	}
	f.start(i, path)
}

// work changes titles and reads at all servers until stop is called.
func (f *fleet) work() (stop func()) {
	var all sync.WaitGroup
	var stopped atomic.Bool
	for i := range f.servers {
		f.by[i] = map[int]int{}
		all.Go(func() {
			for n := 0; !stopped.Load(); n++ {
				version := fmt.Sprintf("%d.%d", i+1, n)
				status, _ := f.servers[i].Load().do("POST", "/api/v1/title/App/version", versionJSON(version))
				f.mu.Lock()
				f.by[i][status]++
				if status == 201 {
					f.acked[version] = true
				}
				f.mu.Unlock()
				time.Sleep(rand.N(40 * time.Millisecond)) // so that the title does not grow too fast
			}
		})
		all.Go(func() {
			for !stopped.Load() {
				// There is no answer, status 0, from a server that is being replaced.
				status, body := f.servers[i].Load().do("GET", "/jamf/v1/patch/App", "")
				if status != 0 && (status != 200 || !strings.Contains(string(body), `"0"`)) {
					f.t.Errorf("server %d answers a read with %d: %.200s", i, status, body)
				}
				time.Sleep(rand.N(40 * time.Millisecond))
			}
		})
	}
	return func() {
		stopped.Store(true)
		all.Wait()
	}
}

// expect waits until each server has answered three more changes with a status.
func (f *fleet) expect(when string, want ...int) {
	f.t.Helper()
	for i, status := range want {
		before := f.answers(i, status)
		eventually(f.t, 20*time.Second, fmt.Sprintf("%s: changes at server %d are answered with %d", when, i, status),
			func() bool { return f.answers(i, status) >= before+3 })
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.t.Logf("%s: %d versions acknowledged; answers by server and status: %v", when, len(f.acked), f.by)
}

// answers returns the number of changes that a server has answered with a status.
func (f *fleet) answers(i, status int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.by[i][status]
}

// check checks that every server has every acknowledged version once.
func (f *fleet) check() {
	f.t.Helper()
	for i := range f.servers {
		c := &cluster{t: f.t}
		c.servers[0].Store(f.servers[i].Load())
		var versions []string
		eventually(f.t, 10*time.Second, "all versions at every server", func() bool {
			versions = c.versions("App")
			return len(versions) >= len(f.acked)+1
		})
		for v := range f.acked {
			if !slices.Contains(versions, v) {
				f.t.Errorf("server %d has lost the acknowledged version %s", i, v)
			}
		}
		if doubled := duplicates(versions); len(doubled) > 0 {
			f.t.Errorf("server %d has versions twice: %v", i, doubled)
		}
	}
}
