//go:build unix

package sqlstoretest_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	osexec "os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/patchsource/patchsource/store/internal/linear"
	"github.com/patchsource/patchsource/store/sqlstore"
	"github.com/patchsource/patchsource/store/sqlstore/pgxlisten"
	"github.com/patchsource/patchsource/store/sqlstore/sqlstoretest"
	"github.com/patchsource/patchsource/store/storetest"
)

const (
	// workers is the number of processes that use the store at once.
	workers = 4
	// workerTimeout bounds the calls of a worker.
	workerTimeout = time.Second
)

func init() { roles["work"] = work }

// work makes calls until the process is killed. args are a connection string, a schema, an id and a fault.
func work(ctx context.Context, args []string) error {
	db, err := sql.Open("pgx", args[0])
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(4)
	opts := &sqlstore.Options{Schema: args[1], Timeout: workerTimeout, Listen: pgxlisten.Listen(db)}
	var s *sqlstore.Store
	for s == nil { // the server may be about to be restarted
		if s, err = sqlstore.Open(ctx, db, opts); err != nil {
			linear.Pause(ctx, 100*time.Millisecond)
		}
	}
	return linear.Work(ctx, linear.Broken(args[3], s), args[2], os.Stdout)
}

// A cluster is a server and workers that reach it through proxies.
type cluster struct {
	server  *sqlstoretest.Server
	proxies [workers]*storetest.Proxy
	program string
	schema  string
}

// newCluster returns a cluster with a schema until the test ends.
func newCluster(t *testing.T, s *sqlstoretest.Server) *cluster {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{server: s, program: program, schema: newSchema()}
	for i := range c.proxies {
		if c.proxies[i], err = storetest.NewProxy("unix", s.Socket()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.proxies[i].Close)
	}
	open(t, openDB(t, s.DSN()), &sqlstore.Options{Schema: c.schema})
	return c
}

// command returns the command of a worker with a fault of its own.
func (c *cluster) command(fault string) func(worker, start int) *osexec.Cmd {
	return func(worker, start int) *osexec.Cmd {
		id := fmt.Sprintf("%d.%d", worker, start)
		cmd := osexec.Command(c.program, proxied(c.proxies[worker]), c.schema, id, fault)
		cmd.Env = append(os.Environ(), role+"=work")
		return cmd
	}
}

// faults are the faults of the network and of the server.
func (c *cluster) faults() map[string]func(context.Context, int) error {
	return map[string]func(context.Context, int) error{
		"cut": func(_ context.Context, worker int) error { c.proxies[worker].Cut(); return nil },
		"black hole": func(ctx context.Context, worker int) error {
			c.proxies[worker].Hold(true)
			defer c.proxies[worker].Hold(false)
			linear.Pause(ctx, 2*workerTimeout)
			return nil
		},
		"restart": func(context.Context, int) error { return c.server.Restart() },
	}
}

// All calls of several processes have the results that they would have one after the other, whatever happens to the
// processes, their connections and the server.
func TestLinearizable(t *testing.T) {
	c := newCluster(t, sqlstoretest.Require(t))
	duration := 20 * time.Second
	if n, err := strconv.Atoi(os.Getenv("PATCHSOURCE_LINEAR_SECONDS")); err == nil {
		duration = time.Duration(n) * time.Second
	}
	h, faults, err := linear.Run(t.Context(), linear.Plan{
		Workers: workers, Command: c.command(""), Processes: true, Faults: c.faults(), Time: duration,
	})
	if err != nil {
		t.Fatal(err)
	}
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
	for _, name := range []string{"kill", "stop", "cut", "black hole", "restart"} {
		if faults[name] == 0 {
			t.Errorf("no fault %q in %v", name, duration)
		}
	}
	for _, name := range []string{"put ok", "put conflict", "get ok", "delete ok", "delete not found"} {
		if h.Counts()[name] < 20 {
			t.Errorf("%d calls %q", h.Counts()[name], name)
		}
	}
}

// The check finds stores that are not linearizable.
func TestBrokenStoresAreNotLinearizable(t *testing.T) {
	for _, fault := range []string{"late", "conflict"} {
		t.Run(fault, func(t *testing.T) {
			c := newCluster(t, server(t))
			h, _, err := linear.Run(t.Context(), linear.Plan{
				Workers: workers, Command: c.command(fault), Time: 3 * time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			results, err := h.Check(time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				if r == porcupine.Illegal {
					return
				}
			}
			t.Errorf("the results are %v for the calls %v, want Illegal", results, h.Counts())
		})
	}
}
