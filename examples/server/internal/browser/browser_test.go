// Package browser tests the page of the reference server in a real browser, as people use
// it. It is a package of its own, because nobody else should download the browser's
// driver.
package browser_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// createMany makes many titles at once.
func (s *site) createMany(n int) {
	s.t.Helper()
	var lines strings.Builder
	for i := range n {
		fmt.Fprintln(&lines, definition(fmt.Sprintf("T%05d", i), fmt.Sprintf("Title %05d", i), fmt.Sprintf("1.%d", i), "0.9"))
	}
	if status, text := s.call("POST", "/api/v1/titles/import", lines.String()); status != 200 || strings.Contains(text, "refused") {
		s.t.Fatalf("%d %.500s", status, text)
	}
}

// names are the names in the table.
func (b *tab) names() string {
	return eval[string](b, `[...document.querySelectorAll("table.titles tbody th")].map(e => e.innerText).join(" ")`)
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
	b.fill("#q", "zEbRa") // and nothing else: it follows what is typed
	b.sees("1 to 1 of 1 that match, 251 in all")
	if names := b.names(); names != "Zebra Viewer" {
		t.Errorf("%s", names)
	}
	if at := eval[string](b, `location.search`); at != "?q=zEbRa" {
		t.Errorf("what was searched for is not in the address: %s", at)
	}
	b.fill("#q", "nothing of the kind")
	b.sees("No title matches “nothing of the kind”.")

	b.visit("/?sort=version")
	b.press("Version") // again: the other way
	b.until("the newest version is first", func() bool { return strings.HasPrefix(b.names(), "Zebra Viewer") })
	if sorted := eval[string](b, `document.querySelector("[aria-sort]").innerText + document.querySelector("[aria-sort]").ariaSort`); !strings.HasPrefix(sorted, "Version") || !strings.HasSuffix(sorted, "descending") {
		t.Errorf("%s", sorted)
	}
	b.press("Zebra Viewer")
	b.sees("Application Version is “3.1”")
	b.sees("A computer has it when")
	for _, want := range []string{"Zebra Viewer", s.url + "/jamf/v1", "Operating System Version greater than or equal “10.9”", "com.example.app"} {
		if !strings.Contains(b.text(), want) {
			t.Errorf("the title's page does not say %s", want)
		}
	}
	if shown := eval[string](b, `document.querySelector("dl time").innerText + "|" + document.querySelector("dl time").title`); !regexp.MustCompile(`^[^Z]*\d[^Z]*\|\d{4}-\d\d-\d\dT[\d:]+Z$`).MatchString(shown) {
		t.Errorf("times are local, with UTC in their title: %s", shown)
	}
	b.visit("/titles/Nope")
	b.sees("There is no such title.")
}

func TestCopy(t *testing.T) {
	s := start(t)
	b := s.open()
	b.visit("/publish")
	b.do(chromedp.Click(chromedp.CSS(`footer button.copy`)))
	b.until("it says that it is copied", func() bool {
		said := eval[string](b, `document.querySelector("footer button.copy").innerText`)
		return said == "Copied" || said == "Not allowed"
	})
	if n := eval[int](b, `document.querySelectorAll(".copied button.copy:not([hidden])").length`); n < 5 {
		t.Errorf("%d lines can be copied", n)
	}
	if text := b.text(); !strings.Contains(text, "curl --data-binary @definition.json "+s.url+"/api/v1/lint") {
		t.Errorf("the lines are not for this server: %s", text)
	}
}

func TestSignIn(t *testing.T) {
	s := start(t)
	b := s.open()
	b.visit("/tokens")
	b.sees("Sign in first")
	b.fill("#token", "pst_wrong")
	b.press("Sign in")
	b.sees("This token opens nothing here")
	b.fill("#token", " "+s.token()+" ")
	b.press("Sign in")
	b.sees("You are signed in.")
	if at := eval[string](b, `location.pathname`); at != "/tokens" {
		t.Errorf("signed in, and led to %s", at)
	}
	if cookies := eval[string](b, `document.cookie`); cookies != "" {
		t.Errorf("scripts see %s", cookies)
	}
	got, err := cdp.Call(b.ctx, b.target(), network.GetCookies, network.GetCookiesParams{})
	b.must(err)
	found := false
	for _, c := range got.Cookies {
		if c.Name == "patchsource_token" {
			found = c.HTTPOnly && c.Session && string(c.SameSite) == "Strict" && c.Value == s.token()
			if !found {
				t.Errorf("%+v", c)
			}
		}
	}
	if !found {
		t.Error("there is no cookie as it should be")
	}
	b.visit("/")
	if strings.Contains(b.text(), "You are signed in.") {
		t.Error("it is said twice")
	}
	b.click(".who button")
	b.sees("You are signed out.")
	b.visit("/tokens")
	b.sees("Sign in first")

	// A token that ends while somebody is signed in.
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
	b.sees("the token has ended")
}

