//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store/s3store/s3storetest"
	"github.com/patchsource/patchsource/store/sqlstore/sqlstoretest"
	"github.com/patchsource/patchsource/store/storetest"
)

const (
	sharedServers = 3
	sharedWriters = 6
	// maxRevocation is the time in which every server must refuse a revoked token.
	maxRevocation = 5 * time.Second
	// maxTakeover bounds the time until a new leader has delivered everything: its lease has 30 s.
	maxTakeover = 2 * time.Minute
)

// A sharedStore is a store for several servers.
type sharedStore struct {
	network, address string // of the storage
	// name returns the value of --store that reaches the storage through a proxy.
	name    func(proxy *storetest.Proxy) string
	restart func() error // crashes the storage and starts it again, or is nil
}

func TestServersOverPostgres(t *testing.T) {
	srv := sqlstoretest.Require(t)
	testShared(t, func(t *testing.T, schema string) sharedStore {
		return sharedStore{"unix", srv.Socket(), func(p *storetest.Proxy) string {
			return fmt.Sprintf("postgres://postgres@%v/postgres?sslmode=disable&schema=%s", p.Addr(), schema)
		}, srv.Restart}
	})
}

func TestServersOverS3(t *testing.T) {
	srv := s3storetest.Require(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "access")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret-of-a-test")
	testShared(t, func(t *testing.T, prefix string) sharedStore {
		return sharedStore{"tcp", srv.Addr(), func(p *storetest.Proxy) string {
			return fmt.Sprintf("s3://%s/%s?endpoint=http://%v&path_style=1", s3storetest.Bucket, prefix, p.Addr())
		}, nil}
	})
}

// testShared runs three servers over a store while six writers add versions, without faults and with them.
func testShared(t *testing.T, open func(t *testing.T, name string) sharedStore) {
	quiet, faulty := 5*time.Second, 20*time.Second
	if testing.Short() {
		quiet, faulty = 2*time.Second, 6*time.Second
	}
	t.Run("without faults", func(t *testing.T) {
		c := startCluster(t, open(t, "quiet"))
		done := c.write(quiet)
		done.Wait()
		c.check(true)
		c.checkRevocation()
	})
	t.Run("with faults", func(t *testing.T) {
		c := startCluster(t, open(t, "faulty"))
		done := c.write(faulty)
		for n, end := 0, time.Now().Add(faulty); time.Now().Before(end); n++ {
			c.fault(n)
		}
		done.Wait()
		c.check(false)
		c.checkPartition()
	})
}

// A cluster is several servers over one store, each with a connection of its own to the storage.
type cluster struct {
	t       *testing.T
	dir     string
	store   sharedStore
	proxies [sharedServers]*storetest.Proxy
	servers [sharedServers]atomic.Pointer[server]
	titles  []string
	events  *eventLog

	mu     sync.Mutex
	acked  map[string][]string // versions by title
	faults map[string]int      // the number of faults by kind
}

// startCluster starts the servers, a receiver of webhooks and titles.
func startCluster(t *testing.T, s sharedStore) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), store: s, acked: map[string][]string{}, faults: map[string]int{}}
	c.events = newEventLog(t)
	for i := range c.servers {
		p, err := storetest.NewProxy(s.network, s.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		c.proxies[i] = p
		c.start(i)
	}
	if status, body := c.server(0).do("POST", "/api/v1/webhooks", `{"url":"`+c.events.url+`"}`); status != 201 {
		t.Fatalf("got status %d: %s", status, body)
	}
	for i := range c.servers { // a server does not record events for a webhook that it does not know yet
		eventually(t, 10*time.Second, "the webhook at every server", func() bool {
			_, body := c.server(i).do("GET", "/api/v1/webhooks", "")
			return strings.Contains(string(body), c.events.url)
		})
	}
	for i := range sharedServers {
		id := fmt.Sprint("T", i)
		if status, body := c.server(i).do("POST", "/api/v1/title", definition(id)); status != 201 {
			t.Fatalf("got status %d: %s", status, body)
		}
		c.titles = append(c.titles, id)
	}
	for i := range c.servers {
		eventually(t, 10*time.Second, "the titles at every server", func() bool {
			_, body := c.server(i).do("GET", "/jamf/v1/software", "")
			return strings.Count(string(body), `"id"`) == len(c.titles)
		})
	}
	return c
}

