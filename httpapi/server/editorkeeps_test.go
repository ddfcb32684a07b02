package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// What was typed, and what no form shows, is kept.

const appDraft = "/titles/App/draft"

// three is the patches of a title with three versions. The oldest has a member that no form shows.
var three = "[" + versionOf("3") + "," + versionOf("2") + "," +
	strings.Replace(versionOf("1"), `"reboot"`, `"keep":"me","reboot"`, 1) + "]"

func TestFormOfVersionThatMoved(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App", "PATCHES", three), 201)
	form := b.fill(appDraft+"/versions/1", appDraft+"/versions/1") // version 2
	b.save(appDraft, url.Values{"do": {"remove 0"}})
	form.Set("os", "13.37")
	_, page := b.must(appDraft+"/versions/1", form, 409)
	form.Set("tag", b.tag(page)) // save again, as the page says
	b.must(appDraft+"/versions/1", form, 303)
	d := b.draft("App")
	if !strings.Contains(d, `"keep":"me"`) || strings.Count(d, `"version":"1"`) != 1 ||
		strings.Count(d, `"version":"2"`) != 1 || !strings.Contains(d, "13.37") {
		t.Errorf("the form of version 2 was saved into another one: %s", d)
	}
}

func TestFormOfVersionThatWasRemoved(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App", "PATCHES", three), 201)
	form := b.fill(appDraft+"/versions/1", appDraft+"/versions/1") // version 2
	b.save(appDraft, url.Values{"do": {"remove 1"}})
	form.Set("os", "13.37")
	_, page := b.must(appDraft+"/versions/1", form, 409)
	if !strings.Contains(page, "has been removed") || !strings.Contains(page, "13.37") {
		t.Errorf("the page does not say that the version was removed, or has lost what was typed: %s", page)
	}
	again := b.filled(page, appDraft+"/versions/")
	b.must(appDraft+"/versions/1", again, 303)
	if d := b.draft("App"); !strings.Contains(d, "13.37") || !strings.Contains(d, `"keep":"me"`) ||
		strings.Index(d, `"version":"3"`) > strings.Index(d, `"version":"2"`) {
		t.Errorf("saving again does not add the version at its place: %s", d)
	}
}

func TestRenamedVersionIsSavedAgain(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App", "PATCHES", three), 201)
	form := b.fill(appDraft+"/versions/1", appDraft+"/versions/1") // version 2
	b.save(appDraft, url.Values{"name": {"Other"}, "publisher": {"P"}})
	form.Set("version", "2.5")
	_, page := b.must(appDraft+"/versions/1", form, 409)
	b.must(appDraft+"/versions/1", b.filled(page, appDraft+"/versions/1"), 303)
	if d := b.draft("App"); strings.Contains(d, `"version":"2"`) || strings.Count(d, `"version":`) != 3 {
		t.Errorf("the version that was renamed is there twice: %s", d)
	}
}

// A button of a page that is out of date changes nothing, and those of the page that is shown instead mean the versions
// they name.
func TestStaleButtons(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App", "PATCHES", three), 201)
	old := b.fill(appDraft, appDraft)
	b.save(appDraft, url.Values{"do": {"down 0"}})
	old.Set("do", "remove 0")
	_, page := b.must(appDraft, old, 409)
	again := b.filled(page, appDraft)
	again.Set("do", buttonOf(page, "remove", "3"))
	b.must(appDraft, again, 303)
	if d := b.draft("App"); strings.Contains(d, `"version":"3"`) || !strings.Contains(d, `"version":"2"`) {
		t.Errorf("the button Remove 3 removed another version: %s", d)
	}
}

// buttonOf returns the value of the button of a version.
func buttonOf(page, action, version string) string {
	m := regexp.MustCompile(`value="(` + action + ` \d+)">[A-Za-z]+<span class="hidden">:? ` +
		regexp.QuoteMeta(version) + `<`)
	if found := m.FindStringSubmatch(page); found != nil {
		return found[1]
	}
	return ""
}

