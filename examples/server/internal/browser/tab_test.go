package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A tab is a window of the browser, with cookies of its own.
type tab struct {
	*site
	ctx context.Context

	mu       sync.Mutex
	requests []string
	errors   []string
	bytes    float64
}

// open opens a tab. When the test ends, it fails the test if the page sent a request to another host, if a script
// failed, if a dialog opened, or if something violated the page's content security policy.
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
		for _, e := range b.errors {
			s.t.Errorf("the browser reports: %s", e)
		}
		if len(b.requests) == 0 {
			s.t.Error("the browser sent no request")
		}
	})
	return b
}

// target returns the tab as the browser's driver knows it.
func (b *tab) target() *chromedp.Target { return chromedp.FromContext(b.ctx).Target }

// listen records an event of the browser.
func (b *tab) listen(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, ev.Request.URL)
		if !b.allowed(ev.Request.URL) {
			b.errors = append(b.errors, "a request for "+ev.Request.URL)
		}
	case *network.EventLoadingFinished:
		b.bytes += ev.EncodedDataLength
	case *page.EventJavascriptDialogOpening:
		b.errors = append(b.errors, "a dialog opened: "+ev.Message)
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, fmt.Sprintf("a script failed: %+v", ev.ExceptionDetails))
	case *log.EventEntryAdded:
		// An answer with a 4xx status is logged too, and is not an error of the page.
		if ev.Entry.Level == log.EntryLevelError && ev.Entry.Source != log.EntrySourceNetwork {
			b.errors = append(b.errors, fmt.Sprintf("%s: %s", ev.Entry.Source, ev.Entry.Text))
		}
	}
}

// allowed reports whether the page may request a URL.
func (b *tab) allowed(requested string) bool {
	u, err := url.Parse(requested)
	if err != nil {
		return false
	}
	host := strings.TrimPrefix(b.url, "http://")
	return u.Host == host || u.Host == strings.Replace(host, "127.0.0.1", otherName, 1) ||
		u.Scheme == "data" || u.Scheme == "about" || strings.HasPrefix(requested, otherSite)
}

// otherName is another name of this machine. The browser does not trust it as it trusts 127.0.0.1.
const otherName = "patches.test"

// otherSite begins the URL of a server that a test runs as another site.
const otherSite = "http://localhost:"

// must fails the test if err is not nil.
func (b *tab) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// do performs actions, for up to 20 seconds.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v; the page shows: %.1500s", err, b.text())
	}
}

// visit opens a page of the site.
func (b *tab) visit(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.url + path))
}

// text returns the text that the page shows.
func (b *tab) text() string {
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ""`))
	return text
}

// sees waits until the page shows a text.
func (b *tab) sees(want string) {
	b.t.Helper()
	b.until("the page shows "+want, func() bool { return strings.Contains(b.text(), want) })
}

// until waits until a condition holds, for up to 15 seconds.
func (b *tab) until(what string, ok func() bool) {
	b.t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("timed out waiting for: %s; the page shows: %.1500s", what, b.text())
		}
	}
}

// eval returns the value of a JavaScript expression.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%v: %.200s", err, expression)
	}
	return value
}

// click clicks the element that a CSS selector matches.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// press clicks the link or button with a text.
func (b *tab) press(text string) {
	b.t.Helper()
	b.do(chromedp.Click(fmt.Sprintf(`//main//*[self::a or self::button][normalize-space()=%q]`, text)))
}

// fill clears the field that a CSS selector matches, and types a text into it.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.set(selector, "")
	if text != "" {
		b.do(chromedp.SendKeys(chromedp.CSS(selector), text))
	}
}

// set sets the value of a field at once, as pasting does.
func (b *tab) set(selector, text string) {
	b.t.Helper()
	b.do(chromedp.WaitReady(chromedp.CSS(selector)))
	eval[bool](b, fmt.Sprintf(`((document.querySelector(%s).value = %s), true)`, quote(selector), quote(text)))
}

// choose chooses files for an upload.
func (b *tab) choose(selector string, files ...string) {
	b.t.Helper()
	b.do(chromedp.SetUploadFiles(chromedp.CSS(selector), files))
}

// quote returns a string literal of JavaScript.
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

// scheme sets the color scheme that the page sees: "light" or "dark".
func (b *tab) scheme(name string) {
	b.t.Helper()
	_, err := cdp.Call(b.ctx, b.target(), emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
	b.must(err)
}