func TestUpload(t *testing.T) {
	s := start(t)
	b := s.open()
	b.signIn(s.token())

	b.visit("/upload")
	b.choose("#file", s.file("one.json", definition("One", "The One", "1.0")))
	b.press("Upload")
	b.sees("Title 'One' created.")
	b.sees("The One")

	// What is wrong is said at its line, all of it.
	bad := strings.Replace(definition("Bad", "Bad", "1.0"), `"reboot":false`, `"reboot":"no"`, 1)
	bad = strings.Replace(bad, `"name":"Bad"`, `"name":""`, 1)
	var indented strings.Builder
	var value any
	if err := json.Unmarshal([]byte(bad), &value); err != nil {
		t.Fatal(err)
	}
	enc := json.NewEncoder(&indented)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		t.Fatal(err)
	}
	b.visit("/upload")
	b.choose("#file", s.file("bad.json", indented.String()))
	b.press("Upload")
	b.sees("1 file, 1 refused.")
	marked := eval[[]string](b, `[...document.querySelectorAll(".line.marked")].map(e => e.innerText.replace(/\s+/g, " "))`)
	if len(marked) != 2 || !strings.Contains(marked[0], `"name": ""`) || !strings.Contains(marked[1], `"reboot": "no"`) {
		t.Errorf("the places are %q", marked)
	}
	// It is there to be mended.
	text := eval[string](b, `document.getElementById("json").value`)
	b.fill("#json", "")
	mended := strings.Replace(strings.Replace(text, `"reboot": "no"`, `"reboot": false`, 1), `"name": ""`, `"name": "Good"`, 1)
	b.set("#json", mended)
	b.press("Upload")
	b.sees("Title 'Bad' created.")

	// Several at once, dropped: one is good, one is there, one is no JSON.
	b.visit("/upload")
	eval[bool](b, `(() => {
		const files = new DataTransfer();
		files.items.add(new File([`+quote(definition("Two", "Two", "2.0"))+`], "two.json"));
		files.items.add(new File([`+quote(definition("One", "The One", "1.0"))+`], "one.json"));
		files.items.add(new File(["{\n\"id\": oops"], "broken.json"));
		document.querySelector(".drop").dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
		return document.getElementById("file").files.length === 3;
	})() || (() => { throw new Error("nothing was dropped") })()`)
	b.press("Upload")
	b.sees("3 files, 2 refused.")
	b.sees("There is a title 'One' already")
	b.sees("line 2, column 7")
	b.visit("/titles/Two")
	b.sees("Two")

	// With leave, what is there is replaced; what lint finds is said.
	b.visit("/upload")
	b.click("input[name=replace]")
	b.choose("#file", s.file("one.json", definition("One", "The One", "1.1", "1.0")), s.file("three.json", strings.Replace(definition("Three", "Three", "1"), `"publisher":"Example"`, `"publisher":""`, 1)))
	b.press("Upload")
	b.sees("2 files, 0 refused.")
	if n := eval[int](b, `document.querySelectorAll(".note.warn").length`); n != 1 {
		t.Errorf("%d warnings are shown at their place", n)
	}
}

