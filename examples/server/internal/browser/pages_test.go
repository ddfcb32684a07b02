package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// axe returns axe-core's script.
func axe(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(os.Getenv(axeVar))
	if err != nil {
		missing(t, "axe-core is missing: set "+axeVar+" to the path of its axe.min.js (npm package axe-core)")
	}
	return string(data)
}

// A pageView is a page as a visitor sees it.
type pageView struct {
	name, path string
	as         *tab
	prepare    func(*tab) // changes the page first; nil if there is nothing to do
}

// No page has accessibility errors that axe-core finds serious, in light or dark mode, on a desktop or a phone, and
// none is wider than the window.
func TestEveryPage(t *testing.T) {
	script := axe(t)
	s := startWithEverything(t)
	visitor, admin := s.open(), s.open()
	admin.signIn(s.token())
	pages := s.pages(visitor, admin)
	schemes := []string{"light", "dark"}
	if testing.Short() {
		schemes = schemes[:1] // with the race detector
	}
	for _, device := range []struct {
		name          string
		width, height int64
	}{{"desktop", 1280, 900}, {"phone", 360, 740}} {
		for _, scheme := range schemes {
			for _, p := range pages {
				b := p.as
				b.do(chromedp.EmulateViewport(device.width, device.height))
				b.scheme(scheme)
				b.visit(p.path)
				if p.prepare != nil {
					p.prepare(b)
				}
				b.audit(fmt.Sprintf("%s-%s-%s", p.name, device.name, scheme), script)
			}
		}
	}
}

// audit checks the page in a tab with axe-core, and writes a picture of it if screenshotsVar names a folder.
func (b *tab) audit(name, script string) {
	b.t.Helper()
	const tooWide = `document.documentElement.scrollWidth - document.documentElement.clientWidth`
	if pixels := eval[int](b, tooWide); pixels > 0 {
		b.t.Errorf("%s: the page is %d pixels too wide", name, pixels)
	}
	eval[bool](b, script+"; true")
	found := eval[[]struct{ ID, Impact, Help, Target string }](b, `axe.run().then(r => r.violations
		.filter(v => v.impact === "serious" || v.impact === "critical")
		.map(v => ({
			ID: v.id,
			Impact: v.impact,
			Help: v.help,
			Target: v.nodes.map(n => n.target.join(" ")).slice(0, 5).join(", "),
		})))`)
	for _, f := range found {
		b.t.Errorf("%s: %s (%s): %s, at %s", name, f.ID, f.Impact, f.Help, f.Target)
	}
	folder := os.Getenv(screenshotsVar)
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(90))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".jpg"), picture, 0o600)
	}
	b.must(err)
}

