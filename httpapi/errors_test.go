package httpapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/patchtest"
	"github.com/patchsource/patchsource/store/memstore"
)

// The statuses and codes of errors. Each error has the form of the contract, and a call that fails changes nothing.
func TestErrors(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "Other")
	follows := &catalog.CreateOptions{Follows: "https://example.com/d.json"}
	if _, err := b.catalog.Create(t.Context(), parse(t, definition("Synced", "1")), follows); err != nil {
		t.Fatal(err)
	}
	title, err := b.catalog.Title("App")
	if err != nil {
		t.Fatal(err)
	}
	own := "Bearer " + b.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}})
	admin := "Bearer " + b.admin
	var (
		added   = versionJSON("2")
		created = definition("New", "1")
		large   = `{"x":"` + strings.Repeat("x", 100_000) + `"}`
	)
	for _, c := range []struct {
		name, method, path, body, token string
		status                          int
		code                            string // the member that names the kind
		header                          string // a header that the answer must have
	}{
		{"unknown path", "GET", "/nothing", "", "", 404, "not_found", ""},
		{"root", "GET", "/", "", "", 404, "not_found", ""},
		{"feed without an id", "GET", "/jamf/v1/patch/", "", "", 404, "not_found", ""},
		{"another version of the feed", "GET", "/jamf/v2/software", "", "", 404, "not_found", ""},
		{"feed at the root without the option", "GET", "/software", "", "", 404, "not_found", ""},
		{"unknown title", "GET", "/jamf/v1/patch/Nope", "", "", 404, "title_not_found", ""},
		{"unknown title in the API", "GET", "/api/v1/titles/Nope", "", "", 404, "title_not_found", ""},
		{"id that leaves the path", "GET", "/jamf/v1/patch/..%2f..%2fetc", "", "", 404, "title_not_found", ""},
		{"id with NUL", "GET", "/api/v1/titles/a%00b", "", "", 404, "title_not_found", ""},
		{"method of the feed", "POST", "/jamf/v1/software", "", "", 405, "method_not_allowed", "Allow"},
		{"method of a title", "PATCH", "/api/v1/titles/App", "", admin, 405, "method_not_allowed", "Allow"},
		{"no token", "POST", "/api/v1/title", created, "", 401, "unauthorized", "WWW-Authenticate"},
		{"two words", "POST", "/api/v1/title", created, "Bearer a b", 401, "unauthorized", "WWW-Authenticate"},
		{"empty token", "POST", "/api/v1/title", created, "Bearer ", 401, "unauthorized", "WWW-Authenticate"},
		{"another scheme", "POST", "/api/v1/title", created, "Basic " + b.admin, 401,
			"unauthorized", "WWW-Authenticate"},
		{"title's token creates", "POST", "/api/v1/title", created, own, 403, "forbidden", ""},
		{"other title's token deletes", "DELETE", "/api/v1/title/Other", "", own, 403, "forbidden", ""},
		{"other title's token adds", "POST", "/api/v1/title/Other/version", added, own, 403, "forbidden", ""},
		{"followed title", "POST", "/api/v1/title/Synced/version", added, admin, 403, "forbidden", ""},
		{"followed title replaced", "PUT", "/api/v1/title/Synced", definition("Synced", "2"), admin, 403,
			"forbidden", ""},
		{"id exists", "POST", "/api/v1/title", definition("aPP", "1"), admin, 409, "database_conflict", ""},
		{"version exists", "POST", "/api/v1/title/App/version", versionJSON("1"), admin, 409, "database_conflict", ""},
		{"another id", "PUT", "/api/v1/title/App", definition("Other", "1"), admin, 409, "database_conflict", ""},
		{"no JSON", "POST", "/api/v1/title", "<xml/>", admin, 400, "invalid_json", ""},
		{"empty body", "POST", "/api/v1/title", "", admin, 400, "invalid_json", ""},
		{"no definition", "POST", "/api/v1/title", "{}", admin, 400, "invalid_json", ""},
		{"no items", "POST", "/api/v1/title/App/version", `{"items":[]}`, admin, 400, "invalid_json", ""},
		{"too large", "POST", "/api/v1/title", large, admin, 413, "too_large", ""},
		{"unknown version", "DELETE", "/api/v1/title/App/version/9", "", admin, 404, "version_not_found", ""},
		{"last version", "DELETE", "/api/v1/title/App/version/1", "", admin, 400, "bad_request", ""},
		{"unknown position", "POST", "/api/v1/title/App/version?insert_after=9", added, admin, 400, "bad_request", ""},
		{"two positions", "POST", "/api/v1/title/App/version?insert_after=1&insert_after=1", added, admin, 400,
			"bad_request", ""},
		{"misspelled parameter", "POST", "/api/v1/title/App/version?insert_befor=1", added, admin, 400,
			"bad_request", ""},
		{"limit of 0", "GET", "/api/v1/titles?limit=0", "", "", 400, "bad_request", ""},
		{"limit in words", "GET", "/api/v1/titles?limit=ten", "", "", 400, "bad_request", ""},
		{"invalid cursor", "GET", "/api/v1/titles?cursor=!!", "", "", 400, "bad_request", ""},
		{"invalid filter", "GET", "/api/v1/titles?synced=perhaps", "", "", 400, "bad_request", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := b.catalog.Software().ETag()
			var header []string
			if c.token != "" {
				header = []string{"Authorization", c.token}
			}
			w := b.do(c.method, c.path, c.body, header...)
			expect(t, w, c.status)
			if problem(t, w).Rest[c.code] == nil {
				t.Errorf("the error has no member %s: %s", c.code, w.Body)
			}
			if c.header != "" && w.Header().Get(c.header) == "" {
				t.Errorf("the answer has no %s: %v", c.header, w.Header())
			}
			if w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("the answer may be sniffed: %v", w.Header())
			}
			if b.catalog.Software().ETag() != before {
				t.Error("a call that failed changed a title")
			}
		})
	}
}

