package titleeditor_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/patchsource/patchsource/patch/catalog"
)

// firstPatch returns the path and the object of the first patch of a title.
func (f *fixture) firstPatch(title string) (string, members) {
	f.t.Helper()
	p := list(f.ok("GET", title, nil), "patches")[0]
	return fmt.Sprintf("/v2/patches/%d", number(p, "patchId")), p
}

// pathOf returns the path of a part.
func pathOf(kind, id string, part members) string {
	return fmt.Sprintf("/v2/%s/%d", kind, number(part, id))
}

// A version that is made by ten calls is served by the last of them, as one revision with one event.
func TestVersionByVersion(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A", "1.0")
	before, err := f.catalog.History(t.Context(), "A")
	if err != nil {
		t.Fatal(err)
	}
	var events []catalog.Event
	defer f.catalog.Subscribe(func(e catalog.Event) { events = append(events, e) })()

	patch := f.ok("POST", path+"/patches", members{
		"version": "2.0", "minimumOperatingSystem": "12.0", "releaseDate": "2026-05-01 00:00:00 UTC",
		"enabled": nil, "standalone": nil, "reboot": nil, "absoluteOrderId": 0,
	})
	at := pathOf("patches", "patchId", patch)
	if patch["enabled"] != false {
		t.Errorf("a bare patch: %v", patch)
	}
	f.ok("POST", at+"/killapps", members{"bundleId": "com.example", "appName": "Example.app"})
	component := f.ok("POST", at+"/components", members{"name": "Example", "version": "2.0"})
	criteria := pathOf("components", "componentId", component) + "/criteria"
	first := f.ok("POST", criteria, criterion("Application Bundle ID", "is", "com.example"))
	second := f.ok("POST", criteria, criterion("Application Version", "is", "2.0"))
	f.ok("PUT", pathOf("criteria", "criteriaId", second), members{"absoluteOrderId": 0})
	f.remove(pathOf("criteria", "criteriaId", first))
	f.ok("POST", at+"/capabilities", criterion("Operating System Version", "greater than or equal", "12.0"))
	f.ok("PUT", at, members{"reboot": true})
	if got := f.served("A"); got != "1.0" {
		t.Errorf("before the last call, %s is served", got)
	}
	f.ok("PUT", at, members{"enabled": true})
	f.ok("PUT", path, members{"currentVersion": "2.0"})
	if got := f.served("A"); got != "2.0 1.0" {
		t.Errorf("after the last call, %s is served", got)
	}
	after, err := f.catalog.History(t.Context(), "A")
	if err != nil || len(after) != len(before)+1 {
		t.Errorf("%d revisions, %v, want %d", len(after), err, len(before)+1)
	}
	if len(events) != 1 {
		t.Errorf("events: %v, want one", events)
	}
}

// What a change makes incomplete is disabled, and cannot be enabled.
func TestEnabled(t *testing.T) {
	for name, c := range map[string]struct {
		change func(f *fixture, path string)
		shown  string
		served string
	}{
		"complete": {func(*fixture, string) {}, "2.0 1.0", "2.0 1.0"},
		"capability deleted": {func(f *fixture, path string) {
			_, p := f.firstPatch(path)
			f.remove(pathOf("capabilities", "capabilityId", list(p, "capabilities")[0]))
		}, "2.0- 1.0", "1.0"},
		"component deleted": {func(f *fixture, path string) {
			_, p := f.firstPatch(path)
			f.remove(pathOf("components", "componentId", list(p, "components")[0]))
		}, "2.0- 1.0", "1.0"},
		"criterion deleted": {func(f *fixture, path string) {
			_, p := f.firstPatch(path)
			f.remove(pathOf("criteria", "criteriaId", list(list(p, "components")[0], "criteria")[0]))
		}, "2.0- 1.0", "1.0"},
		"all patches disabled": {func(f *fixture, path string) {
			for _, p := range list(f.ok("GET", path, nil), "patches") {
				f.ok("PUT", pathOf("patches", "patchId", p), members{"enabled": false})
			}
		}, "2.0- 1.0-", "none"},
		"requirement deleted": {func(f *fixture, path string) {
			r := list(f.ok("GET", path, nil), "requirements")[0]
			f.remove(pathOf("requirements", "requirementId", r))
		}, "2.0 1.0", "none"},
		"title disabled": {func(f *fixture, path string) {
			f.ok("PUT", path, members{"enabled": false})
		}, "2.0 1.0", "none"},
		"patch deleted": {func(f *fixture, path string) {
			at, _ := f.firstPatch(path)
			f.remove(at)
		}, "1.0", "1.0"},
		"clone": {func(f *fixture, path string) {
			at, _ := f.firstPatch(path)
			if c := f.ok("POST", at+"/clone", members{"version": "3.0"}); c["enabled"] != false ||
				list(c, "components")[0]["version"] != "3.0" || c["releaseDate"] != "2026-05-01T12:00:00Z" {
				f.t.Errorf("the clone is %v", c)
			}
		}, "3.0- 2.0 1.0", "2.0 1.0"},
		"added with its parts": {func(f *fixture, path string) {
			f.ok("POST", path+"/patches", whole("3.0"))
		}, "3.0 2.0 1.0", "3.0 2.0 1.0"},
		"added and disabled": {func(f *fixture, path string) {
			body := whole("3.0")
			body["enabled"] = false
			f.ok("POST", path+"/patches", body)
		}, "3.0- 2.0 1.0", "2.0 1.0"},
		"added behind": {func(f *fixture, path string) {
			body := whole("0.9")
			body["absoluteOrderId"] = 99
			f.ok("POST", path+"/patches", body)
		}, "2.0 1.0 0.9", "2.0 1.0 0.9"},
		"moved": {func(f *fixture, path string) {
			at, _ := f.firstPatch(path)
			if p := f.ok("PUT", at, members{"absoluteOrderId": 7}); number(p, "absoluteOrderId") != 1 {
				f.t.Errorf("the patch is at %v", p["absoluteOrderId"])
			}
		}, "1.0 2.0", "1.0 2.0"},
		"arrays in a PUT": {func(f *fixture, path string) {
			at, _ := f.firstPatch(path)
			f.ok("PUT", at, members{"capabilities": []any{}, "components": []any{}, "killApps": nil, "patchId": 0})
		}, "2.0 1.0", "2.0 1.0"},
		"another version": {func(f *fixture, path string) {
			at, _ := f.firstPatch(path)
			f.ok("PUT", at, members{"version": "2.1"})
		}, "2.1 1.0", "2.1 1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			path := f.create("A", "2.0", "1.0")
			c.change(f, path)
			if got := f.shown(path); got != c.shown {
				t.Errorf("the patches are %s, want %s", got, c.shown)
			}
			if got := f.served("A"); got != c.served {
				t.Errorf("%s is served, want %s", got, c.served)
			}
		})
	}
}

