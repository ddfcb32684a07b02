package server_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// The pages of a title that is disabled say what will happen, and lead to pages that exist.
func TestPagesOfDisabledTitle(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	b.api("POST", "/api/v1/titles/App/disable", "", 200)
	page := b.get("/titles/App/draft/publish")
	if strings.Contains(page, "Nothing that is served changes") {
		t.Error("publishing serves the title again, and the page says that nothing that is served changes")
	}
	page = b.get("/titles/App/draft/discard")
	if strings.Contains(page, "What is served stays") {
		t.Error("the title is not served, and the page says that what is served stays")
	}
	for _, path := range []string{"/titles/App/draft", "/titles/App/try", "/titles/App/draft/publish"} {
		page = b.get(path)
		for _, m := range regexp.MustCompile(`<a [^>]*href="(/titles/App)"`).FindAllStringSubmatch(page, -1) {
			if w := call(b.server, "GET", m[1], "", b.browser); w.Code != 200 {
				t.Errorf("%s links to %s: status %d", path, m[1], w.Code)
			}
		}
	}
	_, location, _ := b.post("/titles/App/draft/discard",
		url.Values{"tag": {b.tag(b.get("/titles/App/draft/discard"))}})
	if w := call(b.server, "GET", location, "", b.browser); w.Code != 200 {
		t.Errorf("discarding leads to %s: status %d", location, w.Code)
	}
}

// The pages of a new draft do not link to the page of a title that does not exist.
func TestLinksOfNewDraft(t *testing.T) {
	b := newEditorBench(t)
	b.upload("/new", map[string]string{"from": "blank", "id": "New", "name": "N"}, "", "")
	for _, path := range []string{"/titles/New/draft", "/titles/New/try"} {
		if strings.Contains(b.get(path), `href="/titles/New"`) {
			t.Errorf("%s links to the page of a title that is not served, which does not exist", path)
		}
	}
}

// A draft of a title that has changed and changed back can be merged and published.
func TestDraftOfTitleThatChangedBack(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	const draft = "/titles/App/draft"
	b.save(draft, url.Values{"name": {"Mine"}, "publisher": {"P"}})
	b.api("PUT", "/api/v1/title/App", strings.Replace(titleWith("App"), `"P"`, `"Q"`, 1), 200)
	b.api("PUT", "/api/v1/title/App", titleWith("App"), 200)
	status, _, page := b.post(draft+"/publish", url.Values{"tag": {b.tag(b.get(draft + "/publish"))}})
	if status == 409 && !strings.Contains(page, `/draft/merge"`) {
		t.Error("the draft cannot be published (409), and the page offers no way to go on")
	}
}

// A draft with very many versions does not become a form: its page would be hundreds of times as large.
func TestPageOfManyVersions(t *testing.T) {
	b := newEditorBench(t)
	text := `{"id":"Big","name":"B","patches":[` + strings.Repeat("{},", 40000) + `{}]}`
	w := call(b.server, "PUT", "/api/v1/titles/Big/draft", text, bearer(b.token))
	if w.Code != 201 {
		t.Fatalf("got status %d: %s", w.Code, w.Body)
	}
	r := call(b.server, "GET", "/titles/Big/draft", "", b.browser)
	if r.Code != 200 || r.Body.Len() > 20*len(text) {
		t.Errorf("a draft of %d KiB makes a page of %d KiB, with status %d", len(text)>>10, r.Body.Len()>>10, r.Code)
	}
}