func TestVersions(t *testing.T) {
	s := start(t)
	s.create(definition("App", "Some App", "1.0"))
	b := s.open()
	b.signIn(s.token())
	b.visit("/titles/App")
	b.press("Add a version")
	b.sees("It begins with what 1.0 has.")
	b.fill("#version", "1.1")
	values := eval[[]string](b, `[...document.getElementsByName("criterion_value")].map(e => e.value)`)
	if len(values) < 2 || values[0] != "com.example.app" || values[1] != "1.1" {
		t.Errorf("the criteria do not follow the version: %q", values)
	}
	eval[bool](b, `document.querySelector("[data-rows] + button").click() || true`)
	if n := eval[int](b, `document.getElementsByName("app_name").length`); n != 4 {
		t.Errorf("%d rows", n)
	}
	b.press("Add the version")
	b.sees("Version '1.1' added to title 'App'.")
	_, text := s.call("GET", "/api/v1/titles/App", "")
	var def struct {
		CurrentVersion string
		Patches        []struct {
			Version  string
			KillApps []any
		}
	}
	if err := json.Unmarshal([]byte(text), &def); err != nil {
		t.Fatal(err)
	}
	if def.CurrentVersion != "1.1" || len(def.Patches) != 2 || len(def.Patches[0].KillApps) != 1 || !strings.Contains(text, `"name":"Application Version","operator":"is","value":"1.1"`) {
		t.Errorf("%s", text)
	}
	// The same again, and nothing at all.
	b.visit("/titles/App/version")
	b.fill("#version", "1.0")
	b.press("Add the version")
	b.sees("this version is there already")
	b.fill("#version", "")
	b.press("Add the version")
	b.sees("Refused, and nothing was changed")
	if fault := eval[string](b, `document.querySelector("#version + .fault")?.innerText ?? ""`); fault == "" {
		t.Errorf("what is wrong is not said at the field: %s", b.text())
	}
	// As files, all or none.
	b.visit("/titles/App/version")
	b.choose("#file", s.file("v2.json", versionJSON("2.0")), s.file("v3.json", strings.Replace(versionJSON("3.0"), `"standalone":true`, `"standalone":1`, 1)))
	b.press("Add")
	b.sees("v3.json")
	b.sees("/standalone")
	b.choose("#file", s.file("v2.json", versionJSON("2.0")), s.file("v3.json", versionJSON("3.0")))
	b.press("Add")
	b.sees("Versions '2.0', '3.0' added to title 'App'.")
	if got := eval[string](b, `[...document.querySelectorAll("summary strong")].map(e => e.innerText).join(" ")`); got != "3.0 2.0 1.1 1.0" {
		t.Errorf("the versions are %s", got)
	}
}

func TestChangeUndoRemoveDelete(t *testing.T) {
	s := start(t)
	s.create(definition("App", "Some App", "1.1", "1.0"))
	b := s.open()
	b.signIn(s.token())
	b.visit("/titles/App/edit")
	text := eval[string](b, `document.getElementById("json").value`)
	b.set("#json", strings.Replace(text, `"publisher": "Example"`, `"publisher": "Somebody"`, 1))
	b.press("Save")
	b.sees("Title 'App' updated.")
	b.sees("Somebody")

	// Somebody else is faster.
	b.visit("/titles/App/edit")
	s.call("POST", "/api/v1/titles/App/versions", versionJSON("1.2"))
	b.set("#json", strings.Replace(text, `"publisher": "Example"`, `"publisher": "Nobody"`, 1))
	b.press("Save")
	b.sees("Somebody else has changed this title")
	if _, now := s.call("GET", "/api/v1/titles/App", ""); !strings.Contains(now, "Somebody") || !strings.Contains(now, `"1.2"`) {
		t.Errorf("what somebody else did is lost: %s", now)
	}

	b.visit("/titles/App")
	b.click(`a[href="/titles/App/history/1"]`)
	b.sees("publisher changed from Example to Somebody")
	b.press("Bring edition 1 back")
	b.sees("Title 'App' is as in edition 1 again.")
	if _, now := s.call("GET", "/api/v1/titles/App", ""); !strings.Contains(now, "Example") || strings.Contains(now, `"1.2"`) {
		t.Errorf("it is not undone: %s", now)
	}

	b.press("Remove 1.1")
	b.sees("Remove 1.1?")
	b.press("Cancel")
	b.sees("A computer has it when")
	b.press("Remove 1.1")
	b.sees("Remove 1.1?")
	b.press("Remove 1.1")
	b.sees("Version '1.1' removed from title 'App'.")
	b.press("Remove 1.0")
	b.sees("It is the only version left")
	b.press("delete the title")
	b.sees("Delete Some App?")
	b.press("Delete App")
	b.sees("Title 'App' deleted.")
	b.sees("There are no titles yet.")
}

