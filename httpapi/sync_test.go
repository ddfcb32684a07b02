package httpapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch/catalog"
)

// upstream is the URL of a definition.
const upstream = "https://vendor.example/d.json"

// Only an administrator has a whole source synchronized.
func TestSyncMirror(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	p.create("A")
	title, err := p.catalog.Title("A")
	if err != nil {
		t.Fatal(err)
	}
	own := p.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}})
	for _, c := range []struct {
		body, token string
		status      int
		says        string
	}{
		{`{"mirror":"x"}`, "", 401, ""},
		{`{"mirror":"x"}`, own, 403, ""},
		{`{"mirror":"x"}`, p.admin, 400, "/mirror"},
		{`{}`, p.admin, 400, "/mirror"},
		{`{"mirror":1}`, p.admin, 400, "/mirror"},
		{`{"mirror":"mirror"}`, p.admin, 202, "will be synchronized"},
	} {
		expect(t, p.do("POST", "/api/v1/sync", c.body, bearer(c.token)...), c.status, c.says)
	}
}

// publishURL publishes the title at a URL and returns the header with its token.
func (p *public) publishURL(t *testing.T, url string) []string {
	t.Helper()
	body := `{"author_name":"Ann","author_email":"ann@example.com","definition_url":"` + url + `"}`
	require(t, p.do("POST", "/api/v1/title", body), 201)
	return bearer(tokenIn(p.box.last(t)))
}

// The title of an author who publishes a URL follows the URL. The author may not change it, but synchronize and delete
// it.
func TestPublishByURL(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	p.outside.pages.Store(upstream, definition("Xcode", "1"))
	token := p.publishURL(t, upstream)
	expect(t, p.do("POST", "/api/v1/title/Xcode_Ann/version", versionJSON("2"), token...), 403, upstream)
	expect(t, p.do("POST", "/api/v1/title/Xcode_Ann/sync", "", token...), 202)
	expect(t, p.do("POST", "/api/v1/titles/xcode_ann/sync", "", token...), 202)
	expect(t, p.do("POST", "/api/v1/title/Nope/sync", "", token...), 404)
	expect(t, p.do("POST", "/api/v1/title/Xcode_Ann/sync", ""), 401)
	p.create("Own")
	expect(t, p.asAdmin("POST", "/api/v1/title/Own/sync", ""), 400, "follows no source")
	expect(t, p.do("DELETE", "/api/v1/title/Xcode_Ann", "", token...), 204)
}

// The state of an upstream that fails is listed with the title, and with the sources.
func TestSyncState(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	p.outside.pages.Store(upstream, definition("Xcode", "1"))
	token := p.publishURL(t, upstream)
	p.outside.pages.Store(upstream, 503)
	if _, err := p.sync.Sync(t.Context(), "Xcode_Ann"); err == nil {
		t.Fatal("the sync reports no error")
	}
	var list struct {
		Titles []struct{ Sync map[string]any }
	}
	w := p.do("GET", "/api/v1/titles?synced=true", "")
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Titles) != 1 {
		t.Fatalf("the list is %s, %v", w.Body, err)
	}
	state := list.Titles[0].Sync
	if state["url"] != upstream || state["failures"] != 1.0 || state["upstream_status"] != 503.0 ||
		!strings.Contains(fmt.Sprint(state["last_error"]), "503") {
		t.Errorf("the state is %v", state)
	}
	if state["last_attempt"] == nil || state["last_success"] != nil || state["next_attempt"] == nil {
		t.Errorf("the times of the state are %v", state)
	}
	expect(t, p.do("GET", "/api/v1/sync", ""), 401)
	source := `"title":"Xcode_Ann","mirror":null,"url":"` + upstream
	expect(t, p.do("GET", "/api/v1/sync", "", token...), 200, source)
}

// A definition that cannot be fetched is not published. The failures of one that is invalid are listed.
func TestPublishByAnInvalidURL(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	p.outside.pages.Store("https://vendor.example/invalid", `{"id":"x"}`)
	p.outside.pages.Store("https://vendor.example/html", `<html>`)
	for url, listed := range map[string]bool{
		"https://vendor.example/404":     false,
		"https://vendor.example/html":    false,
		"https://vendor.example/invalid": true,
		"ftp://vendor.example/":          false,
		"http://127.0.0.1/":              false,
		"http://u:p@vendor.example/":     false,
	} {
		body, err := json.Marshal(map[string]string{
			"author_name": "Ann", "author_email": "ann@example.com", "definition_url": url,
		})
		if err != nil {
			t.Fatal(err)
		}
		w := p.do("POST", "/api/v1/title", string(body))
		expect(t, w, 400, `"upstream_failure"`)
		if (places(t, w) != "") != listed {
			t.Errorf("%s: got failures at %q", url, places(t, w))
		}
	}
	if len(p.box.messages) != 0 || p.catalog.Len() != 0 {
		t.Errorf("got %d mails and %d titles, want none", len(p.box.messages), p.catalog.Len())
	}
}

