package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/patchtest"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A bench is a handler with all that stands behind it.
type bench struct {
	t       testing.TB
	handler http.Handler
	cat     *catalog.Catalog
	auth    *auth.Service
	admin   string
	log     bytes.Buffer
	now     time.Time
}

func newBench(t testing.TB, s store.Store) *bench {
	t.Helper()
	b := &bench{t: t, now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return b.now }
	var err error
	if b.cat, err = catalog.Open(context.Background(), s, &catalog.Options{Now: clock, CacheBytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.cat.Close() })
	if b.auth, err = auth.Open(context.Background(), memstore.New(), nil); err != nil {
		t.Fatal(err)
	}
	b.admin = b.token(auth.Grant{Kind: auth.Administrator})
	b.handler = newHandler(
		t,
		b.cat,
		&httpapi.Options{
			Authenticate: httpapi.BearerTokens(b.auth),
			Logger:       slog.New(slog.NewTextHandler(&b.log, nil)),
			MaxBodyBytes: 100_000,
			Now:          clock,
		},
	)
	return b
}

// newHandler returns what httpapi.New returns.
func newHandler(t testing.TB, c *catalog.Catalog, opts *httpapi.Options) http.Handler {
	t.Helper()
	h, err := httpapi.New(c, opts)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newBudget(t testing.TB) *httpapi.Budget {
	t.Helper()
	b, err := httpapi.NewBudget(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newAccessLog(t testing.TB, next http.Handler, log *slog.Logger, proxies []string) http.Handler {
	t.Helper()
	h, err := httpapi.AccessLog(next, log, proxies)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// logger writes to the bench's log.
func (b *bench) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&b.log, nil)) }

func (b *bench) token(g auth.Grant) string {
	b.t.Helper()
	token, _, err := b.auth.Issue(context.Background(), g)
	if err != nil {
		b.t.Fatal(err)
	}
	return token
}

// do sends a request; header is name, value, name, value.
func (b *bench) do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

func (b *bench) asAdmin(method, path, body string, header ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.do(method, path, body, append(header, "Authorization", "Bearer "+b.admin)...)
}

func (b *bench) create(ids ...string) {
	b.t.Helper()
	for _, id := range ids {
		if w := b.asAdmin("POST", "/api/v1/title", definition(id, "1")); w.Code != http.StatusCreated {
			b.t.Fatalf("create %s: %d %s", id, w.Code, w.Body)
		}
	}
}

func versionJSON(v string) string {
	return `{"version":"` + v + `","releaseDate":"2018-02-02T17:39:58Z","standalone":true,"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[],"capabilities":[]}`
}

func definition(id string, versions ...string) string {
	var ps []string
	for _, v := range versions {
		ps = append(ps, versionJSON(v))
	}
	return `{"id":"` + id + `","name":"` + id + ` App","publisher":"Example","appName":null,"bundleId":null,"lastModified":"2018-02-02T17:39:58Z",` +
		`"requirements":[{"name":"Application Bundle ID","operator":"is","value":"x","type":"recon","and":true}],"patches":[` + strings.Join(
		ps,
		",",
	) + `],"extensionAttributes":[]}`
}

// problem reads an error's body and checks its shape.
func problem(t testing.TB, w *httptest.ResponseRecorder) (body struct {
	Message string
	Errors  []patch.Failure
	Rest    map[string]any
}) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%d with no JSON: %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body.Rest); err != nil {
		t.Fatal(err)
	}
	if body.Message == "" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("an error without message or type: %v %s", w.Header(), w.Body)
	}
	return body
}

