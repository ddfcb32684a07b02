package httpapi_test

import (
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi"
)

// A contributor's draft of a new title must not become the draft of another author's title whose id is the same.
func TestDraftOverOthersTitle(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	token := p.register(t, "MacMan")
	// A title of another author whose id ends in the contributor's name.
	require(t, p.do("POST", "/api/v1/title", publication("b MacMan", "b@example.com", "Xcode")), 201)
	// Titles of the administrator with such ids: one served, one a draft.
	require(t, p.asAdmin("POST", "/api/v1/titles", definition("Served_MacMan", "1")), 201)
	require(t, p.asAdmin("PUT", "/api/v1/titles/Hidden_MacMan/draft", definition("Hidden_MacMan", "1")), 201)
	for _, id := range []string{"Xcode_b", "Served", "Hidden"} {
		w := p.do("PUT", "/api/v1/titles/"+id+"/draft", `{"id":"`+id+`","name":"Evil"}`, token...)
		if w.Code < 400 {
			t.Errorf("%s: status %d: the draft of another's title was replaced: %s", id, w.Code,
				p.asAdmin("GET", "/api/v1/titles/"+id+"_MacMan/draft", "").Body)
		}
	}
}

// A contributor's draft cannot be published under a name without the contributor's.
func TestDraftNameOfContributor(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	token := p.register(t, "MacMan")
	d := strings.Replace(definition("Foo", "1"), "Foo App", "Google Chrome", 1)
	// The whole id in the body keeps the name as it is.
	d = strings.Replace(d, `"id":"Foo"`, `"id":"Foo_MacMan"`, 1)
	require(t, p.do("PUT", "/api/v1/titles/Foo/draft", d, token...), 201)
	require(t, p.do("POST", "/api/v1/titles/Foo/draft/publish", "", token...), 201)
	w := p.do("GET", "/jamf/v1/software/Foo_MacMan", "")
	if !strings.Contains(w.Body.String(), "(MacMan)") {
		t.Errorf("served as %s, want a name with (MacMan)", w.Body)
	}
	// A second save, in the plain way.
	d = strings.Replace(definition("Bar", "1"), "Bar App", "Mozilla Firefox", 1)
	require(t, p.do("PUT", "/api/v1/titles/Bar/draft", d, token...), 201)
	require(t, p.do("PUT", "/api/v1/titles/Bar/draft", d, token...), 200)
	require(t, p.do("POST", "/api/v1/titles/Bar/draft/publish", "", token...), 201)
	w = p.do("GET", "/jamf/v1/software/Bar_MacMan", "")
	if !strings.Contains(w.Body.String(), "(MacMan)") {
		t.Errorf("served as %s, want a name with (MacMan)", w.Body)
	}
}

// DELETE of a draft honors If-Match.
func TestDiscardIfMatch(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	p.create("A")
	require(t, p.asAdmin("PUT", "/api/v1/titles/A/draft", `{"id":"A","name":"1"}`), 200)
	old := p.asAdmin("GET", "/api/v1/titles/A/draft", "").Header().Get("ETag")
	require(t, p.asAdmin("PUT", "/api/v1/titles/A/draft", `{"id":"A","name":"2"}`), 200)
	w := p.asAdmin("DELETE", "/api/v1/titles/A/draft", "", "If-Match", old)
	if w.Code != 412 {
		t.Errorf("DELETE with a stale If-Match: status %d, want 412: the newer draft is lost", w.Code)
	}
	require(t, p.asAdmin("PUT", "/api/v1/titles/A/draft", `{"id":"A","name":"3"}`), 200)
	for _, tag := range []string{`abc`, `W/"x"`, ``} {
		w := p.asAdmin("PUT", "/api/v1/titles/A/draft", `{"id":"A","name":"4`+tag[:0]+`"}`, "If-Match", tag)
		if w.Code != 412 && w.Code != 400 {
			t.Errorf("PUT with If-Match: %s: status %d, want 412", tag, w.Code)
		}
	}
	tag := p.asAdmin("GET", "/api/v1/titles/A/draft", "").Header().Get("ETag")
	w = p.asAdmin("PUT", "/api/v1/titles/A/draft", `{"id":"A","name":"5"}`, "If-Match", `"x", `+tag)
	if w.Code != 200 {
		t.Errorf("PUT with If-Match of two tags, the second of which is right: status %d, want 200", w.Code)
	}
}

// A contributor cannot tell an id that a hidden draft of another has from one that is free, and can begin a draft of
// their own under the plain id of a title that another has, as POST /titles can.
func TestDraftIDsLeak(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	token := p.register(t, "MacMan")
	require(t, p.asAdmin("PUT", "/api/v1/titles/Secret/draft", `{"id":"Secret"}`), 201)
	taken := p.do("GET", "/api/v1/titles/Secret/draft", "", token...)
	free := p.do("GET", "/api/v1/titles/Free/draft", "", token...)
	if taken.Code != free.Code {
		t.Errorf("GET: status %d for the id of another's draft, %d for a free id", taken.Code, free.Code)
	}
	p.create("Slack")
	expect(t, p.do("POST", "/api/v1/titles", definition("Slack", "1"), token...), 201, "Slack_MacMan")
	p.create("Zoom")
	w := p.do("PUT", "/api/v1/titles/Zoom/draft", definition("Zoom", "1"), token...)
	if w.Code != 201 {
		t.Errorf("PUT: status %d, want 201: POST makes Zoom_MacMan beside Zoom: %s", w.Code, w.Body)
	}
}
