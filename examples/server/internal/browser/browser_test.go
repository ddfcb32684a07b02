// Package browser tests the page of the reference server in a real browser. It is a separate package, so that no other
// package depends on the driver of the browser.
package browser_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// createMany creates n titles with one request.
func (s *site) createMany(n int) {
	s.t.Helper()
	var lines strings.Builder
	for i := range n {
		id, name := fmt.Sprintf("T%05d", i), fmt.Sprintf("Title %05d", i)
		fmt.Fprintln(&lines, definition(id, name, fmt.Sprintf("1.%d", i), "0.9"))
	}
	if status, text := s.call("POST", "/api/v1/titles/import", lines.String()); status != 200 ||
		strings.Contains(text, "refused") {
		s.t.Fatalf("%d %.500s", status, text)
	}
}

// names returns the names in the table, or the empty string while the page changes.
func (b *tab) names() string {
	names, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](
		`[...document.querySelectorAll("table.titles tbody th")].map(e => e.innerText).join(" ")`))
	return names
}

func TestBrowse(t *testing.T) {
	s := start(t)
	s.createMany(250)
	s.create(definition("Zebra", "Zebra Viewer", "3.1"))
	b := s.open()
	b.visit("/")
	b.sees("1 to 100 of 251")

	b.press("Next")
	b.sees("101 to 200 of 251")
	b.press("Next")
	b.sees("201 to 251 of 251")
	b.press("Previous")
	b.sees("101 to 200 of 251")

	b.visit("/")
	b.fill("#q", "zEbRa") // without pressing a button
	b.sees("1 to 1 of 1 matching titles, 251 in total")
	if names := b.names(); names != "Zebra Viewer" {
		t.Errorf("the table shows %q, want Zebra Viewer", names)
	}
	if at := eval[string](b, `location.search`); at != "?q=zEbRa" {
		t.Errorf("the search is not in the address: %s", at)
	}
	b.fill("#q", "nothing of the kind")
	b.sees("No title matches “nothing of the kind”.")

	b.visit("/?sort=version")
	b.press("Version") // reverses the order
	b.until("the newest version is first", func() bool { return strings.HasPrefix(b.names(), "Zebra Viewer") })
	sorted := eval[string](b, `(e => e.innerText + e.ariaSort)(document.querySelector("[aria-sort]"))`)
	if !strings.HasPrefix(sorted, "Version") || !strings.HasSuffix(sorted, "descending") {
		t.Errorf("the table is sorted by %s, want Version, descending", sorted)
	}
	b.press("Zebra Viewer")
	b.sees("Application Version is “3.1”")
	b.sees("Requirements")
	for _, want := range []string{
		"Zebra Viewer", "127.0.0.1/jamf/v1", "Operating System Version greater than or equal “10.9”", "com.example.app",
	} {
		if !strings.Contains(b.text(), want) {
			t.Errorf("the page of the title does not show %s", want)
		}
	}
	shown := eval[string](b, `(e => e.innerText + "|" + e.title)(document.querySelector("dl time"))`)
	if !regexp.MustCompile(`^[^Z]*\d[^Z]*\|\d{4}-\d\d-\d\dT[\d:]+Z$`).MatchString(shown) {
		t.Errorf("the time is %s, want the local time with UTC as the tooltip", shown)
	}
	b.visit("/titles/Nope")
	b.sees("This title does not exist.")
}

func TestCopy(t *testing.T) {
	s := start(t)
	b := s.open()
	b.visit("/publish")
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		_, err := cdp.Call(b.ctx, b.target(), browser.SetPermission, browser.SetPermissionParams{
			Permission:       &browser.PermissionDescriptor{Name: name},
			Setting:          browser.PermissionSettingGranted,
			Origin:           s.url,
			BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
		})
		b.must(err)
	}
	b.do(chromedp.Click(chromedp.CSS(`footer button.copy`)))
	b.until("the button shows Copied", func() bool {
		return eval[string](b, `document.querySelector("footer button.copy").innerText`) == "Copied"
	})
	if text := eval[string](b, `navigator.clipboard.readText()`); text != "127.0.0.1/jamf/v1" {
		t.Errorf("the clipboard contains %s", text)
	}
	if n := eval[int](b, `document.querySelectorAll(".copied button.copy:not([hidden])").length`); n < 5 {
		t.Errorf("%d lines can be copied, want 5 or more", n)
	}
	if text := b.text(); !strings.Contains(text, "curl --data-binary @definition.json "+s.url+"/api/v1/lint") {
		t.Errorf("the commands do not have the URL of this server: %s", text)
	}
}

