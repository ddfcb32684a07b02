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
)

// signedIn starts a server with a title App, and opens a tab in which the administrator is signed in.
func signedIn(t *testing.T, args ...string) (*site, *tab) {
	t.Helper()
	s := start(t, args...)
	s.create(definition("App", "Some App", "1"))
	b := s.open()
	b.signIn(s.token())
	return s, b
}

func TestTokens(t *testing.T) {
	s, b := signedIn(t)
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
}

// mirroredFolder returns a folder with the definition of a title Mirrored.
func mirroredFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	def := definition("Mirrored", "Mirrored", "1")
	if err := os.WriteFile(filepath.Join(folder, "mirrored.json"), []byte(def), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestSources(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, definition("Far", "Far Away", "1"))
	}))
	defer upstream.Close()
	folder := mirroredFolder(t)
	_, b := signedIn(t, "--allow-private-networks", "--follow", folder)
	b.visit("/sources")
	b.fill("#id", "Far")
	b.fill("#url", upstream.URL+"/far.json")
	b.press("Follow")
	b.sees("Title 'Far' follows")
	b.sees("up to date")
	if strings.Contains(b.text(), "Add a version") {
		t.Error("the page offers to change a title that follows a source")
	}
	for _, source := range []string{"Far", "folder:" + filepath.Base(folder)} { // one title, and a whole source
		b.visit("/sources")
		b.click(`button[aria-label="Sync now: ` + source + `"]`)
		b.sees("The source will be polled in a moment.")
	}
}

func TestWebhooks(t *testing.T) {
	delivered := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		delivered <- r.URL.Path
	}))
	defer receiver.Close()
	_, b := signedIn(t, "--allow-private-networks")
	b.visit("/webhooks")
	b.fill("#url", receiver.URL+"/hook")
	b.press("Add")
	b.sees("The webhook receives changes from now on.")
	b.press("Test")
	b.sees("A test event is being delivered.")
	select {
	case path := <-delivered:
		if path != "/hook" {
			t.Errorf("the event was delivered to %s, want /hook", path)
		}
	case <-time.After(20 * time.Second):
		t.Error("the event was not delivered")
	}
	b.until("the page shows the delivery", func() bool {
		b.visit("/webhooks")
		return strings.Contains(b.text(), "delivered")
	})
	b.press("Delete")
	b.sees("Delete the webhook?")
	b.press("Delete the webhook")
	b.sees("The webhook was deleted.")
}

// exists fails the test unless a title exists, or does not.
func (s *site) exists(id string, want bool) {
	s.t.Helper()
	if status, _ := s.call("GET", "/api/v1/titles/"+id, ""); (status == 200) != want {
		s.t.Errorf("title %s: got status %d, want it to exist: %v", id, status, want)
	}
}

// An administrator downloads backups, tries an import, and restores a backup.
func TestBackups(t *testing.T) {
	s, b := signedIn(t, "--follow", mirroredFolder(t))
	b.until("the folder is mirrored", func() bool {
		status, _ := s.call("GET", "/api/v1/titles/Mirrored", "")
		return status == 200
	})
	zip := eval[string](b, `fetch("/api/v1/backup").then(r => r.blob()).then(b => new Promise(done => {
		const f = new FileReader();
		f.onload = () => done(f.result);
		f.readAsDataURL(b);
	}))`)
	if !strings.HasPrefix(zip, "data:application/zip;base64,") {
		t.Fatalf("the backup is %.100s", zip)
	}
	full := eval[string](b, `fetch("/backup/full").then(r => r.status + r.headers.get("Content-Disposition"))`)
	if full != `200attachment; filename="patchsource_full.zip"` {
		t.Errorf("the full backup answers %s", full)
	}
	_, data := s.call("GET", "/api/v1/backup", "")
	file := s.file("backup.zip", data)
	s.create(definition("Other", "Other", "1"))
	s.call("DELETE", "/api/v1/titles/App", "")
	b.visit("/backup")
	b.choose("#import", file)
	b.press("Try it without changes")
	b.sees("1 created")
	s.exists("App", false)
	b.visit("/backup")
	b.choose("#zip", file)
	b.press("Restore if there are no titles yet")
	b.sees("There are titles already, and nothing was restored")
	b.visit("/backup")
	b.choose("#zip", file)
	b.press("Restore and keep other titles")
	b.sees("1 title was restored. 1 title that follows a source was not changed.")
	s.exists("App", true)
	s.exists("Other", true)
	b.visit("/jobs")
	b.sees("failed")
	b.sees("done")
}

// A restore that deletes titles shows them first, and asks for a confirmation.
func TestRestoreThatDeletes(t *testing.T) {
	s, b := signedIn(t)
	_, data := s.call("GET", "/api/v1/backup", "")
	file := s.file("backup.zip", data)
	s.create(definition("Newer", "Newer", "1"))
	b.visit("/backup")
	b.choose("#zip", file)
	b.press("Restore and delete all other titles…")
	b.sees("Nothing has been changed yet.")
	b.sees("Newer")
	s.exists("Newer", true)
	b.fill("#confirm", "1")
	b.choose("#zip", file)
	b.press("Restore and delete 1 title")
	b.sees("1 title was restored.")
	s.exists("Newer", false)
}
