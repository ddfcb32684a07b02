package browser_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestUpload(t *testing.T) {
	s := start(t)
	b := s.open()
	b.signIn(s.token())

	b.visit("/upload")
	b.choose("#file", s.file("one.json", definition("One", "The One", "1.0")))
	b.press("Upload")
	b.sees("Title 'One' created.")
	b.sees("The One")

	// All errors are shown at their lines.
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
	marked := eval[[]string](b,
		`[...document.querySelectorAll(".line.marked")].map(e => e.innerText.replace(/\s+/g, " "))`)
	if len(marked) != 2 || !strings.Contains(marked[0], `"name": ""`) ||
		!strings.Contains(marked[1], `"reboot": "no"`) {
		t.Errorf("the marked lines are %q", marked)
	}
	// The text is in the form again and can be corrected.
	text := eval[string](b, `document.getElementById("json").value`)
	b.fill("#json", "")
	corrections := strings.NewReplacer(`"reboot": "no"`, `"reboot": false`, `"name": ""`, `"name": "Good"`)
	b.set("#json", corrections.Replace(text))
	b.press("Upload")
	b.sees("Title 'Bad' created.")

	// Several files are dropped: a new title, an existing one, and a file that is not JSON.
	b.visit("/upload")
	eval[bool](b, `(() => {
		const files = new DataTransfer();
		files.items.add(new File([`+quote(definition("Two", "Two", "2.0"))+`], "two.json"));
		files.items.add(new File([`+quote(definition("One", "The One", "1.0"))+`], "one.json"));
		files.items.add(new File(["{\n\"id\": oops"], "broken.json"));
		const dropped = new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true });
		document.querySelector(".drop").dispatchEvent(dropped);
		return document.getElementById("file").files.length === 3;
	})() || (() => { throw new Error("no file was dropped") })()`)
	b.press("Upload")
	b.sees("3 files, 2 refused.")
	b.sees("The title 'One' exists already")
	b.sees("line 2, column 7")
	b.visit("/titles/Two")
	b.sees("Two")

	// If the visitor allows it, the existing title is replaced. Warnings are shown.
	b.visit("/upload")
	b.click("input[name=replace]")
	three := strings.Replace(definition("Three", "Three", "1"), `"publisher":"Example"`, `"publisher":""`, 1)
	b.choose("#file", s.file("one.json", definition("One", "The One", "1.1", "1.0")), s.file("three.json", three))
	b.press("Upload")
	b.sees("2 files, 0 refused.")
	if n := eval[int](b, `document.querySelectorAll(".note.warn").length`); n != 1 {
		t.Errorf("%d warnings are shown, want 1", n)
	}
}