// The order that versions were dragged to is saved with every button, also one of a form that was refused first.
func TestDraggedOrder(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App", "PATCHES", three), 201)
	form := b.fill(appDraft, appDraft)
	form.Set("order", "2 1 0")
	form.Set("do", "add") // without a number
	_, page := b.must(appDraft, form, 400)
	again := b.filled(page, appDraft)
	again.Set("do", buttonOf(page, "toggle", "3"))
	b.must(appDraft, again, 303)
	d := b.draft("App")
	at := func(version string) int { return strings.Index(d, `"version":"`+version+`"`) }
	one, two, three := at("1"), at("2"), at("3")
	if one < 0 || two < one || three < two || !strings.Contains(d[three:], `"enabled":false`) {
		t.Errorf("the order is not 1, 2, 3 with 3 disabled: %s", d)
	}
}

// One button saves what was typed everywhere on the page.
func TestButtonSavesAllFields(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App", "PATCHES", three), 201)
	form := b.fill(appDraft, appDraft)
	form.Set("publisher", "TYPED ONE")
	form["requirement_value"][0] = "TYPED TWO"
	form["key"][0], form["script"][0] = "k", "TYPED THREE"
	for _, do := range []string{"edit 1", "publish", "json", "try"} {
		form.Set("tag", b.tag(b.get(appDraft)))
		form.Set("do", do)
		location, _ := b.must(appDraft, form, 303)
		b.get(strings.TrimSuffix(location, "#versions"))
	}
	d := b.draft("App")
	script := base64.StdEncoding.EncodeToString([]byte("TYPED THREE"))
	for _, want := range []string{"TYPED ONE", "TYPED TWO", script} {
		if !strings.Contains(d, want) {
			t.Errorf("the draft does not have %s: %s", want, d)
		}
	}
}

func TestBrokenDraftKeepsTheForm(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	form := b.fill(appDraft, appDraft)
	b.api("PUT", "/api/v1/titles/App/draft", `{"id":"App","name":7}`, 200)
	form.Set("publisher", "TYPED TEXT")
	_, page := b.must(appDraft, form, 409)
	if !strings.Contains(page, "TYPED TEXT") {
		t.Fatalf("what was typed is lost: %s", page)
	}
	b.must(appDraft, b.filled(page, appDraft), 303)
	if d := b.draft("App"); !strings.Contains(d, "TYPED TEXT") {
		t.Errorf("saving again: %s", d)
	}
}

func TestScriptsStayAsWritten(t *testing.T) {
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	long := encode("#!/bin/sh\n" +
		"echo '<result>'$(defaults read /Applications/App.app/Contents/Info Version)'</result>'\n")
	for name, value := range map[string]string{
		"leading newline": encode("\n#!/bin/sh\necho"),
		"CRLF":            encode("#!/bin/sh\r\necho"),
		"wrapped base64":  long[:60] + `\n` + long[60:],
		"not text":        encode("#!/bin/sh\n\xff\xfe"),
	} {
		t.Run(name, func(t *testing.T) {
			b := newEditorBench(t)
			b.api("POST", "/api/v1/title", titleWith("App", "EAS", `[{"key":"k","value":"`+value+
				`","displayName":"K","note":"keep"}]`), 201)
			form := b.fill(appDraft, appDraft)
			form["key"][0] = "renamed"
			b.must(appDraft, form, 303)
			if d := b.draft("App"); !strings.Contains(d, value) || !strings.Contains(d, `"note":"keep"`) ||
				!strings.Contains(d, `"key":"renamed"`) {
				t.Errorf("renaming the key changed more: %s", d)
			}
		})
	}
}

