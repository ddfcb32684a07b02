package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store/memstore"
)

// Unusual values, and what others may have done.

// Of two kill apps with one bundle ID, the one that stays keeps its own members.
func TestKillAppsKeepTheirMembers(t *testing.T) {
	b := newEditorBench(t)
	v := strings.Replace(versionOf("1"), `"killApps":[]`,
		`"killApps":[{"appName":"A.app","bundleId":"com.x","y":1},{"appName":"B.app","bundleId":"com.x","y":2}]`, 1)
	b.api("POST", "/api/v1/title", titleWith("App", "PATCHES", "["+v+"]"), 201)
	form := b.fill(appDraft+"/versions/0", appDraft+"/versions/0")
	form["app_name"], form["app_bundle"] = form["app_name"][1:], form["app_bundle"][1:]
	b.must(appDraft+"/versions/0", form, 303)
	if d := b.draft("App"); !strings.Contains(d, `"bundleId":"com.x","appName":"B.app","y":2`) {
		t.Errorf("removing A gave B the members of A: %s", d)
	}
}

// A script that HTML cannot show stays as it is.
func TestScriptWithNUL(t *testing.T) {
	b := newEditorBench(t)
	value := base64.StdEncoding.EncodeToString([]byte("printf 'a\x00b'"))
	b.api("POST", "/api/v1/title", titleWith("App", "EAS", `[{"key":"k","value":"`+value+`","displayName":"K"}]`), 201)
	form := b.fill(appDraft, appDraft)
	form.Set("publisher", "New")
	b.must(appDraft, form, 303)
	if d := b.draft("App"); !strings.Contains(d, value) {
		t.Errorf("the script changed: %s", d)
	}
}

