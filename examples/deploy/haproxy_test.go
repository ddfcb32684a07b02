//go:build linux

package deploy_test

import (
	"bytes"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/patchsource/patchsource/examples/internal/trial"
	"github.com/patchsource/patchsource/store/sqlstore/sqlstoretest"
)

// Clients of two servers behind HAProxy see no error when one of them stops, and still get the feed when the database
// is down.
func TestHAProxy(t *testing.T) {
	haproxy := trial.Need(t, "haproxy", "which is tested as a load balancer")
	database := sqlstoretest.Require(t)
	dir, port := t.TempDir(), freePort(t)
	site := "http://127.0.0.1:" + port
	binary, secret := trial.Build(t, dir), filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("07", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	words := []string{
		"bind :8080", "bind 127.0.0.1:" + port,
		" resolvers docker\n", "\n",
		"\nresolvers docker\n    nameserver dns 127.0.0.11:53\n", "",
		"    server patchsource-3 patchsource-3:8080\n", "",
		"inter 2s", "inter 200ms",
	}
	var commands []*exec.Cmd
	var servers []*trial.Server
	for i := range 2 {
		cmd := exec.Command(binary, "--addr", "127.0.0.1:0", "--log-format", "json", "--base-url", site,
			"--trusted-proxies", "127.0.0.1/32", "--secret-file", secret,
			"--admin-token-file", filepath.Join(dir, "token"), "--mail", "outbox:"+filepath.Join(dir, "outbox"),
			"--store", "postgres://postgres@/postgres?sslmode=disable&host="+
				url.QueryEscape(filepath.Dir(database.Socket())))
		commands = append(commands, cmd)
		servers = append(servers, trial.Start(t, cmd))
		words = append(words, "patchsource-"+strconv.Itoa(i+1)+":8080", strings.TrimPrefix(servers[i].URL, "http://"))
	}
	log := startHAProxy(t, haproxy, dir, adapt(t, "haproxy.cfg", words...))
	token := servers[0].Token(filepath.Join(dir, "token"))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	call := func(method, path, body string, want int) {
		t.Helper()
		res, text := trial.Call(t, client, method, site+path, token, strings.NewReader(body),
			"X-Forwarded-For", "203.0.113.9")
		if res.StatusCode != want {
			t.Errorf("%s %s: got status %d, want %d: %s", method, path, res.StatusCode, want, text)
		}
	}
	for i := range 10 {
		call("POST", "/api/v1/title", trial.Definition("App"+strconv.Itoa(i), "1"), 201)
		call("GET", "/jamf/v1/software", "", 200)
	}
	call("GET", "/metrics", "", 403)
	for _, s := range servers {
		s.WaitForLog(`"msg":"request"`)
		if strings.Contains(s.Log(), "203.0.113.9") {
			t.Error("the log has the address that the client claimed")
		}
	}
	if err := commands[0].Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// HAProxy may send a change to the server just when it closes its port, and must not send it to another one then.
	// The client repeats it.
	repeated := 0
	for i := 0; !strings.Contains(log(), "Server servers/patchsource-1 is DOWN"); i++ {
		definition := trial.Definition("More"+strconv.Itoa(i), "1")
		res, text := trial.Call(t, client, "POST", site+"/api/v1/title", token, strings.NewReader(definition))
		switch res.StatusCode {
		case 201:
		case 502, 503:
			repeated++
		default:
			t.Errorf("a change while a server stops: got status %d: %s", res.StatusCode, text)
		}
		call("GET", "/jamf/v1/software", "", 200)
	}
	if repeated > 3 {
		t.Errorf("%d changes failed while a server stopped", repeated)
	}
	database.Stop()
	for !strings.Contains(log(), "backend 'servers' has no server available") {
		call("GET", "/jamf/v1/software", "", 200)
	}
	call("GET", "/jamf/v1/software", "", 200)
	call("POST", "/api/v1/title", trial.Definition("Late", "1"), 503)
}

// startHAProxy starts HAProxy with a configuration, and returns a function that returns what it has logged.
func startHAProxy(t *testing.T, path, dir, config string) (log func() string) {
	t.Helper()
	file, output := filepath.Join(dir, "haproxy.cfg"), filepath.Join(dir, "haproxy.log")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "-c", "-f", file).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("WARN")) {
		t.Fatalf("%v: %s", err, out)
	}
	w, err := os.Create(output)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd := exec.Command(path, "-db", "-f", file)
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	_, port, _ := strings.Cut(config, "bind ")
	address, _, _ := strings.Cut(port, "\n")
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("HAProxy does not accept connections")
		}
	}
	return func() string {
		text, err := os.ReadFile(output)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}
