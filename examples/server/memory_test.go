package main

import (
	"errors"
	"math"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

// The server takes the limit for its memory from GOMEMLIMIT, or else from its control group.
func TestMemoryLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts servers")
	}
	ofGroup := float64(math.MaxInt64)
	switch limit, err := memlimit.FromCgroup(); {
	case err == nil:
		ofGroup = math.Floor(0.9 * float64(limit))
	case !errors.Is(err, memlimit.ErrNoLimit):
		t.Logf("without a control group: %v", err)
	}
	binary := trial.Build(t, t.TempDir())
	for _, test := range []struct {
		name, environment string
		want              float64
	}{
		{"set", "GOMEMLIMIT=123MiB", 123 << 20},
		{"of the control group", "", ofGroup},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.Command(binary, "--addr", "127.0.0.1:0", "--store", "memory:", "--log-format", "json",
				"--secret-file", filepath.Join(t.TempDir(), "secret"),
				"--admin-token-file", filepath.Join(t.TempDir(), "token"))
			cmd.Env = append(trial.Environ(), test.environment)
			s := trial.Start(t, cmd)
			_, text := trial.Call(t, http.DefaultClient, "GET", s.URL+"/metrics", "", nil)
			found := regexp.MustCompile(`(?m)^go_gc_gomemlimit_bytes (\S+)$`).FindStringSubmatch(text)
			if found == nil {
				t.Fatalf("the metrics do not have the limit:\n%s", text)
			}
			got, err := strconv.ParseFloat(found[1], 64)
			if err != nil || math.Abs(got-test.want) > 1 {
				t.Errorf("got a limit of %s bytes, want %.0f (%v)", found[1], test.want, err)
			}
		})
	}
}