func TestErrors(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "Other")
	if _, err := b.cat.Create(t.Context(), parse(t, definition("Synced", "1")), &catalog.CreateOptions{Follows: "https://example.com/d.json"}); err != nil {
		t.Fatal(err)
	}
	title, err := b.cat.Title("App")
	if err != nil {
		t.Fatal(err)
	}
	mine := "Bearer " + b.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}})
	admin := "Bearer " + b.admin
	big := `{"x":"` + strings.Repeat("x", 100_000) + `"}`
	for _, c := range []struct {
		name, method, path, body, token string
		status                          int
		code                            string // the member that names the kind
		header                          string // one that the answer must have
	}{
		{"no call", "GET", "/nothing", "", "", 404, "not_found", ""},
		{"the root", "GET", "/", "", "", 404, "not_found", ""},
		{"no path", "GET", "/jamf/v1/patch/", "", "", 404, "not_found", ""},
		{"another version of the feed", "GET", "/jamf/v2/software", "", "", 404, "not_found", ""},
		{"feed at the root is an option", "GET", "/software", "", "", 404, "not_found", ""},
		{"no title", "GET", "/jamf/v1/patch/Nope", "", "", 404, "title_not_found", ""},
		{"no title in the API", "GET", "/api/v1/titles/Nope", "", "", 404, "title_not_found", ""},
		{"an id that climbs", "GET", "/jamf/v1/patch/..%2f..%2fetc", "", "", 404, "title_not_found", ""},
		{"an id with NUL", "GET", "/api/v1/titles/a%00b", "", "", 404, "title_not_found", ""},
		{"method of the feed", "POST", "/jamf/v1/software", "", "", 405, "method_not_allowed", "Allow"},
		{"method of a title", "PATCH", "/api/v1/titles/App", "", admin, 405, "method_not_allowed", "Allow"},
		{"no token", "POST", "/api/v1/title", definition("New", "1"), "", 401, "unauthorized", "WWW-Authenticate"},
		{"two words", "POST", "/api/v1/title", definition("New", "1"), "Bearer a b", 401, "unauthorized", "WWW-Authenticate"},
		{"another scheme", "POST", "/api/v1/title", definition("New", "1"), "Basic " + b.admin, 401, "unauthorized", "WWW-Authenticate"},
		{"a title's token creates nothing", "POST", "/api/v1/title", definition("New", "1"), mine, 403, "forbidden", ""},
		{"another title's token", "DELETE", "/api/v1/title/Other", "", mine, 403, "forbidden", ""},
		{"another title's token adds nothing", "POST", "/api/v1/title/Other/version", versionJSON("2"), mine, 403, "forbidden", ""},
		{"synced", "POST", "/api/v1/title/Synced/version", versionJSON("2"), admin, 403, "forbidden", ""},
		{"synced, replaced", "PUT", "/api/v1/title/Synced", definition("Synced", "2"), admin, 403, "forbidden", ""},
		{"exists", "POST", "/api/v1/title", definition("aPP", "1"), admin, 409, "database_conflict", ""},
		{"version exists", "POST", "/api/v1/title/App/version", versionJSON("1"), admin, 409, "database_conflict", ""},
		{"another id", "PUT", "/api/v1/title/App", definition("Other", "1"), admin, 409, "database_conflict", ""},
		{"no JSON", "POST", "/api/v1/title", "<xml/>", admin, 400, "invalid_json", ""},
		{"no body", "POST", "/api/v1/title", "", admin, 400, "invalid_json", ""},
		{"no definition", "POST", "/api/v1/title", "{}", admin, 400, "invalid_json", ""},
		{"items that are none", "POST", "/api/v1/title/App/version", `{"items":[]}`, admin, 400, "invalid_json", ""},
		{"too large", "POST", "/api/v1/title", big, admin, 413, "too_large", ""},
		{"no such version", "DELETE", "/api/v1/title/App/version/9", "", admin, 404, "version_not_found", ""},
		{"the last version", "DELETE", "/api/v1/title/App/version/1", "", admin, 400, "bad_request", ""},
		{"no position", "POST", "/api/v1/title/App/version?insert_after=9", versionJSON("2"), admin, 400, "bad_request", ""},
		{"two positions", "POST", "/api/v1/title/App/version?insert_after=1&insert_after=1", versionJSON("2"), admin, 400, "bad_request", ""},
		{"a parameter misspelt", "POST", "/api/v1/title/App/version?insert_befor=1", versionJSON("2"), admin, 400, "bad_request", ""},
		{"limit", "GET", "/api/v1/titles?limit=0", "", "", 400, "bad_request", ""},
		{"limit in words", "GET", "/api/v1/titles?limit=ten", "", "", 400, "bad_request", ""},
		{"cursor", "GET", "/api/v1/titles?cursor=!!", "", "", 400, "bad_request", ""},
		{"synced filter", "GET", "/api/v1/titles?synced=perhaps", "", "", 400, "bad_request", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := b.cat.Software().ETag()
			w := b.do(c.method, c.path, c.body, "Authorization", c.token)
			if c.token == "" {
				w = b.do(c.method, c.path, c.body)
			}
			p := problem(t, w)
			if w.Code != c.status || p.Rest[c.code] == nil || c.header != "" && w.Header().Get(c.header) == "" {
				t.Errorf("%d %v %s; want %d and %s", w.Code, w.Header(), w.Body, c.status, c.code)
			}
			if w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Error("no nosniff")
			}
			if b.cat.Software().ETag() != before {
				t.Error("a refused call has changed something")
			}
		})
	}
}

