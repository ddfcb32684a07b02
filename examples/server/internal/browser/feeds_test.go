package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
)

// A vendor is a server with an appcast.
type vendor struct {
	url string

	mu       sync.Mutex
	versions []string
}

// startVendor starts a server whose appcast lists versions.
func startVendor(t *testing.T, versions ...string) *vendor {
	v := &vendor{versions: versions}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		v.mu.Lock()
		defer v.mu.Unlock()
		fmt.Fprint(w, `<rss xmlns:sparkle="http://www.andymatuschak.org/xml-namespaces/sparkle"><channel>`)
		for i, version := range v.versions {
			fmt.Fprintf(w, `<item><title>%s</title><pubDate>%02d Jan 2026 10:00:00 +0000</pubDate>`+
				`<sparkle:minimumSystemVersion>12.0</sparkle:minimumSystemVersion>`+
				`<enclosure url="https://vendor.example/App.zip" sparkle:version="%d"`+
				` sparkle:shortVersionString="%s"/></item>`, version, 20-i, 100-i, version)
		}
		fmt.Fprint(w, `<item><title>Beta</title><sparkle:channel>beta</sparkle:channel>`+
			`<enclosure url="https://vendor.example/Beta.zip" sparkle:version="999"`+
			` sparkle:shortVersionString="9999.0"/></item></channel></rss>`)
	}))
	t.Cleanup(server.Close)
	v.url = server.URL + "/appcast.xml"
	return v
}

// release adds a version to the appcast.
func (v *vendor) release(version string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.versions = append([]string{version}, v.versions...)
}

// watch makes a title follow an appcast. policy has the members of the policy.
func (s *site) watch(id, url, policy string) {
	s.t.Helper()
	body := fmt.Sprintf(`{"feed":{"kind":"sparkle","url":%q},"policy":{%s}}`, url, policy)
	if status, text := s.call("PUT", "/api/v1/titles/"+id+"/watch", body); status >= 300 {
		s.t.Fatalf("watch %s: got status %d: %s", id, status, text)
	}
}

// cask is the JSON of a Homebrew cask.
const cask = `{"token":"some-app","name":["Some App"],"version":"2.1","url":"https://vendor.example/SomeApp-2.1.dmg",` +
	`"depends_on":{"macos":{">=":["12"]}},"artifacts":[{"app":["Some App.app"]},` +
	`{"zap":[{"trash":["~/Library/Preferences/com.example.some-app.plist"]}]}]}`

// The form for a release feed shows the fields of the chosen kind only. A visitor tries the feed, mends it and follows
// it; the new version that the vendor releases then is added.
func TestFollowFeed(t *testing.T) {
	s := start(t, "--allow-private-networks")
	s.create(definition("App", "Some App", "1.0"))
	v := startVendor(t, "1.0")
	b := s.open()
	b.signIn(s.token())
	b.visit("/titles/App")
	b.press("Follow a release feed")
	b.sees("Choose a kind")
	visible := func(selector string) bool {
		return eval[bool](b, `document.querySelector(`+quote(selector)+`).checkVisibility()`)
	}
	b.choosesKind("github")
	if !visible("#field-feed-repo") || visible("#field-feed-items") || visible("#field-feed-name") {
		t.Error("the form does not show the fields of the kind github")
	}
	b.choosesKind("sparkle")
	if visible("#field-feed-repo") || !visible("#field-feed-url") {
		t.Error("the form does not show the fields of the kind sparkle")
	}
	b.fill("#field-feed-url", strings.Replace(v.url, "http:", "ftp:", 1))
	b.set("#field-policy-interval", "2h")
	b.press("Try it")
	b.sees("The feed was not tried: correct the marked fields.")
	if fault := eval[string](b, `document.querySelector("#field-feed-url ~ .fault").innerText`); fault == "" {
		t.Error("the error is not shown at the field")
	}
	b.fill("#field-feed-url", v.url)
	b.press("Try it")
	b.sees("The newest stable release is 1.0")
	b.sees("9999.0") // left out, because it is of a channel
	if kept := eval[string](b, `document.querySelector("#field-policy-interval").value`); kept != "2h" {
		t.Errorf("after the trial, the interval is %q, want 2h", kept)
	}
	if watch, _ := s.call("GET", "/api/v1/titles/App/watch", ""); watch != 404 {
		t.Errorf("after the trial, the watch has status %d, want 404", watch)
	}
	b.press("Follow")
	b.sees("follows its vendor’s releases from now on")
	b.until("the server has checked the feed", func() bool { // the next check by itself is in two hours
		_, text := s.call("GET", "/api/v1/titles/App/watch", "")
		return !strings.Contains(text, `"last_success":null`)
	})
	v.release("1.1")
	b.press("Check now")
	b.sees("Added: 1.1.")
	b.press("Pause")
	b.sees("paused")
	b.press("Resume and propose versions")
	b.sees("New versions are proposed.")
	b.press("Stop following the feed")
	b.press("Stop following the feed")
	b.sees("no longer follows its vendor’s releases")
	if _, text := s.call("GET", "/api/v1/titles/App", ""); !strings.Contains(text, `"currentVersion":"1.1"`) {
		t.Errorf("got the title %s, want the current version 1.1", text)
	}
}

