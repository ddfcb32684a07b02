package webui_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// The feeds are listed with the failing ones first, and can be filtered by their state.
func TestFeedList(t *testing.T) {
	one := func(id, status, more string) string {
		return fmt.Sprintf(`{"title":%q,"feed":{"kind":"electron","url":"https://v.example/%s"},`+
			`"state":{"status":%q,"failures":1,"last_error":null,"last_success":"2026-01-01T00:00:00Z"%s}}`,
			id, id, status, more)
	}
	watches := strings.Join([]string{
		one("off", "paused", ""), one("fine", "ok", ""), one("quiet", "ok", `,"silent":true`),
		one("down", "failing", ""),
	}, ",")
	h := newPage(oneTitle(), &webui.Options{API: feedAPI(watches, "")})
	rows := regexp.MustCompile(`<th scope="row"><a href="/titles/([^#]*)#feed"`)
	for path, want := range map[string]string{
		"/feeds":               "down quiet fine off",
		"/feeds?state=failing": "down",
		"/feeds?state=silent":  "quiet",
		"/feeds?state=paused":  "off",
		"/feeds?state=nope":    "down quiet fine off",
	} {
		w := sendAsAdmin(h, "GET", path, "")
		var got []string
		for _, m := range rows.FindAllStringSubmatch(w.Body.String(), -1) {
			got = append(got, m[1])
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s lists %s, want %s", path, s, want)
		}
		wantPage(t, w, 200, `Failing <span class="soft">1</span>`, "Electron update file at v.example")
	}
	wantPage(t, send(h, "GET", "/feeds", ""), 401)
}

// A recipe file that fails and has no title is listed with its error, without links to the title.
func TestFeedOfAFileWithoutATitle(t *testing.T) {
	watch := `{"title":"Nope","source":"folder:Nope.json","read_only":true,"feed":{},"policy":{},` +
		`"state":{"status":"failing","failures":1,"last_error":"the file is not JSON"}}`
	h := newPage(oneTitle(), &webui.Options{API: feedAPI(watch, "")})
	wantTexts(t, sendAsAdmin(h, "GET", "/feeds", ""), map[string]bool{
		"<code>folder:Nope.json</code>": true, "The file is not JSON.": true, "/titles/Nope": false, "Check now": false,
	})
	wantPage(t, sendAsAdmin(h, "GET", "/feeds?state=silent", ""), 200, "listed nothing new for three times longer")
}

// A long list has several pages.
func TestManyFeeds(t *testing.T) {
	var all []string
	for i := range 250 {
		all = append(all, fmt.Sprintf(`{"title":"t%03d","state":{"status":"ok"}}`, i))
	}
	h := newPage(oneTitle(), &webui.Options{API: feedAPI(strings.Join(all, ","), "")})
	for path, want := range map[string]map[string]bool{
		"/feeds":         {"#feed": true, "t000": true, "t099": true, "t100": false, `href="/feeds?page=2"`: true},
		"/feeds?page=2":  {"t100": true, "t200": false, `href="/feeds"`: true, `href="/feeds?page=3"`: true},
		"/feeds?page=9":  {"t249": true, `href="/feeds?page=2"`: true, `href="/feeds?page=4"`: false},
		"/feeds?page=-1": {"t000": true},
	} {
		wantTexts(t, sendAsAdmin(h, "GET", path, ""), want)
	}
}

// The proposals are listed with their reasons. One that was decided meanwhile is reported as such.
func TestProposalList(t *testing.T) {
	h := newPage(watchedTitle(), &webui.Options{API: feedAPI("", proposalJSON)})
	wantPage(t, sendAsAdmin(h, "GET", "/proposals", ""), 200, `<a href="/titles/x#feed">X</a>`, "It has one part.",
		`action="/proposals/p1/approve"`, `href="/proposals/p1/reject"`, "<dd>12</dd>")
	wantPage(t, sendAsAdmin(h, "GET", "/proposals/p1/reject", ""), 200, "not proposed again")
	wantPage(t, sendAsAdmin(h, "GET", "/proposals/p2/reject", ""), 404, "approved or rejected")
	gone := answering(404, `{"message":"No."}`)
	h = newPage(watchedTitle(), &webui.Options{API: gone})
	wantPage(t, sendAsAdmin(h, "POST", "/proposals/p2/approve", ""), 404, "approved or rejected")
}

