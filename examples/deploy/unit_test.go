//go:build linux

package deploy_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

// The unit is valid, gives the server few rights, and starts it with valid flags.
func TestUnit(t *testing.T) {
	analyze := trial.Need(t, "systemd-analyze", "which checks units")
	dir := t.TempDir()
	binary := trial.Build(t, dir)
	unit := filepath.Join(dir, "patchsource.service")
	text := adapt(t, "patchsource.service", "/usr/local/bin/patchsource", binary)
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v: %s", err, out)
	}
	out, err := exec.Command(analyze, "security", "--offline=true", unit).CombinedOutput()
	m := regexp.MustCompile(`exposure level for \S+: (\d+\.\d)`).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("systemd-analyze security: %v: %s", err, out)
	}
	if exposure, _ := strconv.ParseFloat(string(m[1]), 64); exposure > 2 {
		t.Errorf("the exposure level is %s, want 2 at most", m[1])
	}
	start := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(text)
	if start == nil {
		t.Fatal("the unit has no ExecStart")
	}
	line := strings.NewReplacer("/var/lib/patchsource", dir, "127.0.0.1:8080", "127.0.0.1:0").Replace(start[1])
	args := append(strings.Fields(line)[1:], "--log-format", "json")
	trial.Start(t, exec.Command(binary, args...))
	if _, err := os.Stat(filepath.Join(dir, "data.admin-token")); err != nil {
		t.Error(err)
	}
}

// A stage is the last stage of a Containerfile.
type stage struct {
	copies     [][2]string // sources and destinations
	env        []string
	user       uint32
	workdir    string
	entrypoint string
}

// lastStage parses the last stage of the Containerfile, which must be from scratch.
func lastStage(t *testing.T) stage {
	t.Helper()
	_, text, ok := strings.Cut(adapt(t, "Containerfile"), "\nFROM scratch\n")
	if !ok {
		t.Fatal("the last stage is not from scratch")
	}
	var s stage
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "#"), words[0] == "VOLUME", words[0] == "EXPOSE":
		case words[0] == "COPY":
			s.copies = append(s.copies, [2]string{words[len(words)-2], words[len(words)-1]})
		case words[0] == "ENV":
			s.env = append(s.env, words[1])
		case words[0] == "USER":
			id, _, _ := strings.Cut(words[1], ":")
			n, err := strconv.ParseUint(id, 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			s.user = uint32(n)
		case words[0] == "WORKDIR":
			s.workdir = words[1]
		case words[0] == "ENTRYPOINT":
			s.entrypoint = strings.Trim(words[1], `["]`)
		default:
			t.Fatalf("this test does not support %s", words[0])
		}
	}
	return s
}

// The image contains everything that the server needs. The test runs the server in a folder with these files as its
// root.
func TestContainer(t *testing.T) {
	if os.Geteuid() != 0 {
		trial.Missing(t, "only root can change the root folder of a process")
	}
	s := lastStage(t)
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range s.copies {
		to := filepath.Join(root, c[1])
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch c[0] {
		case "/patchsource":
			trial.Build(t, filepath.Dir(to))
		case "/empty":
			err = os.Mkdir(to, 0o755)
			if err == nil {
				err = os.Chown(to, int(s.user), int(s.user))
			}
		case "/etc/ssl/certs/ca-certificates.crt":
			err = os.WriteFile(to, nil, 0o644) // the server starts without authorities
		default:
			t.Fatalf("this test does not know the source %s", c[0])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if s.user == 0 || s.workdir == "" {
		t.Errorf("the server runs as user %d in %q", s.user, s.workdir)
	}
	cmd := exec.Command(s.entrypoint, "--log-format", "json", "--addr", "127.0.0.1:0")
	cmd.Env, cmd.Dir = s.env, s.workdir
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: s.user, Gid: s.user}}
	server := trial.Start(t, cmd)
	token := server.Token(filepath.Join(root, "state/data.admin-token"))
	call := func(method, path string, body io.Reader) (int, string) {
		res, text := trial.Call(t, http.DefaultClient, method, server.URL+path, token, body)
		return res.StatusCode, text
	}
	if status, text := call("POST", "/api/v1/title", strings.NewReader(trial.Definition("App", "1"))); status != 201 {
		t.Errorf("create a title: got status %d: %s", status, text)
	}
	if status, text := call("POST", "/api/v1/restore?mode=merge", largeBackup(t)); status != 201 {
		t.Errorf("restore a backup: got status %d: %s", status, text)
	}
	if status, text := call("GET", "/readyz", nil); status != 200 ||
		text != fmt.Sprintf(`{"message":"ready","titles":%d}`+"\n", 4) {
		t.Errorf("/readyz: got status %d: %s", status, text)
	}
}