// choosesKind chooses the kind of a feed.
func (b *tab) choosesKind(kind string) {
	b.t.Helper()
	eval[bool](b, `((k) => { k.value = `+quote(kind)+`; return k.dispatchEvent(new Event("change")) })`+
		`(document.getElementById("kind"))`)
}

// A version that does not pass all checks is proposed, with the reasons. It is added once it is approved. A rejected
// one does not come back.
func TestProposals(t *testing.T) {
	s := start(t, "--allow-private-networks")
	s.create(definition("App", "Some App", "1.0"))
	s.create(definition("Other", "Another App", "1.0"))
	v := startVendor(t, "1.0")
	s.watch("App", v.url, "")
	s.watch("Other", v.url, "")
	v.release("2026.1.5")
	b := s.open()
	b.signIn(s.token())
	for _, id := range []string{"App", "Other"} {
		b.visit("/titles/" + id)
		b.press("Check now")
		b.sees("For a person to decide: 2026.1.5.")
	}
	badge := func() string {
		return eval[string](b, `document.querySelector("nav a[href='/proposals']").textContent.trim()`)
	}
	if text := badge(); text != "Proposals 2 waiting" {
		t.Errorf("the navigation shows %q", text)
	}
	b.click(`nav a[href="/proposals"]`)
	b.sees("Why a person decides")
	b.click(`button[aria-label="Approve 2026.1.5 of App"]`)
	b.sees("Version '2026.1.5' added to title 'App'.")
	b.visit("/proposals")
	b.press("Reject…")
	b.sees("not proposed again")
	b.press("Reject")
	b.sees("No version waits for a decision.")
	b.visit("/titles/Other")
	b.press("Check now")
	b.sees("Not added: 2026.1.5.")
	if text := badge(); text != "Proposals" {
		t.Errorf("the navigation shows %q", text)
	}
}

// A new title is made from the JSON of a cask. Guesses and gaps are marked.
func TestNewTitleFromFeed(t *testing.T) {
	s := start(t, "--allow-private-networks")
	v := startVendor(t, "2.1", "2.0")
	b := s.open()
	b.signIn(s.token())
	b.visit("/feeds")
	b.press("New title from a release feed")
	b.click("main summary")
	b.set("#json", cask)
	b.press("Fill in the form")
	b.sees("The draft has no value for this: enter it.")
	if id := eval[string](b, `document.querySelector("#field-bundleId").value`); id != "com.example.some-app" {
		t.Errorf("the bundle ID is %q, want com.example.some-app", id)
	}
	b.choosesKind("sparkle")
	b.fill("#field-feed-url", v.url)
	b.press("Create the title")
	b.sees("follows its release feed from now on")
	b.sees("com.example.some-app")
	b.visit("/feeds")
	b.sees("Some App")
}

// Without scripts, the form for a feed shows the fields of all kinds, with the help for each.
func TestFeedFormWithoutScripts(t *testing.T) {
	s := start(t, "--allow-private-networks")
	s.create(definition("App", "Some App", "1.0"))
	v := startVendor(t, "1.0")
	b := s.open()
	b.signIn(s.token())
	_, err := cdp.Call(b.ctx, b.target(), emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: true})
	b.must(err)
	b.visit("/titles/App/watch")
	b.sees("Choose a kind")
	b.picture("watch-without-scripts")
	b.sees("The releases or tags of a repository at GitHub")
	b.sees("List of releases")
	b.set("#kind", "sparkle")
	b.set("#field-feed-repo", "example/App") // is of no use to the kind
	b.set("#field-feed-url", v.url)
	b.press("Try it")
	b.sees("The newest stable release is 1.0")
	b.press("Follow")
	b.sees("follows its vendor’s releases from now on")
	if _, text := s.call("GET", "/api/v1/titles/App/watch", ""); strings.Contains(text, "example/App") {
		t.Errorf("the watch has a word of another kind: %s", text)
	}
}
