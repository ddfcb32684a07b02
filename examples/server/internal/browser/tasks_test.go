package browser_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// inHousePlist is the Info.plist of an application.
const inHousePlist = `<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict>` +
	`<key>CFBundleName</key><string>Inhouse</string><key>CFBundleIdentifier</key><string>com.example.inhouse</string>` +
	`<key>CFBundleShortVersionString</key><string>1.0</string><key>LSMinimumSystemVersion</key><string>12.0</string>` +
	`</dict></plist>`

// The work of an administrator is done with the mouse, and with the keyboard alone, without a line of JSON.
func TestTasks(t *testing.T) {
	if testing.Short() {
		t.Skip("the test is slow with the race detector")
	}
	for name, with := range map[string]func(*tab) hands{
		"mouse":    func(b *tab) hands { return mouse{b} },
		"keyboard": func(b *tab) hands { return keyboard{b} },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, "--allow-private-networks")
			b := s.open()
			w := &worker{b, with(b)}
			b.signIn(s.token())
			w.newTitle()
			w.editTitle()
			w.publishLater()
			w.undo()
			w.conflict()
			w.filter()
			w.feeds()
			w.tryComputers()
			w.restore()
			w.tokens()
			w.setup()
		})
	}
}

// A worker does the tasks.
type worker struct {
	*tab
	hands hands
}

const inHouseDraft = "/titles/Inhouse/draft"

// newTitle makes a title from the Info.plist of an application.
func (w *worker) newTitle() {
	w.t.Helper()
	w.visit("/new")
	w.tab.choose("#info", w.file("Info.plist", inHousePlist))
	w.hands.typeInto("#app", "Inhouse.app")
	w.hands.typeInto("#app-publisher", "Example")
	w.hands.press("Create the draft")
	w.sees("Draft created.")
}

// editTitle adds versions and changes what a title has.
func (w *worker) editTitle() {
	w.t.Helper()
	for _, version := range []string{"1.1", "1.2", "1.3", "1.4", "1.5"} {
		w.hands.typeInto("#version", version)
		w.hands.press("Add the version")
		w.sees("Version " + version + " added to the draft.")
	}
	w.hands.choose(".row:nth-child(2) [name=requirement_join]", "or")
	w.hands.typeInto(".row:nth-child(2) [name=requirement_name]", "Application Bundle ID")
	w.hands.typeInto(".row:nth-child(2) [name=requirement_value]", "com.example.inhouse2")
	w.hands.typeInto("fieldset[data-row]:last-of-type [name=key]", "inhouse-version")
	w.hands.typeInto("fieldset[data-row]:last-of-type [name=display_name]", "Inhouse version")
	w.hands.typeInto("fieldset[data-row]:last-of-type [name=script]", "#!/bin/sh\necho '<result>1.5</result>'")
	w.hands.press("Edit 1.0") // saves the rest
	w.sees("Kill apps")
	w.hands.typeInto("[name=app_name]", "Inhouse Old.app")
	w.hands.typeInto("#os", "13.1")
	w.hands.press("Save the version")
	w.sees("Version 1.0 saved in the draft.")
	w.hands.choose("#of", "1.2")
	w.hands.typeInto("#version", "1.2.1")
	w.hands.press("Add the version")
	w.sees("Version 1.2.1 added to the draft.")
	w.hands.press("Up: 1.0")
	w.until("1.0 is before 1.1", func() bool { return w.order("1.0", "1.1") })
	w.hands.press("Down: 1.0")
	w.until("1.1 is before 1.0", func() bool { return w.order("1.1", "1.0") })
	w.hands.press("Remove 1.1")
	w.sees("Version 1.1 removed from the draft.")
	w.served("Inhouse", 404)
}

// order reports whether a version is before another one in the editor.
func (w *worker) order(first, second string) bool {
	return eval[bool](w.tab, fmt.Sprintf(`(all => all.indexOf(%s) >= 0 && all.indexOf(%s) < all.indexOf(%s))(
		[...document.querySelectorAll("[data-sortable] th")].map(e => e.innerText.trim()))`,
		quote(first), quote(first), quote(second)))
}

// served returns what Jamf Pro reads of a title.
func (w *worker) served(id string, want int) string {
	w.t.Helper()
	status, text := w.call("GET", "/jamf/v1/patch/"+id, "")
	if status != want {
		w.t.Fatalf("the title %s has status %d, want %d: %s", id, status, want, text)
	}
	return text
}

