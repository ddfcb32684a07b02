package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// axe is axe-core's script.
func axe(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(os.Getenv(axeVar))
	if err != nil {
		missing(t, "axe-core is not there: put the path of its axe.min.js (npm package axe-core) into "+axeVar)
	}
	return string(data)
}

// No page has anything that is in the way of people who use a screen reader or a
// keyboard, or who need contrast; each fits on a phone.
func TestEveryPage(t *testing.T) {
	script := axe(t)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "once.json") && r.Header.Get("If-None-Match") == "" &&
			r.Header.Get("If-Modified-Since") == "" {
			w.Header().Set("ETag", `"1"`)
			_, _ = fmt.Fprint(w, definition("Far", "Far Away", "1"))
			return
		}
		http.Error(w, "down", http.StatusServiceUnavailable)
	}))
	defer broken.Close()
	s := start(t, "--allow-private-networks")
	s.createMany(130)
	s.create(
		strings.Replace(
			strings.Replace(
				definition("Firefox", "Mozilla Firefox with a name that is quite long", "149.0.7827.54", "148.0"),
				`"publisher":"Example"`,
				`"publisher":"Mozilla Corporation"`,
				1,
			),
			`"extensionAttributes":[]`,
			`"extensionAttributes":[{"key":"firefox-version","displayName":"Firefox version","value":"IyEvYmluL2Jhc2gKZWNobyAiPHJlc3VsdD4kKGRlZmF1bHRzIHJlYWQgL0FwcGxpY2F0aW9ucy9GaXJlZm94LmFwcC9Db250ZW50cy9JbmZvIENGQnVuZGxlU2hvcnRWZXJzaW9uU3RyaW5nKTwvcmVzdWx0PiIK"}]`,
			1,
		),
	)
	s.call(
		"POST",
		"/api/v1/titles/Firefox/versions",
		strings.Replace(
			versionJSON("149.0.7827.103"),
			`"capabilities":[{"name":"Operating System Version","operator":"greater than or equal","value":"10.9","type":"recon"}]`,
			`"capabilities":[]`,
			1,
		),
	)
	s.call("POST", "/api/v1/subscribe", `{"id":"Far","json_url":"`+broken.URL+`/once.json"}`)
	s.call("POST", "/api/v1/title/Far/sync", "")
	s.call("POST", "/api/v1/webhooks", `{"url":"`+broken.URL+`/hook","secret":"a long secret"}`)
	if status, text := s.call("POST", "/api/v1/title", `{"author_name":"Ann Bell","author_email":"ann@example.com","definition":`+definition("Slack", "Slack", "1")+`}`); status != 201 {
		t.Fatal(text)
	}
	visitor, admin, uploads := s.open(), s.open(), 0
	admin.signIn(s.token())
	pages := []struct {
		name, path string
		as         *tab
		prepare    func(*tab)
	}{
		{
			"table",
			"/",
			visitor,
			nil,
		}, {"table-none", "/?q=nothing", visitor, nil}, {"title", "/titles/Firefox", visitor, nil}, {"title-author", "/titles/Slack_Ann_Bell", visitor, nil}, {"title-far", "/titles/Far", visitor, nil},
		{
			"publish",
			"/publish",
			visitor,
			nil,
		}, {"contributors", "/contributors", visitor, nil}, {"signin", "/signin", visitor, nil}, {"token", "/titles/Slack_Ann_Bell/token", visitor, nil}, {"nothing", "/titles/Nope", visitor, nil},
		{"lost", "/contributors/token", visitor, nil}, {"no-page", "/nope", visitor, nil},
		{
			"edition",
			"/titles/Firefox/history/1",
			admin,
			nil,
		}, {"admin-title", "/titles/Firefox", admin, nil}, {"version", "/titles/Firefox/version", admin, nil}, {"edit", "/titles/Firefox/edit", admin, nil}, {"remove", "/titles/Firefox/remove?version=148.0", admin, nil},
		{
			"delete",
			"/titles/Firefox/delete",
			admin,
			nil,
		}, {"tokens", "/tokens", admin, nil}, {"sources", "/sources", admin, nil}, {"webhooks", "/webhooks", admin, nil}, {"backup", "/backup", admin, nil}, {"upload", "/upload", admin, nil},
		{"upload-refused", "/upload", admin, func(b *tab) {
			uploads++
			b.choose(
				"#file",
				s.file(
					"bad.json",
					strings.Replace(definition("Bad", "Bad", "1.0"), `"reboot":false`, `"reboot":"no"`, 1),
				),
				s.file(
					"good.json",
					strings.Replace(
						definition("Good"+fmt.Sprint(uploads), "Good", "1.0"),
						`"publisher":"Example"`,
						`"publisher":""`,
						1,
					),
				),
			)
			b.press("Upload")
			b.sees("1 refused.")
		}},
		{"version-refused", "/titles/Firefox/version", admin, func(b *tab) {
			b.fill("#version", "148.0")
			b.press("Add the version")
			b.sees("this version exists already")
		}},
	}
	folder := os.Getenv(screenshotsVar)
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"desktop", 1280, 900}, {"phone", 360, 740}} {
		for _, scheme := range []string{"light", "dark"} {
			for _, p := range pages {
				b := p.as
				b.do(chromedp.EmulateViewport(size.width, size.height))
				b.scheme(scheme)
				b.visit(p.path)
				if p.prepare != nil {
					p.prepare(b)
				}
				where := fmt.Sprintf("%s on a %s, %s", p.name, size.name, scheme)
				if wide := eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
					t.Errorf("%s: it is %d pixels too wide", where, wide)
				}
				eval[bool](b, script+"; true")
				found := eval[[]struct{ ID, Impact, Help, Target string }](
					b,
					`axe.run().then(r => r.violations.filter(v => v.impact === "serious" || v.impact === "critical").map(v => ({ ID: v.id, Impact: v.impact, Help: v.help, Target: v.nodes.map(n => n.target.join(" ")).slice(0, 5).join(", ") })))`,
				)
				for _, f := range found {
					t.Errorf("%s: %s (%s): %s, at %s", where, f.ID, f.Impact, f.Help, f.Target)
				}
				if folder != "" {
					picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(90))
					if err == nil {
						err = os.WriteFile(
							filepath.Join(folder, p.name+"-"+size.name+"-"+scheme+".jpg"),
							picture,
							0o600,
						)
					}
					b.must(err)
				}
			}
		}
	}
}
