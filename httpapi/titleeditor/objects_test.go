package titleeditor_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
)

// memberNames returns the names of the members of the first object at an indent of a text, in order.
func memberNames(text string, indent int) (names []string) {
	line := regexp.MustCompile(fmt.Sprintf(`^ {%d}"(\w+)": `, indent))
	for l := range strings.Lines(text) {
		if m := line.FindStringSubmatch(l); m != nil {
			names = append(names, m[1])
		} else if len(names) > 0 && strings.HasPrefix(l, strings.Repeat(" ", max(0, indent-2))+"}") {
			break
		}
	}
	return names
}

// Scripts read answers by lines: each member has its own, in this order.
func TestLayout(t *testing.T) {
	const comparison = "absoluteOrderId and name operator value type"
	f := newFixture(t, nil)
	path := f.create("A", "1.0")
	f.ok("POST", path+"/extensionattributes", members{"key": "a", "displayName": "A", "value": "IyEvYmluL3NoCg=="})
	text := f.send("GET", path, nil).Body.String()
	for name, c := range map[string]struct {
		text, from string
		indent     int
		want       string
	}{
		"title": {text, "", 2, "softwareTitleId sourceId enabled name publisher appName bundleId lastModified " +
			"currentVersion id requirements patches extensionAttributes"},
		"requirement": {text, "requirements", 6, "requirementId softwareTitleId " + comparison},
		"patch": {text, "patches", 6, "patchId softwareTitleId absoluteOrderId enabled version releaseDate " +
			"standalone minimumOperatingSystem reboot killApps components capabilities dependencies"},
		"kill app":   {text, "killApps", 10, "killAppId patchId bundleId appName"},
		"component":  {text, "components", 10, "componentId patchId name version criteria"},
		"criterion":  {text, "criteria", 14, "criteriaId componentId " + comparison},
		"capability": {text, "capabilities", 10, "capabilityId patchId " + comparison},
		"attribute":  {text, "extensionAttributes", 6, "extensionAttributeId softwareTitleId key value displayName"},
		"row": {f.send("GET", "/v2/softwaretitles", nil).Body.String(), "", 4, "softwareTitleId enabled name " +
			"publisher appName bundleId lastModified currentVersion requirements patches id sourceId source"},
	} {
		_, part, found := strings.Cut(c.text, c.from)
		if got := strings.Join(memberNames(part, c.indent), " "); !found || got != c.want {
			t.Errorf("%s: the members are\n%s, want\n%s", name, got, c.want)
		}
	}
}

func TestList(t *testing.T) {
	f := newFixture(t, nil)
	f.create("A", "2.0", "1.0")
	f.create("B")
	text := f.send("GET", "/v2/softwaretitles", nil).Body.String()
	for _, want := range []string{
		`"patches": 2,`, `"patches": 0,`, `"requirements": 1,`, `"source": "Local"`,
		`"sourceId": 0,`, `"appName": null,`, `"currentVersion": "2.0",`, `"enabled": false,`,
		`"lastModified": "2026-05-01T12:00:00Z",`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the list has no %s: %s", want, text)
		}
	}
}

// An extension attribute may come with the line breaks that Ruby writes, and is answered with them. It is served
// without.
func TestScript(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A", "1.0")
	script := "#!/bin/sh\n" + strings.Repeat("echo 'something'\n", 20)
	plain := base64.StdEncoding.EncodeToString([]byte(script))
	lines := strings.Join(slices.Collect(func(yield func(string) bool) {
		for part := range slices.Chunk([]byte(plain), 60) {
			if !yield(string(part) + "\n") {
				return
			}
		}
	}), "")
	a := f.ok("POST", path+"/extensionattributes", members{"key": "a", "displayName": "A", "value": lines})
	if a["value"] != lines {
		t.Errorf("got %q, want %q", a["value"], lines)
	}
	d, _, err := f.catalog.Load(t.Context(), "A")
	if err != nil || d.ExtensionAttributes[0].Value != plain {
		t.Errorf("served: %+v, %v", d.ExtensionAttributes, err)
	}
	at := fmt.Sprintf("/v2/extensionattributes/%d", number(a, "extensionAttributeId"))
	if r := f.refused("PUT", at, members{"value": "#!/bin/sh"}); r.status != 400 || r.field != "value" {
		t.Errorf("no base64: %+v", r)
	}
	if a = f.ok("PUT", at, members{"displayName": "B"}); a["displayName"] != "B" || a["value"] != lines {
		t.Errorf("after a change of the name: %v", a)
	}
	if r := f.refused("POST", path+"/extensionattributes", members{"key": "b", "displayName": "B"}); r.status != 400 {
		t.Errorf("a second one: %+v", r)
	}
}

