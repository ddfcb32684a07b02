package titleeditor_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/numbered"
)

// Who may see and change the titles of others.
func TestAuthorization(t *testing.T) {
	f := newFixture(t, nil)
	served := f.create("Served", "2.0", "1.0")
	patch2, _ := f.firstPatch(served)
	f.ok("PUT", patch2, members{"enabled": false})
	draft := f.create("Draft")
	title, err := f.catalog.Lookup("Served")
	if err != nil {
		t.Fatal(err)
	}
	drafts, err := f.catalog.Lookup("Draft")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		grant                 auth.Grant
		served, draft, create bool // may change the one that is served, that which is not, and create another
	}{
		"administrator": {auth.Grant{Kind: auth.Administrator}, true, true, true},
		"editor":        {auth.Grant{Kind: auth.Editor}, true, true, true},
		"contributor":   {auth.Grant{Kind: auth.Contributor, Contributor: "ann"}, false, false, true},
		"title's token": {auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}}, true, false, false},
		"draft's token": {auth.Grant{Kind: auth.TitleToken, Titles: []string{drafts.UID}}, false, true, false},
	} {
		f := f.as(f.issue(c.grant))
		status := func(may bool, otherwise int) int {
			if may {
				return 200
			}
			return otherwise
		}
		for _, call := range []struct {
			method, path string
			body         any
			want         int
		}{
			{"GET", served, nil, 200},
			{"GET", served + "/patches", nil, 200},
			{"GET", patch2, nil, status(c.served, 404)},
			{"PUT", served, members{"publisher": name}, status(c.served, 403)},
			{"PUT", patch2, members{"reboot": true}, status(c.served, 403)},
			{"GET", draft, nil, status(c.draft, 404)},
			{"PUT", draft, members{"publisher": name}, status(c.draft, 404)},
			{"POST", draft + "/requirements", criterion("Make", "is", "Apple"), status(c.draft, 404)},
			{"POST", "/v2/softwaretitles", bare("New-" + name[:3]), status(c.create, 403)},
		} {
			if w := f.send(call.method, call.path, call.body); w.Code != call.want {
				t.Errorf("%s: %s %s: status %d, want %d: %s", name, call.method, call.path, w.Code, call.want, w.Body)
			}
		}
		for path, want := range map[string]bool{
			"/v2/softwaretitles": c.draft, served: c.served, served + "/patches": c.served,
		} {
			text := map[string]string{"/v2/softwaretitles": `"id": "Draft"`}[path]
			if text == "" {
				text = `"version": "2.0"`
			}
			if got := strings.Contains(f.send("GET", path, nil).Body.String(), text); got != want {
				t.Errorf("%s: %s has %s: %v, want %v", name, path, text, got, want)
			}
		}
	}
}

// The title of a contributor gets the contributor's name.
func TestContributor(t *testing.T) {
	f := newFixture(t, nil)
	ann := f.as(f.issue(auth.Grant{Kind: auth.Contributor, Contributor: "ann"}))
	made := ann.ok("POST", "/v2/softwaretitles", bare("A"))
	if made["id"] != "A_ann" || made["name"] != "A (ann)" {
		t.Errorf("got %v, %v", made["id"], made["name"])
	}
	title, err := f.catalog.Lookup("A_ann")
	if err != nil || title.Contributor != "ann" {
		t.Errorf("got %+v, %v", title, err)
	}
	path := pathOf("softwaretitles", "softwareTitleId", made)
	ann.ok("PUT", path, members{"publisher": "B"})
	if r := ann.refused("POST", "/v2/softwaretitles", bare("A")); r.code != "DUPLICATE_RECORD" {
		t.Errorf("once more: %+v", r)
	}
	bob := f.as(f.issue(auth.Grant{Kind: auth.Contributor, Contributor: "bob"}))
	if r := bob.refused("PUT", path, members{"publisher": "C"}); r.status != 404 {
		t.Errorf("another contributor: %+v", r)
	}
}

// A title that follows an upstream can be read, and not changed.
func TestFollowedTitle(t *testing.T) {
	f := newFixture(t, nil)
	f.create("A", "1.0")
	d, _, err := f.catalog.Load(t.Context(), "A")
	if err != nil {
		t.Fatal(err)
	}
	next := d.Clone()
	next.ID = "B"
	opts := &catalog.CreateOptions{Follows: "https://user:secret@upstream.example:8443/patch/B"}
	if _, err := f.catalog.Create(t.Context(), next, opts); err != nil {
		t.Fatal(err)
	}
	text := f.send("GET", "/v2/softwaretitles", nil).Body.String()
	if !strings.Contains(text, `"source": "upstream.example"`) || strings.Contains(text, "secret") {
		t.Errorf("the list is %s", text)
	}
	title, err := f.catalog.Title("B")
	if err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/v2/softwaretitles/%d", title.Number)
	if number(f.ok("GET", path, nil), "sourceId") == 0 {
		t.Error("sourceId is 0")
	}
	at, p := f.firstPatch(path)
	for _, call := range []struct{ method, path string }{
		{"PUT", path}, {"DELETE", path}, {"POST", path + "/patches"}, {"PUT", at}, {"DELETE", at},
		{"POST", at + "/clone"},
		{"DELETE", pathOf("killapps", "killAppId", list(p, "killApps")[0])},
	} {
		if r := f.refused(call.method, call.path, members{"version": "2.0"}); r.status != 403 {
			t.Errorf("%s %s: %+v", call.method, call.path, r)
		}
	}
}

// A number of a part leads to no part of another kind, and a part that is deleted keeps its number for itself.
func TestNumbers(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A", "1.0")
	at, p := f.firstPatch(path)
	if block := numbered.Block(uint64(number(p, "patchId"))); int(block) != number(p, "softwareTitleId") {
		t.Errorf("the block of %v is %d", p["patchId"], block)
	}
	k := list(p, "killApps")[0]
	f.remove(pathOf("killapps", "killAppId", k))
	if r := f.refused("DELETE", pathOf("killapps", "killAppId", k), nil); r.status != 404 {
		t.Errorf("once more: %+v", r)
	}
	again := f.ok("POST", at+"/killapps", members{"bundleId": "a", "appName": "b"})
	if again["killAppId"] == k["killAppId"] {
		t.Errorf("the number %v is used again", k["killAppId"])
	}
}

// What Title Editor calls complete may still be invalid. All failures are in the answer.
func TestInvalidDefinition(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A")
	f.ok("POST", path+"/patches", whole("1.0"))
	f.ok("PUT", path, members{"name": strings.Repeat("a", 2000)})
	r := f.refused("PUT", path, members{"enabled": true})
	if r.status != 400 || r.field != "/name" {
		t.Errorf("got %+v", r)
	}
}
