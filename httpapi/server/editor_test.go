package server_test

import (
	"bytes"
	"html"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store/memstore"
)

// An editorBench is a browser without scripts that is signed in as an administrator.
type editorBench struct {
	*testing.T
	server *server.Server
	token  string
}

func newEditorBench(t *testing.T) *editorBench {
	s := open(t, server.Config{Store: memstore.New()})
	return &editorBench{t, s, adminToken(t, s)}
}

func (b *editorBench) browser(header http.Header) {
	header.Set("Cookie", "patchsource_token="+b.token)
	header.Set("Accept", "text/html")
	header.Set("Sec-Fetch-Site", "same-origin")
}

// get returns a page that must exist.
func (b *editorBench) get(path string) string {
	b.Helper()
	w := call(b.server, "GET", path, "", b.browser)
	if w.Code != 200 {
		b.Fatalf("GET %s: got status %d: %s", path, w.Code, w.Body)
	}
	return html.UnescapeString(w.Body.String())
}

// tagField is the hidden field with the ETag of the draft.
var tagField = regexp.MustCompile(`name="tag" value="([^>]*)">`)

// tag returns the tag that a page has.
func (b *editorBench) tag(page string) string {
	m := tagField.FindStringSubmatch(page)
	if m == nil {
		b.Fatalf("the page has no tag: %s", page)
	}
	return m[1]
}

// post sends a form and returns the status, the address that it leads to, and the page.
func (b *editorBench) post(path string, form url.Values) (status int, location, page string) {
	b.Helper()
	w := call(b.server, "POST", path, form.Encode(), func(header http.Header) {
		b.browser(header)
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	})
	return w.Code, w.Header().Get("Location"), html.UnescapeString(w.Body.String())
}

// save sends a form that must be saved, with the tag of the page of the draft.
func (b *editorBench) save(path string, form url.Values) {
	b.Helper()
	draft, _, _ := strings.Cut(path, "/draft")
	form.Set("tag", b.tag(b.get(draft+"/draft")))
	if status, _, page := b.post(path, form); status != http.StatusSeeOther {
		b.Fatalf("POST %s: got status %d: %s", path, status, page)
	}
}

// upload sends a form with a file.
func (b *editorBench) upload(path string, fields map[string]string, name, content string) (status int, page string) {
	b.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for field, value := range fields {
		_ = form.WriteField(field, value) // a buffer does not fail
	}
	if name != "" {
		part, _ := form.CreateFormFile("file", name)
		_, _ = part.Write([]byte(content))
	}
	_ = form.Close()
	w := call(b.server, "POST", path, body.String(), func(header http.Header) {
		b.browser(header)
		header.Set("Content-Type", form.FormDataContentType())
	})
	return w.Code, html.UnescapeString(w.Body.String())
}

// served returns the definition that Jamf Pro reads, and an empty string if there is none.
func (b *editorBench) served(id string) string {
	w := call(b.server, "GET", "/jamf/v1/patch/"+id, "", nil)
	if w.Code != 200 {
		return ""
	}
	return w.Body.String()
}

const infoPlist = `<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict>` +
	`<key>CFBundleName</key><string>Composer</string>` +
	`<key>CFBundleIdentifier</key><string>com.example.composer</string>` +
	`<key>CFBundleShortVersionString</key><string>1.0</string><key>LSMinimumSystemVersion</key><string>12.0</string>` +
	`</dict></plist>`

