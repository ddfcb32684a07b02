// Package trial runs the built reference server in tests, together with the programs that people use around it.
package trial

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// required is the environment variable that makes tests fail if another server or program is missing.
const required = "PATCHSOURCE_SERVERS"

// Need returns the path of a program. If the program is missing, the test is skipped, or fails if it is required; why
// says what the test needs it for.
func Need(t *testing.T, program, why string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		Missing(t, program+" is missing, "+why+": install it")
	}
	return path
}

// Missing skips a test that lacks something, or fails it if other programs are required.
func Missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv(required) == "required" {
		t.Fatal(what)
	}
	t.Skipf("%s (set %s=required to fail instead)", what, required)
}

// Build builds the server as a static binary in dir and returns its path. Releases are built in the same way, so that
// the two share what the compiler has made.
func Build(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "patchsource")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "github.com/patchsource/patchsource/examples/server")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// A Server is a running server.
type Server struct {
	t   *testing.T
	URL string
	// Stop stops the server, and fails the test if the server exits with an error.
	Stop func()
	mu   sync.Mutex
	log  strings.Builder
}

// Environ returns the environment of the test without the variables that a server would read as its flags.
func Environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PATCHSOURCE_") })
}

// Start starts a command that runs the server, and waits until the server is ready. It stops the server when the test
// ends, if the test has not.
func Start(t *testing.T, cmd *exec.Cmd) *Server {
	t.Helper()
	if cmd.Env == nil {
		cmd.Env = Environ()
	}
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t}
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		defer close(ready)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			s.mu.Lock()
			s.log.WriteString(lines.Text() + "\n")
			s.mu.Unlock()
			var line struct{ Msg, Listen string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
				ready <- line.Listen
			}
		}
		ended <- cmd.Wait()
	}()
	s.Stop = sync.OnceFunc(func() {
		t.Helper()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the server exited with %v: %s", err, s.Log())
			}
		case <-time.After(40 * time.Second):
			_ = cmd.Process.Kill()
			t.Error("the server did not stop")
		}
	})
	t.Cleanup(s.Stop)
	if s.URL = <-ready; s.URL == "" {
		t.Fatalf("the server did not become ready: %s", s.Log())
	}
	return s
}

// Log returns what the server has logged.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// WaitForLog waits until the server has logged a text.
func (s *Server) WaitForLog(text string) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); !strings.Contains(s.Log(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("the server did not log %s: %s", text, s.Log())
		}
	}
}

// Token reads a token from its file.
func (s *Server) Token(file string) string {
	s.t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// Call sends a request and returns the answer and its body. If token is not empty, it is sent as a bearer token.
// headers are alternating names and values.
func Call(
	t *testing.T,
	client *http.Client,
	method, url, token string,
	body io.Reader,
	headers ...string,
) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(data)
}

// Version returns a version of a title in JSON, without lint warnings.
func Version(v string) string {
	return `{"version":"` + v + `","releaseDate":"2018-02-02T17:39:58Z","standalone":true,` +
		`"minimumOperatingSystem":"10.9","reboot":false,` +
		`"killApps":[{"bundleId":"com.example.app","appName":"App.app"}],` +
		`"components":[{"name":"App","version":"` + v + `","criteria":[` + bundleID + `,` +
		`{"name":"Application Version","operator":"is","value":"` + v + `","type":"recon"}]}],` +
		`"capabilities":[{"name":"Operating System Version","operator":"greater than or equal","value":"10.9",` +
		`"type":"recon"}]}`
}

// bundleID is the criterion that recognizes the application.
const bundleID = `{"name":"Application Bundle ID","operator":"is","value":"com.example.app","type":"recon","and":true}`

// Definition returns a definition in JSON, without lint warnings. The newest version comes first.
func Definition(id string, versions ...string) string {
	var patches []string
	for _, v := range versions {
		patches = append(patches, Version(v))
	}
	return `{"id":"` + id + `","name":"` + id + `","publisher":"Example","appName":"App.app",` +
		`"bundleId":"com.example.app","requirements":[` + bundleID + `],` +
		`"patches":[` + strings.Join(patches, ",") + `],"extensionAttributes":[]}`
}