// A server without release feeds says so.
func TestNoFeeds(t *testing.T) {
	api := &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
		none := r.URL.Path == "/api/v1/watches" || r.URL.Path == "/api/v1/proposals"
		if none {
			w.WriteHeader(404)
			fmt.Fprint(w, `{"message":"No such call."}`)
		}
		return none
	}}
	h := newPage(oneTitle(), &webui.Options{API: api})
	for _, path := range []string{"/feeds", "/proposals"} {
		wantPage(t, sendAsAdmin(h, "GET", path, ""), 404, "This server does not support this.")
	}
}

// The form for a new title is filled in from a cask. Guesses and gaps are marked at their fields.
func TestDraft(t *testing.T) {
	api := answering(200, `{"recipe":{"id":"Rectangle","name":"Rectangle","bundleId":"",
		"killApps":[{"bundleId":"com.k","appName":"K.app"}],"feed":{"kind":"github","repo":"r/Rectangle"}},
		"guesses":[{"path":"/id","why":"it is made from the name"},{"path":"/requirements","why":"it is odd"}],
		"gaps":["/bundleId"]}`)
	h := newPage(oneTitle(), &webui.Options{API: api})
	w := postForm(t, h, "/feeds/draft", "json", "", "@cask.json", `{"token":"rectangle"}`)
	wantPage(t, w, 200, `value="r/Rectangle"`, `value="github" data-known selected`, `value="K.app"`,
		`id="field-id-guess"><strong>Check this.</strong> It is made from the name.`, `id="field-bundleId-guess"`,
		`<code>/requirements</code> It is odd.`, `name="guess:/id"`)
	if api.lastBody() != `{"cask":{"token":"rectangle"}}` {
		t.Errorf("the page sent %s", api.lastBody())
	}
	api.requests = nil
	wantPage(t, postForm(t, h, "/feeds/draft", "json", "{"), 400, "not valid JSON", ">{</textarea>")
	wantPage(t, postForm(t, h, "/feeds/draft", "json", ""), 400, "The form was empty")
	if len(api.changes()) > 0 {
		t.Errorf("the API was asked %v", api.changes())
	}
}

// What vendors and authors have written is text.
func TestHostileFeeds(t *testing.T) {
	const quoted = `\"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	watch := strings.ReplaceAll(`{"title":"x","source":"H","read_only":true,"feed":{"kind":"H","url":"javascript:H",
		"repo":"H","match":"H","fields":{"H":"H"}},"policy":{"expect":"H"},"state":{"status":"failing",
		"last_error":"H","newest":"H","held":[{"version":"H"}]}}`, "H", quoted)
	proposal := strings.ReplaceAll(`{"id":"H","title":"x","version":"H","versions":["H"],"reasons":["H"],
		"patches":[{"version":"H","releaseDate":"2026-01-02T03:04:05Z","standalone":true,"reboot":false,
		"minimumOperatingSystem":"H","killApps":[],"components":[],"capabilities":[]}]}`, "H", quoted)
	api := feedAPI(watch, proposal)
	read := api.answer
	api.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" {
			fmt.Fprint(w, strings.ReplaceAll(`{"releases":[{"version":"H","build":"H","channel":"H"}],
				"newest":{"version":"H"},"dropped":[{"version":"H","reason":"H"}],"message":"H",
				"recipe":{"name":"H","feed":{"kind":"H"}},"guesses":[{"path":"H","why":"H"}],"gaps":["H"]}`,
				"H", quoted))
			return true
		}
		return read(w, r)
	}
	h := newPage(watchedTitle(), &webui.Options{API: api})
	for name, page := range map[string]string{
		"title":     sendAsAdmin(h, "GET", "/titles/x", "").Body.String(),
		"form":      sendAsAdmin(h, "GET", "/titles/x/watch", "").Body.String(),
		"feeds":     sendAsAdmin(h, "GET", "/feeds", "").Body.String(),
		"proposals": sendAsAdmin(h, "GET", "/proposals", "").Body.String(),
		"trial":     sendAsAdmin(h, "POST", "/titles/x/watch?try=1", encoded("/feed/kind", hostile)).Body.String(),
		"draft":     postForm(t, h, "/feeds/draft", "json", "{}").Body.String(),
		"notice":    notice(t, h, sendAsAdmin(h, "POST", "/titles/x/watch/check", "")).Body.String(),
	} {
		for _, text := range []string{"<script>", "<img", `href="javascript:`, " onclick="} {
			if strings.Contains(page, text) {
				t.Errorf("the page %s contains %s: %s", name, text, page)
			}
		}
		if !strings.Contains(page, "alert(1)") {
			t.Errorf("the page %s does not have the text: %s", name, page)
		}
	}
}
