package browser_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/patchsource/patchsource/examples/internal/trial"
	"github.com/patchsource/patchsource/examples/server/internal/app"
)

// Environment variables of these tests. If browserVar is "required", tests fail without a browser. axeVar is the path
// of axe-core's script, and screenshotsVar that of a folder for pictures of all pages.
const (
	browserVar     = "PATCHSOURCE_BROWSER"
	axeVar         = "PATCHSOURCE_AXE"
	screenshotsVar = "PATCHSOURCE_SCREENSHOTS"
)

// missing skips a test that lacks something, or fails it if a browser is required.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv(browserVar) == "required" {
		t.Fatal(what)
	}
	t.Skipf("%s (set %s=required to fail instead)", what, browserVar)
}

// stopBrowser stops the browser if it was started.
var stopBrowser = func() {}

// theBrowser starts the browser that all tests share. Each test has a context in it, with its own cookies.
var theBrowser = sync.OnceValues(func() (context.Context, error) {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, errors.New("there is no chromium: install it (Debian's package chromium)")
	}
	opts := append(
		chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox,
		chromedp.Flag("host-resolver-rules", "MAP "+otherName+" 127.0.0.1"),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("no-proxy-server", true),
	)
	allocator, _ := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, _ := chromedp.NewContext(allocator)
	stopBrowser = func() { _ = chromedp.Cancel(ctx) }
	return ctx, chromedp.Do(ctx)
})

func TestMain(m *testing.M) {
	code := m.Run()
	stopBrowser()
	os.Exit(code)
}

// A site is a running server.
type site struct {
	t   *testing.T
	dir string
	url string
}

// start starts the reference server and waits until it is ready.
func start(t *testing.T, args ...string) *site {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &site{t: t, dir: t.TempDir()}
	r, w := io.Pipe()
	done := make(chan int, 1)
	args = append([]string{
		"--addr", "127.0.0.1:0", "--store", "file:" + filepath.Join(s.dir, "data"), "--log-format", "json",
		"--no-access-log", "--no-rate-limit",
	}, args...)
	go func() {
		code := app.Run(ctx, args, nil, io.Discard, w)
		_ = w.Close()
		done <- code
	}()
	ready := make(chan string, 1)
	go func() {
		defer close(ready)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			var line struct{ Msg, Listen, Level string }
			if json.Unmarshal(lines.Bytes(), &line) != nil {
				continue
			}
			if line.Level == "ERROR" {
				t.Errorf("the server logged an error: %s", lines.Text())
			}
			if line.Msg == "ready" {
				ready <- line.Listen
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("the server exited with code %d", code)
		}
	})
	if s.url = <-ready; s.url == "" {
		t.Fatal("the server did not become ready")
	}
	return s
}

// token returns the administrator token.
func (s *site) token() string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "data.admin-token"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// call calls the API as the administrator.
func (s *site) call(method, path, body string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token())
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

// create creates a title.
func (s *site) create(body string) {
	s.t.Helper()
	if status, text := s.call("POST", "/api/v1/title", body); status != 201 {
		s.t.Fatalf("create a title: got status %d: %s", status, text)
	}
}

// publish publishes a title as an author.
func (s *site) publish(name, email, def string) {
	s.t.Helper()
	s.create(`{"author_name":"` + name + `","author_email":"` + email + `","definition":` + def + `}`)
}

// mailed returns the text of the newest mail to an address.
func (s *site) mailed(to string) string {
	s.t.Helper()
	var newest time.Time
	var text string
	files, _ := filepath.Glob(filepath.Join(s.dir, "data.outbox", "*.eml"))
	for _, name := range files {
		info, err := os.Stat(name)
		data, readErr := os.ReadFile(name)
		if err == nil && readErr == nil && strings.Contains(string(data), to) && info.ModTime().After(newest) {
			newest, text = info.ModTime(), string(data)
		}
	}
	if text == "" {
		s.t.Fatalf("there is no mail to %s", to)
	}
	return text
}

// mailedToken returns the token in the newest mail to an address.
func (s *site) mailedToken(to string) string {
	s.t.Helper()
	return regexp.MustCompile(`pst_[A-Z0-9]{59}`).FindString(strings.ReplaceAll(s.mailed(to), "=\r\n", ""))
}

// mailedLink returns the path of the link that confirms an address, in the newest mail to it.
func (s *site) mailedLink(to string) string {
	s.t.Helper()
	text := strings.NewReplacer("=\r\n", "", "=3D", "=", "&amp;", "&").Replace(s.mailed(to))
	return regexp.MustCompile(`/api/v1/contributors/verify\?[^\s"<]+`).FindString(text)
}

// file writes a file for an upload and returns its path.
func (s *site) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// versionJSON returns a version in JSON, without lint warnings.
func versionJSON(v string) string { return trial.Version(v) }

// definition returns a definition in JSON, without lint warnings.
func definition(id, name string, versions ...string) string {
	return strings.Replace(trial.Definition(id, versions...), `"name":"`+id+`"`, `"name":"`+name+`"`, 1)
}
