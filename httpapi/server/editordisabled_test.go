package server_test

import (
	"net/url"
	"strings"
	"testing"
)

// disabledVersion returns a version that is not served.
func disabledVersion(v string) string {
	return strings.Replace(versionOf(v), "{", `{"enabled":false,`, 1)
}

// whole returns the definition of App with its disabled versions.
func (b *editorBench) whole() string {
	b.Helper()
	return b.api("GET", "/api/v1/titles/App?disabled=1", "", 200)
}

// A disabled version that is removed in the editor is gone after publishing, and the page says so before.
func TestDisabledVersionIsRemoved(t *testing.T) {
	b := newEditorBench(t)
	patches := "[" + versionOf("1") + "," + disabledVersion("2") + "," + disabledVersion("3") + "]"
	b.api("POST", "/api/v1/title", titleWith("App", "PATCHES", patches), 201)
	b.save(appDraft, url.Values{"do": {"remove 1"}})
	if page := b.get(appDraft + "/publish"); !strings.Contains(page, "version 2 removed") ||
		strings.Contains(page, "version 3") {
		t.Errorf("the changes before publishing: %s", page)
	}
	b.save(appDraft+"/publish", url.Values{})
	if got := b.whole(); strings.Contains(got, `"version":"2"`) || !strings.Contains(got, `"version":"3"`) {
		t.Errorf("version 2 is still there, or version 3 is not: %s", got)
	}
}

// What others change in disabled versions meanwhile is kept by publishing, or merged on the page if it collides.
func TestDisabledVersionsAreMerged(t *testing.T) {
	b := newEditorBench(t)
	patches := "[" + versionOf("1") + "," + disabledVersion("2") + "]"
	b.api("POST", "/api/v1/title", titleWith("App", "PATCHES", patches), 201)
	b.save(appDraft, url.Values{"name": {"Mine"}, "publisher": {"P"}})
	b.api("POST", "/api/v1/title/App/version", disabledVersion("3"), 201)
	b.save(appDraft+"/publish", url.Values{})
	if got := b.whole(); !strings.Contains(got, `"version":"3"`) || !strings.Contains(got, "Mine") {
		t.Errorf("after publishing: %s", got)
	}

	form := b.fill(appDraft+"/versions/2", appDraft+"/versions/2")
	name := form.Get("version")
	form.Set("os", "13.37")
	b.must(appDraft+"/versions/2", form, 303)
	theirs := strings.Replace(disabledVersion(name), `"minimumOperatingSystem":"`, `"minimumOperatingSystem":"9`, 1)
	b.api("DELETE", "/api/v1/titles/App/versions/"+name, "", 200)
	b.api("POST", "/api/v1/title/App/version", theirs, 201)
	page := b.get(appDraft + "/publish")
	if strings.Contains(page, "None of these") || !strings.Contains(page, "keeps its own: version "+name+".") {
		t.Errorf("the page does not say that both have changed version %s: %s", name, page)
	}
	if status, _, _ := b.post(appDraft+"/publish", url.Values{"tag": {b.tag(page)}}); status != 409 {
		t.Errorf("publishing over a change: got status %d", status)
	}
	b.must(appDraft+"/merge", b.fill(appDraft+"/publish", appDraft+"/merge"), 303)
	b.save(appDraft+"/publish", url.Values{})
	if got := b.whole(); !strings.Contains(got, "13.37") {
		t.Errorf("after the merge: %s", got)
	}
}