// startWithEverything starts a server with many titles, with one that follows a source that fails, with a webhook that
// fails, and with release feeds: one that works, one that fails, one that is paused, and one with a proposal.
func startWithEverything(t *testing.T) *site {
	t.Helper()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "once.json") && r.Header.Get("If-None-Match") == "" &&
			r.Header.Get("If-Modified-Since") == "" {
			w.Header().Set("ETag", `"1"`)
			_, _ = fmt.Fprint(w, definition("Far", "Far Away", "1"))
			return
		}
		http.Error(w, "down", http.StatusServiceUnavailable)
	}))
	t.Cleanup(broken.Close)
	s := start(t, "--allow-private-networks")
	s.createMany(130)
	const name = "Mozilla Firefox with a name that is quite long"
	s.create(strings.NewReplacer(
		`"publisher":"Example"`, `"publisher":"Mozilla Corporation"`,
		`"extensionAttributes":[]`, `"extensionAttributes":[{"key":"firefox-version","displayName":"Firefox version",`+
			`"value":"IyEvYmluL2Jhc2gKZWNobyAiPHJlc3VsdD4kKGRlZmF1bHRzIHJlYWQgL0FwcGxpY2F0aW9ucy9GaXJlZm94LmFwcC9D`+
			`b250ZW50cy9JbmZvIENGQnVuZGxlU2hvcnRWZXJzaW9uU3RyaW5nKTwvcmVzdWx0PiIK"}]`,
	).Replace(definition("Firefox", name, "149.0.7827.54", "148.0")))
	before, _, _ := strings.Cut(versionJSON("149.0.7827.103"), `"capabilities":`)
	s.call("POST", "/api/v1/titles/Firefox/versions", before+`"capabilities":[]}`)
	yesterday := time.Now().AddDate(0, 0, -1).UTC().Format(time.RFC3339)
	s.create(strings.ReplaceAll(definition("Recent", "Recent App", "2.0"), "2018-02-02T17:39:58Z", yesterday))
	s.call("POST", "/api/v1/subscribe", `{"id":"Far","json_url":"`+broken.URL+`/once.json"}`)
	s.call("POST", "/api/v1/title/Far/sync", "")
	s.call("POST", "/api/v1/webhooks", `{"url":"`+broken.URL+`/hook","secret":"a long secret"}`)
	s.publish("Ann Bell", "ann@example.com", definition("Slack", "Slack", "1"))
	vendor := startVendor(t, "149.0.7827.103", "149.0.7827.54")
	s.watch("Firefox", vendor.url, `"mode":"propose"`)
	s.watch("T00001", vendor.url, `"hold":"100d"`)
	s.watch("T00002", vendor.url, `"mode":"off"`)
	s.watch("T00003", broken.URL, "")
	vendor.release("2026.1")
	for _, id := range []string{"Firefox", "T00001", "T00003"} {
		s.call("POST", "/api/v1/titles/"+id+"/watch/check", "")
	}
	s.call("PUT", "/api/v1/titles/T00004/draft", strings.Replace(definition("T00004", "Changed", "2", "1"),
		`"patches":[{`, `"patches":[{"version":"3","enabled":false},{`, 1))
	s.call("PUT", "/api/v1/titles/Begun/draft",
		`{"id":"Begun","name":"","requirements":[{"name":"Application Title"}]}`)
	return s
}