// publishLater signs out and in again, and publishes the draft.
func (w *worker) publishLater() {
	w.t.Helper()
	w.hands.press("Sign out")
	w.sees("You are signed out.")
	w.visit("/signin")
	w.hands.typeInto("#token", w.token())
	w.hands.press("Sign in")
	w.sees("You are signed in.")
	w.hands.press("Drafts")
	w.sees("complete")
	w.hands.press("Inhouse")
	w.sees("Extension attributes")
	w.hands.press("Publish …")
	w.sees("it will be served with 6 versions")
	w.hands.press("Publish")
	w.sees("Draft of title 'Inhouse' published")
	text := w.served("Inhouse", 200)
	for _, want := range []string{
		`"currentVersion":"1.5"`, `"version":"1.2.1"`, `"com.example.inhouse2","type":"recon","and":false`,
		"inhouse-version", "Inhouse Old.app",
		`"minimumOperatingSystem":"13.1"`,
	} {
		if !strings.Contains(text, want) {
			w.t.Errorf("the title does not have %s: %s", want, text)
		}
	}
	if strings.Contains(text, `"version":"1.1"`) {
		w.t.Errorf("the version that was removed is served: %s", text)
	}
}

// undo publishes a change and takes it back.
func (w *worker) undo() {
	w.t.Helper()
	w.visit(inHouseDraft)
	w.hands.typeInto("#publisher", "Mistake")
	w.hands.press("Publish …")
	w.sees("Mistake")
	w.hands.press("Publish")
	w.sees("Draft of title 'Inhouse' published")
	w.sees("publisher") // in the history
	w.hands.press("Compare or restore revision 1")
	w.sees("Restoring it undoes these changes.")
	w.hands.press("Restore revision 1")
	w.sees("restored")
	if text := w.served("Inhouse", 200); strings.Contains(text, "Mistake") {
		w.t.Errorf("the change was not undone: %s", text)
	}
}

// conflict merges the change of somebody else into a draft.
func (w *worker) conflict() {
	w.t.Helper()
	w.visit(inHouseDraft)
	w.hands.typeInto("#publisher", "Example Inc")
	w.hands.press("Save draft")
	w.sees("Draft saved.")
	w.call("POST", "/api/v1/titles/Inhouse/versions", versionJSON("1.6"))
	w.hands.press("Publish …")
	w.sees("None of these changes collides with the draft.")
	w.hands.press("Take the other changes into the draft")
	w.sees("The changes of the title are in the draft now.")
	w.hands.press("Publish")
	w.sees("Draft of title 'Inhouse' published")
	if text := w.served("Inhouse", 200); !strings.Contains(text, `"currentVersion":"1.6"`) ||
		!strings.Contains(text, "Example Inc") {
		w.t.Errorf("the title has not both changes: %s", text)
	}
}

// filter finds titles by warnings, by overdue versions and by their source.
func (w *worker) filter() {
	w.t.Helper()
	old := definition("Late", "Late App", "4", "3", "2", "1")
	for i := range 4 {
		at := time.Now().AddDate(0, 0, -100-7*i).UTC().Format(time.RFC3339)
		old = strings.Replace(old, `"releaseDate":"2018-02-02T17:39:58Z"`, `"releaseDate":"`+at+`"`, 1)
	}
	w.create(old)
	w.create(definition("Watched", "Watched App", "1.0"))
	vendor := startVendor(w.t, "1.0")
	w.watch("Watched", vendor.url, "")
	w.until("the survey has seen the titles", func() bool {
		_, text := w.call("GET", "/api/v1/titles?state=stale", "")
		return strings.Contains(text, `"Late"`)
	})
	w.visit("/")
	for _, step := range []struct{ link, sees, not string }{
		{"Overdue", "Late App", "Watched App"}, {"All", "Watched App", ""}, {"Warnings", "matching titles", ""},
		{"All", "Watched App", ""}, {"Release feed", "Watched App", "Late App"}, {"Any source", "Late App", ""},
	} {
		w.hands.press(step.link)
		w.until(step.link+" leads to the titles", func() bool {
			text := w.text()
			return strings.Contains(text, step.sees) && (step.not == "" || !strings.Contains(text, step.not))
		})
	}
}