// start starts a server, with the secret and the token of the others.
func (c *cluster) start(i int) {
	c.servers[i].Store(start(c.t, c.dir, "--store", c.store.name(c.proxies[i]), "--rate-limit=false",
		"--allow-private-networks", "--secret-file", c.dir+"/data.secret", "--no-access-log",
		"--admin-token-file", c.dir+"/data.admin-token", "--mail", "outbox:"+c.dir+"/outbox"))
}

// server returns a running server.
func (c *cluster) server(i int) *server { return c.servers[i].Load() }

// write starts the writers, which add versions to all titles at all servers for some time.
func (c *cluster) write(d time.Duration) *sync.WaitGroup {
	var all sync.WaitGroup
	end := time.Now().Add(d)
	for w := range sharedWriters {
		all.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				title, version := c.titles[rand.IntN(len(c.titles))], fmt.Sprintf("%d.%d", w+1, n)
				s := c.server(rand.IntN(sharedServers))
				status, _ := s.do("POST", "/api/v1/title/"+title+"/version", versionJSON(version))
				if status == 201 {
					c.mu.Lock()
					c.acked[title] = append(c.acked[title], version)
					c.mu.Unlock()
				} else {
					time.Sleep(10 * time.Millisecond) // a server that was killed refuses connections at once
				}
			}
		})
	}
	return &all
}

// fault lets something fail for some time: the kinds of faults take turns.
func (c *cluster) fault(n int) {
	i := rand.IntN(sharedServers)
	kinds := []string{"kill", "stop", "cut", "hole"}
	if c.store.restart != nil {
		kinds = append(kinds, "restart")
	}
	kind := kinds[n%len(kinds)]
	c.faults[kind]++
	some := func() { time.Sleep(500*time.Millisecond + rand.N(2*time.Second)) }
	switch kind {
	case "kill":
		s := c.server(i)
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		some()
		c.start(i)
	case "stop":
		_ = c.server(i).cmd.Process.Signal(syscall.SIGSTOP)
		some()
		_ = c.server(i).cmd.Process.Signal(syscall.SIGCONT)
	case "cut":
		c.proxies[i].Cut()
	case "hole":
		c.proxies[i].Hold(true)
		some()
		c.proxies[i].Hold(false)
	case "restart":
		if err := c.store.restart(); err != nil {
			c.t.Fatal(err)
		}
	}
	some()
}

// check compares the servers with each other and with what was acknowledged, and the events with the versions. If
// quiet, there were no faults, so that every event must have been delivered once.
func (c *cluster) check(quiet bool) {
	c.t.Helper()
	for _, path := range append([]string{"software"}, c.paths()...) {
		c.checkSame("/jamf/v1/" + path)
	}
	acked := 0
	for _, title := range c.titles {
		versions := c.versions(title)
		if doubled := duplicates(versions); len(doubled) > 0 {
			c.t.Errorf("%s has versions twice: %v", title, doubled)
		}
		for _, v := range c.acked[title] {
			if !slices.Contains(versions, v) {
				c.t.Errorf("%s has lost the acknowledged version %s", title, v)
			}
		}
		acked += len(c.acked[title])
		c.checkHistory(title, len(versions))
		slices.Reverse(versions)
		c.checkEvents(title, versions, quiet)
	}
	c.t.Logf("%d versions acknowledged, faults: %v, %d deliveries", acked, c.faults, c.events.count())
	if acked < 10 {
		c.t.Errorf("only %d versions were acknowledged", acked)
	}
}

// paths returns the paths of the titles in the feed.
func (c *cluster) paths() (paths []string) {
	for _, title := range c.titles {
		paths = append(paths, "patch/"+title)
	}
	return paths
}

// checkSame waits until all servers serve the same bytes at a path.
func (c *cluster) checkSame(path string) {
	c.t.Helper()
	eventually(c.t, 15*time.Second, "the same bytes of "+path+" at all servers", func() bool {
		bodies := map[string]bool{}
		for i := range c.servers {
			status, body := c.server(i).do("GET", path, "")
			bodies[fmt.Sprint(status, string(body))] = true
		}
		_, body := c.server(0).do("GET", path, "")
		return len(bodies) == 1 && bodies[fmt.Sprint(200, string(body))]
	})
}

