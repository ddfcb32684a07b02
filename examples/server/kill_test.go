package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/patchsource/patchsource/examples/internal/trial"
	"github.com/patchsource/patchsource/patch"
)

// otherBinary is the environment variable with the path of a server to test in place of the one that is built here,
// such as one of another commit.
const otherBinary = "PATCHSOURCE_TEST_BINARY"

// binary builds the server once and returns its path.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(otherBinary); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "patchsource-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "server")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil && os.Getenv(otherBinary) == "" {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// A server is a running process of the built binary.
type server struct {
	cmd    *exec.Cmd
	url    string
	token  string
	client *http.Client
}

// start starts a server with its store in dir, and waits until it is ready.
func start(t *testing.T, dir string, args ...string) *server {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return startProgram(t, path, dir, args...)
}

// startProgram is start with the path of a server.
func startProgram(t *testing.T, path, dir string, args ...string) *server {
	t.Helper()
	args = append(
		[]string{"--addr", "127.0.0.1:0", "--store", "file:" + filepath.Join(dir, "data"), "--log-format", "json"},
		args...)
	cmd := exec.Command(path, args...)
	cmd.Env = append(trial.Environ(), "TMPDIR="+dir) // a killed process leaves uploads there
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	s := &server{
		cmd:    cmd,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: 20 * time.Second},
	}
	var lines []string
	for scan := bufio.NewScanner(log); scan.Scan(); {
		lines = append(lines, scan.Text())
		var line struct{ Msg, URL, Level string }
		if json.Unmarshal(scan.Bytes(), &line) == nil && line.Msg == "ready" {
			s.url = line.URL
			break
		}
	}
	if s.url == "" {
		t.Fatalf("the server did not become ready:\n%s", strings.Join(lines, "\n"))
	}
	for _, line := range lines {
		if strings.Contains(line, `"ERROR"`) {
			t.Errorf("the server logged an error while it started: %s", line)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, log) }()
	token, err := os.ReadFile(filepath.Join(dir, "data.admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	s.token = strings.TrimSpace(string(token))
	return s
}

// do sends a request and returns the status and the body of the answer. The status is 0 if there was no answer.
func (s *server) do(method, path, body string) (int, []byte) {
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil
	}
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	res, err := s.client.Do(r)
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil
	}
	return res.StatusCode, data
}

// versionJSON returns a valid version in JSON.
func versionJSON(v string) string {
	return `{"version":"` + v + `","releaseDate":"2018-02-02T17:39:58Z","standalone":true,` +
		`"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[],"capabilities":[]}`
}

// definition returns a valid definition of version 0 in JSON, of about 4 kB.
func definition(id string) string {
	return `{"id":"` + id + `","name":"A","publisher":"P","appName":null,"bundleId":null,` +
		`"requirements":[{"name":"n","operator":"is","value":"v","type":"recon","and":true}],` +
		`"patches":[` + versionJSON("0") + `],"extensionAttributes":[],"x-filler":"` + strings.Repeat("x", 4000) + `"}`
}

// An outcome is what a client knows about a request.
type outcome int

const (
	unknown outcome = iota // there was no answer: the request may have been applied as a whole, or not at all
	acknowledged
)

// A ledger is what a client knows about a title.
type ledger struct {
	created  outcome
	deleted  *outcome // nil if the client did not delete the title
	versions map[string]outcome
}

// write creates titles, adds versions to them and deletes some, until the server no longer answers. It records the
// outcomes, and calls first after the first acknowledged title.
func write(s *server, prefix string, ledgers map[string]*ledger, first func()) {
	for n := 0; ; n++ {
		id := fmt.Sprintf("%s-%d", prefix, n)
		l := &ledger{versions: map[string]outcome{}}
		ledgers[id] = l
		if status, _ := s.do("POST", "/api/v1/title", definition(id)); status != 201 {
			return
		}
		l.created = acknowledged
		first()
		for v := 1; v <= 6; v++ {
			version := fmt.Sprint(v)
			l.versions[version] = unknown
			if status, _ := s.do("POST", "/api/v1/title/"+id+"/version", versionJSON(version)); status != 201 {
				return
			}
			l.versions[version] = acknowledged
		}
		if n%3 == 2 {
			var deleted outcome
			l.deleted = &deleted
			if status, _ := s.do("DELETE", "/api/v1/title/"+id, ""); status != 204 {
				return
			}
			deleted = acknowledged
		}
	}
}

