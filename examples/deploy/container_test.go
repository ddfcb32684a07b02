//go:build linux

package deploy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

// A stage is the last stage of a Containerfile.
type stage struct {
	copies     [][2]string // sources and destinations
	env        []string
	labels     []string
	health     []string // the command that checks the health
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
		case words[0] == "LABEL":
			s.labels = append(s.labels, words[1])
		case words[0] == "HEALTHCHECK":
			_, command, _ := strings.Cut(line, " CMD ")
			if err := json.Unmarshal([]byte(command), &s.health); err != nil {
				t.Fatalf("the health check: %v", err)
			}
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

// unpack writes the files of the image to a folder and returns it.
func (s stage) unpack(t *testing.T) string {
	t.Helper()
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
	return root
}

// The image contains everything that the server needs. The test runs the server as the user of the image in a folder
// with these files as its root, of which it can write only /state and /tmp: it also runs with a read-only root.
func TestContainer(t *testing.T) {
	if os.Geteuid() != 0 {
		trial.Missing(t, "only root can change the root folder of a process")
	}
	s := lastStage(t)
	root := s.unpack(t)
	s.check(t, root)
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.Env, cmd.Dir = s.env, s.workdir
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: s.user, Gid: s.user}}
		return cmd
	}
	server := trial.Start(t, run(s.entrypoint, "--log-format", "json", "--addr", "127.0.0.1:0"))
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
	health := append(slices.Clone(s.health[1:]), server.URL)
	if out, err := run(s.health[0], health...).CombinedOutput(); err != nil || string(out) != "ready\n" {
		t.Errorf("the health check: %v: %s", err, out)
	}
	server.Stop()
	if out, err := run(s.health[0], health...).CombinedOutput(); err == nil {
		t.Errorf("the health check succeeded without a server: %s", out)
	}
}

// check checks the settings of the image, and that the server can write only where it has to.
func (s stage) check(t *testing.T, root string) {
	t.Helper()
	if s.user == 0 || s.workdir == "" || len(s.health) == 0 {
		t.Fatalf("the server runs as user %d in %q, with the health check %q", s.user, s.workdir, s.health)
	}
	// patchsource healthcheck asks port 8080.
	if !slices.Contains(s.env, "PATCHSOURCE_ADDR=:8080") {
		t.Errorf("the server listens elsewhere: %q", s.env)
	}
	if !slices.Contains(s.labels, "org.opencontainers.image.source=https://github.com/patchsource/patchsource") {
		t.Errorf("the labels are %q", s.labels)
	}
	var writable []string
	err := filepath.Walk(root, func(path string, info fs.FileInfo, err error) error {
		if err == nil && (info.Sys().(*syscall.Stat_t).Uid == s.user || info.Mode()&0o022 != 0) {
			writable = append(writable, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil || !slices.Equal(writable, []string{"/state", "/tmp"}) {
		t.Errorf("the server can write %q: %v", writable, err)
	}
}
