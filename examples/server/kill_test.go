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

// otherBinary is the variable that names a server to test in the place of the one built here: of another state, to
// compare with.
const otherBinary = "PATCHSOURCE_TEST_BINARY"

// binary is the real server, built once.
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

// A server is the real binary, running.
type server struct {
	cmd    *exec.Cmd
	url    string
	token  string
	client *http.Client
}

func start(t *testing.T, dir string, args ...string) *server {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	args = append(
		[]string{"--addr", "127.0.0.1:0", "--store", "file:" + filepath.Join(dir, "data"), "--log-format", "json"},
		args...)
	cmd := exec.Command(path, args...)
	cmd.Env = append(trial.Environ(), "TMPDIR="+dir) // what is killed leaves uploads behind
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
		t.Fatalf("the server did not get ready:\n%s", strings.Join(lines, "\n"))
	}
	for _, line := range lines {
		if strings.Contains(line, `"ERROR"`) {
			t.Errorf("at start: %s", line)
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

// do returns the status, or 0 if there was no answer.
func (s *server) do(method, path, body string) (int, []byte) {
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
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

func versionJSON(v string) string {
	return `{"version":"` + v + `","releaseDate":"2018-02-02T17:39:58Z","standalone":true,"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[],"capabilities":[]}`
}

func definition(id string) string {
	return `{"id":"` + id + `","name":"A","publisher":"P","appName":null,"bundleId":null,"requirements":[{"name":"n","operator":"is","value":"v","type":"recon","and":true}],"patches":[` +
		versionJSON(
			"0",
		) + `],"extensionAttributes":[],"x-filler":"` + strings.Repeat(
		"x",
		4000,
	) + `"}`
}

// An outcome is what a client knows of what it asked for.
type outcome int

const (
	unknown outcome = iota // no answer came: it may have happened, whole, or not
	acknowledged
)

// A ledger is what a client knows of a title.
type ledger struct {
	created  outcome
	deleted  *outcome // nil: not asked for
	versions map[string]outcome
}

// write makes titles, adds versions to them and deletes some, until the server is
// gone, and keeps books on what it was told.
func write(s *server, prefix string, books map[string]*ledger, first func()) {
	for n := 0; ; n++ {
		id := fmt.Sprintf("%s-%d", prefix, n)
		l := &ledger{versions: map[string]outcome{}}
		books[id] = l
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
			var gone outcome
			l.deleted = &gone
			if status, _ := s.do("DELETE", "/api/v1/title/"+id, ""); status != 204 {
				return
			}
			gone = acknowledged
		}
	}
}

// check compares a title with the books.
func check(t *testing.T, s *server, id string, l *ledger) {
	t.Helper()
	status, data := s.do("GET", "/jamf/v1/patch/"+id, "")
	switch {
	case status == 404 && (l.created == unknown || l.deleted != nil):
		return
	case status != 200:
		t.Errorf("%s: %d; the books say %+v", id, status, *l)
		return
	case l.deleted != nil && *l.deleted == acknowledged:
		t.Errorf("%s is there, though its deletion was acknowledged", id)
	}
	d, err := patch.Parse(data, nil)
	if err != nil {
		t.Errorf("%s is half made: %v", id, err)
		return
	}
	for v, o := range l.versions {
		if o == acknowledged && d.FindPatch(v) < 0 {
			t.Errorf("%s has lost the acknowledged version %s", id, v)
		}
	}
	for _, p := range d.Patches {
		if _, asked := l.versions[p.Version]; !asked && p.Version != "0" {
			t.Errorf("%s has version %s, which nobody asked for", id, p.Version)
		}
	}
	if d.CurrentVersion != d.Patches[0].Version || !strings.Contains(string(data), `"x-filler"`) {
		t.Errorf("%s is not whole: %.200s", id, data)
	}
}

// The server is killed at random moments while several clients write. It comes
// back each time with all that it acknowledged, and nothing half made.
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
		if round == kills { // the last time everything is looked at
			for id, l := range all {
				check(t, s, id, l)
			}
			_ = s.cmd.Process.Signal(syscall.SIGTERM)
			if err := s.cmd.Wait(); err != nil {
				t.Errorf("the stop at the end: %v", err)
			}
			break
		}
		const writers = 4
		begun := make(chan bool, writers)
		var books [writers]map[string]*ledger
		var wg sync.WaitGroup
		for w := range writers {
			books[w] = map[string]*ledger{}
			wg.Go(
				func() { write(s, fmt.Sprintf("T%d-%d", round, w), books[w], sync.OnceFunc(func() { begun <- true })) },
			)
		}
		<-begun // the writing goes on: now any moment will do
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		if err := s.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = s.cmd.Wait()
		wg.Wait()
		s.client.CloseIdleConnections()

		again := start(t, dir)
		for _, b := range books {
			for id, l := range b {
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
		t.Errorf("files were damaged: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "data", "*", ".tmp-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	t.Logf("%d kills, %d titles, %d acknowledged versions", kills, len(all), acked)
	if len(all) < kills {
		t.Errorf("only %d titles were written: the test hardly tests", len(all))
	}
}

// The first signal lets a request under way finish; the second does not wait.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	s := start(t, t.TempDir())
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(
		conn,
		"POST /api/v1/title HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
		s.token,
	)
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q %v", line, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// No new connections: the stop has begun, and the request holds it up.
	for end := time.Now().Add(10 * time.Second); ; {
		if status, _ := s.do("GET", "/healthz", ""); status == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the server still takes requests")
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("the request under way was not waited for: %v", err)
	default:
	}
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the second signal did not end it")
	}
}