// check compares a title with its ledger.
func check(t *testing.T, s *server, id string, l *ledger) {
	t.Helper()
	status, data := s.do("GET", "/jamf/v1/patch/"+id, "")
	switch {
	case status == 404 && (l.created == unknown || l.deleted != nil):
		return
	case status != 200:
		t.Errorf("%s: got status %d; the ledger is %+v", id, status, *l)
		return
	case l.deleted != nil && *l.deleted == acknowledged:
		t.Errorf("%s exists although its deletion was acknowledged", id)
	}
	d, err := patch.Parse(data, nil)
	if err != nil {
		t.Errorf("%s is incomplete: %v", id, err)
		return
	}
	for v, o := range l.versions {
		if o == acknowledged && d.FindPatch(v) < 0 {
			t.Errorf("%s has lost the acknowledged version %s", id, v)
		}
	}
	for _, p := range d.Patches {
		if _, requested := l.versions[p.Version]; !requested && p.Version != "0" {
			t.Errorf("%s has version %s, which no client added", id, p.Version)
		}
	}
	if d.CurrentVersion != d.Patches[0].Version || !strings.Contains(string(data), `"x-filler"`) {
		t.Errorf("%s is inconsistent: %.200s", id, data)
	}
}

// The server is killed at random moments while several clients write. After each restart it serves everything that it
// acknowledged, and nothing incomplete.
func TestKilledWhileWriting(t *testing.T) {
	kills := 200
	if testing.Short() {
		kills = 20
	}
	dir := t.TempDir()
	all := map[string]*ledger{}
	acked := 0
	for round := range kills + 1 {
		s := start(t, dir)
		if round == kills { // at the end, check everything
			for id, l := range all {
				check(t, s, id, l)
			}
			_ = s.cmd.Process.Signal(syscall.SIGTERM)
			if err := s.cmd.Wait(); err != nil {
				t.Errorf("the last stop: %v", err)
			}
			break
		}
		const writers = 4
		begun := make(chan bool, writers)
		var ledgers [writers]map[string]*ledger
		var wg sync.WaitGroup
		for w := range writers {
			ledgers[w] = map[string]*ledger{}
			wg.Go(func() {
				write(s, fmt.Sprintf("T%d-%d", round, w), ledgers[w], sync.OnceFunc(func() { begun <- true }))
			})
		}
		<-begun // clients are writing: kill the server at a random moment
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		if err := s.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = s.cmd.Wait()
		wg.Wait()
		s.client.CloseIdleConnections()

		again := start(t, dir)
		for _, one := range ledgers {
			for id, l := range one {
				check(t, again, id, l)
				all[id] = l
				for _, o := range l.versions {
					acked += int(o)
				}
			}
		}
		_ = again.cmd.Process.Kill()
		_ = again.cmd.Wait()
		again.client.CloseIdleConnections()
		if t.Failed() {
			t.Fatalf("after %d kills", round+1)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "data", ".damaged")); !os.IsNotExist(err) {
		t.Errorf("there are corrupt files: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "data", "*", ".tmp-*"))
	if len(left) > 0 {
		t.Errorf("temporary files were left behind: %q", left)
	}
	t.Logf("%d kills, %d titles, %d acknowledged versions", kills, len(all), acked)
	if len(all) < kills {
		t.Errorf("only %d titles were written, too few for this test", len(all))
	}
}

// After the first signal, the server waits for the request in progress. The second signal ends it at once.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	s := start(t, t.TempDir())
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /api/v1/title HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
		"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n", s.token)
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("got %q, %v, want 100 Continue", line, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// When new connections are refused, the stop has begun, and it waits for the request.
	for end := time.Now().Add(10 * time.Second); ; {
		if status, _ := s.do("GET", "/healthz", ""); status == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the server still accepts requests")
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("the server did not wait for the request in progress: %v", err)
	default:
	}
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the second signal did not end the server")
	}
}
