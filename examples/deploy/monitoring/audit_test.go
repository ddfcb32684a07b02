package monitoring_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

// The script exports all pages of the audit log, and later only what was added.
func TestAuditExport(t *testing.T) {
	trial.Need(t, "curl", "which the script needs")
	trial.Need(t, "jq", "which the script needs")
	dir := t.TempDir()
	tokenFile, file := filepath.Join(dir, "token"), filepath.Join(dir, "new", "audit.jsonl")
	server := trial.Start(t, exec.Command(trial.Build(t, dir), "--addr", "127.0.0.1:0", "--store", "memory:",
		"--log-format", "json", "--no-access-log",
		"--secret-file", filepath.Join(dir, "secret"), "--admin-token-file", tokenFile))
	token := server.Token(tokenFile)
	script := func(url string) (string, error) {
		cmd := exec.Command("sh", "audit-export.sh", file)
		cmd.Env = append(trial.Environ(), "NO_PROXY=127.0.0.1",
			"PATCHSOURCE_URL="+url, "PATCHSOURCE_TOKEN_FILE="+tokenFile, "PATCHSOURCE_PAGE=3")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	titles := 0
	change := func(times int) {
		t.Helper()
		for range times {
			titles++
			body := trial.Definition(fmt.Sprintf("App%d", titles), "1")
			res, text := trial.Call(t, http.DefaultClient, "POST", server.URL+"/api/v1/title", token,
				strings.NewReader(body))
			if res.StatusCode != 201 {
				t.Fatalf("got status %d: %s", res.StatusCode, text)
			}
		}
	}
	check := func() {
		t.Helper()
		if out, err := script(server.URL + "/"); err != nil || out != "" {
			t.Fatalf("%v: %s", err, out)
		}
		got := exported(t, file)
		if len(got) != titles || got[0] != "App1" || got[titles-1] != fmt.Sprint("App", titles) {
			t.Fatalf("the file has %d entries, want %d in order: %q", len(got), titles, got)
		}
	}
	change(7) // more than two pages
	check()
	check()
	change(6) // the last entry that is known is the first of a page
	check()
	change(1)
	check()
	cut(t, file) // in the middle of its last line
	check()
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := script(server.URL + "/nowhere"); err == nil {
		t.Errorf("an address without an audit log: the script succeeded: %s", out)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("after a failure, the file has changed (%v)", err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v", info.Mode(), err)
	}
}

// cut removes the last bytes of a file, as if the disk had been full.
func cut(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	if err == nil {
		err = os.Truncate(file, info.Size()-10)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// exported returns the titles of the entries in a file, in their order.
func exported(t *testing.T, file string) (titles []string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		var e struct {
			ID, Action string
			Details    struct{ Title string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || seen[e.ID] {
			t.Fatalf("a line is no entry, or one that the file has already: %s (%v)", line, err)
		}
		seen[e.ID] = true
		titles = append(titles, e.Details.Title)
	}
	return titles
}