func TestSubscribe(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1, RootFeed: true})
	p.outside.pages.Store(upstream, definition("Sub", "1"))
	p.create("Own")
	for id, source := range map[string]string{"Mirrored": "mirror", "Left": "https://vendor.example/v1"} {
		opts := &catalog.CreateOptions{Follows: upstream, Source: source}
		if _, err := p.catalog.Create(t.Context(), parse(t, definition(id, "1")), opts); err != nil {
			t.Fatal(err)
		}
	}
	body := func(id, url string) string { return fmt.Sprintf(`{"id":%q,"json_url":%q}`, id, url) }
	own := p.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{"someone"}})
	for _, c := range []struct {
		name, path, body, token string
		status                  int
		says                    string
	}{
		{"no token", "/subscribe", body("Sub", upstream), "", 401, `"error":`},
		{"title's token", "/subscribe", body("Sub", upstream), own, 401, ""},
		{"no id", "/subscribe", `{"json_url":"` + upstream + `"}`, p.admin, 400, `"path":"/id"`},
		{"no URL", "/subscribe", `{"id":"Sub"}`, p.admin, 400, `"path":"/json_url"`},
		{"another id", "/subscribe", body("Other", upstream), p.admin, 409, `"error":`},
		{"missing upstream", "/subscribe", body("Sub", "https://vendor.example/404"), p.admin, 400, "upstream_failure"},
		{"subscribe", "/api/v1/subscribe", body("sub", upstream), p.admin, 201, `"success":"Title 'Sub' follows`},
		{"subscribe twice", "/subscribe", body("Sub", upstream), p.admin, 409, "database_conflict"},
		{"unsubscribe without a token", "/unsubscribe/Sub", "", "", 401, ""},
		{"unsubscribe", "/unsubscribe/SUB", "", p.admin, 200, `"success":`},
		{"unsubscribe twice", "/unsubscribe/Sub", "", p.admin, 404, `"error":`},
		{"not subscribed", "/api/v1/unsubscribe/Own", "", p.admin, 404, `"Title 'Own' follows no source."`},
		{"mirror that is no longer followed", "/unsubscribe/Left", "", p.admin, 200, "was deleted"},
		{"mirror", "/unsubscribe/Mirrored", "", p.admin, 403, "comes back"},
	} {
		if !t.Run(c.name, func(t *testing.T) {
			expect(t, p.do("POST", c.path, c.body, bearer(c.token)...), c.status, c.says)
		}) {
			break // the cases depend on each other
		}
	}
}

// The list of a contributor has the sync states if the client asks for them.
func TestExtendedList(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	token := p.register(t, "macman")
	p.outside.pages.Store(upstream, definition("Slack", "1"))
	expect(t, p.do("POST", "/subscribe", "", token...), 404) // it is at the root only if the feed is
	subscription := `{"id":"Slack","json_url":"` + upstream + `"}`
	expect(t, p.do("POST", "/api/v1/subscribe", subscription, token...), 201, "Slack_macman")
	require(t, p.do("POST", "/api/v1/titles", definition("Own", "1"), token...), 201)
	if _, err := p.sync.Sync(t.Context(), "Slack_macman"); err != nil {
		t.Fatal(err)
	}
	w := p.do("GET", "/jamf/v1/macman/software?extend", "")
	var list []map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list) != 2 {
		t.Fatalf("the list is %s, %v", w.Body, err)
	}
	for _, title := range list {
		synced := title["id"] == "Slack"
		if (title["last_sync_result"] == true) != synced || (title["last_sync_time"] != nil) != synced ||
			title["currentVersion"] != "1" {
			t.Errorf("the list has %v", title)
		}
	}
	lacks(t, p.do("GET", "/jamf/v1/macman/software", "").Body.String(), "last_sync")
}

// Clients see the states of the titles that they may change, and no client sees the secrets of a URL.
func TestSyncStatesAreForOwners(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	const source = "https://user:hidden@vendor.example/d.json?key=hidden#hidden"
	p.outside.pages.Store(source, 503)
	res, err := p.catalog.Create(t.Context(), parse(t, definition("Followed", "1")), &catalog.CreateOptions{
		Follows: source, Contributor: "macman", Author: "macman",
	})
	if err != nil {
		t.Fatal(err)
	}
	p.create("Other")
	other, err := p.catalog.Title("Other")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, token   string
		title, mirror bool // that the client sees
	}{
		{"title's token", p.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{res.Title.UID}}), true, false},
		{"its contributor", p.token(auth.Grant{Kind: auth.Contributor, Contributor: "macman"}), true, false},
		{"other title's token", p.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{other.UID}}), false, false},
		{"another contributor", p.token(auth.Grant{Kind: auth.Contributor, Contributor: "winman"}), false, false},
		{"editor", p.token(auth.Grant{Kind: auth.Editor}), true, true},
		{"administrator", p.admin, true, true},
	} {
		w := p.do("GET", "/api/v1/sync", "", bearer(c.token)...)
		expect(t, w, 200)
		lacks(t, w.Body.String(), "hidden")
		if got := strings.Contains(w.Body.String(), `"mirror":"mirror"`); got != c.mirror {
			t.Errorf("%s: sees the mirror: %v, want %v", c.name, got, c.mirror)
		}
	}
	for _, call := range []string{
		"GET /api/v1/titles", "PUT /api/v1/title/Followed", "POST /api/v1/title/Followed/sync",
	} {
		method, path, _ := strings.Cut(call, " ")
		lacks(t, p.asAdmin(method, path, definition("Followed", "2")).Body.String(), "hidden")
	}
	lacks(t, p.log.String(), "hidden")
}