func TestSignIn(t *testing.T) {
	s := start(t)
	b := s.open()
	b.visit("/tokens")
	b.sees("Sign in first")
	b.fill("#token", "pst_wrong")
	b.press("Sign in")
	b.sees("This token is not valid here")
	b.fill("#token", " "+s.token()+" ")
	b.press("Sign in")
	b.sees("You are signed in.")
	if at := eval[string](b, `location.pathname`); at != "/tokens" {
		t.Errorf("after signing in, the page is %s", at)
	}
	if cookies := eval[string](b, `document.cookie`); cookies != "" {
		t.Errorf("scripts can read the cookies %s", cookies)
	}
	got, err := cdp.Call(b.ctx, b.target(), network.GetCookies, network.GetCookiesParams{})
	b.must(err)
	found := false
	for _, c := range got.Cookies {
		if c.Name == "patchsource_token" {
			found = c.HTTPOnly && c.Session && string(c.SameSite) == "Strict" && c.Value == s.token()
			if !found {
				t.Errorf("got the cookie %+v", c)
			}
		}
	}
	if !found {
		t.Error("there is no valid cookie")
	}
	b.visit("/")
	if strings.Contains(b.text(), "You are signed in.") {
		t.Error("the page shows the message twice")
	}
	b.click(".who button")
	b.sees("You are signed out.")
	b.visit("/tokens")
	b.sees("Sign in first")

	// The token is revoked while the visitor is signed in.
	_, made := s.call("POST", "/api/v1/tokens", `{"expires_in_days":1}`)
	var token struct {
		ID    string `json:"id"`
		Token string `json:"api_token"`
	}
	if err := json.Unmarshal([]byte(made), &token); err != nil {
		t.Fatal(err)
	}
	b.signIn(token.Token)
	s.call("POST", "/api/v1/tokens/"+token.ID+"/invalidate", "")
	b.visit("/tokens")
	b.sees("your token is no longer valid")
}

// The first page is small.
func TestWeight(t *testing.T) {
	s := start(t)
	s.createMany(300)
	b := s.open()
	b.visit("/")
	b.sees("1 to 100 of 300")
	b.mu.Lock()
	defer b.mu.Unlock()
	t.Logf("%d requests, %.0f bytes", len(b.requests), b.bytes)
	if b.bytes > 100_000 || b.bytes < 1000 {
		t.Errorf("the page has %.0f bytes, want 1,000 to 100,000", b.bytes)
	}
}

// The page works without TLS under a host name that the browser does not trust.
func TestPlainName(t *testing.T) {
	s := start(t)
	s.create(definition("App", "Some App", "1.0"))
	b := s.open()
	b.do(chromedp.Navigate(strings.Replace(s.url, "127.0.0.1", otherName, 1) + "/signin"))
	b.fill("#token", s.token())
	b.press("Sign in")
	b.sees("You are signed in.")
	b.press("Some App")
	b.press("Delete")
	b.press("Delete App")
	b.sees("Title 'App' deleted.")
}

func TestDarkAndLight(t *testing.T) {
	s := start(t)
	b := s.open()
	color := func() string { return eval[string](b, `getComputedStyle(document.body).backgroundColor`) }
	b.scheme("light")
	b.visit("/")
	light := color()
	b.scheme("dark")
	if dark := color(); light == dark || light != "rgb(255, 255, 255)" {
		t.Errorf("the background is %s in light mode and %s in dark mode", light, dark)
	}
}
