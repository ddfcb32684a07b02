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
	marked := eval[[]string](
		b,
		`[...document.querySelectorAll(".line.marked")].map(e => e.innerText.replace(/\s+/g, " "))`,
	)
	if len(marked) != 2 || !strings.Contains(marked[0], `"name": ""`) ||
		!strings.Contains(marked[1], `"reboot": "no"`) {
		t.Errorf("the places are %q", marked)
	}
	// It is there to be mended.
	text := eval[string](b, `document.getElementById("json").value`)
	b.fill("#json", "")
	mended := strings.Replace(
		strings.Replace(text, `"reboot": "no"`, `"reboot": false`, 1),
		`"name": ""`,
		`"name": "Good"`,
		1,
	)
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
	b.sees("The title 'One' exists already")
	b.sees("line 2, column 7")
	b.visit("/titles/Two")
	b.sees("Two")

	// With leave, what is there is replaced; what lint finds is said.
	b.visit("/upload")
	b.click("input[name=replace]")
	b.choose(
		"#file",
		s.file("one.json", definition("One", "The One", "1.1", "1.0")),
		s.file(
			"three.json",
			strings.Replace(definition("Three", "Three", "1"), `"publisher":"Example"`, `"publisher":""`, 1),
		),
	)
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
	b.sees("The form begins with the values of 1.0.")
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
	if def.CurrentVersion != "1.1" || len(def.Patches) != 2 || len(def.Patches[0].KillApps) != 1 ||
		!strings.Contains(text, `"name":"Application Version","operator":"is","value":"1.1"`) {
		t.Errorf("%s", text)
	}
	// The same again, and nothing at all.
	b.visit("/titles/App/version")
	b.fill("#version", "1.0")
	b.press("Add the version")
	b.sees("this version exists already")
	b.fill("#version", " ")
	b.press("Add the version")
	b.sees("The request is invalid, and nothing was changed")
	if fault := eval[string](b, `document.querySelector("#version + .fault")?.innerText ?? ""`); fault == "" {
		t.Errorf("what is wrong is not said at the field: %s", b.text())
	}
	if tied := eval[bool](b, `(() => { const v = document.getElementById("version"); return v.ariaInvalid === "true" && document.getElementById(v.getAttribute("aria-describedby")).className === "fault"; })()`); !tied {
		t.Error("what is wrong is not tied to the field")
	}
	// Corrected, it is what it would have been at once; what was written by hand stays.
	b.fill("#version", "1.")
	b.do(chromedp.SendKeys(chromedp.CSS("#version"), "5"))
	b.do(chromedp.SendKeys(chromedp.CSS(".row:nth-child(3) input[name=criterion_value]"), "1.5"))
	eval[bool](
		b,
		`((document.querySelector(".row:nth-child(3) input[name=criterion_name]").value = "Application Version"), true)`,
	)
	b.fill("#version", "1.4")
	if values := eval[[]string](b, `[...document.getElementsByName("criterion_value")].map(e => e.value)`); values[1] != "1.4" ||
		values[2] != "1.5" {
		t.Errorf("the criteria are %q", values)
	}
	b.press("Add the version")
	b.sees("Version '1.4' added to title 'App'.")
	if _, text := s.call("GET", "/api/v1/titles/App", ""); !strings.Contains(text, `"value":"1.4"`) ||
		!strings.Contains(text, `"value":"1.5"`) {
		t.Errorf("%s", text)
	}
	s.call("DELETE", "/api/v1/title/App/version/1.4", "")
	// As files, all or none.
	b.visit("/titles/App/version")
	b.choose(
		"#file",
		s.file("v2.json", versionJSON("2.0")),
		s.file("v3.json", strings.Replace(versionJSON("3.0"), `"standalone":true`, `"standalone":1`, 1)),
	)
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
	b.sees("This title has changed since you opened it")
	if _, now := s.call("GET", "/api/v1/titles/App", ""); !strings.Contains(now, "Somebody") ||
		!strings.Contains(now, `"1.2"`) {
		t.Errorf("what somebody else did is lost: %s", now)
	}

	b.visit("/titles/App")
	b.click(`a[href="/titles/App/history/1"]`)
	b.sees("publisher changed from Example to Somebody")
	b.press("Restore revision 1")
	b.sees("Title 'App' restored to revision 1.")
	if _, now := s.call("GET", "/api/v1/titles/App", ""); !strings.Contains(now, "Example") ||
		strings.Contains(now, `"1.2"`) {
		t.Errorf("it is not undone: %s", now)
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
