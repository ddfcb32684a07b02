package titleeditor_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/patch"
)

// The title of a contributor keeps the author in its name, also if it is renamed while it is disabled.
func TestAuthorStaysInName(t *testing.T) {
	f := newFixture(t, nil)
	f = f.as(f.issue(auth.Grant{Kind: auth.Contributor, Contributor: "ann"}))
	path := f.create("A")
	f.ok("POST", path+"/patches", whole("1.0"))
	f.ok("PUT", path, members{"name": "Google Chrome"})
	f.ok("PUT", path, members{"enabled": true})
	title, err := f.catalog.Title("A_ann")
	if err != nil || !strings.HasSuffix(title.Name, "(ann)") {
		t.Errorf("the title is served as %q, %v, want a name that ends with (ann)", title.Name, err)
	}
	// Once it was served, it is kept.
	f.ok("PUT", path, members{"enabled": false})
	f.ok("PUT", path, members{"name": "Firefox"})
	f.ok("PUT", path, members{"enabled": true})
	if title, err := f.catalog.Title("A_ann"); err != nil || !strings.HasSuffix(title.Name, "(ann)") {
		t.Errorf("the title is served as %q, %v, want a name that ends with (ann)", title.Name, err)
	}
}

// patchIDs returns the numbers of the patches of a title.
func patchIDs(f *fixture, path string) (ids []int) {
	for _, p := range list(f.ok("GET", path, nil), "patches") {
		ids = append(ids, number(p, "patchId"))
	}
	return ids
}

