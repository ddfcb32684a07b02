package titleeditor_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/titleeditor"
	"github.com/patchsource/patchsource/patch/patchtest"
)

func TestNewIsRefused(t *testing.T) {
	f := newFixture(t, nil)
	for name, c := range map[string]*titleeditor.Config{
		"nil":        nil,
		"no catalog": {Tokens: f.tokens},
		"no tokens":  {Catalog: f.catalog},
		"short key":  {Catalog: f.catalog, Tokens: f.tokens, Key: []byte("short")},
		"proxy":      {Catalog: f.catalog, Tokens: f.tokens, TrustedProxies: []string{"10.0.0.1"}},
		"site":       {Catalog: f.catalog, Tokens: f.tokens, Site: "://"},
	} {
		if h, err := titleeditor.New(c); err == nil || h != nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestServes(t *testing.T) {
	for path, want := range map[string]bool{
		"/v2": true, "/v2/": true, "/v2/x": true, "//v2/auth/tokens": true,
		"/": false, "": false, "v2": false, "/v22": false, "/V2/": false, "/jamf/v2/": false, "/api/v2/": false,
	} {
		if got := titleeditor.Serves(path); got != want {
			t.Errorf("Serves(%q) = %v, want %v", path, got, want)
		}
	}
}

// Bodies that are refused. Each answer names the code and the member.
func TestRefusedBodies(t *testing.T) {
	const titles, invalid, criteria = "/v2/softwaretitles", "INVALID_FIELD", "INVALID_CRITERIA"
	f := newFixture(t, nil)
	title := f.create("A", "2.0", "1.0")
	at, p := f.firstPatch(title)
	capability := pathOf("capabilities", "capabilityId", list(p, "capabilities")[0])
	component := pathOf("components", "componentId", list(p, "components")[0])
	bareOf := func(change func(members)) members {
		m := bare("B")
		change(m)
		return m
	}
	for name, c := range map[string]struct {
		method, path string
		body         any
		status       int
		code, field  string
	}{
		"no JSON":        {"POST", "/v2/softwaretitles", "{no json", 400, "INVALID_JSON", ""},
		"nothing":        {"POST", "/v2/softwaretitles", nil, 400, "INVALID_JSON", ""},
		"array":          {"POST", "/v2/softwaretitles", "[]", 400, "INVALID_JSON", ""},
		"member twice":   {"PUT", title, `{"name":"a","name":"b"}`, 400, "INVALID_JSON", ""},
		"no UTF-8":       {"PUT", title, "{\"name\":\"\xff\"}", 400, "INVALID_JSON", ""},
		"after the end":  {"PUT", title, `{} {}`, 400, "INVALID_JSON", ""},
		"too deep":       {"PUT", title, strings.Repeat("[", 100) + strings.Repeat("]", 100), 400, "INVALID_JSON", ""},
		"no name":        {"POST", titles, bareOf(func(m members) { delete(m, "name") }), 400, invalid, "name"},
		"null id":        {"POST", titles, bareOf(func(m members) { m["id"] = nil }), 400, invalid, "id"},
		"wrong id":       {"POST", titles, bareOf(func(m members) { m["id"] = "a/b" }), 400, invalid, "id"},
		"id taken":       {"POST", "/v2/softwaretitles", bare("a"), 400, "DUPLICATE_RECORD", ""},
		"empty name":     {"PUT", title, members{"name": ""}, 400, "INVALID_FIELD", "name"},
		"number as name": {"PUT", title, members{"name": 1}, 400, "INVALID_FIELD", "name"},
		"text as flag":   {"PUT", title, members{"enabled": "true"}, 400, "INVALID_FIELD", "enabled"},
		"another id":     {"PUT", title, members{"id": "B"}, 400, "INVALID_FIELD", "id"},
		"no version":     {"POST", title + "/patches", members{"reboot": true}, 400, invalid, "version"},
		"version taken":  {"POST", title + "/patches", whole("1.0"), 400, "DUPLICATE_RECORD", "version"},
		"version of another": {
			"PUT", at, members{"version": "1.0"}, 400, "DUPLICATE_RECORD", "version",
		},
		"clone of a version that exists": {
			"POST", at + "/clone", members{"version": "1.0"}, 400, "DUPLICATE_RECORD", "version",
		},
		"clone without version": {"POST", at + "/clone", members{}, 400, "INVALID_FIELD", "version"},
		"second component":      {"POST", at + "/components", members{"name": "a"}, 400, "LIMIT_EXCEEDED", ""},
		"kill app":              {"POST", at + "/killapps", members{"bundleId": "a"}, 400, "INVALID_FIELD", "appName"},
		"operator": {
			"POST", at + "/capabilities", criterion("Application Title", "like", "a"), 400, criteria, "operator",
		},
		"operator alone": {"PUT", capability, members{"operator": "has"}, 400, "INVALID_CRITERIA", "operator"},
		"type": {
			"POST", component + "/criteria", members{"name": "a", "operator": "is", "type": "b"}, 400, criteria,
			"type",
		},
		"no name of a criterion": {
			"POST", title + "/requirements", members{"operator": "is", "type": "recon"}, 400, "INVALID_FIELD", "name",
		},
		"order": {"PUT", at, members{"absoluteOrderId": 0.5}, 400, "INVALID_FIELD", "absoluteOrderId"},
		"within": {
			"POST", title + "/patches", members{
				"version": "3.0", "minimumOperatingSystem": "12", "components": []any{members{"criteria": []any{1}}},
			}, 400, "INVALID_FIELD", "components[0].criteria[0]",
		},
	} {
		r := f.refused(c.method, c.path, c.body)
		if r.status != c.status || r.code != c.code || r.field != c.field {
			t.Errorf("%s: got %+v, want %d %s at %q", name, r, c.status, c.code, c.field)
		}
	}
	if got := f.shown(title); got != "2.0 1.0" {
		t.Errorf("after all refusals: %s", got)
	}
	w := f.send("POST", "/v2/softwaretitles", members{"patches": []any{members{}, members{"version": 1}}})
	for _, want := range []string{`"id"`, `"name"`, `"patches[0].version"`, `"patches[1].version"`,
		`"patches[1].minimumOperatingSystem"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the failures lack %s: %s", want, w.Body)
		}
	}
}

// What is incomplete cannot be enabled.
func TestIncomplete(t *testing.T) {
	f := newFixture(t, nil)
	title := f.create("A")
	if r := f.refused("PUT", title, members{"enabled": true}); r.status != 400 || r.code != "INCOMPLETE" {
		t.Errorf("a title without patches: %+v", r)
	}
	p := f.ok("POST", title+"/patches", members{"version": "1.0", "minimumOperatingSystem": "12", "enabled": true})
	if p["enabled"] != false {
		t.Errorf("a bare patch: %v", p)
	}
	r := f.refused("PUT", pathOf("patches", "patchId", p), members{"enabled": true})
	if r.status != 400 || r.code != "INCOMPLETE" {
		t.Errorf("a patch without parts: %+v", r)
	}
}

func TestPathsAndMethods(t *testing.T) {
	f := newFixture(t, nil)
	title := f.create("A", "1.0")
	at, _ := f.firstPatch(title)
	for _, path := range []string{
		"/v2", "/v2/nothing", "/v2/softwaretitles/x", "/v2/softwaretitles/0", "/v2/softwaretitles/-1",
		"/v2/softwaretitles/999999999", "/v2/softwaretitles/99999999999999999999999", "/v2/patches/1",
		"/v2/criteria" + strings.TrimPrefix(at, "/v2/patches"), "/v2/" + strings.Repeat("a", 1<<12),
		title + "/patches/autofill/x", "/v2/softwaretitles/9/patches",
	} {
		if r := f.refused("GET", path, nil); r.status != 404 || r.code != "NOT_FOUND" {
			t.Errorf("%s: %+v", path, r)
		}
	}
	for path, want := range map[string]string{
		title: "DELETE, GET, HEAD, PUT", "/v2/softwaretitles": "GET, HEAD, POST", at + "/clone": "POST",
	} {
		w := f.send("PATCH", path, nil)
		if r, err := refusalIn(w); err != nil || r.status != 405 || w.Header().Get("Allow") != want {
			t.Errorf("%s: %+v, %v, Allow: %s", path, r, err, w.Header().Get("Allow"))
		}
	}
	for _, path := range []string{
		title + "/patches/autofill", title + "/requirements/autofill", at + "/components/autofill",
		at + "/capabilities/autofill", "/v2/available", "/v2/sources",
	} {
		if w := f.send("GET", path, nil); w.Code != 200 || w.Body.String() != "[]\n" {
			t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
		}
	}
}

func TestValueLists(t *testing.T) {
	f := newFixture(t, nil)
	if w := f.send("GET", "/v2/valuelists/criteria/names", nil); w.Code != 200 ||
		!strings.Contains(w.Body.String(), "\n  \"Application Bundle ID\",\n") {
		t.Errorf("names: status %d: %s", w.Code, w.Body)
	}
	if w := f.send("GET", "/v2/valuelists/criteria/types", nil); w.Code != 200 {
		t.Errorf("types: status %d: %s", w.Code, w.Body)
	}
	for name, want := range map[string]string{
		"Application Title": "is, is not, has, does not have",
		"Computer Group":    "member of, not member of",
		"com.example.key":   "is, is not, like, not like, matches regex, does not match regex",
	} {
		w := f.send("POST", "/v2/valuelists/criteria/operators", members{"name": name})
		got := strings.NewReplacer("[\n", "", "\n]\n", "", `"`, "", ",\n", ",", "  ", " ").Replace(w.Body.String())
		if strings.TrimSpace(got) != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// Pages of other sites may not change anything, and large or hostile bodies are refused.
func TestHostileRequests(t *testing.T) {
	f := newFixture(t, func(c *titleeditor.Config) {
		c.Site, c.MaxBodyBytes = "https://patches.example.com", 1<<10
	})
	title := f.create("A")
	body := members{"publisher": "B"}
	for origin, want := range map[string]int{"https://evil.example": 403, "https://patches.example.com": 200} {
		w := f.send("PUT", title, body, "Origin", origin, "Sec-Fetch-Site", "cross-site")
		if w.Code != want {
			t.Errorf("from %s: status %d, want %d: %s", origin, w.Code, want, w.Body)
		}
	}
	if r := f.refused("PUT", title, members{"publisher": strings.Repeat("a", 1<<10)}); r.status != 413 {
		t.Errorf("a large body: %+v", r)
	}
	if r := f.refused("PUT", title, body, "Content-Encoding", "gzip"); r.status != 415 {
		t.Errorf("a compressed body: %+v", r)
	}
	f = newFixture(t, nil)
	for _, name := range patchtest.HostileNames() {
		for _, path := range []string{"/v2/softwaretitles", "/v2/valuelists/criteria/operators"} {
			w := f.send("POST", path, string(patchtest.Hostile(name, 1<<14)))
			if w.Code >= 500 {
				t.Errorf("%s to %s: status %d: %.200s", name, path, w.Code, w.Body)
			}
		}
	}
}

// A panic is answered and does not end the server.
func TestPanic(t *testing.T) {
	f := newFixture(t, func(c *titleeditor.Config) {
		c.Own = func(context.Context, auth.Principal, createFunc) error { panic("something") }
	})
	w := f.send("POST", "/v2/softwaretitles", bare("A"))
	r, err := refusalIn(w)
	if err != nil || r.status != 500 || strings.Contains(w.Body.String(), "something") ||
		w.Header().Get("X-Request-Id") == "" {
		t.Errorf("got %+v, %v: %v", r, err, w.Header())
	}
}

// Each call is observed by its route.
func TestObserve(t *testing.T) {
	var routes []string
	f := newFixture(t, func(c *titleeditor.Config) { c.Observe = observer(&routes) })
	f.send("GET", "/v2/softwaretitles/7", nil)
	f.send("GET", "/v2/softwaretitles/7/x/y/z", nil)
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, httptest.NewRequest("POST", "/v2/auth/tokens", nil))
	want := []string{"GET /v2/softwaretitles/{id} 404", "GET none 404", "POST /v2/auth/tokens 401"}
	if !slices.Equal(routes, want) {
		t.Errorf("got %q, want %q", routes, want)
	}
}