// Somebody publishes, gets a token by mail, and looks after the title with it.
func TestPublish(t *testing.T) {
	s := start(t)
	b := s.open()
	b.visit("/publish")
	b.fill("#author", "Ann Bell")
	b.fill("#email", "ann@example.com")
	b.choose("#file", s.file("bad.json", strings.Replace(definition("App", "App", "1"), `"standalone":true`, `"standalone":"yes"`, 1)))
	b.press("Publish")
	b.sees("/patches/0/standalone")
	if kept := eval[string](b, `document.getElementById("author").value + document.getElementById("json").value`); !strings.HasPrefix(kept, "Ann Bell") || !strings.Contains(kept, `"yes"`) {
		t.Errorf("what was typed is lost: %s", kept)
	}
	b.set("#json", "")
	b.choose("#file", s.file("good.json", definition("App", "App", "1")))
	b.press("Publish")
	b.sees("the token that manages it was mailed to you")
	token := regexp.MustCompile(`pst_[A-Z0-9]{59}`).FindString(strings.ReplaceAll(s.mailed("ann@example.com"), "=\r\n", ""))
	b.press("See App_Ann_Bell")
	b.sees("Is it yours?")
	b.signIn(token)
	if at := eval[string](b, `location.pathname`); at != "/titles/App_Ann_Bell" {
		t.Errorf("led to %s", at)
	}
	b.press("Add a version")
	b.fill("#version", "2")
	b.press("Add the version")
	b.sees("Version '2' added")

	b.press("Exchange it for a new one")
	b.press("Exchange it now")
	b.sees("Keep it where you keep passwords.")
	newer := eval[string](b, `document.querySelector(".secret").innerText`)
	if newer == token || !strings.HasPrefix(newer, "pst_") {
		t.Errorf("%s", newer)
	}
	b.visit("/titles/App_Ann_Bell/edit") // signed in by the new one
	b.sees("Change the definition")
	b.click(".who button")
	b.sees("You are signed out.")
	b.visit("/titles/App_Ann_Bell/token")
	b.fill("#email", "ann@example.com")
	b.press("Mail a new token")
	b.sees("a new token is on its way there")

	// Another's title is not for this token.
	s.create(definition("Other", "Other", "1"))
	b.signIn(newer)
	b.visit("/titles/Other")
	if strings.Contains(b.text(), "Add a version") {
		t.Error("what is not allowed is offered")
	}
	b.visit("/titles/Other/edit")
	b.sees("Your token is not for this title.")
}

func TestContributor(t *testing.T) {
	s := start(t)
	b := s.open()
	b.visit("/contributors")
	b.fill("#name", "macman")
	b.fill("#email", "mac@example.com")
	b.press("Register")
	b.sees("A link was mailed to you.")
	link := regexp.MustCompile(`/api/v1/contributors/verify\?[^\s"<]+`).FindString(strings.NewReplacer("=\r\n", "", "=3D", "=", "&amp;", "&").Replace(s.mailed("mac@example.com")))
	b.visit(link)
	b.sees("Welcome, macman.")
	token := regexp.MustCompile(`pst_[A-Z0-9]{59}`).FindString(strings.ReplaceAll(s.mailed("mac@example.com"), "=\r\n", ""))
	b.signIn(token)
	b.visit("/upload")
	b.choose("#file", s.file("slack.json", definition("Slack", "Slack", "1")))
	b.press("Upload")
	b.sees("Title 'Slack_macman' created.")
	b.visit("/contributors")
	b.sees(s.url + "/jamf/v1/macman")
}

