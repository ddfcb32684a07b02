package app

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Requests are logged with the ids that their answers contain. Requests that machines send all the time are not logged.
func TestAccessLog(t *testing.T) {
	p := start(t, t.TempDir())
	res, err := http.Get(p.url + "/jamf/v1/software")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		p.do("GET", path, "")
	}
	p.stop()
	var lines int
	for line := range strings.Lines(p.logged()) {
		var l struct {
			Msg, Path, Client string
			RequestID         string `json:"request_id"`
			Status            int
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Msg != "request" {
			continue
		}
		lines++
		if l.Path != "/jamf/v1/software" || l.Status != 200 || l.Client != "127.0.0.1" ||
			l.RequestID != res.Header.Get("X-Request-Id") || l.RequestID == "" {
			t.Errorf("got the line %s", line)
		}
	}
	if lines != 1 {
		t.Errorf("got %d lines, want 1: %s", lines, p.logged())
	}
	quiet := start(t, t.TempDir(), "--no-access-log")
	quiet.do("GET", "/jamf/v1/software", "")
	quiet.stop()
	if strings.Contains(quiet.logged(), "/jamf/v1/software\"") {
		t.Errorf("with --no-access-log: %s", quiet.logged())
	}
}

// --no-title-editor switches Title Editor's API off. Otherwise its clients log in with the administrator's token.
func TestNoTitleEditor(t *testing.T) {
	for flag, want := range map[string]int{"": 401, "--no-title-editor": 404} {
		p := start(t, t.TempDir(), slices.DeleteFunc([]string{flag}, func(s string) bool { return s == "" })...)
		if status, body := p.do("POST", "/v2/auth/tokens", ""); status != want {
			t.Errorf("with %q: got status %d, want %d: %s", flag, status, want, body)
		}
		p.stop()
	}
}

// Profiles are served on an address of their own, and only with --pprof-addr.
func TestProfiles(t *testing.T) {
	p := start(t, t.TempDir(), "--pprof-addr", "127.0.0.1:0")
	if status, _ := p.do("GET", "/debug/pprof/", ""); status != 404 {
		t.Errorf("the server itself: got status %d, want 404", status)
	}
	url := ""
	for line := range strings.Lines(p.logged()) {
		var l struct{ Msg, URL string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "serving profiles" {
			url = l.URL
		}
	}
	res, err := http.Get(url + "goroutine?debug=1")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 ||
		!strings.Contains(string(text), "goroutine profile") {
		t.Errorf("got status %d, %v", res.StatusCode, err)
	}
	for _, wrong := range []string{"6060", "localhost"} {
		if code := Run(t.Context(), []string{"--pprof-addr", wrong}, nil, io.Discard, io.Discard); code != 2 {
			t.Errorf("--pprof-addr %s: got exit code %d, want 2", wrong, code)
		}
	}
}

// The links of a server that listens on all addresses are usable: those in answers name the host that the client asked
// for, those in mails the name of the machine.
func TestLinksOfAServerOnAllAddresses(t *testing.T) {
	name, err := os.Hostname()
	if err != nil {
		t.Skipf("this machine has no host name: %v", err)
	}
	dir := t.TempDir()
	p := start(t, dir, "--addr", ":0", "--rate-limit=false")
	_, port, _ := strings.Cut(strings.TrimPrefix(p.url, "http://["), "]:")
	registration := `{"name":"macman","email":"mac@example.com"}`
	if status, text := p.do("POST", "/api/v1/contributors/register", registration); status != 201 {
		t.Fatalf("got status %d: %s", status, text)
	}
	mails, _ := filepath.Glob(filepath.Join(dir, "data.outbox", "*.eml"))
	if len(mails) != 1 {
		t.Fatalf("got %d mails, want 1", len(mails))
	}
	mail, err := os.ReadFile(mails[0])
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(string(mail))
	if want := "http://" + name + ":" + port + "/api/v1/contributors/verify"; !strings.Contains(plain, want) ||
		strings.Contains(plain, "[::]") {
		t.Errorf("the mail does not contain %s: %s", want, plain)
	}
	if !strings.Contains(p.logged(), "--base-url") {
		t.Errorf("the log does not mention --base-url: %s", p.logged())
	}
	res, err := http.Get("http://127.0.0.1:" + port + "/feed.atom")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if feed, err := io.ReadAll(res.Body); err != nil ||
		!strings.Contains(string(feed), "http://127.0.0.1:"+port+"/feed.atom") {
		t.Errorf("got %s (%v)", feed, err)
	}
	quiet := start(t, t.TempDir(), "--addr", ":0", "--base-url", "https://p.example.com")
	if strings.Contains(quiet.logged(), "--base-url") {
		t.Error("the log mentions --base-url although it is set")
	}
}

// The log line "ready" contains the URL for other hosts and the one that the server listens on.
func TestReadyLine(t *testing.T) {
	for _, c := range []struct {
		name, base, url string // if url is empty, it is the one that the server listens on
	}{
		{"no URL for other hosts", "", ""},
		{"a URL for other hosts", "https://patches.example.com", "https://patches.example.com"},
		{"a prefix with a slash", "https://example.com/patches/", "https://example.com/patches"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, t.TempDir(), "--base-url="+c.base)
			if c.url == "" {
				c.url = p.url
			}
			var ready struct {
				Msg, URL, Listen string
				Feed             string `json:"jamf_feed"`
			}
			for line := range strings.Lines(p.logged()) {
				if err := json.Unmarshal([]byte(line), &ready); err != nil {
					t.Fatal(err)
				}
				if ready.Msg == "ready" {
					break
				}
			}
			if ready.URL != c.url || ready.Feed != c.url+"/jamf/v1" || ready.Listen != p.url {
				t.Errorf("got %+v, want %s", ready, c.url)
			}
		})
	}
}
