package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Somebody publishes, gets a token by mail, and looks after the title with it.
func TestPublish(t *testing.T) {
	s := start(t)
	b := s.open()
	b.visit("/publish")
	b.fill("#author", "Ann Bell")
	b.fill("#email", "ann@example.com")
	b.choose(
		"#file",
		s.file(
			"bad.json",
			strings.Replace(definition("App", "App", "1"), `"standalone":true`, `"standalone":"yes"`, 1),
		),
	)
	b.press("Publish")
	b.sees("/patches/0/standalone")
	if kept := eval[string](b, `document.getElementById("author").value + document.getElementById("json").value`); !strings.HasPrefix(
		kept,
		"Ann Bell",
	) ||
		!strings.Contains(kept, `"yes"`) {
		t.Errorf("what was typed is lost: %s", kept)
	}
	b.set("#json", "")
	b.choose("#file", s.file("good.json", definition("App", "App", "1")))
	b.press("Publish")
	b.sees("the token that manages it was mailed to you")
	token := regexp.MustCompile(`pst_[A-Z0-9]{59}`).
		FindString(strings.ReplaceAll(s.mailed("ann@example.com"), "=\r\n", ""))
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
	b.press("Exchange it")
	b.sees("Store it as you store passwords.")
	newer := eval[string](b, `document.querySelector(".secret").innerText`)
	if newer == token || !strings.HasPrefix(newer, "pst_") {
		t.Errorf("%s", newer)
	}
	b.visit("/titles/App_Ann_Bell/edit") // signed in by the new one
	b.sees("Edit the definition")
	b.click(".who button")
	b.sees("You are signed out.")
	b.visit("/titles/App_Ann_Bell/token")
	b.fill("#email", "ann@example.com")
	b.press("Mail a new token")
	b.sees("a new token was mailed to it")

	// Another's title is not for this token.
	s.create(definition("Other", "Other", "1"))
	b.signIn(newer)
	b.visit("/titles/Other")
	if strings.Contains(b.text(), "Add a version") {
		t.Error("what is not allowed is offered")
	}
	b.visit("/titles/Other/edit")
	b.sees("Your token does not allow you to change this title.")
}

func TestContributor(t *testing.T) {
	s := start(t)
	b := s.open()
	b.visit("/contributors")
	b.fill("#name", "macman")
	b.fill("#email", "mac@example.com")
	b.press("Register")
	b.sees("A link was mailed to you.")
	link := regexp.MustCompile(`/api/v1/contributors/verify\?[^\s"<]+`).
		FindString(strings.NewReplacer("=\r\n", "", "=3D", "=", "&amp;", "&").Replace(s.mailed("mac@example.com")))
	b.visit(link)
	b.sees("Welcome, macman.")
	token := regexp.MustCompile(`pst_[A-Z0-9]{59}`).
		FindString(strings.ReplaceAll(s.mailed("mac@example.com"), "=\r\n", ""))
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
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "mirrored.json"), []byte(definition("Mirrored", "Mirrored", "1")), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--allow-private-networks", "--follow", folder)
	s.create(definition("App", "Some App", "1"))
	b := s.open()
	b.signIn(s.token())

	b.visit("/tokens")
	b.fill("#name", "a script")
	b.fill("#titles", "App, Nope")
	b.click("input[value=titles]")
	b.press("Create a token")
	b.sees("there is no title 'Nope'")
	b.fill("#titles", "App")
	b.fill("#days", "7")
	b.press("Create a token")
	b.sees("Store it as you store passwords.")
	made := eval[string](b, `document.querySelector(".secret").innerText`)
	b.visit("/tokens")
	b.sees("a script")
	b.click(`a[aria-label^="Revoke the token ` + strings.ToLower(made[4:16]) + `"]`)
	b.sees("Revoke a script?")
	b.press("Revoke the token")
	b.sees("was revoked.")
	other := s.open()
	other.visit("/signin")
	other.fill("#token", made)
	other.press("Sign in")
	other.sees("This token is not valid here")

	b.visit("/sources")
	b.fill("#id", "Far")
	b.fill("#url", upstream.URL+"/far.json")
	b.press("Follow")
	b.sees("Title 'Far' follows")
	b.sees("up to date")
	if strings.Contains(b.text(), "Add a version") {
		t.Error("what can be changed there alone can be changed here")
	}
	for _, which := range []string{"Far", "folder:" + filepath.Base(folder)} { // one title, and a whole source
		b.visit("/sources")
		b.click(`button[aria-label="Sync now: ` + which + `"]`)
		b.sees("The source will be polled in a moment.")
	}

	b.visit("/webhooks")
	b.fill("#url", upstream.URL+"/hook")
	b.press("Add")
	b.sees("The webhook receives changes from now on.")
	b.press("Test")
	b.sees("A test event is being delivered.")
	select {
	case path := <-got:
		if path != "/hook" {
			t.Errorf("%s", path)
		}
	case <-time.After(20 * time.Second):
		t.Error("no event has come")
	}
	b.until("it is shown how it went", func() bool {
		b.visit("/webhooks")
		return strings.Contains(b.text(), "delivered")
	})
	b.press("Delete")
	b.sees("Delete the webhook?")
	b.press("Delete the webhook")
	b.sees("The webhook was deleted.")

	// A backup, an import that is only tried, a restore.
	zip := eval[string](
		b,
		`fetch("/api/v1/backup").then(r => r.blob()).then(b => new Promise(done => { const f = new FileReader(); f.onload = () => done(f.result); f.readAsDataURL(b); }))`,
	)
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
	b.press("Try it without changes")
	b.sees("1 created")
	if status, _ := s.call("GET", "/api/v1/titles/App", ""); status != 404 {
		t.Errorf("it was only to be said: %d", status)
	}
	b.visit("/backup")
	b.choose("#zip", file)
	b.press("Restore if there are no titles yet")
	b.sees("There are titles already, and nothing was restored")
	b.choose("#zip", file)
	b.press("Restore and keep other titles")
	b.sees("1 title was restored. 2 titles that follow a source were not changed.")
	if status, _ := s.call("GET", "/api/v1/titles/App", ""); status != 200 {
		t.Errorf("it is not restored: %d", status)
	}
	// A restore that deletes titles says so first.
	s.create(definition("Newer", "Newer", "1"))
	b.visit("/backup")
	b.choose("#zip", file)
	b.press("Restore and delete all other titles…")
	b.sees("Nothing has been changed yet.")
	b.sees("Newer")
	if status, _ := s.call("GET", "/api/v1/titles/Newer", ""); status != 200 {
		t.Errorf("it was only to be said: %d", status)
	}
	b.fill("#confirm", "1")
	b.choose("#zip", file)
	b.press("Restore and delete 1 title")
	b.sees("1 title was restored.")
	if status, _ := s.call("GET", "/api/v1/titles/Newer", ""); status != 404 {
		t.Errorf("it is not deleted: %d", status)
	}
}