// A draft with two patches of one version has numbers that are unique and stay.
func TestNumbersOfDuplicateVersions(t *testing.T) {
	f := newFixture(t, nil)
	_, _, err := f.catalog.SaveDraft(t.Context(), "A",
		[]byte(`{"id":"A","name":"A","patches":[{"version":"1"},{"version":"1"},{"version":""},{}]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.catalog.NumberTitles(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/v2/softwaretitles/%d", number(rowOf(f, "A"), "softwareTitleId"))
	first := patchIDs(f, path)
	seen := map[int]bool{}
	for _, id := range first {
		if seen[id] {
			t.Errorf("the numbers are %v, want unique ones", first)
		}
		seen[id] = true
	}
	if second := patchIDs(f, path); fmt.Sprint(first) != fmt.Sprint(second) {
		t.Errorf("the numbers are %v, and then %v", first, second)
	}
	for _, id := range first {
		if w := f.send("GET", fmt.Sprintf("/v2/patches/%d", id), nil); w.Code != 200 {
			t.Errorf("patch %d: status %d: %s", id, w.Code, w.Body)
		}
	}
}

// rowOf returns the row of a title in the list.
func rowOf(f *fixture, id string) members {
	f.t.Helper()
	w := f.send("GET", "/v2/softwaretitles", nil)
	var rows []members
	if err := json.Unmarshal(w.Body.Bytes(), &rows); err != nil {
		f.t.Fatal(w.Code, w.Body)
	}
	for _, r := range rows {
		if r["id"] == id {
			return r
		}
	}
	return nil
}

// A title whose draft has values of a wrong type can be read, or at least the answer is no 400 to a GET without input.
func TestDraftWithWrongTypes(t *testing.T) {
	f := newFixture(t, nil)
	_, _, err := f.catalog.SaveDraft(t.Context(), "A", []byte(`{"id":"A","name":"A","publisher":7,"patches":[]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/v2/softwaretitles/%d", number(rowOf(f, "A"), "softwareTitleId"))
	if w := f.send("GET", path, nil); w.Code != 200 && w.Code != 409 {
		t.Errorf("GET: status %d: %s", w.Code, w.Body)
	}
	w := f.send("PUT", path, members{"publisher": "Example"})
	if w.Code != 400 {
		t.Errorf("PUT: status %d: %s", w.Code, w.Body)
	}
	w = f.send("DELETE", path, nil)
	if w.Code != 204 {
		t.Errorf("DELETE: status %d: %s", w.Code, w.Body)
	}
}

// The list has a title at every moment, whatever others do with it.
func TestListAlwaysHasTitle(t *testing.T) {
	titles, lists := 1000, 200
	if testing.Short() {
		titles, lists = 300, 60
	}
	f := newFixture(t, nil)
	path := f.create("A", "1.0")
	for i := range titles {
		if _, err := f.catalog.Create(t.Context(), definitionOf(fmt.Sprintf("x%d", i)), nil); err != nil {
			t.Fatal(err)
		}
	}
	for f.catalog.NumberTitles(t.Context()) != nil {
		time.Sleep(10 * time.Millisecond)
	}
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for on := false; !stop.Load(); on = !on {
			f.send("PUT", path, members{"enabled": on})
		}
	}()
	missing := 0
	for range lists {
		if rowOf(f, "A") == nil {
			missing++
		}
	}
	stop.Store(true)
	<-done
	if missing > 0 {
		t.Errorf("the title is missing in %d of %d lists", missing, lists)
	}
}

func definitionOf(id string) *patch.Definition {
	yes := true
	c := patch.Criterion{Name: "Application Bundle ID", Operator: "is", Value: "x", Type: "recon", And: &yes}
	return &patch.Definition{
		ID: id, Name: id, Publisher: "E", CurrentVersion: "1", LastModified: "2026-01-01T00:00:00Z",
		Requirements: []patch.Criterion{c},
		Patches: []patch.Patch{{
			Version: "1", ReleaseDate: "2026-01-01T00:00:00Z", MinimumOperatingSystem: "10",
		}},
	}
}

// Clients that may not change a title do not see from its answer that a disabled patch was edited.
func TestHiddenEditsAreHidden(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A", "1.0")
	f.create("B", "1.0")
	b, err := f.catalog.Title("B")
	if err != nil {
		t.Fatal(err)
	}
	other := f.as(f.issue(auth.Grant{Kind: auth.TitleToken, Titles: []string{b.UID}}))
	before := other.send("GET", path, nil).Body.String()
	f.now = f.now.Add(time.Hour)
	added := f.ok("POST", path+"/patches", members{"version": "2.0", "minimumOperatingSystem": "12"})
	after := other.send("GET", path, nil).Body.String()
	if before != after {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if w := other.send("GET", pathOf("patches", "patchId", added), nil); w.Code != 404 {
		t.Errorf("the disabled patch: %d", w.Code)
	}
}

// Calls as Windoo, Xolo and others make them.
func TestRequestsOfClients(t *testing.T) {
	f := newFixture(t, nil)
	check := func(name, method, path string, body any) members {
		t.Helper()
		w := f.send(method, path, body)
		var m members
		_ = json.Unmarshal(w.Body.Bytes(), &m)
		if w.Code != 200 {
			t.Errorf("%s: status %d: %s", name, w.Code, w.Body)
		}
		return m
	}
	// Marriott's library may leave out publisher and currentVersion.
	b := bare("M")
	delete(b, "publisher")
	delete(b, "currentVersion")
	b["enabled"] = true
	m := check("title without publisher", "POST", "/v2/softwaretitles", b)
	path := pathOf("softwaretitles", "softwareTitleId", m)
	check("patch", "POST", path+"/patches", whole("1.0"))
	check("enable without publisher", "PUT", path, members{"enabled": true})

	// Windoo.
	w := bare("W")
	w["enabled"], w["appName"], w["bundleId"] = nil, nil, nil
	delete(w, "requirements")
	m = check("title", "POST", "/v2/softwaretitles", w)
	path = pathOf("softwaretitles", "softwareTitleId", m)
	check("disable what is disabled", "PUT", path, members{"enabled": false})
	check("requirement", "POST", path+"/requirements", members{"name": "Application Bundle ID", "operator": "is",
		"value": "x", "type": "recon", "and": true, "absoluteOrderId": 0, "requirementId": nil, "softwareTitleId": nil})
	p := check("patch", "POST", path+"/patches", whole("1.0"))
	check("enable", "PUT", path, members{"enabled": true})
	ea := check("extension attribute without a value", "POST", path+"/extensionattributes",
		members{"key": "w", "displayName": "W", "value": nil})
	check("script", "PUT", pathOf("extensionattributes", "extensionAttributeId", ea),
		members{"value": "IyEvYmluL3NoCmVjaG8gPHJlc3VsdD4xPC9yZXN1bHQ+Cg==\n"})
	check("releaseDate", "PUT", pathOf("patches", "patchId", p), members{"releaseDate": "2026-01-02 03:04:05 UTC"})
	check("releaseDate", "PUT", pathOf("patches", "patchId", p), members{"releaseDate": "2026-01-02 03:04:05 +0000"})
	check("integer value", "POST", pathOf("patches", "patchId", p)+"/capabilities",
		members{"name": "Total RAM MB", "operator": "more than", "value": 4096, "type": "recon", "and": true})
	check("id with the same value", "PUT", path, members{"id": "W"})
	check("empty publisher", "PUT", path, members{"publisher": ""})
	check("kill app", "POST", pathOf("patches", "patchId", p)+"/killapps",
		members{"bundleId": "x.y", "appName": "X.app"})
	// Disable the only patch: the title goes too; enabling both again.
	check("disable the patch", "PUT", pathOf("patches", "patchId", p), members{"enabled": false})
	check("disable the title", "PUT", path, members{"enabled": false})
	check("enable the patch", "PUT", pathOf("patches", "patchId", p), members{"enabled": true})
	check("currentVersion and enabled", "PUT", path, members{"currentVersion": "1.0", "enabled": true})
	// A patch without a component version and with an id in each part, as Marriott posts it back.
	back := f.ok("GET", pathOf("patches", "patchId", p), nil)
	back["version"] = "1.1"
	check("patch posted back", "POST", path+"/patches", back)
	check("a component without a name", "PUT", pathOf("components", "componentId", list(back, "components")[0]),
		members{"name": "C", "patchId": "7"})
	check("operators", "POST", "/v2/valuelists/criteria/operators", members{"name": "No such thing"})
	check("a criterion that Jamf Pro does not know", "POST", path+"/requirements",
		members{"name": "Foo Bar", "operator": "is", "value": "x", "type": "recon"})
}

// A body is not many times its size in memory.
func TestMemoryOfBody(t *testing.T) {
	f := newFixture(t, nil)
	f = f.as(f.issue(auth.Grant{Kind: auth.Contributor, Contributor: "ann"}))
	body := `{"id":"A","name":"A","requirements":[` + strings.Repeat("{},", 3<<20) + `{}]}`
	var status int
	n := peak(func() { status = f.send("POST", "/v2/softwaretitles", body).Code })
	if status != 400 || n > 30*uint64(len(body)) {
		t.Errorf("a body of %d MiB needs %d MiB, and is answered with status %d", len(body)>>20, n>>20, status)
	}
}

// peak returns the most bytes of heap that f needs.
func peak(f func()) uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	base := m.HeapAlloc
	var most atomic.Uint64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), m.HeapAlloc))
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	f()
	close(done)
	<-ended
	return most.Load() - min(base, most.Load())
}