// feeds makes a title follow a release feed, and approves a proposal.
func (w *worker) feeds() {
	w.t.Helper()
	vendor := startVendor(w.t, "1.6")
	w.visit("/titles/Inhouse")
	w.hands.press("Follow a release feed")
	w.sees("Choose a kind")
	w.hands.choose("#kind", eval[string](w.tab, `document.querySelector("#kind option[value=sparkle]").textContent`))
	w.hands.typeInto("#field-feed-url", vendor.url)
	w.hands.press("Follow")
	w.sees("follows its vendor’s releases from now on")
	w.until("the server has checked the feed", func() bool {
		_, text := w.call("GET", "/api/v1/titles/Inhouse/watch", "")
		return !strings.Contains(text, `"last_success":null`)
	})
	w.watch("Inhouse", vendor.url, `"mode":"propose"`)
	vendor.release("1.7")
	w.hands.press("Check now")
	w.sees("1.7")
	w.hands.press("Proposals")
	w.sees("Why a person decides")
	w.hands.press("Approve 1.7 of Inhouse")
	w.sees("Version '1.7' added to title 'Inhouse'.")
	if text := w.served("Inhouse", 200); !strings.Contains(text, `"currentVersion":"1.7"`) {
		w.t.Errorf("the version is not served: %s", text)
	}
}

// tryComputers asks what Jamf Pro would say of three computers.
func (w *worker) tryComputers() {
	w.t.Helper()
	w.visit("/titles/Inhouse/try")
	for i, computer := range [][3]string{{"mac-1", "14.1", "1.2"}, {"mac-2", "14.1", "9.9"}, {"mac-3", "14.1", ""}} {
		row := fmt.Sprintf(".row:nth-child(%d) ", i+1)
		w.hands.typeInto(row+"[name=computer]", computer[0])
		w.hands.typeInto(row+"[name=os]", computer[1])
		if computer[2] != "" {
			w.hands.typeInto(row+"[name=version]", computer[2])
		}
	}
	w.hands.press("Ask")
	w.sees("older version 1.2")
	w.sees("unknown version")
	w.sees("not installed")
}

// restore restores a backup after a look at what it deletes.
func (w *worker) restore() {
	w.t.Helper()
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	member, err := z.Create("patch_archive/Restored.json")
	w.must(err)
	_, err = member.Write([]byte(definition("Restored", "Restored App", "1.0")))
	w.must(err)
	w.must(z.Close())
	file := w.file("backup.zip", archive.String())
	w.visit("/backup")
	w.tab.choose("#zip", file)
	w.hands.press("Restore and delete all other titles…")
	w.sees("Nothing has been changed yet.")
	w.sees("Inhouse")
	w.served("Inhouse", 200)
	w.hands.typeInto("#confirm", "3")
	w.tab.choose("#zip", file)
	w.hands.press("Restore and delete 3 titles")
	w.sees("Ended") // the page of the job reloads itself
	w.served("Restored", 200)
	w.served("Inhouse", 404)
}

// tokens makes and revokes a token, and is stopped from revoking the last one.
func (w *worker) tokens() {
	w.t.Helper()
	w.visit("/tokens")
	w.hands.typeInto("#name", "ci")
	w.hands.check("input[name=for][value=all]")
	w.hands.typeInto("#days", "7")
	w.hands.press("Create a token")
	w.sees("Store it as you store passwords.")
	w.visit("/tokens")
	other := eval[string](w.tab, `[...document.querySelectorAll("tbody tr")].find(e => !e.querySelector(".badge")).
		querySelector("code").innerText`)
	w.hands.press("Revoke the token " + other)
	w.sees("Revoke ci?")
	w.hands.press("Revoke the token")
	w.sees("was revoked.")
	w.visit("/tokens")
	own := eval[string](w.tab, `document.querySelector("tbody code").innerText`)
	w.hands.press("Revoke the token " + own)
	w.sees("You are signed in with this token")
	w.hands.press("Revoke the token")
	w.sees("type its id")
	w.visit("/overview")
	w.sees("What needs attention")
}

// setup goes through the steps of the setup.
func (w *worker) setup() {
	w.t.Helper()
	w.visit("/setup")
	w.hands.press("Check: Address")
	w.sees("Checked")
	w.hands.typeInto("#mail-mailbox", "ann@example.com")
	w.hands.press("Send a test mail")
	w.sees("The test mail was written to a file")
	w.hands.press("Check: First title")
	w.sees("lists 1 title")
	w.hands.press("Examine the feed")
	w.sees("The list has 1 title.")
}
