//go:build linux

package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

// A unit has the settings of a systemd unit.
type unit map[string][]string

// parseUnit parses the text of a unit.
func parseUnit(text string) unit {
	u := unit{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			u[key] = append(u[key], value)
		}
	}
	return u
}

// one returns the value of a setting that the unit has once.
func (u unit) one(t *testing.T, key string) string {
	t.Helper()
	if len(u[key]) != 1 {
		t.Fatalf("the unit has %d settings %s, want one", len(u[key]), key)
	}
	return u[key][0]
}

// The unit is valid, gives the server few rights, and starts it without flags: these are variables in a file.
func TestUnit(t *testing.T) {
	analyze := trial.Need(t, "systemd-analyze", "which checks units")
	dir := t.TempDir()
	binary := trial.Build(t, dir)
	file := filepath.Join(dir, "patchsource.service")
	text := adapt(t, "patchsource.service", "ExecStart=patchsource\n", "ExecStart="+binary+"\n")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v: %s", err, out)
	}
	out, err := exec.Command(analyze, "security", "--offline=true", file).CombinedOutput()
	m := regexp.MustCompile(`exposure level for \S+: (\d+\.\d)`).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("systemd-analyze security: %v: %s", err, out)
	}
	if exposure, _ := strconv.ParseFloat(string(m[1]), 64); exposure > 2 {
		t.Errorf("the exposure level is %s, want 2 at most", m[1])
	}
	help, err := exec.Command(binary, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	checkSettings(t, "packages/patchsource.env", string(help))
	checkSettings(t, "macos/patchsource.env", string(help))
	u := parseUnit(text)
	if ports := "CAP_NET_BIND_SERVICE"; u.one(t, "AmbientCapabilities") != ports ||
		u.one(t, "CapabilityBoundingSet") != ports {
		t.Error("the server cannot listen on the ports 80 and 443, or has other capabilities")
	}
	cmd := exec.Command(u.one(t, "ExecStart"))
	cmd.Env = append(trial.Environ(), "PATCHSOURCE_ADDR=127.0.0.1:0", "PATCHSOURCE_LOG_FORMAT=json")
	for _, v := range u["Environment"] {
		cmd.Env = append(cmd.Env, strings.ReplaceAll(v, u.one(t, "WorkingDirectory"), dir))
	}
	trial.Start(t, cmd)
	if _, err := os.Stat(filepath.Join(dir, "data.admin-token")); err != nil {
		t.Error(err)
	}
}

// checkSettings checks that every variable in a file with settings is that of a flag, and that none is set. help is the
// help of the server.
func checkSettings(t *testing.T, name, help string) {
	t.Helper()
	lines := strings.Split(adapt(t, name), "\n")
	n := 0
	for _, line := range lines {
		if line != "" && !strings.HasPrefix(line, "#") {
			t.Errorf("%s sets %s", name, line)
		}
		if variable, _, ok := strings.Cut(strings.TrimPrefix(line, "#"), "="); ok &&
			strings.HasPrefix(variable, "PATCHSOURCE_") {
			n++
			checkVariable(t, name, variable, help)
		}
	}
	if n < 5 || !slices.Contains(lines, "#PATCHSOURCE_ACME=patches.example.com") {
		t.Errorf("%s has only %d settings", name, n)
	}
}

// checkVariable checks that an environment variable is that of a flag. help is the help of the server.
func checkVariable(t *testing.T, where, variable, help string) {
	t.Helper()
	flag := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, "PATCHSOURCE_"), "_", "-"))
	if !regexp.MustCompile(`--(\[no-\])?` + regexp.QuoteMeta(flag) + `[= \n]`).MatchString(help) {
		t.Errorf("%s: %s is the variable of no flag", where, variable)
	}
}