// The counts in the list follow a draft that the other API saves.
func TestCountsFollowDraft(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("A")
	text, err := definitionOf("A").MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.catalog.SaveDraft(t.Context(), "A", text, nil); err != nil {
		t.Fatal(err)
	}
	if row := rowOf(f, "A"); number(row, "patches") != 1 || number(row, "requirements") != 1 {
		t.Errorf("the row is %v", row)
	}
	f.ok("POST", path+"/requirements", criterion("Application Title", "is", "x"))
	if row := rowOf(f, "A"); number(row, "requirements") != 2 {
		t.Errorf("the row is %v", row)
	}
	// A draft of a live title stays what it is when its parts are edited here, and it conflicts when published.
	f.ok("PUT", path, members{"enabled": true})
	if _, _, err := f.catalog.SaveDraft(t.Context(), "A", text, nil); err != nil {
		t.Fatal(err)
	}
	f.ok("POST", path+"/patches", whole("5"))
	if _, _, err := f.catalog.PublishDraft(t.Context(), "A", nil); err == nil {
		t.Error("published over a change")
	}
	for _, c := range []struct{ method, body string }{{"PUT", `{"enabled":false}`}, {"DELETE", ``}} {
		w := f.send(c.method, path, c.body)
		t.Logf("%s: %d %s", c.method, w.Code, w.Body)
	}
	if _, err := f.catalog.Lookup("A"); err == nil {
		t.Error("the title is there")
	}
}