// pages returns all pages of a site that startWithEverything has started.
func (s *site) pages(visitor, admin *tab) []pageView {
	uploads := 0
	return []pageView{
		{"table", "/", visitor, nil},
		{"table-none", "/?q=nothing", visitor, nil},
		{"title", "/titles/Firefox", visitor, nil},
		{"title-author", "/titles/Slack_Ann_Bell", visitor, nil},
		{"title-far", "/titles/Far", visitor, nil},
		{"publish", "/publish", visitor, nil},
		{"contributors", "/contributors", visitor, nil},
		{"signin", "/signin", visitor, nil},
		{"token", "/titles/Slack_Ann_Bell/token", visitor, nil},
		{"nothing", "/titles/Nope", visitor, nil},
		{"lost", "/contributors/token", visitor, nil},
		{"no-page", "/nope", visitor, nil},
		{"docs", "/docs", visitor, nil},
		{"docs-guide", "/docs/server", visitor, nil},
		{"docs-recipes", "/docs/recipes", visitor, nil},
		{"docs-recipe", "/docs/recipes/Zoom", visitor, nil},
		{"docs-search", "/docs/search?q=token", visitor, nil},
		{"docs-no-page", "/docs/nope", visitor, nil},
		{"revision", "/titles/Firefox/history/1", admin, nil},
		{"admin-title", "/titles/Firefox", admin, nil},
		{"version", "/titles/Firefox/version", admin, nil},
		{"edit", "/titles/Firefox/edit", admin, nil},
		{"drafts", "/drafts", admin, nil},
		{"overview", "/overview", admin, func(b *tab) {
			b.click("header summary")
			b.click("figure summary")
		}},
		{"admin-table", "/?q=state:warnings", admin, nil},
		{"bulk-delete", "/?q=t0000", admin, func(b *tab) {
			b.click("[data-all]")
			b.press("Delete …")
			b.sees("This cannot be undone")
		}},
		{"bulk-checked", "/?q=firefox", admin, func(b *tab) {
			b.click("[name=id]")
			b.press("Check now")
			b.sees("Back to the titles")
		}},
		{"audit", "/audit", admin, nil},
		{"jobs", "/jobs", admin, nil},
		{"deliveries", "/webhooks", admin, func(b *tab) {
			b.press("Deliveries")
			b.sees("Answer")
		}},
		{"new", "/new", admin, nil},
		{"draft", "/titles/T00004/draft", admin, nil},
		{"draft-begun", "/titles/Begun/draft", admin, nil},
		{"draft-none", "/titles/Firefox/draft", admin, nil},
		{"draft-version", "/titles/Firefox/draft/versions/1", admin, nil},
		{"draft-json", "/titles/Begun/draft/json", admin, nil},
		{"draft-publish", "/titles/T00004/draft/publish", admin, nil},
		{"draft-publish-begun", "/titles/Begun/draft/publish", admin, nil},
		{"draft-discard", "/titles/T00004/draft/discard", admin, nil},
		{"try", "/titles/Firefox/try", admin, func(b *tab) {
			b.fill("[name=os]", "14.5")
			b.fill("[name=version]", "148.0")
			b.press("Ask")
			b.sees("older version")
		}},
		{"remove", "/titles/Firefox/remove?version=148.0", admin, nil},
		{"delete", "/titles/Firefox/delete", admin, nil},
		{"tokens", "/tokens", admin, nil},
		{"setup", "/setup", admin, nil},
		{"setup-checked", "/setup", admin, func(b *tab) {
			for _, step := range []string{"address", "certificate", "title", "report"} {
				b.checkStep(step)
			}
			b.fill("#mail-mailbox", "ann@example.com")
			b.checkStep("mail") // only the first mails are sent
		}},
		{"sources", "/sources", admin, nil},
		{"webhooks", "/webhooks", admin, nil},
		{"deliveries", "/webhooks", admin, func(b *tab) {
			b.press("Deliveries")
			b.sees("Retry")
		}},
		{"backup", "/backup", admin, nil},
		{"jobs", "/jobs", admin, nil},
		{"feeds", "/feeds", admin, nil},
		{"feeds-failing", "/feeds?state=failing", admin, nil},
		{"feeds-new", "/feeds/new", admin, nil},
		{"proposals", "/proposals", admin, nil},
		{"reject", "/proposals", admin, func(b *tab) {
			b.press("Reject…")
			b.sees("not proposed again")
		}},
		{"watch-title", "/titles/T00001", admin, nil},
		{"watch-title-failing", "/titles/T00003", admin, nil},
		{"watch-title-paused", "/titles/T00002", admin, nil},
		{"watch-title-visitor", "/titles/T00001", visitor, nil},
		{"watch-end", "/titles/T00001/watch/end", admin, nil},
		{"watch-new", "/titles/T00009/watch", admin, nil},
		{"watch-tried", "/titles/Firefox/watch", admin, func(b *tab) {
			b.press("Try it")
			b.sees("The newest stable release is")
		}},
		{"watch-refused", "/titles/Firefox/watch", admin, func(b *tab) {
			b.set("#kind", "redirect")
			b.fill("#field-feed-url", "ftp://vendor.example")
			b.fill("#field-policy-hold", "a week")
			b.press("Save")
			b.sees("correct the marked fields")
		}},
		{"feeds-drafted", "/feeds/new", admin, func(b *tab) {
			b.click("main summary")
			b.set("#json", cask)
			b.press("Fill in the form")
			b.sees("Check this.")
		}},
		{"upload", "/upload", admin, nil},
		{"upload-refused", "/upload", admin, func(b *tab) {
			uploads++
			bad := strings.Replace(definition("Bad", "Bad", "1.0"), `"reboot":false`, `"reboot":"no"`, 1)
			good := definition("Good"+fmt.Sprint(uploads), "Good", "1.0")
			good = strings.Replace(good, `"publisher":"Example"`, `"publisher":""`, 1)
			b.choose("#file", s.file("bad.json", bad), s.file("good.json", good))
			b.press("Upload")
			b.sees("1 refused.")
		}},
		{"version-refused", "/titles/Firefox/version", admin, func(b *tab) {
			b.fill("#version", "148.0")
			b.press("Add the version")
			b.sees("this version exists already")
		}},
	}
}