// A title that is not served keeps the currentVersion that a client sets; a title that is served has that of its first
// enabled patch.
func TestCurrentVersion(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A")
	for _, v := range []string{"0.0.0", "9.9"} {
		if got := f.ok("PUT", path, members{"currentVersion": v})["currentVersion"]; got != v {
			t.Errorf("disabled: got %v, want %s", got, v)
		}
	}
	if got := f.ok("POST", path+"/patches", whole("1.0")); got["enabled"] != true {
		t.Errorf("got %v", got)
	}
	if got := f.ok("GET", path, nil)["currentVersion"]; got != "9.9" {
		t.Errorf("after a patch was added: %v", got)
	}
	got := f.ok("PUT", path, members{"enabled": true, "currentVersion": "8.8"})
	if got["currentVersion"] != "1.0" || got["enabled"] != true {
		t.Errorf("enabled: %v, %v", got["currentVersion"], got["enabled"])
	}
	if got := f.ok("PUT", path, members{"currentVersion": "7.7"})["currentVersion"]; got != "1.0" {
		t.Errorf("set when served: %v", got)
	}
}

// A whole title, as it is served or as this API answers it, can be posted. It is disabled, and in the order that
// absoluteOrderId says.
func TestWholeTitle(t *testing.T) {
	f := newFixture(t, nil)
	body := f.ok("GET", f.create("A", "2.0", "1.0"), nil)
	body["id"], body["name"] = "B", "B"
	patches := body["patches"].([]any)
	patches[0], patches[1] = patches[1], patches[0]
	made := f.ok("POST", "/v2/softwaretitles", body)
	path := fmt.Sprintf("/v2/softwaretitles/%d", number(made, "softwareTitleId"))
	if got := f.shown(path); got != "2.0 1.0" || made["enabled"] != false || f.served("B") != "none" {
		t.Errorf("got %s, %v", got, made["enabled"])
	}
	if number(made, "softwareTitleId") == number(body, "softwareTitleId") {
		t.Error("the title has the number of the first one")
	}
	f.ok("PUT", path, members{"enabled": true})
	if got := f.served("B"); got != "2.0 1.0" {
		t.Errorf("%s is served", got)
	}
	if w := f.send("DELETE", path, nil); w.Code != 204 || w.Body.Len() > 0 {
		t.Errorf("DELETE: status %d: %s", w.Code, w.Body)
	}
	if r := f.refused("GET", path, nil); r.status != 404 || f.served("B") != "none" {
		t.Errorf("after the title was deleted: %+v", r)
	}
}

// Many clients at once add versions and parts, and none is lost.
func TestRaces(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A", "1.0")
	at, _ := f.firstPatch(path)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if w := f.send("POST", path+"/patches", whole(fmt.Sprintf("2.%d", i))); w.Code != 200 {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
		all.Go(func() {
			body := members{"bundleId": fmt.Sprintf("com.example.%d", i), "appName": "Example.app"}
			if w := f.send("POST", at+"/killapps", body); w.Code != 200 {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
	}
	all.Wait()
	if n := len(strings.Fields(f.served("A"))); n != 9 {
		t.Errorf("%d versions are served, want 9", n)
	}
	if n := len(list(f.ok("GET", at, nil), "killApps")); n != 9 {
		t.Errorf("%d kill apps, want 9", n)
	}
}