// versions returns the versions of a title, the newest first.
func (c *cluster) versions(title string) (versions []string) {
	c.t.Helper()
	status, body := c.server(0).do("GET", "/jamf/v1/patch/"+title, "")
	var d struct{ Patches []struct{ Version string } }
	if err := json.Unmarshal(body, &d); err != nil {
		c.t.Fatalf("%s: got status %d: %v", title, status, err)
	}
	for _, p := range d.Patches {
		versions = append(versions, p.Version)
	}
	return versions
}

// checkHistory checks that the history of a title has a revision for each of the last changes. The title was changed
// once for each version.
func (c *cluster) checkHistory(title string, versions int) {
	c.t.Helper()
	status, body := c.server(1).do("GET", "/api/v1/titles/"+title+"/history", "")
	var answer struct{ Editions []struct{ Number int } }
	if err := json.Unmarshal(body, &answer); err != nil {
		c.t.Fatalf("%s: got status %d: %v: %.200s", title, status, err, body)
	}
	var numbers []int
	for _, r := range answer.Editions {
		numbers = append(numbers, r.Number)
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != numbers[0]+i {
			c.t.Errorf("the history of %s has gaps: %v", title, numbers)
			return
		}
	}
	if len(numbers) == 0 || numbers[len(numbers)-1] != versions {
		c.t.Errorf("%s has %d versions and the revisions %v", title, versions, numbers)
	}
}

// checkEvents waits until an event was delivered for each version of a title, and checks their order.
func (c *cluster) checkEvents(title string, versions []string, once bool) {
	c.t.Helper()
	for end := time.Now().Add(maxTakeover); len(c.events.versions(title)) < len(versions); {
		if time.Now().After(end) {
			break // and show which are missing
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got := c.events.versions(title); !slices.Equal(got, versions) {
		c.t.Errorf("the events of %s came in the order %v, want %v", title, got, versions)
	}
	if again := c.events.repeated(title); once && again > 0 {
		c.t.Errorf("%d events of %s were delivered again", again, title)
	}
}

// checkRevocation checks that a token of one server works at all others, and that none accepts it soon after another
// one has revoked it.
func (c *cluster) checkRevocation() {
	c.t.Helper()
	token, id := c.newToken()
	for i := range c.servers {
		if status := tokenStatus(c.server(i), token); status != 200 {
			c.t.Errorf("server %d answers a new token with %d", i, status)
		}
	}
	if status, body := c.server(1).do("POST", "/api/v1/tokens/"+id+"/invalidate", ""); status/100 != 2 {
		c.t.Fatalf("got status %d: %s", status, body)
	}
	begun := time.Now()
	for i := range c.servers {
		eventually(c.t, maxRevocation, "a revoked token is refused", func() bool {
			return tokenStatus(c.server(i), token) == 401
		})
	}
	c.t.Logf("the revoked token was refused everywhere after %v", time.Since(begun).Round(time.Millisecond))
}

// checkPartition checks that a server that is cut off from the store soon refuses a token that another one has revoked.
func (c *cluster) checkPartition() {
	c.t.Helper()
	token, id := c.newToken()
	for i := range c.servers {
		eventually(c.t, maxRevocation, "a new token is accepted", func() bool {
			return tokenStatus(c.server(i), token) == 200
		})
	}
	c.proxies[2].Hold(true)
	defer c.proxies[2].Hold(false)
	if status, body := c.server(0).do("POST", "/api/v1/tokens/"+id+"/invalidate", ""); status/100 != 2 {
		c.t.Fatalf("got status %d: %s", status, body)
	}
	begun := time.Now()
	eventually(c.t, maxRevocation+time.Second, "a server without the store refuses tokens", func() bool {
		asked := time.Now()
		status := tokenStatus(c.server(2), token)
		if status == 200 && asked.Sub(begun) > maxRevocation {
			c.t.Errorf("the revoked token was accepted after %v", asked.Sub(begun))
		}
		return status != 200
	})
	c.t.Logf("the server without the store refused the token after %v", time.Since(begun).Round(time.Millisecond))
}

// newToken makes a token at a server.
func (c *cluster) newToken() (token, id string) {
	c.t.Helper()
	status, body := c.server(0).do("POST", "/api/v1/tokens", `{"titles_in_scope":["T0"]}`)
	var answer struct {
		ID    string
		Token string `json:"api_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != 201 {
		c.t.Fatalf("got status %d: %s", status, body)
	}
	return answer.Token, answer.ID
}

// tokenStatus returns the status with which a server answers a request with a token.
func tokenStatus(s *server, token string) int {
	status, _ := s.as(token, "GET", "/api/v1/token", "")
	return status
}