// A title is begun from an application, edited section by section, and published, without a line of JSON.
func TestEditorMakesATitle(t *testing.T) {
	b := newEditorBench(t)
	fields := map[string]string{"from": "application", "app_name": "Composer.app", "publisher": "Example"}
	if status, page := b.upload("/new", fields, "Info.plist", infoPlist); status != http.StatusSeeOther {
		t.Fatalf("the application: got status %d: %s", status, page)
	}
	const draft = "/titles/Composer/draft"
	if b.served("Composer") != "" || strings.Contains(b.get("/"), "Composer") {
		t.Error("the draft is served")
	}
	if page := b.get("/drafts"); !strings.Contains(page, "Composer") || !strings.Contains(page, "not served") {
		t.Errorf("the drafts: %s", page)
	}
	b.save(draft, url.Values{"name": {"Composer X"}, "publisher": {"Example"},
		"bundle_id": {"com.example.composer"}})
	b.save(draft, url.Values{
		"requirement_name": {"Application Bundle ID", "Application Title", ""}, "requirement_operator": {"is",
			"is", "is"},
		"requirement_value": {"com.example.composer", "Composer.app", ""}, "requirement_join": {"and", "or", "and"},
	})
	b.save(draft, url.Values{
		"key": {"composer-version", ""}, "display_name": {"Composer",
			""}, "script": {"#!/bin/sh\r\necho '<result>1</result>'", ""},
	})
	b.save(draft, url.Values{"do": {"add 0"}, "version": {"1.1"}})
	b.save(draft, url.Values{"do": {"clone 0"}, "version": {"1.2"}})
	b.save(draft, url.Values{"do": {"toggle 0"}})
	page := b.get(draft)
	for _, want := range []string{"1.2", "1.1", "1.0", "disabled", "composer-version", "echo '<result>1</result>'",
		"or"} {
		if !strings.Contains(page, want) {
			t.Errorf("the editor does not show %q", want)
		}
	}
	b.save(draft+"/versions/1", url.Values{
		"was": {"1.1"}, "version": {"1.1"}, "enabled": {"1"}, "released": {"2026-05-01"}, "os": {"13"},
		"standalone": {"1"},
		"app_name":   {"Composer.app"}, "app_bundle": {"com.example.composer"}, "component": {"Composer"},
		"criterion_name": {"Application Bundle ID", "Application Version"}, "criterion_operator": {"is", "is"},
		"criterion_value": {"com.example.composer", "1.1"}, "criterion_join": {"and", "and"},
		"capability_name": {"Operating System Version"}, "capability_operator": {"greater than or equal"},
		"capability_value": {"13"}, "capability_join": {"and"},
	})
	status, answer := b.upload("/titles/Composer/try", map[string]string{"computer": "mac-1",
		"os": "14.5", "bundle": "com.example.composer", "app": "Composer.app", "version": "1.0",
	}, "", "")
	if status != 200 || !strings.Contains(answer, "older version") || !strings.Contains(answer, "mac-1") {
		t.Errorf("trying the draft: got status %d: %s", status, answer)
	}
	status, answer = b.upload("/titles/Composer/try", nil, "inventory.csv", "Computer Name,Operating System Version,"+
		"Application Title,Application Bundle ID,Application Version\n"+
		"mac-2,14.5,Composer.app,com.example.composer,1.1\nmac-3,14.5,,,\n")
	if status != 200 || !strings.Contains(answer, "latest version") || !strings.Contains(answer, "not installed") {
		t.Errorf("trying the draft with a file: got status %d: %s", status, answer)
	}
	if status, answer := b.upload("/titles/Composer/try", nil, "", ""); status != 400 {
		t.Errorf("trying nothing: got status %d: %s", status, answer)
	}
	b.save(draft+"/publish", url.Values{})
	served := b.served("Composer")
	for _, want := range []string{`"name":"Composer X"`, `"currentVersion":"1.1"`, `"and":false`,
		`"minimumOperatingSystem":"13"`} {
		if !strings.Contains(served, want) {
			t.Errorf("the title does not have %s: %s", want, served)
		}
	}
	if strings.Contains(served, `"version":"1.2"`) {
		t.Errorf("the disabled version is served: %s", served)
	}
	if page := b.get(draft); !strings.Contains(page, "1.2") || !strings.Contains(page, "No draft yet") {
		t.Errorf("the editor after publishing: %s", page)
	}
}