// Forms that are saved unchanged change nothing, and make no draft.
func TestUnchangedForms(t *testing.T) {
	b := newEditorBench(t)
	d := titleWith("App",
		"REQ", `[{"name":"n","operator":"is","value":"v","type":"recon","and":true,"x":1},`+
			`{"name":"n","operator":"is not","value":"v","type":"recon","and":true,"x":2},`+
			`{"name":"far-ea","operator":"is","value":"v","type":"extensionAttribute","and":false}]`,
		"PATCHES", `[{"version":"1","releaseDate":"2026-01-01T10:11:12Z","standalone":true,`+
			`"minimumOperatingSystem":"12","reboot":false,"killApps":[{"appName":"A.app","bundleId":"a","y":1}],`+
			`"components":[{"name":"App","version":"1",`+
			`"criteria":[{"name":"Application Version","operator":"is","value":"1","type":"recon"}]},`+
			`{"name":"Two","version":"1","criteria":[{"name":"n","operator":"is","value":"1","type":"recon"}]}],`+
			`"capabilities":[{"name":"Operating System Version","operator":"is","value":"1","type":"recon"}],`+
			`"dependencies":[]}]`)
	b.api("POST", "/api/v1/title", d, 201)
	b.must(appDraft, b.fill(appDraft, appDraft), 303)
	b.must(appDraft+"/versions/0", b.fill(appDraft+"/versions/0", appDraft+"/versions/0"), 303)
	b.api("GET", "/api/v1/titles/App/draft", "", 404)
	form := b.fill(appDraft, appDraft)
	form["requirement_value"][2] = "w"
	b.must(appDraft, form, 303)
	got := b.draft("App")
	for _, want := range []string{
		`"value":"w","type":"extensionAttribute","and":false}`,
		`"operator":"is","value":"v","type":"recon","and":true,"x":1}`,
		`"operator":"is not","value":"v","type":"recon","and":true,"x":2}`,
		`"value":"1","type":"recon"}]}]`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("changing one value: the draft does not have %s: %s", want, got)
		}
	}
}

func TestReleaseDateThatIsNoDate(t *testing.T) {
	b := newEditorBench(t)
	b.api("PUT", "/api/v1/titles/App/draft", titleWith("App", "PATCHES",
		`[{"version":"1","releaseDate":"next spring","killApps":[],"components":[],"capabilities":[]}]`), 201)
	page := b.get(appDraft + "/versions/0")
	if !strings.Contains(page, `value="next spring"`) || strings.Contains(page, `type="date"`) {
		t.Error("a browser shows a date that is no date as empty")
	}
}

func TestComponentCanBeRemoved(t *testing.T) {
	b := newEditorBench(t)
	with := strings.Replace(versionOf("1"), `"components":[]`, `"components":[{"name":"App","version":"1","criteria":[`+
		`{"name":"n","operator":"is","value":"1","type":"recon","and":true}]}]`, 1)
	b.api("POST", "/api/v1/title", titleWith("App", "PATCHES", "["+with+"]"), 201)
	form := b.fill(appDraft+"/versions/0", appDraft+"/versions/0")
	form.Set("component", "")
	form["criterion_name"], form["criterion_value"] = []string{"", ""}, []string{"", ""}
	b.must(appDraft+"/versions/0", form, 303)
	if d := b.draft("App"); !strings.Contains(d, `"components":[]`) {
		t.Errorf("the component is not removed: %s", d)
	}
}

// Changes of the title are merged part by part: members that no form has, and each extension attribute.
func TestMergeOfParts(t *testing.T) {
	b := newEditorBench(t)
	const a1, a2 = `{"key":"a","value":"MQ==","displayName":"A"}`, `{"key":"a","value":"Mg==","displayName":"A"}`
	const b1, b2 = `{"key":"b","value":"MQ==","displayName":"B"}`, `{"key":"b","value":"Mg==","displayName":"B"}`
	b.api("POST", "/api/v1/title", titleWith("App", "EAS", "["+a1+","+b1+"]"), 201)
	b.api("PUT", "/api/v1/titles/App/draft", titleWith("App", "EAS", "["+a2+","+b1+"]"), 200)
	theirs := titleWith("App", "EAS", "["+a1+","+b2+"]")
	theirs = strings.Replace(theirs, `"publisher"`, `"note":"theirs","publisher"`, 1)
	b.api("PUT", "/api/v1/title/App", theirs, 200)
	if page := b.get(appDraft + "/publish"); !strings.Contains(page, "None of these changes collides") {
		t.Errorf("the changes collide: %s", page)
	}
	b.must(appDraft+"/merge", b.fill(appDraft+"/publish", appDraft+"/merge"), 303)
	d := b.draft("App")
	for _, want := range []string{a2, b2, `"note":"theirs"`} {
		if !strings.Contains(d, want) {
			t.Errorf("the merged draft does not have %s: %s", want, d)
		}
	}
}