func TestAdministration(t *testing.T) {
	got := make(chan string, 10)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			got <- r.URL.Path
			return
		}
		_, _ = fmt.Fprint(w, definition("Far", "Far Away", "1"))
	}))
	defer upstream.Close()
	s := start(t, "--allow-private-networks")
	s.create(definition("App", "Some App", "1"))
	b := s.open()
	b.signIn(s.token())

	b.visit("/tokens")
	b.fill("#titles", "App, Nope")
	b.press("Make a token")
	b.sees("there is no title 'Nope'")
	b.fill("#titles", "App")
	b.fill("#days", "7")
	b.press("Make a token")
	b.sees("Keep it where you keep passwords.")
	made := eval[string](b, `document.querySelector(".secret").innerText`)
	b.visit("/tokens")
	b.click(`button[aria-label^="End the token ` + strings.ToLower(made[4:16]) + `"]`)
	b.sees("has ended.")
	other := s.open()
	other.visit("/signin")
	other.fill("#token", made)
	other.press("Sign in")
	other.sees("This token opens nothing here")

	b.visit("/sources")
	b.fill("#id", "Far")
	b.fill("#url", upstream.URL+"/far.json")
	b.press("Follow")
	b.sees("Title 'Far' follows")
	b.sees("in step")
	if strings.Contains(b.text(), "Add a version") {
		t.Error("what can be changed there alone can be changed here")
	}
	b.visit("/sources")
	b.press("Ask now")
	b.sees("It will be asked in a moment.")

	b.visit("/webhooks")
	b.fill("#url", upstream.URL+"/hook")
	b.press("Add")
	b.sees("The webhook is told of changes from now on.")
	b.press("Test")
	b.sees("A test event is on its way.")
	if path := <-got; path != "/hook" {
		t.Errorf("%s", path)
	}
	b.until("it is shown how it went", func() bool {
		b.visit("/webhooks")
		return strings.Contains(b.text(), "told")
	})
	b.press("Delete")
	b.sees("The webhook is told nothing any more.")

	// A backup, an import that is only tried, a restore.
	zip := eval[string](b, `fetch("/api/v1/backup").then(r => r.blob()).then(b => new Promise(done => { const f = new FileReader(); f.onload = () => done(f.result); f.readAsDataURL(b); }))`)
	if !strings.HasPrefix(zip, "data:application/zip;base64,") {
		t.Fatalf("%.100s", zip)
	}
	if full := eval[string](b, `fetch("/backup/full").then(r => r.status + r.headers.get("Content-Disposition"))`); full != `200attachment; filename="patchsource_full.zip"` {
		t.Errorf("%s", full)
	}
	_, data := s.call("GET", "/api/v1/backup", "")
	file := s.file("backup.zip", data)
	s.call("DELETE", "/api/v1/titles/App", "")
	b.visit("/backup")
	b.choose("#import", file)
	b.press("Only say what would happen")
	b.sees("1 created")
	if status, _ := s.call("GET", "/api/v1/titles/App", ""); status != 404 {
		t.Errorf("it was only to be said: %d", status)
	}
	b.visit("/backup")
	b.choose("#zip", file)
	b.press("Restore, if there are no titles yet")
	b.sees("There are titles already, and nothing was restored")
	b.choose("#zip", file)
	b.press("Restore, and keep other titles")
	b.sees("1 titles were restored. 1 that follow a source were left as they are.")
	if status, _ := s.call("GET", "/api/v1/titles/App", ""); status != 200 {
		t.Errorf("it is not restored: %d", status)
	}
}

