package browser_test

import (
	"os"
	"strings"
	"testing"
)

// An empty server leads the one who has started it from its first page through all steps.
func TestFirstRun(t *testing.T) {
	script := ""
	if os.Getenv(axeVar) != "" {
		script = axe(t)
	}
	s := start(t)
	b := s.open()
	audit := func(name string) {
		if script != "" {
			b.audit("first-"+name, script)
		}
	}
	b.visit("/signin")
	b.sees("No administrator has signed in to this server yet.")
	b.sees("in the file that the log names as admin_token_file")
	audit("signin")
	b.visit("/")
	b.sees("Are you setting up this server?")
	if text := b.text(); strings.Contains(text, s.dir) {
		t.Errorf("the page shows a path to anonymous visitors: %s", text)
	}
	audit("titles")
	b.press("Sign in as an administrator")
	b.fill("#token", s.token())
	b.press("Sign in")
	b.sees("You are signed in.")
	b.sees("0 of 5 steps done")
	b.sees("--base-url https://patches.example.com")
	audit("setup")

	b.checkStep("certificate")
	b.sees("begin with the address")
	b.checkStep("address")
	b.sees("The base URL is not set.")
	b.fill("#mail-mailbox", "ann@example.com")
	b.checkStep("mail")
	b.sees("was written to a file")
	if text := s.mailed("ann@example.com"); !strings.Contains(text, "This is a test mail") {
		t.Errorf("the test mail is %s", text)
	}
	b.checkStep("title")
	b.sees("There are no titles yet")
	s.create(definition("App", "Some App", "1.0"))
	b.checkStep("title")
	b.sees("lists 1 title, and Jamf Pro can use its definition")
	b.sees("2 of 5 steps done")
	b.checkStep("jamf-pro")
	b.sees("No client other than this machine has read the list")
	audit("done")
	b.checkStep("report")
	b.sees("Jamf Pro can use the feed at " + s.url)

	other := s.open()
	other.visit("/signin")
	if text := other.text(); strings.Contains(text, "No administrator has signed in") {
		t.Errorf("an administrator has signed in, and the page says: %s", text)
	}
	other.visit("/setup")
	other.sees("Sign in first")
}

// checkStep has a step checked, and waits for the result.
func (b *tab) checkStep(id string) {
	b.t.Helper()
	b.click("#" + id + " form button")
	b.until("the step "+id+" is checked", func() bool {
		return eval[bool](b, `location.pathname === "/setup/`+id+`" && document.readyState === "complete" &&
			document.querySelector("#`+id+` .outcome[role=status]") !== null`)
	})
}