// Every failure of a draft is on the page of the editor that has its field.
func TestFailuresAreShown(t *testing.T) {
	criterion := `{"name":"n","operator":"is","value":"v","type":"nonsense","and":true}`
	broken := `{"version":"1","releaseDate":"2026-01-01T00:00:00Z","standalone":true,"minimumOperatingSystem":"12",` +
		`"reboot":false,"killApps":[{"appName":"","bundleId":""}],"components":[{"name":"","version":"",` +
		`"criteria":[` + criterion + `]},{"name":"","version":"1","criteria":[]}],"capabilities":[` + criterion + `]}`
	b := newEditorBench(t)
	answer := b.api("PUT", "/api/v1/titles/App/draft",
		titleWith("App", "REQ", "["+criterion+"]", "PATCHES", "["+broken+"]"), 201)
	messages := regexp.MustCompile(`"path":"([^"]*)","message":"((?:[^"\\]|\\.)*)"`).FindAllStringSubmatch(answer, -1)
	if len(messages) < 5 {
		t.Fatalf("the draft has %d failures: %s", len(messages), answer)
	}
	title, version := strings.ToLower(b.get(appDraft)), strings.ToLower(b.get(appDraft+"/versions/0"))
	for _, m := range messages {
		page := title
		if strings.HasPrefix(m[1], "/patches/0") {
			page = version
		}
		if !strings.Contains(page, strings.ToLower(strings.ReplaceAll(m[2], `\"`, `"`))) {
			t.Errorf("the page does not show %s %s", m[1], m[2])
		}
	}
}

func TestStatusOfRefusedForms(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	tag := b.tag(b.get(appDraft))
	for _, do := range []string{"add", "nonsense 0", "remove 9", "up x"} {
		b.must(appDraft, url.Values{"tag": {tag}, "do": {do}}, 400)
	}
	b.must(appDraft, url.Values{"tag": {tag}, "order": {"0 0"}}, 400)
}

func TestEditorOfFollowedTitle(t *testing.T) {
	source := upstream(t, "Followed", "7")
	s := open(t, server.Config{Store: memstore.New(), Secret: newSecret(t), AllowPrivateNetworks: true,
		Mirrors: []patchsync.Mirror{{Source: patchsync.PatchSource(source.URL+"/v1", nil)}}})
	b := &editorBench{t, s, adminToken(t, s)}
	stop := start(t, s)
	waitFor(t, "the title", func() bool { return b.served("Followed") != "" })
	w := call(s, "GET", "/titles/Followed/draft", "", b.browser)
	if w.Code != 403 || !strings.Contains(w.Body.String(), "only there") {
		t.Errorf("the editor of a title that follows a source: %d: %s", w.Code, w.Body)
	}
	b.get("/titles/Followed/try")
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// The forms for a new title keep what was typed.
func TestNewFormsKeepText(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("Composer"), 201)
	status, page := b.upload("/new",
		map[string]string{"from": "copy", "of": "Composer", "id": "Composer", "name": "TYPED NAME"}, "", "")
	if form := b.parse(page, "/new"); status != 409 || strings.Count(page, "TYPED NAME") != 1 {
		t.Errorf("status %d: the forms have %v", status, form)
	}
	status, page = b.upload("/new", map[string]string{"from": "application", "app_name": "Composer.app"},
		"Info.plist", infoPlist)
	if form := b.parse(page, "/new"); status != 409 || form.Get("id") != "Composer" {
		t.Errorf("status %d: the page says to choose another id, and the form has %v", status, form)
	}
}