// All of it works without JavaScript.
func TestWithoutScripts(t *testing.T) {
	s := start(t)
	s.createMany(120)
	b := s.open()
	_, err := cdp.Call(b.ctx, b.target(), emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.must(err)
	b.visit("/")
	b.sees("1 to 100 of 120")
	b.press("Next")
	b.sees("101 to 120 of 120")
	b.fill("#q", "00007")
	b.press("Search")
	b.sees("1 to 1 of 1 that match")
	b.signIn(s.token())
	if marked := eval[string](b, `document.documentElement.className`); marked != "" {
		t.Fatalf("scripts run: %s", marked)
	}
	b.visit("/upload")
	if strings.Contains(b.text(), "dropped") {
		t.Error("what needs a script is offered")
	}
	b.choose("#file", s.file("app.json", definition("App", "Some App", "1.0")))
	b.press("Upload")
	b.sees("Title 'App' created.")
	b.press("Add a version")
	b.fill("#version", "2.0")
	b.press("Add the version")
	b.sees("Version '2.0' added")
	if _, text := s.call("GET", "/api/v1/titles/App", ""); !strings.Contains(text, `"name":"Application Version","operator":"is","value":"2.0"`) {
		t.Errorf("the criteria do not follow the version: %s", text)
	}
	b.click(`a[href="/titles/App/history/1"]`)
	b.press("Bring edition 1 back")
	b.sees("as in edition 1 again")
	b.press("Delete")
	b.press("Delete App")
	b.sees("Title 'App' deleted.")
}

// What strangers write is never more than text, wherever it stands.
func TestHostileText(t *testing.T) {
	s := start(t)
	const evil = `\"><img src=x onerror=alert(1)><script>alert(2)</script><svg onload=alert(3)>'`
	def := definition("Evil", evil, "1", evil)
	for _, field := range []string{`"Example"`, `"App.app"`, `"com.example.app"`, `"Application Bundle ID"`, `"is"`, `"10.9"`, `"App"`, `"greater than or equal"`, `"Operating System Version"`} {
		def = strings.ReplaceAll(def, ":"+field, `:"`+evil+`"`)
	}
	def = strings.Replace(def, `"extensionAttributes":[]`, `"extensionAttributes":[{"key":"`+evil+`","displayName":"`+evil+`","value":"PHNjcmlwdD5hbGVydCg0KTwvc2NyaXB0Pg=="}]`, 1)
	s.create(def)
	b := s.open()
	b.signIn(s.token())
	for _, path := range []string{"/", "/?q=" + `%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(5)%3E`, "/?sort=%22%3E%3Cscript%3Ealert(6)%3C/script%3E", "/titles/Evil", "/titles/Evil/version", "/titles/Evil/edit", "/titles/Evil/delete", "/titles/Evil/token",
		"/titles/Evil/remove?version=1", "/titles/%3Cscript%3Ealert(7)%3C%2Fscript%3E", "/signin?next=javascript:alert(8)", "/signin?next=//elsewhere.invalid/", "/tokens", "/publish"} {
		b.visit(path)
		if n := eval[int](b, `document.querySelectorAll("img, svg, main script, [onerror], [onload], a[href^='javascript:'], a[href^='//']").length`); n > 0 {
			t.Errorf("%s: %d elements are not ours", path, n)
		}
	}
	// And in what is sent back when it is refused.
	b.visit("/upload")
	b.set("#json", `{"id":"<img src=x onerror=alert(9)>","</textarea><script>alert(10)</script>":1}`)
	eval[bool](b, `(document.querySelector("form[action='/upload'] details").open = true)`)
	b.press("Upload")
	b.sees("1 file, 1 refused.")
	if n := eval[int](b, `document.querySelectorAll("img, svg, main script").length`); n > 0 {
		t.Errorf("%d elements are not ours", n)
	}
}

// Another site cannot change anything with the visitor's cookie, not even one on the
// same machine.
func TestOtherSites(t *testing.T) {
	s := start(t)
	s.create(definition("App", "Some App", "1.0"))
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<body><form method=post action=%q><button>Win a prize</button></form>`, s.url+"/titles/App/delete")
	}))
	defer elsewhere.Close()
	b := s.open()
	b.signIn(s.token())
	b.do(chromedp.Navigate(strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)))
	b.click("button")
	b.sees("This came from another site, so nothing was changed.")
	if status, _ := s.call("GET", "/api/v1/titles/App", ""); status != 200 {
		t.Errorf("it was deleted: %d", status)
	}
}

// The first page is light.
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
		t.Errorf("the page weighs %.0f bytes", b.bytes)
	}
}

func TestDarkAndLight(t *testing.T) {
	s := start(t)
	b := s.open()
	shade := func() string { return eval[string](b, `getComputedStyle(document.body).backgroundColor`) }
	b.scheme("light")
	b.visit("/")
	light := shade()
	b.scheme("dark")
	if dark := shade(); light == dark || light != "rgb(255, 255, 255)" {
		t.Errorf("light is %s, dark is %s", light, dark)
	}
}

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
		if strings.HasSuffix(r.URL.Path, "once.json") && r.Header.Get("If-None-Match") == "" && r.Header.Get("If-Modified-Since") == "" {
			w.Header().Set("ETag", `"1"`)
			_, _ = fmt.Fprint(w, definition("Far", "Far Away", "1"))
			return
		}
		http.Error(w, "down", http.StatusServiceUnavailable)
	}))
	defer broken.Close()
	s := start(t, "--allow-private-networks")
	s.createMany(130)
	s.create(strings.Replace(strings.Replace(definition("Firefox", "Mozilla Firefox with a name that is quite long", "149.0.7827.54", "148.0"), `"publisher":"Example"`, `"publisher":"Mozilla Corporation"`, 1),
		`"extensionAttributes":[]`, `"extensionAttributes":[{"key":"firefox-version","displayName":"Firefox version","value":"IyEvYmluL2Jhc2gKZWNobyAiPHJlc3VsdD4kKGRlZmF1bHRzIHJlYWQgL0FwcGxpY2F0aW9ucy9GaXJlZm94LmFwcC9Db250ZW50cy9JbmZvIENGQnVuZGxlU2hvcnRWZXJzaW9uU3RyaW5nKTwvcmVzdWx0PiIK"}]`, 1))
	s.call("POST", "/api/v1/titles/Firefox/versions", strings.Replace(versionJSON("149.0.7827.103"), `"capabilities":[{"name":"Operating System Version","operator":"greater than or equal","value":"10.9","type":"recon"}]`, `"capabilities":[]`, 1))
	s.call("POST", "/api/v1/subscribe", `{"id":"Far","json_url":"`+broken.URL+`/once.json"}`)
	s.call("POST", "/api/v1/title/Far/sync", "")
	s.call("POST", "/api/v1/webhooks", `{"url":"`+broken.URL+`/hook","secret":"a long secret"}`)
	if status, text := s.call("POST", "/api/v1/title", `{"author_name":"Ann Bell","author_email":"ann@example.com","definition":`+definition("Slack", "Slack", "1")+`}`); status != 201 {
		t.Fatal(text)
	}
	visitor, admin := s.open(), s.open()
	admin.signIn(s.token())
	pages := []struct {
		name, path string
		as         *tab
		prepare    func(*tab)
	}{
		{"table", "/", visitor, nil}, {"table-none", "/?q=nothing", visitor, nil}, {"title", "/titles/Firefox", visitor, nil}, {"title-author", "/titles/Slack_Ann_Bell", visitor, nil}, {"title-far", "/titles/Far", visitor, nil},
		{"publish", "/publish", visitor, nil}, {"contributors", "/contributors", visitor, nil}, {"signin", "/signin", visitor, nil}, {"token", "/titles/Slack_Ann_Bell/token", visitor, nil}, {"nothing", "/titles/Nope", visitor, nil},
		{"edition", "/titles/Firefox/history/1", admin, nil}, {"admin-title", "/titles/Firefox", admin, nil}, {"version", "/titles/Firefox/version", admin, nil}, {"edit", "/titles/Firefox/edit", admin, nil}, {"remove", "/titles/Firefox/remove?version=148.0", admin, nil},
		{"delete", "/titles/Firefox/delete", admin, nil}, {"tokens", "/tokens", admin, nil}, {"sources", "/sources", admin, nil}, {"webhooks", "/webhooks", admin, nil}, {"backup", "/backup", admin, nil}, {"upload", "/upload", admin, nil},
		{"upload-refused", "/upload", admin, func(b *tab) {
			b.choose("#file", s.file("bad.json", strings.Replace(definition("Bad", "Bad", "1.0"), `"reboot":false`, `"reboot":"no"`, 1)), s.file("good.json", strings.Replace(definition("Good"+fmt.Sprint(len(b.requests)), "Good", "1.0"), `"publisher":"Example"`, `"publisher":""`, 1)))
			b.press("Upload")
			b.sees("1 refused.")
		}},
		{"version-refused", "/titles/Firefox/version", admin, func(b *tab) {
			b.fill("#version", "148.0")
			b.press("Add the version")
			b.sees("this version is there already")
		}},
	}
	folder := os.Getenv(screenshotsVar)
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"desktop", 1280, 900}, {"phone", 390, 844}} {
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
				found := eval[[]struct{ ID, Impact, Help, Target string }](b, `axe.run().then(r => r.violations.filter(v => v.impact === "serious" || v.impact === "critical").map(v => ({ ID: v.id, Impact: v.impact, Help: v.help, Target: v.nodes.map(n => n.target.join(" ")).slice(0, 5).join(", ") })))`)
				for _, f := range found {
					t.Errorf("%s: %s (%s): %s, at %s", where, f.ID, f.Impact, f.Help, f.Target)
				}
				if folder != "" {
					picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(90))
					if err == nil {
						err = os.WriteFile(filepath.Join(folder, p.name+"-"+size.name+"-"+scheme+".jpg"), picture, 0o600)
					}
					b.must(err)
				}
			}
		}
	}
}