// Values with space around them, or with line ends, which browsers remove from fields, stay as they are.
func TestUnusualCriteria(t *testing.T) {
	for name, c := range map[string]string{
		"space":    `{"name":"far-ea ","operator":"is","value":"v","type":"extensionAttribute","and":true,"x":1}`,
		"line end": `{"name":"far-ea","operator":"is","value":"a\nb","type":"extensionAttribute","and":true,"x":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newEditorBench(t)
			b.api("POST", "/api/v1/title", titleWith("App", "REQ", "["+c+"]",
				"EAS", `[{"key":"far-ea","value":"MQ==","displayName":"K"}]`), 201)
			form := b.fill(appDraft, appDraft)
			for _, vs := range form {
				for i := range vs {
					vs[i] = strings.ReplaceAll(vs[i], "\n", "")
				}
			}
			form.Set("publisher", "New")
			b.must(appDraft, form, 303)
			if d := b.draft("App"); !strings.Contains(d, c) {
				t.Errorf("the criterion changed: %s", d)
			}
		})
	}
}

// Versions that are there twice are not merged one by one.
func TestMergeOfRepeatedVersions(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	mine := strings.Replace(versionOf("1"), `"12"`, `"99"`, 1)
	if mine == versionOf("1") {
		mine = strings.Replace(versionOf("1"), `"reboot"`, `"typed":"99","reboot"`, 1)
	}
	b.api("PUT", "/api/v1/titles/App/draft", titleWith("App", "PATCHES", "["+versionOf("1")+","+mine+"]"), 200)
	theirs := strings.Replace(versionOf("1"), `"reboot"`, `"theirs":1,"reboot"`, 1)
	b.api("PUT", "/api/v1/title/App", titleWith("App", "PATCHES", "["+theirs+"]"), 200)
	page := b.get(appDraft + "/publish")
	b.must(appDraft+"/merge", b.fill(appDraft+"/publish", appDraft+"/merge"), 303)
	if d := b.draft("App"); !strings.Contains(d, `99`) {
		t.Errorf("my version is lost; page says no collision: %v: %s",
			strings.Contains(page, "None of these changes collides"), d)
	}
}

// What was typed as JSON, or to begin a title, is kept until the visitor has signed in again.
func TestFormsWithFilesOutliveTheSession(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	tag := b.tag(b.get(appDraft))
	b.token = "pst_ended"
	fields := map[string]string{"json": titleWith("App", "REQ", "[TYPED]"), "tag": tag}
	status, page := b.upload(appDraft+"/json", fields, "", "")
	if !strings.Contains(page, "TYPED") {
		t.Errorf("status %d: the JSON that was typed is lost", status)
	}
	status, page = b.upload("/new", map[string]string{"from": "blank", "id": "X", "name": "TYPED"}, "", "")
	if !strings.Contains(page, "TYPED") {
		t.Errorf("status %d: the new title that was typed is lost", status)
	}
}

// A contributor may begin a title whose id an administrator has: it gets the contributor's name.
func TestContributorTakesAnIDOfOthers(t *testing.T) {
	s := open(t, server.Config{Store: memstore.New()})
	admin := &editorBench{t, s, adminToken(t, s)}
	admin.api("POST", "/api/v1/title", titleWith("Firefox"), 201)
	token, _, err := s.Tokens.Issue(t.Context(), auth.Grant{Kind: auth.Contributor, Contributor: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	alice := &editorBench{t, s, token}
	status, page := alice.upload("/new", map[string]string{"from": "blank", "id": "Firefox", "name": "F"}, "", "")
	if status != 303 {
		i := strings.Index(page, "refusal")
		t.Errorf("the page refuses with %d: %s", status, page[max(i, 0):min(len(page), max(i, 0)+200)])
	}
	w := call(s, "PUT", "/api/v1/titles/Firefox/draft", titleWith("Firefox"), bearer(token))
	t.Logf("the API: %d %s", w.Code, w.Body)
	w = call(s, "POST", "/api/v1/title", titleWith("Firefox"), bearer(token))
	t.Logf("the API: %d %s", w.Code, w.Body)
}

// The work of one trial is bounded, whatever the rows and the extension attributes are.
func TestWorkOfTrying(t *testing.T) {
	b := newEditorBench(t)
	var all []string
	for i := range 1000 {
		all = append(all, fmt.Sprintf(`{"key":"k%d","value":"MQ==","displayName":"K"}`, i))
	}
	b.api("PUT", "/api/v1/titles/App/draft", titleWith("App", "EAS", "["+strings.Join(all, ",")+"]"), 201)
	form := map[string]string{}
	_ = form
	body := &strings.Builder{}
	const boundary = "BB"
	n := 900
	for i := range n {
		for _, f := range []string{"computer", "os", "version"} {
			fmt.Fprintf(body, "--%s\r\nContent-Disposition: form-data; name=%q\r\n\r\nx%d\r\n", boundary, f, i)
		}
	}
	fmt.Fprintf(body, "--%s--\r\n", boundary)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	w := call(b.server, "POST", "/titles/App/try", body.String(), func(header http.Header) {
		b.browser(header)
		header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	})
	runtime.ReadMemStats(&after)
	t.Logf("status %d, request %d bytes, answer %d bytes, %d MB allocated, %v", w.Code, body.Len(), w.Body.Len(),
		(after.TotalAlloc-before.TotalAlloc)>>20, time.Since(began))
	if w.Body.Len() > 20<<20 {
		t.Error("the answer is more than 20 MB")
	}
}

// The names of tokens are for those who may revoke them.
func TestNamesOfTokensInTheHistory(t *testing.T) {
	s := open(t, server.Config{Store: memstore.New()})
	admin, _, err := s.Tokens.Issue(t.Context(), auth.Grant{Kind: auth.Administrator, Name: "SECRET NAME"})
	if err != nil {
		t.Fatal(err)
	}
	b := &editorBench{t, s, admin}
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	title, err := s.Catalog.Title("App")
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := s.Tokens.Issue(t.Context(), auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}})
	if err != nil {
		t.Fatal(err)
	}
	h := (&editorBench{t, s, token}).api("GET", "/api/v1/titles/App/history", "", 200)
	if strings.Contains(h, "SECRET NAME") {
		t.Errorf("the holder of a title token reads the name of an administrator's token: %s", h)
	}
	if h := b.api("GET", "/api/v1/titles/App/history", "", 200); !strings.Contains(h, "SECRET NAME") {
		t.Errorf("an administrator does not read the name: %s", h)
	}
}

// A cursor that is no longer known is an error, and not the end of the log.
func TestUnknownCursorOfTheAuditLog(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	w := call(b.server, "GET", "/api/v1/audit?cursor=nonsense", "", bearer(b.token))
	if w.Code == 200 {
		t.Errorf("an unknown cursor: 200 %s", w.Body)
	}
}

// A row with a display name alone is kept, and refused later.
func TestDisplayNameAloneIsKept(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	form := b.fill(appDraft, appDraft)
	form["display_name"][0] = "TYPED"
	_, page := b.must(appDraft, form, 303)
	if d, _, _ := strings.Cut(b.get(appDraft), "zzz"); !strings.Contains(d, "TYPED") {
		t.Errorf("the display name is dropped with a 303 %s", page)
	}
}
