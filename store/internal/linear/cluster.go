//go:build unix

package linear

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/storetest"
)

const (
	// WorkerTimeout bounds the calls of a worker.
	WorkerTimeout = time.Second
	// workers is the number of processes that use the store at once.
	workers = 4
	// minCalls is the number of calls of each kind that a history must have.
	minCalls = 20
	// checkTimeout bounds the check of a key.
	checkTimeout = time.Minute
	// role is the environment variable of a worker process.
	role = "LINEAR_ROLE"
)

// A Cluster runs worker processes, each of which reaches the storage through a proxy of its own. The workers are
// processes of the test's program, whose TestMain must call [Main].
type Cluster struct {
	// Network and Address are those of the storage.
	Network, Address string
	// Args returns the arguments of a worker that reaches the storage through a proxy.
	Args func(*storetest.Proxy) []string
	// Faults are faults beside those of the workers and of their connections; see [Plan.Faults].
	Faults map[string]func(ctx context.Context, worker int) error
	// RacyDeletes is that of the [History].
	RacyDeletes bool
	// ConditionalDeletes says that workers make no Delete without a condition, because the storage does not carry that
	// out correctly beside a Put.
	ConditionalDeletes bool
}

// Main makes calls until the process is killed, if it is a worker. Otherwise, it returns at once. open opens the store
// of a worker with a fault and the arguments of the cluster. If it returns an error, it is called again: the connection
// may be cut.
func Main(open func(ctx context.Context, fault string, args []string) (store.Store, error)) {
	if os.Getenv(role) == "" {
		return
	}
	ctx := context.Background()
	id, fault, conditional, args := os.Args[1], os.Args[2], os.Args[3] == "true", os.Args[4:]
	s, err := open(ctx, fault, args)
	for ; err != nil; s, err = open(ctx, fault, args) {
		Pause(ctx, 100*time.Millisecond)
	}
	fmt.Fprintln(os.Stderr, work(ctx, Broken(fault, s), id, conditional, os.Stdout))
	os.Exit(1)
}

// run runs workers with a fault of their own for a time. If disturbed, it disturbs them. It returns their history and
// the number of faults of each kind.
func (c *Cluster) run(t *testing.T, fault string, disturbed bool, d time.Duration) (*History, map[string]int) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var proxies [workers]*storetest.Proxy
	for i := range proxies {
		if proxies[i], err = storetest.NewProxy(c.Network, c.Address); err != nil {
			t.Fatal(err)
		}
		defer proxies[i].Close()
	}
	plan := Plan{Workers: workers, Time: d, Processes: disturbed, Command: func(worker, start int) *exec.Cmd {
		id := fmt.Sprintf("%d.%d", worker, start)
		args := []string{id, fault, strconv.FormatBool(c.ConditionalDeletes)}
		cmd := exec.Command(program, append(args, c.Args(proxies[worker])...)...)
		cmd.Env = append(os.Environ(), role+"=worker")
		return cmd
	}}
	if disturbed {
		plan.Faults = map[string]func(context.Context, int) error{
			"cut": func(_ context.Context, worker int) error { proxies[worker].Cut(); return nil },
			"black hole": func(ctx context.Context, worker int) error {
				proxies[worker].Hold(true)
				defer proxies[worker].Hold(false)
				Pause(ctx, 2*WorkerTimeout)
				return nil
			},
		}
		maps.Copy(plan.Faults, c.Faults)
	}
	h, faults, err := Run(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	h.RacyDeletes = c.RacyDeletes
	return h, faults
}

// Test runs workers for a time, or for that of PATCHSOURCE_LINEAR_SECONDS in the environment, and fails the test unless
// their calls are linearizable. It kills and suspends workers, cuts their connections, turns these into black holes and
// causes the faults of the cluster.
func (c *Cluster) Test(t *testing.T, d time.Duration) {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv("PATCHSOURCE_LINEAR_SECONDS")); err == nil {
		d = time.Duration(n) * time.Second
	}
	h, faults := c.run(t, "", true, d)
	began := time.Now()
	results, err := h.Check(checkTimeout)
	t.Logf("calls %v, faults %v, checked in %v", h.Counts(), faults, time.Since(began))
	if err != nil {
		t.Error(err)
	}
	for key, r := range results {
		if r != porcupine.Ok {
			t.Errorf("key %s: %s", key, r)
		}
	}
	for _, name := range slices.AppendSeq([]string{"kill", "stop", "cut", "black hole"}, maps.Keys(c.Faults)) {
		if faults[name] == 0 {
			t.Errorf("no fault %q in %v", name, d)
		}
	}
	for _, name := range []string{"put ok", "put conflict", "get ok", "delete ok", "delete not found"} {
		if h.Counts()[name] < minCalls {
			t.Errorf("%d calls %q", h.Counts()[name], name)
		}
	}
}

// TestFault runs workers whose store has a fault, and fails the test if their calls are linearizable all the same.
func (c *Cluster) TestFault(t *testing.T, fault string) {
	t.Helper()
	h, _ := c.run(t, fault, false, 3*time.Second)
	results, err := h.Check(checkTimeout)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r == porcupine.Illegal {
			return
		}
	}
	t.Errorf("the results are %v for the calls %v, want Illegal", results, h.Counts())
}
