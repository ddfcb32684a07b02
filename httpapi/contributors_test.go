package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
)

// register registers a contributor with an address of the same name, and returns the header with the token that is
// mailed.
func (p *public) register(t *testing.T, name string) []string {
	t.Helper()
	body := `{"name":"` + name + `","email":"` + strings.ToLower(name) + `@example.com"}`
	require(t, p.do("POST", "/api/v1/contributors/register", body), 201)
	require(t, p.do("GET", linkIn(t, p.box.last(t)), ""), 200)
	return bearer(tokenIn(p.box.last(t)))
}

func TestRegister(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	require(t, p.do("POST", "/api/v1/contributors/register", `{"name":"MacMan","email":"mac@example.com"}`), 201)
	for _, c := range []struct {
		body   string
		status int
		places string
	}{
		{`{"name":"macman","email":"x@example.com"}`, 409, ""},
		{`{"name":"a b","email":"x@example.com"}`, 400, "/name"},
		{`{"name":"software","email":"x@example.com"}`, 400, "/name"},
		{`{"name":"ok","email":"nope"}`, 400, "/email"},
		{`{}`, 400, "/name /email"},
	} {
		w := p.do("POST", "/api/v1/contributors/register", c.body)
		expect(t, w, c.status)
		if got := places(t, w); got != c.places {
			t.Errorf("%s: got failures at %q, want %q", c.body, got, c.places)
		}
	}
	link := linkIn(t, p.box.last(t))
	expect(t, p.do("HEAD", link, ""), 405) // it does not use up the link
	expect(t, p.do("GET", link+"x", ""), 403)
	expect(t, p.do("GET", "/jamf/v1/macman/software", ""), 404)
	expect(t, p.do("GET", link, ""), 200)
	expect(t, p.do("GET", link, ""), 403)
	expect(t, p.do("GET", "/jamf/v1/macman/software", ""), 200)
}

// A contributor creates titles under the contributor's name, and changes these and no others.
func TestTitlesOfContributors(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	token := p.register(t, "MacMan")
	for _, id := range []string{"Slack", "Zoom"} {
		expect(t, p.do("POST", "/api/v1/titles", definition(id, "1"), token...), 201, id+"_MacMan")
	}
	// A title of another author whose id ends in the contributor's name.
	require(t, p.do("POST", "/api/v1/title", publication("b MacMan", "b@example.com", "Xcode")), 201)
	expect(t, p.do("POST", "/api/v1/titles", definition("Xcode_b", "1"), token...), 409, "Another author")
	// An anonymous client may not publish under the contributor's name.
	expect(t, p.do("POST", "/api/v1/title", publication("macMAN", "x@example.com", "Xcode")), 400)
	p.create("Other")
	expect(t, p.do("DELETE", "/api/v1/title/Other", "", token...), 403)
	expect(t, p.do("POST", "/api/v1/titles/slack_macman/versions", versionJSON("2"), token...), 201)
	expect(t, p.do("GET", "/api/v1/contributors", ""), 200, `[{"id":"macman","display_name":"MacMan","title_count":2,`+
		`"urn":"jamf/v1/macman/software","url":"https://patches.example.com/jamf/v1/macman/software"}]`)
	own := `{"titles_in_scope":["Slack_MacMan"],"expires_in_days":1}`
	expect(t, p.do("POST", "/api/v1/tokens", own, token...), 201)
	expect(t, p.do("POST", "/api/v1/tokens", `{"titles_in_scope":["Other"]}`, token...), 403)
}

// The feed of a contributor has their titles under the plain ids and names.
func TestFeedOfAContributor(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	token := p.register(t, "MacMan")
	for _, id := range []string{"Slack", "Zoom"} {
		require(t, p.do("POST", "/api/v1/titles", definition(id, "1"), token...), 201)
	}
	require(t, p.do("POST", "/api/v1/titles/slack_macman/versions", versionJSON("2"), token...), 201)
	p.create("Other")

	var list []patch.Summary
	w := p.do("GET", "/jamf/v1/MACMAN//software/", "")
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list) != 2 {
		t.Fatalf("the list is %s, %v", w.Body, err)
	}
	if list[0].ID != "Slack" || list[0].Name != "Slack App" || list[0].CurrentVersion != "2" || list[1].ID != "Zoom" {
		t.Errorf("the list is %s", w.Body)
	}
	// Odd ids of the common feed do not change the cache of the contributor's.
	for _, odd := range []string{"%00macman%00Slack,Other", "list%20macman%20Slack,Other"} {
		_ = p.do("GET", "/jamf/v1/software/"+odd, "")
	}
	w = p.do("GET", "/jamf/v1/macman/software/Slack,Other", "")
	expect(t, w, 200, "Slack")
	if strings.Contains(w.Body.String(), "Other") {
		t.Errorf("the feed has a title of another: %s", w.Body)
	}
	w = p.do("GET", "/jamf/v1/macman/software/zoom,No,SLACK,Zoom", "")
	if !strings.HasPrefix(w.Body.String(), `[{"name":"Zoom App"`) || strings.Count(w.Body.String(), `"id"`) != 2 {
		t.Errorf("the selection is %s", w.Body)
	}
	for _, c := range []struct {
		path   string
		status int
		begins string
	}{
		{"/jamf/v1/macman/patch/Slack", 200, `{"id":"Slack","name":"Slack App"`},
		{"/jamf/v1/macman/patch/sLACK", 200, `{"id":"Slack","name":"Slack App"`},
		{"/jamf/v1/patch/Slack_MacMan", 200, `{"id":"Slack_MacMan","name":"Slack App (MacMan)"`},
		{"/jamf/v1/macman/patch/Other", 404, ""},
		{"/jamf/v1/macman/patch/Slack_MacMan", 404, ""},
		{"/jamf/v1/macman/software/Other", 200, `[]`},
		{"/jamf/v1/nobody/software", 404, ""},
		{"/jamf/v1/macman", 404, ""},
	} {
		w := p.do("GET", c.path, "")
		expect(t, w, c.status)
		if !strings.HasPrefix(w.Body.String(), c.begins) {
			t.Errorf("%s: the answer does not begin with %s: %s", c.path, c.begins, w.Body)
		}
		if c.status == 200 {
			expect(t, p.do("GET", c.path, "", "If-None-Match", w.Header().Get("ETag")), 304)
		}
	}
	// There is one stored title: a change is in both feeds at once.
	require(t, p.do("POST", "/api/v1/title/Slack_MacMan/version", versionJSON("3"), token...), 201)
	for _, path := range []string{"/jamf/v1/macman/patch/Slack", "/jamf/v1/macman/software", "/jamf/v1/software"} {
		expect(t, p.do("GET", path, ""), 200, `"currentVersion":"3"`)
	}
}