func TestVersions(t *testing.T) {
	s := start(t)
	s.create(definition("App", "Some App", "1.0"))
	b := s.open()
	b.signIn(s.token())
	b.visit("/titles/App")
	b.press("Add a version")
	b.sees("The form begins with the values of 1.0.")
	b.fill("#version", "1.1")
	values := b.criteria()
	if len(values) < 2 || values[0] != "com.example.app" || values[1] != "1.1" {
		t.Errorf("the criteria do not have the new version: %q", values)
	}
	eval[bool](b, `document.querySelector("[data-rows] + button").click() || true`)
	if n := eval[int](b, `document.getElementsByName("app_name").length`); n != 4 {
		t.Errorf("there are %d rows of kill apps, want 4", n)
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
	if def.CurrentVersion != "1.1" || len(def.Patches) != 2 || len(def.Patches[0].KillApps) != 1 ||
		!strings.Contains(text, `"name":"Application Version","operator":"is","value":"1.1"`) {
		t.Errorf("got the title %s", text)
	}
}

// criteria returns the values of the criteria in the form of a version.
func (b *tab) criteria() []string {
	b.t.Helper()
	return eval[[]string](b, `[...document.getElementsByName("criterion_value")].map(e => e.value)`)
}

// The form of a version shows errors at their fields. When they are corrected, the criteria have the new version,
// except values that the visitor changed.
func TestVersionsCorrected(t *testing.T) {
	s := start(t)
	s.create(definition("App", "Some App", "1.1", "1.0"))
	b := s.open()
	b.signIn(s.token())
	b.visit("/titles/App/version")
	b.fill("#version", "1.0")
	b.press("Add the version")
	b.sees("this version exists already")
	b.fill("#version", " ")
	b.press("Add the version")
	b.sees("The request is invalid, and nothing was changed")
	if fault := eval[string](b, `document.querySelector("#version + .fault")?.innerText ?? ""`); fault == "" {
		t.Errorf("the error is not shown at the field: %s", b.text())
	}
	if described := eval[bool](b, `(() => {
		const v = document.getElementById("version");
		const error = document.getElementById(v.getAttribute("aria-describedby"));
		return v.ariaInvalid === "true" && error.className === "fault";
	})()`); !described {
		t.Error("the error does not describe the field")
	}
	b.fill("#version", "1.")
	b.do(chromedp.SendKeys(chromedp.CSS("#version"), "5"))
	b.do(chromedp.SendKeys(chromedp.CSS(".row:nth-child(3) input[name=criterion_value]"), "1.5"))
	b.set(".row:nth-child(3) input[name=criterion_name]", "Application Version")
	b.fill("#version", "1.4")
	if values := b.criteria(); values[1] != "1.4" || values[2] != "1.5" {
		t.Errorf("the criteria are %q, want 1.4 and 1.5", values)
	}
	b.press("Add the version")
	b.sees("Version '1.4' added to title 'App'.")
	if _, text := s.call("GET", "/api/v1/titles/App", ""); !strings.Contains(text, `"value":"1.4"`) ||
		!strings.Contains(text, `"value":"1.5"`) {
		t.Errorf("got the title %s", text)
	}
}

// Versions that are uploaded as files are all added, or none of them.
func TestVersionsAsFiles(t *testing.T) {
	s := start(t)
	s.create(definition("App", "Some App", "1.1", "1.0"))
	b := s.open()
	b.signIn(s.token())
	b.visit("/titles/App/version")
	invalid := strings.Replace(versionJSON("3.0"), `"standalone":true`, `"standalone":1`, 1)
	b.choose("#file", s.file("v2.json", versionJSON("2.0")), s.file("v3.json", invalid))
	b.press("Add")
	b.sees("v3.json")
	b.sees("/standalone")
	b.choose("#file", s.file("v2.json", versionJSON("2.0")), s.file("v3.json", versionJSON("3.0")))
	b.press("Add")
	b.sees("Versions '2.0', '3.0' added to title 'App'.")
	got := eval[string](b, `[...document.querySelectorAll("summary strong")].map(e => e.innerText).join(" ")`)
	if got != "3.0 2.0 1.1 1.0" {
		t.Errorf("the versions are %s, want 3.0 2.0 1.1 1.0", got)
	}
}

func TestChangeUndoRemoveDelete(t *testing.T) {
	s := start(t)
	s.create(definition("App", "Some App", "1.1", "1.0"))
	b := s.open()
	b.signIn(s.token())
	b.visit("/titles/App/edit")
	text := eval[string](b, `document.getElementById("json").value`)
	b.set("#json", strings.Replace(text, `"publisher": "Example"`, `"publisher": "Another"`, 1))
	b.press("Save")
	b.sees("Title 'App' updated.")
	b.sees("Another")

	// Another client changes the title meanwhile.
	b.visit("/titles/App/edit")
	s.call("POST", "/api/v1/titles/App/versions", versionJSON("1.2"))
	b.set("#json", strings.Replace(text, `"publisher": "Example"`, `"publisher": "Third"`, 1))
	b.press("Save")
	b.sees("This title has changed since you opened it")
	if _, now := s.call("GET", "/api/v1/titles/App", ""); !strings.Contains(now, "Another") ||
		!strings.Contains(now, `"1.2"`) {
		t.Errorf("the change of the other client is lost: %s", now)
	}

	b.visit("/titles/App")
	b.click(`a[href="/titles/App/history/1"]`)
	b.sees("publisher changed from Example to Another")
	b.press("Restore revision 1")
	b.sees("Title 'App' restored to revision 1.")
	if _, now := s.call("GET", "/api/v1/titles/App", ""); !strings.Contains(now, "Example") ||
		strings.Contains(now, `"1.2"`) {
		t.Errorf("the change is not undone: %s", now)
	}

	b.press("Remove 1.1")
	b.sees("Remove 1.1?")
	b.press("Cancel")
	b.sees("Requirements")
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

// A criterion offers the operators that Jamf Pro has for it, and one that was chosen before.
func TestOperatorsThatFit(t *testing.T) {
	_, b := signedIn(t)
	b.visit("/titles/App/draft")
	offered := func() string {
		return eval[string](b, `[...document.querySelector("select[name=requirement_operator]").options].
			filter(o => !o.hidden).map(o => o.value).join(", ")`)
	}
	if got := offered(); !strings.Contains(got, "matches regex") || strings.Contains(got, "greater than") {
		t.Errorf("for a bundle ID, the operators are %s", got)
	}
	b.fill("[name=requirement_name]", "Operating System Version")
	b.until("the operators are those of a version", func() bool {
		return strings.Contains(offered(), "greater than or equal") && !strings.Contains(offered(), "matches regex")
	})
	b.fill("[name=requirement_name]", "something else")
	b.until("all operators are offered", func() bool { return strings.Contains(offered(), "does not have") })
	b.press("Save draft") // so that no change is left
	b.sees("Draft saved.")
}