// Copying a title of a contributor names the author once.
func TestCopyOfOwnTitle(t *testing.T) {
	s := open(t, server.Config{Store: memstore.New()})
	token, _, err := s.Tokens.Issue(t.Context(), auth.Grant{Kind: auth.Contributor, Contributor: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	alice := &editorBench{t, s, token}
	alice.api("POST", "/api/v1/title", titleWith("Own"), 201)
	status, page := alice.upload("/new", map[string]string{"from": "copy", "of": "Own_alice", "id": "Two"}, "", "")
	if status != 303 {
		t.Fatal(status, page)
	}
	if page := alice.get("/drafts"); strings.Contains(page, "(alice) (alice)") {
		t.Error("the copy is named after its author twice")
	}
}

// Titles as large as the API accepts can be saved by their forms, or are edited as JSON.
func TestFormsOfLargeTitles(t *testing.T) {
	b := newEditorBench(t)
	var all []string
	for i := range 10000 {
		all = append(all, versionOf(fmt.Sprint(20000-i)))
	}
	b.api("POST", "/api/v1/title", titleWith("Big", "PATCHES", "["+strings.Join(all, ",")+"]"), 201)
	form := b.fill("/titles/Big/draft", "/titles/Big/draft")
	form.Set("do", "toggle 3")
	b.must("/titles/Big/draft", form, 303)

	value := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("# Ünïcödé\n", 60000)))
	b.api("POST", "/api/v1/title", titleWith("App", "EAS", `[{"key":"k","value":"`+value+`","displayName":"K"}]`), 201)
	form = b.fill(appDraft, appDraft)
	form.Set("name", "Other")
	b.must(appDraft, form, 303)

	one := `{"name":"n","operator":"is","value":"v","type":"recon","and":true}`
	b.api("PUT", "/api/v1/titles/Rows/draft", titleWith("Rows", "REQ", "["+strings.Repeat(one+",", 3000)+one+"]"), 201)
	if page := b.get("/titles/Rows/draft"); !strings.Contains(page, "too large for a form") {
		t.Error("a form has more fields than the server reads")
	}
}

// A form that is sent after the session has ended is kept until the visitor has signed in again.
func TestFormOutlivesTheSession(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	form := b.fill(appDraft, appDraft)
	form.Set("name", "TYPED & kept")
	form["script"][0], form["key"][0] = "two\r\nlines", "k"
	signedIn := b.token
	b.token = "pst_ended"
	_, page := b.must(appDraft, form, 401)
	if !strings.Contains(page, "What you entered is kept") {
		t.Errorf("the page does not say that the form is kept: %s", page)
	}
	signin := b.parse(page, "/signin")
	signin.Set("token", "pst_wrong")
	_, page = b.must("/signin", signin, 401)
	signin = b.parse(page, "/signin")
	signin.Set("token", signedIn)
	w := call(b.server, "POST", "/signin", signin.Encode(), func(header http.Header) {
		b.browser(header)
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	})
	if w.Code != 200 {
		t.Fatalf("signing in: status %d: %s", w.Code, w.Body)
	}
	b.token = signedIn
	b.must(appDraft, b.parse(w.Body.String(), appDraft), 303)
	script := base64.StdEncoding.EncodeToString([]byte("two\nlines"))
	if d := b.draft("App"); !strings.Contains(d, "TYPED & kept") || !strings.Contains(d, script) {
		t.Errorf("the form was not saved: %s", d)
	}
}

// A form that is only checked shows its failures and saves nothing.
func TestFormIsChecked(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	form := b.fill(appDraft, appDraft)
	form.Set("name", "")
	form.Set("do", "check")
	if _, page := b.must(appDraft, form, 200); !strings.Contains(page, `id="fault-name"`) {
		t.Errorf("the page does not show that the name is empty: %s", page)
	}
	form = b.fill(appDraft+"/versions/0", appDraft+"/versions/0")
	form.Set("released", "2026-02-31")
	form.Set("do", "check")
	if _, page := b.must(appDraft+"/versions/0", form, 200); !strings.Contains(page, "releaseDate\" role=") {
		t.Errorf("the page does not show that there is no such day: %s", page)
	}
	b.api("GET", "/api/v1/titles/App/draft", "", 404)
}
