package browser_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/patchsource/patchsource/examples/server/internal/app"
)

// browserVar says, in the environment, that a browser must be there: then tests that
// cannot have one fail. axeVar names axe-core's script, and screenshotsVar a folder that
// pictures of all pages are written to.
const (
	browserVar     = "PATCHSOURCE_BROWSER"
	axeVar         = "PATCHSOURCE_AXE"
	screenshotsVar = "PATCHSOURCE_SCREENSHOTS"
)

// missing ends a test that lacks something: as a failure if it has to be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv(browserVar) == "required" {
		t.Fatal(what)
	}
	t.Skipf("%s; with %s=required in the environment, this is a failure", what, browserVar)
}

// stopBrowser stops it, if it was started.
var stopBrowser = func() {}

// theBrowser is one for all tests; each test has a context of its own in it, with its own
// cookies.
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
		chromedp.Flag(
			"host-resolver-rules",
			"MAP "+otherName+" 127.0.0.1",
		),
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

// A site is a server, and what a test needs of it.
type site struct {
	t   *testing.T
	dir string
	url string
}

// start runs the reference server, and waits until it is ready.
func start(t *testing.T, args ...string) *site {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &site{t: t, dir: t.TempDir()}
	r, w := io.Pipe()
	done := make(chan int, 1)
	args = append(
		[]string{
			"--addr",
			"127.0.0.1:0",
			"--store",
			"file:" + filepath.Join(s.dir, "data"),
			"--log-format",
			"json",
			"--no-access-log",
			"--no-rate-limit",
		},
		args...)
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
				t.Errorf("the server says: %s", lines.Text())
			}
			if line.Msg == "ready" {
				ready <- line.Listen
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("the server ended with %d", code)
		}
	})
	if s.url = <-ready; s.url == "" {
		t.Fatal("the server did not get ready")
	}
	return s
}

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

// create makes a title.
func (s *site) create(body string) {
	s.t.Helper()
	if status, text := s.call("POST", "/api/v1/title", body); status != 201 {
		s.t.Fatalf("%d %s", status, text)
	}
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

// A tab is a window of the browser, of a visitor of their own.
type tab struct {
	*site
	ctx context.Context

	mu       sync.Mutex
	requests []string
	wrong    []string
	bytes    float64
}

// open opens a tab. When the test ends, nothing may have been asked of another host, no
// script may have failed, no dialogue may have opened, and nothing may have broken the
// page's policy.
func (s *site) open() *tab {
	s.t.Helper()
	browser, err := theBrowser()
	if err != nil {
		missing(s.t, err.Error())
	}
	b := &tab{site: s}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	s.t.Cleanup(cancel)
	b.ctx = ctx
	b.must(chromedp.Do(ctx))
	_, err = cdp.Call(ctx, b.target(), network.Enable, network.EnableParams{})
	b.must(err)
	_, err = cdp.Call(ctx, b.target(), log.Enable, cdp.Empty{})
	b.must(err)
	s.t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, w := range b.wrong {
			s.t.Errorf("the browser says: %s", w)
		}
		if len(b.requests) == 0 {
			s.t.Error("the browser has asked for nothing")
		}
	})
	return b
}

func (b *tab) target() *chromedp.Target { return chromedp.FromContext(b.ctx).Target }

func (b *tab) listen(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, ev.Request.URL)
		if u, err := url.Parse(ev.Request.URL); err != nil || u.Host != strings.TrimPrefix(b.url, "http://") && u.Host != strings.Replace(strings.TrimPrefix(b.url, "http://"), "127.0.0.1", otherName, 1) && u.Scheme != "data" && u.Scheme != "about" && !strings.HasPrefix(ev.Request.URL, allowedElsewhere) {
			b.wrong = append(b.wrong, "it has asked for "+ev.Request.URL)
		}
	case *network.EventLoadingFinished:
		b.bytes += ev.EncodedDataLength
	case *page.EventJavascriptDialogOpening:
		b.wrong = append(b.wrong, "a dialogue has opened: "+ev.Message)
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, fmt.Sprintf("a script has failed: %+v", ev.ExceptionDetails))
	case *log.EventEntryAdded:
		// What the network says of 4xx is no fault of the page's.
		if ev.Entry.Level == log.EntryLevelError && ev.Entry.Source != log.EntrySourceNetwork {
			b.wrong = append(b.wrong, fmt.Sprintf("%s: %s", ev.Entry.Source, ev.Entry.Text))
		}
	}
}