func TestDates(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A", "1.0")
	at := fmt.Sprintf("/v2/patches/%d", number(list(f.ok("GET", path, nil), "patches")[0], "patchId"))
	for given, want := range map[string]string{
		"2026-01-02T03:04:05Z":      "2026-01-02T03:04:05Z",
		"2026-01-02T03:04:05.678Z":  "2026-01-02T03:04:05Z",
		"2026-01-02T03:04:05+01:00": "2026-01-02T02:04:05Z",
		"2026-01-02 03:04:05 UTC":   "2026-01-02T03:04:05Z",
		"2026-01-02 03:04:05 +0000": "2026-01-02T03:04:05Z",
		"2026-01-02 03:04:05 -0800": "2026-01-02T11:04:05Z",
		"2026-01-02":                "2026-01-02T00:00:00Z",
		"yesterday":                 "",
		"":                          "",
		"2026-13-02 03:04:05 UTC":   "",
		"0000-01-01 00:00:00 +0100": "",
	} {
		if want == "" {
			if r := f.refused("PUT", at, members{"releaseDate": given}); r.status != 400 || r.field != "releaseDate" {
				t.Errorf("%q: %+v", given, r)
			}
		} else if got := f.ok("PUT", at, members{"releaseDate": given})["releaseDate"]; got != want {
			t.Errorf("%q: got %v, want %s", given, got, want)
		}
	}
	body := whole("2.0")
	delete(body, "releaseDate")
	if got := f.ok("POST", path+"/patches", body)["releaseDate"]; got != "2026-05-01T12:00:00Z" {
		t.Errorf("without a date: got %v", got)
	}
}

// lastModified moves with every change, also with one that is not served.
func TestLastModified(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A", "1.0")
	for name, change := range map[string]func(){
		"title": func() { f.ok("PUT", path, members{"publisher": "B"}) },
		"disabled patch": func() {
			f.ok("POST", path+"/patches", members{"version": "2.0", "minimumOperatingSystem": "12"})
		},
		"requirement": func() { f.ok("POST", path+"/requirements", criterion("Make", "is", "Apple")) },
	} {
		f.now = f.now.Add(time.Hour)
		change()
		if got := f.ok("GET", path, nil)["lastModified"]; got != f.now.Format(time.RFC3339) {
			t.Errorf("%s: got %v, want %v", name, got, f.now)
		}
	}
}

// What a client that does not know this API does to a title is seen here, and keeps the numbers.
func TestOtherAPI(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A", "1.0")
	before := list(f.ok("GET", path, nil), "patches")[0]
	d, title, err := f.catalog.Load(t.Context(), "A")
	if err != nil {
		t.Fatal(err)
	}
	next := d.Clone()
	next.Patches = append(next.Patches[:0:0], d.Patches[0].NextVersion("2.0", f.now), d.Patches[0])
	next.CurrentVersion = "2.0"
	if _, err := f.catalog.Replace(t.Context(), "A", next, &catalog.EditOptions{UID: title.UID}); err != nil {
		t.Fatal(err)
	}
	after := f.ok("GET", path, nil)
	if got := f.shown(path); got != "2.0 1.0" || after["currentVersion"] != "2.0" {
		t.Errorf("got %s, %v", got, after["currentVersion"])
	}
	if number(list(after, "patches")[1], "patchId") != number(before, "patchId") {
		t.Errorf("the number of the patch has changed from %v to %v", before, list(after, "patches")[1])
	}
}
