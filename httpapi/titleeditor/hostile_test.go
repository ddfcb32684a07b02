package titleeditor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/numbered"
	"github.com/patchsource/patchsource/store"
)

// A body with very many failures is answered with a bounded number of them.
func TestFailuresAreBounded(t *testing.T) {
	f := newFixture(t, nil)
	for _, n := range []int{10, 5_000, 1_000_000} {
		requirements := strings.Repeat(`{},`, n) + `{}`
		w := f.send("POST", "/v2/softwaretitles", `{"id":"A","name":"A","requirements":[`+requirements+`]}`)
		failures := strings.Count(w.Body.String(), `"code"`)
		if w.Code != 400 || failures == 0 || failures > patch.MaxFailures {
			t.Errorf("%d requirements: status %d and %d failures, want 400 and at most %d", n, w.Code, failures,
				patch.MaxFailures)
		}
	}
}

// Reading a draft with very many parts, which get numbers, does not use up the numbers of titles.
func TestManyParts(t *testing.T) {
	f := newFixture(t, nil)
	text := `{"id":"A","name":"A","patches":[{"version":"1","killApps":[` + strings.Repeat("{},", 1<<18) + `{}]}]}`
	if _, _, err := f.catalog.SaveDraft(t.Context(), "A", []byte(text), nil); err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/v2/softwaretitles/%d", number(rowOf(f, "A"), "softwareTitleId"))
	for range 2 {
		f.ok("GET", path, nil)
	}
	next := f.ok("POST", "/v2/softwaretitles", bare("B"))
	if n := number(next, "softwareTitleId"); n > 10 {
		t.Errorf("the next title has the number %d, want one for the first title and one for each 65,535 parts", n)
	}
}

// A title that cannot be read does not cost numbers with each list.
func TestUnreadableTitleCostsOneNumber(t *testing.T) {
	f := newFixture(t, nil)
	if _, err := f.catalog.Create(t.Context(), definitionOf("A"), nil); err != nil {
		t.Fatal(err)
	}
	var key store.Key
	for r, err := range f.store.List(t.Context(), "titles") {
		if err != nil {
			t.Fatal(err)
		}
		key = r.Key
		if _, err := f.store.Put(t.Context(), r.Key, []byte(`{"format":1,`), store.IfRevision(r.Revision)); err != nil {
			t.Fatal(err)
		}
	}
	if key == (store.Key{}) {
		t.Skip("no record")
	}
	for range 20 {
		f.send("GET", "/v2/softwaretitles", nil)
	}
	next := f.ok("POST", "/v2/softwaretitles", bare("B"))
	if n := number(next, "softwareTitleId"); n > 5 {
		t.Errorf("after 20 lists, the next title has the number %d", n)
	}
}