// Nothing that was entered is lost when a draft has changed meanwhile, and changes of the title are merged into it.
func TestEditorConflicts(t *testing.T) {
	b := newEditorBench(t)
	if w := call(b.server, "POST", "/api/v1/title", definition("App", "1"), bearer(b.token)); w.Code != 201 {
		t.Fatal(w.Body)
	}
	const draft = "/titles/App/draft"
	old := b.tag(b.get(draft))
	b.save(draft, url.Values{"name": {"One"}, "publisher": {"P"}})
	status, _, page := b.post(draft, url.Values{"name": {"Two"}, "publisher": {"P"}, "tag": {old}})
	if status != http.StatusConflict || !strings.Contains(page, `value="Two"`) || !strings.Contains(page,
		"changed since") {
		t.Errorf("saving over another draft: got status %d: %s", status, page)
	}
	status, _, _ = b.post(draft, url.Values{"name": {"Two"}, "publisher": {"P"}, "tag": {b.tag(page)}})
	if status != http.StatusSeeOther {
		t.Errorf("saving again: got status %d", status)
	}
	version := `{"version":"2","releaseDate":"2026-01-01T00:00:00Z","standalone":true,"minimumOperatingSystem":"12",` +
		`"reboot":false,"killApps":[],"components":[],"capabilities":[]}`
	if w := call(b.server, "POST", "/api/v1/title/App/version", version, bearer(b.token)); w.Code != 201 {
		t.Fatal(w.Body)
	}
	page = b.get(draft + "/publish")
	if !strings.Contains(page, "version 2 added") || !strings.Contains(page, "None of these changes collides") {
		t.Fatalf("the changes: %s", page)
	}
	status, _, page = b.post(draft+"/publish", url.Values{"tag": {b.tag(page)}})
	if status != http.StatusConflict {
		t.Errorf("publishing over a change: got status %d: %s", status, page)
	}
	base := regexp.MustCompile(`name="base" value="([^>]*)">`).FindStringSubmatch(page)
	if base == nil {
		t.Fatalf("the page offers no merge: %s", page)
	}
	b.save(draft+"/merge", url.Values{"base": {base[1]}})
	b.save(draft+"/publish", url.Values{})
	if served := b.served("App"); !strings.Contains(served, `"currentVersion":"2"`) || !strings.Contains(served,
		`"name":"Two"`) {
		t.Errorf("after the merge: %s", served)
	}
}

// Text that is no JSON is refused and shown again; a draft with values of a wrong type is corrected as JSON.
func TestEditorOfJSON(t *testing.T) {
	b := newEditorBench(t)
	const draft = "/titles/New/draft"
	if status, page := b.upload("/new", map[string]string{"from": "blank", "id": "New", "name": "N"}, "",
		""); status != 303 {
		t.Fatalf("a blank title: got status %d: %s", status, page)
	}
	if status, page := b.upload("/new", map[string]string{"from": "blank", "id": "new", "name": "N"}, "",
		""); status != 409 {
		t.Errorf("the same id: got status %d: %s", status, page)
	}
	tag := b.tag(b.get(draft + "/json"))
	status, page := b.upload(draft+"/json", map[string]string{"tag": tag, "json": `{"id":`}, "", "")
	if status != 400 || !strings.Contains(page, `{"id":`) {
		t.Errorf("broken JSON: got status %d: %s", status, page)
	}
	if status, page := b.upload(draft+"/json", map[string]string{"tag": tag, "json": `{"id":"New","name":7}`}, "",
		""); status != 303 {
		t.Fatalf("a name of a wrong type: got status %d: %s", status, page)
	}
	if page := b.get(draft); !strings.Contains(page, "wrong type") || !strings.Contains(page, "<textarea") {
		t.Errorf("the editor of a draft with a wrong type: %s", page)
	}
	if status, _, _ := b.post(draft+"/discard", nil); status != 409 {
		t.Errorf("discarding without having seen the draft: got status %d", status)
	}
	status, location, page := b.post(draft+"/discard", url.Values{"tag": {b.tag(b.get(draft + "/discard"))}})
	if status != 303 || location != "/drafts" || strings.Contains(b.get("/drafts"), "New<") {
		t.Errorf("discarding: got status %d, %s: %s", status, location, page)
	}
}