// All failures are listed at once, each with its place in the body.
func TestFailuresHavePlaces(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	bad := strings.Replace(versionJSON("2"), `"reboot":false`, `"reboot":1`, 1)
	wrong := strings.Replace(definition("A B", "1"), `"Example"`, "7", 1)
	items := `{"items":[` + versionJSON("3") + "," + bad + "," + bad + `]}`
	for _, c := range []struct{ path, body, want string }{
		{"/api/v1/title", wrong, "/publisher /id"},
		{"/api/v1/title/App/version", bad, "/reboot"},
		{"/api/v1/title/App/version", items, "/items/1/reboot /items/2/reboot"},
		{"/api/v1/title/App/version", `{"items":{}}`, "/items"},
		{"/api/v1/title/App/version", `[]`, ""},
	} {
		w := b.asAdmin("POST", c.path, c.body)
		expect(t, w, http.StatusBadRequest)
		if got := places(t, w); got != c.want || len(problem(t, w).Errors) == 0 {
			t.Errorf("%s: got failures at %q, want %q", c.path, got, c.want)
		}
	}
}

// places returns the paths of the failures of an error, separated by spaces.
func places(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var paths []string
	for _, f := range problem(t, w).Errors {
		paths = append(paths, f.Path)
	}
	return strings.Join(paths, " ")
}

// byHeader authenticates by a header that a proxy in front of the server would set.
func byHeader(r *http.Request) (auth.Principal, error) {
	switch r.Header.Get("X-Forwarded-User") {
	case "ann":
		return auth.Principal{TokenID: "ann", Grant: auth.Grant{Kind: auth.Administrator}}, nil
	case "broken":
		return auth.Principal{}, errors.New("the directory does not answer")
	}
	return auth.Principal{}, auth.ErrUnauthorized
}

func panicking(*http.Request) (auth.Principal, error) { panic("oops") }

// Whatever the path and the body are, the answer is JSON or empty, and neither a redirect nor an internal error.
func FuzzRequests(f *testing.F) {
	b := newBench(f, memstore.New())
	b.create("App")
	f.Add("GET", "/jamf/v1/software/App,b", "")
	f.Add("POST", "/api/v1/title", definition("B", "1"))
	f.Add("POST", "/api/v1/title/App/version?insert=ordered", versionJSON("2"))
	f.Add("DELETE", "/api/v1/title/a%2fb/version/%zz", "")
	f.Fuzz(func(t *testing.T, method, path, body string) {
		r, err := http.NewRequest(method, "http://127.0.0.1", strings.NewReader(body))
		if err != nil || method == "CONNECT" {
			return
		}
		u, err := r.URL.Parse(path)
		if err != nil || u.Host != "127.0.0.1" {
			return
		}
		r.URL, r.RequestURI = u, path
		r.Header.Set("Authorization", "Bearer "+b.admin)
		w := httptest.NewRecorder()
		patchtest.Bounded(t, len(path)+len(body), func() { b.handler.ServeHTTP(w, r) })
		if w.Code >= 500 || w.Code >= 300 && w.Code < 400 {
			t.Fatalf("%s %q: got status %d: %s", method, path, w.Code, w.Body)
		}
		if w.Code != 204 && method != "HEAD" && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %q: the answer with status %d is not JSON: %q", method, path, w.Code, w.Body)
		}
	})
}