// A title that one server has made is found by its number at another server at once, as it is by its id.
func TestNumbersAtOtherServer(t *testing.T) {
	f := newFixture(t, nil)
	other, err := catalog.Open(t.Context(), f.store, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for i := range 100 {
		id := fmt.Sprintf("T%d", i)
		made, err := f.catalog.CreateNumbered(t.Context(), &numbered.Title{Definition: definitionOf(id)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if _, err := other.Lookup(id); err == nil {
				break
			} else if time.Now().After(end) {
				t.Fatalf("the other server does not find %s: %v", id, err)
			}
		}
		if _, err := other.ByNumber(made.Numbers.Title); err != nil {
			t.Errorf("%s is found by id, and not by its number: %v", id, err)
		}
		if _, err := other.ByPartNumber(made.Numbers.Patches[0].Number); err != nil {
			t.Errorf("%s is found by id, and not by the number of a part: %v", id, err)
		}
	}
}

// Duplicated requests, hostile numbers and odd bodies are answered with an error, and never with 500.
func TestHostileBodies(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A", "2.0", "1.0")
	at, p := f.firstPatch(path)
	component := pathOf("components", "componentId", list(p, "components")[0])
	bodies := []string{
		``, `null`, `[]`, `{`, `{"a":1,"a":2}`, "\xff", `{"version":"\ud800"}`, `{"absoluteOrderId":1e400}`,
		`{"absoluteOrderId":-5}`, `{"absoluteOrderId":1.5}`, `{"absoluteOrderId":"1"}`,
		`{"absoluteOrderId":99999999999999999}`,
		`{"version":""}`, `{"version":" "}`, `{"version":"a\u0000b"}`, `{"name":""}`, `{"name":"\u0000"}`,
		`{"releaseDate":"0000-00-00"}`, `{"releaseDate":"99999-01-01"}`, `{"releaseDate":""}`, `{"releaseDate":7}`,
		`{"enabled":"true"}`, `{"enabled":1}`, `{"value":"%%%"}`, `{"value":{}}`, `{"key":""}`, `{"components":{}}`,
		`{"components":[1]}`, `{"components":[null]}`, `{"patches":[[]]}`, `{"id":""}`, `{"id":"../x"}`,
		`{"id":"x","name":"y","patches":[{"version":"1","minimumOperatingSystem":"1"},` +
			`{"version":"1","minimumOperatingSystem":"1"}]}`,
		`{"type":"x"}`, `{"operator":"?"}`, `{"currentVersion":""}`, `{"currentVersion":"\u0007"}`,
		`{"publisher":"\u202e"}`,
		`{"appName":"","bundleId":""}`, `{"minimumOperatingSystem":""}`, strings.Repeat(`{"a":`, 20000),
		`{"version":"` + strings.Repeat("x", 5000) + `"}`, `{"name":"` + strings.Repeat("x", 5000) + `"}`,
	}
	for _, where := range []string{
		path, path + "/patches", path + "/requirements", path + "/extensionattributes", at, at + "/clone",
		at + "/killapps", at + "/components", at + "/capabilities", component, component + "/criteria",
		"/v2/softwaretitles", "/v2/valuelists/criteria/operators", "/v2/criteria/1", "/v2/patches/0",
		"/v2/patches/18446744073709551615", "/v2/patches/-1", "/v2/softwaretitles/18446744073709551616",
		pathOf("capabilities", "capabilityId", list(p, "capabilities")[0]),
		pathOf("killapps", "killAppId", list(p, "killApps")[0]),
	} {
		for _, method := range []string{"POST", "PUT"} {
			for _, body := range bodies {
				w := f.send(method, where, body)
				if w.Code >= 500 {
					t.Errorf("%s %s %.80q: %d: %s", method, where, body, w.Code, w.Body)
				}
				if w.Code != 200 {
					if _, err := refusalIn(w); err != nil {
						t.Errorf("%s %s %.80q: %v", method, where, body, err)
					}
				}
			}
		}
	}
	for _, p := range list(f.ok("GET", path, nil), "patches") {
		if !slices.Contains([]any{true, false}, p["enabled"]) {
			t.Error(p)
		}
	}
	if d, _, err := f.catalog.Load(t.Context(), "A"); err != nil {
		t.Log("the title is not served any more:", err)
	} else if err := d.Validate(); err != nil {
		t.Error(err)
	}
}

// The order of all patches can be set by moves, and what was created by others keeps its numbers.
func TestNumbersAcrossAPIs(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A", "3", "2", "1")
	before := f.ok("GET", path, nil)
	first := list(before, "patches")[0]
	f.ok("PUT", path, members{"enabled": false})
	f.ok("PUT", path, members{"enabled": true})
	after := f.ok("GET", path, nil)
	if fmt.Sprint(before["patches"]) != fmt.Sprint(after["patches"]) ||
		fmt.Sprint(before["requirements"]) != fmt.Sprint(after["requirements"]) {
		t.Errorf("before %v\nafter %v", before, after)
	}
	// A deleted patch's number is not used again.
	f.remove(pathOf("patches", "patchId", first))
	again := f.ok("POST", path+"/patches", whole("3"))
	if number(again, "patchId") == number(first, "patchId") {
		t.Error("a number is used twice")
	}
	// Also not after the title was discarded to what was served.
	f.ok("PUT", path, members{"enabled": false})
	last := f.ok("POST", path+"/patches", whole("4"))
	if err := f.catalog.DiscardDraft(t.Context(), "A", nil); err != nil {
		t.Fatal(err)
	}
	other := f.ok("POST", path+"/patches", whole("5"))
	if number(other, "patchId") == number(last, "patchId") {
		t.Error("a number is used twice after the draft was discarded")
	}
	if w := f.send("GET", pathOf("patches", "patchId", last), nil); w.Code != 404 {
		t.Errorf("a discarded patch: %d", w.Code)
	}
}

// A token that may change one title learns nothing of another title's disabled state from writes.
func TestWritesDoNotTellOfDisabledTitles(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A")
	other := f.as(f.issue(auth.Grant{Kind: auth.Contributor, Contributor: "bob"}))
	absent := other.send("PUT", "/v2/softwaretitles/999", members{"name": "x"})
	there := other.send("PUT", path, members{"name": "x"})
	if absent.Code != there.Code || absent.Body.String() != there.Body.String() {
		t.Errorf("%d %s, %d %s", absent.Code, absent.Body, there.Code, there.Body)
	}
	if w := other.send("POST", "/v2/softwaretitles", bare("A")); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A login is limited by failures; a token of a deleted title is refused; a session says when it ends.
func TestSessionOfDeletedTitle(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A", "1")
	title, err := f.catalog.Title("A")
	if err != nil {
		t.Fatal(err)
	}
	token := f.issue(auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}})
	w := f.login("/v2/auth/tokens", "ann", token+"\n")
	session := strings.Split(strings.Split(w.Body.String(), `"token": "`)[1], `"`)[0]
	s := f.as(session)
	if w := s.send("PUT", path, members{"name": "B"}); w.Code != 200 {
		t.Error(w.Code, w.Body)
	}
	f.ok("PUT", path, members{"enabled": false})
	if w := s.send("GET", path, nil); w.Code != 200 {
		t.Error("a disabled title's token:", w.Code, w.Body)
	}
	f.remove(path)
	if w := s.send("GET", "/v2/softwaretitles", nil); w.Code != 401 {
		t.Error(w.Code, w.Body)
	}
	for _, bad := range []string{"a.b.c", "..", ".", strings.Repeat("a.", 100000), session + "x",
		"eyJhbGciOiJub25lIn0.eyJ0aWQiOiJ4IiwiZXhwIjo5OTk5OTk5OTk5fQ."} {
		if w := f.as(bad).send("GET", "/v2/softwaretitles", nil); w.Code != 401 {
			t.Error(bad[:min(20, len(bad))], w.Code)
		}
	}
}
