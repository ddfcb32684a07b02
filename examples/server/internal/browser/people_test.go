package browser_test

import (
	"strings"
	"testing"
)

// An author publishes a title, receives a token by mail, and changes the title with it.
func TestPublish(t *testing.T) {
	s := start(t)
	b := s.open()
	b.visit("/publish")
	b.fill("#author", "Ann Bell")
	b.fill("#email", "ann@example.com")
	invalid := strings.Replace(definition("App", "App", "1"), `"standalone":true`, `"standalone":"yes"`, 1)
	b.choose("#file", s.file("bad.json", invalid))
	b.press("Publish")
	b.sees("/patches/0/standalone")
	kept := eval[string](b, `document.getElementById("author").value + document.getElementById("json").value`)
	if !strings.HasPrefix(kept, "Ann Bell") || !strings.Contains(kept, `"yes"`) {
		t.Errorf("the form lost the input: %s", kept)
	}
	b.set("#json", "")
	b.choose("#file", s.file("good.json", definition("App", "App", "1")))
	b.press("Publish")
	b.sees("the token that manages it was mailed to you")
	token := s.mailedToken("ann@example.com")
	b.press("See App_Ann_Bell")
	b.sees("Is it yours?")
	b.signIn(token)
	if at := eval[string](b, `location.pathname`); at != "/titles/App_Ann_Bell" {
		t.Errorf("after signing in, the page is %s", at)
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
		t.Errorf("the new token is %s", newer)
	}
	b.visit("/titles/App_Ann_Bell/edit") // the new token is signed in
	b.sees("Edit the definition")
	b.click(".who button")
	b.sees("You are signed out.")
	b.visit("/titles/App_Ann_Bell/token")
	b.fill("#email", "ann@example.com")
	b.press("Mail a new token")
	b.sees("a new token was mailed to it")

	// The token is not for the title of another author.
	s.create(definition("Other", "Other", "1"))
	b.signIn(newer)
	b.visit("/titles/Other")
	if strings.Contains(b.text(), "Add a version") {
		t.Error("the page offers a change that is not allowed")
	}
	b.visit("/titles/Other/edit")
	b.sees("Your token does not allow you to change this title.")
}

// A visitor registers as a contributor, confirms the address, and uploads a title.
func TestContributor(t *testing.T) {
	s := start(t)
	b := s.open()
	b.visit("/contributors")
	b.fill("#name", "macman")
	b.fill("#email", "mac@example.com")
	b.press("Register")
	b.sees("A link was mailed to you.")
	b.visit(s.mailedLink("mac@example.com"))
	b.sees("Welcome, macman.")
	token := s.mailedToken("mac@example.com")
	b.signIn(token)
	b.visit("/upload")
	b.choose("#file", s.file("slack.json", definition("Slack", "Slack", "1")))
	b.press("Upload")
	b.sees("Title 'Slack_macman' created.")
	b.visit("/contributors")
	b.sees(s.url + "/jamf/v1/macman")
}