// otherName is another name of this machine, which the browser does not trust as it does
// 127.0.0.1.
const otherName = "patches.test"

// allowedElsewhere is where a test of ours pretends to be another site.
const allowedElsewhere = "http://localhost:"

func (b *tab) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// do does something with a time limit.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v; the page says: %.1500s", err, b.text())
	}
}

// visit opens a page of the site.
func (b *tab) visit(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.url + path))
}

// text is what the page says.
func (b *tab) text() string {
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ""`))
	return text
}

// sees waits until the page says something.
func (b *tab) sees(want string) {
	b.t.Helper()
	b.until("it says "+want, func() bool { return strings.Contains(b.text(), want) })
}

// until waits until something holds.
func (b *tab) until(what string, holds func() bool) {
	b.t.Helper()
	for end := time.Now().Add(15 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("it does not come to be that %s; the page says: %.1500s", what, b.text())
		}
	}
}

// eval evaluates an expression.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%v: %.200s", err, expression)
	}
	return value
}

// click clicks on what a CSS selector finds.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// press clicks on the link or button with a text.
func (b *tab) press(text string) {
	b.t.Helper()
	b.do(chromedp.Click(fmt.Sprintf(`//main//*[self::a or self::button][normalize-space()=%q]`, text)))
}

// fill types into the field that a CSS selector finds, in the place of what it has.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.set(selector, "")
	if text != "" {
		b.do(chromedp.SendKeys(chromedp.CSS(selector), text))
	}
}

// set gives a field a value, as a paste does.
func (b *tab) set(selector, text string) {
	b.t.Helper()
	b.do(chromedp.WaitReady(chromedp.CSS(selector)))
	eval[bool](b, fmt.Sprintf(`((document.querySelector(%s).value = %s), true)`, quote(selector), quote(text)))
}

// choose chooses files to be uploaded.
func (b *tab) choose(selector string, files ...string) {
	b.t.Helper()
	b.do(chromedp.SetUploadFiles(chromedp.CSS(selector), files))
}

// quote makes a string of JavaScript.
func quote(s string) string {
	data, _ := json.Marshal(s)
	return string(data)
}

// signIn signs in on the page.
func (b *tab) signIn(token string) {
	b.t.Helper()
	b.visit("/signin")
	b.fill("#token", token)
	b.press("Sign in")
	b.sees("You are signed in.")
}

// file writes a file to be uploaded.
func (s *site) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// scheme has pages see a scheme of colours.
func (b *tab) scheme(name string) {
	b.t.Helper()
	_, err := cdp.Call(
		b.ctx,
		b.target(),
		emulation.SetEmulatedMedia,
		emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		},
	)
	b.must(err)
}

func versionJSON(v string) string {
	return `{"version":"` + v + `","releaseDate":"2018-02-02T17:39:58Z","standalone":true,"minimumOperatingSystem":"10.9","reboot":false,"killApps":[{"bundleId":"com.example.app","appName":"App.app"}],` +
		`"components":[{"name":"App","version":"` + v + `","criteria":[{"name":"Application Bundle ID","operator":"is","value":"com.example.app","type":"recon","and":true},{"name":"Application Version","operator":"is","value":"` + v + `","type":"recon"}]}],` +
		`"capabilities":[{"name":"Operating System Version","operator":"greater than or equal","value":"10.9","type":"recon"}]}`
}

// definition is a definition that lint has nothing against.
func definition(id, name string, versions ...string) string {
	var patches []string
	for _, v := range versions {
		patches = append(patches, versionJSON(v))
	}
	return `{"id":"` + id + `","name":"` + name + `","publisher":"Example","appName":"App.app","bundleId":"com.example.app","requirements":[{"name":"Application Bundle ID","operator":"is","value":"com.example.app","type":"recon","and":true}],` +
		`"patches":[` + strings.Join(
		patches,
		",",
	) + `],"extensionAttributes":[]}`
}