func parse(t testing.TB, text string) *patch.Definition {
	t.Helper()
	d, err := patch.Parse([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Every failure is told at once, each with its place in the body.
func TestFailuresHavePlaces(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	bad := strings.Replace(versionJSON("2"), `"reboot":false`, `"reboot":1`, 1)
	for _, c := range []struct{ path, body, want string }{
		{"/api/v1/title", strings.Replace(definition("A B", "1"), `"Example"`, "7", 1), "/publisher /id"},
		{"/api/v1/title/App/version", bad, "/reboot"},
		{"/api/v1/title/App/version", `{"items":[` + versionJSON("3") + "," + bad + "," + bad + `]}`, "/items/1/reboot /items/2/reboot"},
		{"/api/v1/title/App/version", `{"items":{}}`, "/items"},
		{"/api/v1/title/App/version", `[]`, ""},
	} {
		w := b.asAdmin("POST", c.path, c.body)
		var got []string
		for _, f := range problem(t, w).Errors {
			got = append(got, f.Path)
		}
		if w.Code != 400 || strings.Join(got, " ") != c.want || len(got) == 0 {
			t.Errorf("%s: %d %q, want 400 %q", c.body[:2], w.Code, got, c.want)
		}
	}
}

func TestBodies(t *testing.T) {
	b := newBench(t, memstore.New())
	form := func(name, text string) (string, string) {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		_ = w.WriteField("before", "x")
		part, _ := w.CreateFormFile(name, "d.json")
		_, _ = part.Write([]byte(text))
		_ = w.Close()
		return body.String(), w.FormDataContentType()
	}
	good, goodType := form("file", definition("Form", "1"))
	wrong, wrongType := form("upload", definition("Form2", "1"))
	for _, c := range []struct {
		name, body, contentType string
		status                  int
	}{
		{"JSON", definition("A", "1"), "application/json", 201},
		{"JSON with parameters", definition("B", "1"), "application/json; charset=utf-8", 201},
		{"no type", definition("C", "1"), "", 201},
		{"curl -d", definition("D", "1"), "application/x-www-form-urlencoded", 201},
		{"the body decides", definition("E", "1"), "application/octet-stream", 201},
		{"a form", good, goodType, 201},
		{"a form without the file", wrong, wrongType, 400},
		{"a form without boundary", good, "multipart/form-data", 400},
		{"a form cut short", good[:len(good)/2], goodType, 400},
		{"something else", "PK\x03\x04", "application/zip", 415},
		{"curl -d of something else", "a=b", "application/x-www-form-urlencoded", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			if w := b.asAdmin("POST", "/api/v1/title", c.body, "Content-Type", c.contentType); w.Code != c.status {
				t.Errorf("%d %s, want %d", w.Code, w.Body, c.status)
			}
		})
	}
	if w := b.asAdmin("POST", "/api/v1/title", definition("Z", "1"), "Content-Encoding", "gzip"); w.Code != 415 {
		t.Errorf("a compressed body: %d", w.Code)
	}
}

// The file of a form is bounded as a bare body is.
func TestFormTooLarge(t *testing.T) {
	b := newBench(t, memstore.New())
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", "d.json")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(bytes.Repeat([]byte(" "), 300_000))
	_ = w.Close()
	if got := b.asAdmin("POST", "/api/v1/title", body.String(), "Content-Type", w.FormDataContentType()); got.Code != 413 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

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

// What a handler is sent is not what its writer meant: no path and no body makes
// it answer with anything but JSON, or not at all.
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
			t.Fatalf("%s %q: %d %s", method, path, w.Code, w.Body)
		}
		if w.Code != 204 && method != "HEAD" && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %q: %d and no JSON: %q", method, path, w.Code, w.Body)
		}
	})
}
