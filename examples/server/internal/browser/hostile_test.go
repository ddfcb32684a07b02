package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// The page works without JavaScript.
func TestWithoutScripts(t *testing.T) {
	s := start(t)
	s.createMany(120)
	b := s.open()
	disabled := emulation.SetScriptExecutionDisabledParams{Value: true}
	_, err := cdp.Call(b.ctx, b.target(), emulation.SetScriptExecutionDisabled, disabled)
	b.must(err)
	b.visit("/")
	b.sees("1 to 100 of 120")
	b.press("Next")
	b.sees("101 to 120 of 120")
	b.fill("#q", "00007")
	b.press("Search")
	b.sees("1 to 1 of 1 matching titles")
	b.signIn(s.token())
	if marked := eval[string](b, `document.documentElement.className`); marked != "" {
		t.Fatalf("scripts are not disabled: %s", marked)
	}
	b.visit("/upload")
	if strings.Contains(b.text(), "dropped") {
		t.Error("the page offers something that requires a script")
	}
	b.choose("#file", s.file("app.json", definition("App", "Some App", "1.0")))
	b.press("Upload")
	b.sees("Title 'App' created.")
	b.press("Add a version")
	b.fill("#version", "2.0")
	b.press("Add the version")
	b.sees("Version '2.0' added")
	const criterion = `"name":"Application Version","operator":"is","value":"2.0"`
	if _, text := s.call("GET", "/api/v1/titles/App", ""); !strings.Contains(text, criterion) {
		t.Errorf("the criteria do not have the new version: %s", text)
	}
	b.click(`a[href="/titles/App/history/1"]`)
	b.press("Restore revision 1")
	b.sees("restored to revision 1")
	b.press("Delete")
	b.press("Delete App")
	b.sees("Title 'App' deleted.")
}

// Text of authors and visitors is shown as text everywhere, and never interpreted as HTML.
func TestHostileText(t *testing.T) {
	s := start(t)
	const evil = `\"><img src=x onerror=alert(1)><script>alert(2)</script><svg onload=alert(3)>'`
	def := definition("Evil", evil, "1", evil)
	for _, field := range []string{
		`"Example"`, `"App.app"`, `"com.example.app"`, `"Application Bundle ID"`, `"is"`, `"10.9"`, `"App"`,
		`"greater than or equal"`, `"Operating System Version"`,
	} {
		def = strings.ReplaceAll(def, ":"+field, `:"`+evil+`"`)
	}
	attributes := `"extensionAttributes":[{"key":"` + evil + `","displayName":"` + evil +
		`","value":"PHNjcmlwdD5hbGVydCg0KTwvc2NyaXB0Pg=="}]`
	def = strings.Replace(def, `"extensionAttributes":[]`, attributes, 1)
	s.create(def)
	b := s.open()
	b.signIn(s.token())
	const injected = `document.querySelectorAll("img, svg, main script, [onerror], [onload], a[href^='javascript:'], ` +
		`a[href^='//']").length`
	for _, path := range []string{
		"/", "/?q=%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(5)%3E", "/?sort=%22%3E%3Cscript%3Ealert(6)%3C/script%3E",
		"/titles/Evil", "/titles/Evil/version", "/titles/Evil/edit", "/titles/Evil/delete", "/titles/Evil/token",
		"/titles/Evil/remove?version=1", "/titles/%3Cscript%3Ealert(7)%3C%2Fscript%3E",
		"/signin?next=javascript:alert(8)", "/signin?next=//elsewhere.invalid/", "/tokens", "/publish",
	} {
		b.visit(path)
		if n := eval[int](b, injected); n > 0 {
			t.Errorf("%s: %d elements come from text", path, n)
		}
	}
	// The same holds for a form that is shown again after an error.
	b.visit("/upload")
	b.set("#json", `{"id":"<img src=x onerror=alert(9)>","</textarea><script>alert(10)</script>":1}`)
	eval[bool](b, `(document.querySelector("form[action='/upload'] details").open = true)`)
	b.press("Upload")
	b.sees("1 file, 1 refused.")
	if n := eval[int](b, `document.querySelectorAll("img, svg, main script").length`); n > 0 {
		t.Errorf("the form: %d elements come from text", n)
	}
}

// Another site cannot change anything with the visitor's cookie, even if it is on the same machine.
func TestOtherSites(t *testing.T) {
	s := start(t)
	s.create(definition("App", "Some App", "1.0"))
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<body><form method=post action=%q><button>Win a prize</button></form>`,
			s.url+"/titles/App/delete")
	}))
	defer other.Close()
	b := s.open()
	b.signIn(s.token())
	b.do(chromedp.Navigate(strings.Replace(other.URL, "127.0.0.1", "localhost", 1)))
	b.click("button")
	b.sees("This request came from another site, so nothing was changed.")
	if status, _ := s.call("GET", "/api/v1/titles/App", ""); status != 200 {
		t.Errorf("the title was deleted: got status %d", status)
	}
}
