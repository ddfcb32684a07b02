package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
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
	b.handler = httpapi.New(b.cat, &httpapi.Options{Auth: httpapi.BearerTokens(b.auth), Logger: slog.New(slog.NewTextHandler(&b.log, nil)), MaxBodyBytes: 100_000, Now: clock})
	return b
}

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
		`"requirements":[{"name":"Application Bundle ID","operator":"is","value":"x","type":"recon","and":true}],"patches":[` + strings.Join(ps, ",") + `],"extensionAttributes":[]}`
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

// A title's token ends with its title, also when the id is taken again.
func TestTokenOfATitleThatIsGone(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "Other")
	title, err := b.cat.Title("App")
	if err != nil {
		t.Fatal(err)
	}
	mine := "Bearer " + b.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}})
	if w := b.do("DELETE", "/api/v1/title/App", "", "Authorization", mine); w.Code != 204 {
		t.Fatal(w.Code)
	}
	for taken := range 2 {
		if taken == 1 {
			b.create("App")
		}
		for _, c := range [][2]string{{"DELETE", "/api/v1/title/App"}, {"DELETE", "/api/v1/title/Other"}, {"POST", "/api/v1/title"}} {
			if w := b.do(c[0], c[1], definition("New", "1"), "Authorization", mine); w.Code != 401 {
				t.Errorf("%v: %d %s", c, w.Code, w.Body)
			}
		}
	}
}

// What is wrong with the store's own records is not the client's fault, nor its
// business.
func TestADamagedRecord(t *testing.T) {
	s := memstore.New()
	b := newBench(t, s)
	b.create("App")
	key := store.Key{Kind: "titles", ID: "app"}
	r, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Replace(r.Value, []byte(`"patches":[`), []byte(`"patches":{`), 1)
	if _, err := s.Put(t.Context(), key, damaged, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	w := b.asAdmin("POST", "/api/v1/title/App/version", versionJSON("2"))
	if w.Code != 503 || strings.Contains(w.Body.String(), "offset") || strings.Contains(w.Body.String(), "line 1") {
		t.Errorf("%d %s", w.Code, w.Body)
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

func TestConditionalRequests(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "Other")
	b.now = b.now.Add(10 * time.Second)
	for _, path := range []string{"/jamf/v1/software", "/jamf/v1/software/App,Other", "/jamf/v1/patch/App", "/api/v1/titles/App", "/api/v1/titles"} {
		t.Run(path, func(t *testing.T) {
			plain := b.do("GET", path, "")
			zipped := b.do("GET", path, "", "Accept-Encoding", "br, gzip;q=0.5")
			etag, zetag, modified := plain.Header().Get("ETag"), zipped.Header().Get("ETag"), plain.Header().Get("Last-Modified")
			if plain.Code != 200 || zipped.Code != 200 || !strings.HasPrefix(etag, `"`) || etag == zetag || plain.Header().Get("Content-Encoding") != "" || zipped.Header().Get("Content-Encoding") != "gzip" {
				t.Fatalf("%v\n%v", plain.Header(), zipped.Header())
			}
			for _, w := range []*httptest.ResponseRecorder{plain, zipped} {
				if w.Header().Get("Vary") != "Accept-Encoding" || w.Header().Get("Cache-Control") == "" || w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) || w.Header().Get("Content-Type") != "application/json" {
					t.Errorf("%v", w.Header())
				}
			}
			z, err := gzip.NewReader(zipped.Body)
			if err != nil {
				t.Fatal(err)
			}
			if unzipped, err := io.ReadAll(z); err != nil || !bytes.Equal(unzipped, plain.Body.Bytes()) {
				t.Errorf("%v: not the same: %s", err, unzipped)
			}
			for _, c := range []struct {
				name, value string
				status      int
			}{
				{"If-None-Match", etag, 304},
				{"If-None-Match", zetag, 304},
				{"If-None-Match", "W/" + etag, 304},
				{"If-None-Match", `"x", ` + etag, 304},
				{"If-None-Match", "*", 304},
				{"If-None-Match", `"x"`, 200},
				{"If-None-Match", "x", 200},
				{"If-Modified-Since", modified, 304},
				{"If-Modified-Since", b.now.Add(time.Hour).Format(http.TimeFormat), 304},
				{"If-Modified-Since", b.now.Add(-time.Hour).Format(http.TimeFormat), 200},
				{"If-Modified-Since", "yesterday", 200},
			} {
				w := b.do("GET", path, "", c.name, c.value)
				if w.Code != c.status || c.status == 304 && (w.Body.Len() != 0 || w.Header().Get("ETag") == "" || w.Header().Get("Content-Length") != "") {
					t.Errorf("%s: %s: %d %v, want %d", c.name, c.value, w.Code, w.Header(), c.status)
				}
			}
			if w := b.do("GET", path, "", "If-None-Match", `"x"`, "If-Modified-Since", modified); w.Code != 200 {
				t.Errorf("If-Modified-Since counts beside If-None-Match: %d", w.Code)
			}
			head := b.do("HEAD", path, "")
			if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != plain.Header().Get("Content-Length") || head.Header().Get("ETag") != etag {
				t.Errorf("HEAD: %d %v", head.Code, head.Header())
			}
		})
	}
}

// A client that only knows the time never takes an old state for the current one,
// though changes come faster than seconds do.
func TestIfModifiedSinceIsNeverStale(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	for i := range 5 {
		for _, path := range []string{"/jamf/v1/software", "/jamf/v1/patch/App"} {
			held := b.do("GET", path, "")
			if at, err := http.ParseTime(held.Header().Get("Last-Modified")); err != nil || at.After(b.now) {
				t.Fatalf("Last-Modified %v lies ahead of %v", at, b.now)
			}
			if w := b.asAdmin("POST", "/api/v1/title/App/version", versionJSON(fmt.Sprint(path[10:11], i))); w.Code != 201 {
				t.Fatal(w.Body)
			}
			if w := b.do("GET", path, "", "If-Modified-Since", held.Header().Get("Last-Modified")); w.Code != 200 {
				t.Errorf("%s, change %d: %d, want the new state", path, i, w.Code)
			}
		}
	}
}

func TestAcceptEncoding(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "B", "C")
	for _, c := range []struct {
		accept string
		zipped bool
	}{
		{"gzip", true}, {"GZIP", true}, {"x-gzip", true}, {"deflate, gzip", true}, {"gzip;q=1.0", true}, {"*", true}, {"gzip; q=0.001", true},
		{"", false}, {"identity", false}, {"gzip;q=0", false}, {"gzip; q=0.0, *", false}, {"*;q=0", false}, {"br", false}, {"gzip;q=x", false},
	} {
		w := b.do("GET", "/jamf/v1/software", "", "Accept-Encoding", c.accept)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != c.zipped {
			t.Errorf("Accept-Encoding: %s: gzip %v, want %v", c.accept, got, c.zipped)
		}
	}
	// What would be no smaller is not compressed.
	if w := b.do("GET", "/jamf/v1/software/Nope", "", "Accept-Encoding", "gzip"); w.Header().Get("Content-Encoding") != "" || w.Body.String() != "[]" {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
}

func TestPaths(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "a.b")
	list := b.do("GET", "/jamf/v1/software", "").Body.String()
	for _, path := range []string{"/jamf/v1/software/", "/jamf/v1//software", "//jamf/v1/software", "/jamf//v1/software//"} {
		if w := b.do("GET", path, ""); w.Code != 200 || w.Body.String() != list {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/jamf/v1/software/App,a.b", "/jamf/v1/software/App%2Ca.b", "/jamf/v1/software/aPP,%61.b,x%2Fy/"} {
		if w := b.do("GET", path, ""); w.Code != 200 || strings.Count(w.Body.String(), `"id"`) != 2 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/jamf/v1/patch/App", "/jamf/v1/patch/app/", "/jamf/v1/patch/%41pp", "/api/v1/titles/App", "/api/v1//titles/APP/", "/api/v1/titles/%41pp"} {
		if w := b.do("GET", path, ""); w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"id":"App"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := b.asAdmin("POST", "/api/v1/title/App/version", versionJSON("1 (b/7)")); w.Code != 201 {
		t.Fatal(w.Body)
	}
	if w := b.asAdmin("DELETE", "/api/v1/title/App/version/1%20%28b%2F7%29/", ""); w.Code != 200 {
		t.Errorf("a version with a slash: %d %s", w.Code, w.Body)
	}
}

// The handler goes under any prefix, in any tree.
func TestMounting(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	inner := b.handler
	std := http.NewServeMux()
	std.Handle("/patch/", http.StripPrefix("/patch", inner))
	gorilla := mux.NewRouter()
	gorilla.PathPrefix("/patch/").Handler(http.StripPrefix("/patch", inner))
	for name, handler := range map[string]http.Handler{"http.ServeMux": std, "gorilla/mux": gorilla} {
		b.handler = handler
		for _, path := range []string{"/patch/jamf/v1/software", "/patch/jamf/v1/software/", "/patch/jamf/v1/patch/App", "/patch/api/v1/titles/App"} {
			if w := b.do("GET", path, ""); w.Code != 200 {
				t.Errorf("%s: %s: %d %s", name, path, w.Code, w.Body)
			}
		}
		if w := b.asAdmin("POST", "/patch/api/v1/title/App/version", versionJSON(name)); w.Code != 201 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if w := b.do("GET", "/patch/nothing", ""); w.Code != 404 || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestFeedAlone(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	b.handler = httpapi.NewFeed(b.cat, &httpapi.Options{RootFeed: true})
	for _, path := range []string{"/jamf/v1/software", "/software", "/software/App", "/patch/App"} {
		if w := b.do("GET", path, ""); w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for _, c := range [][2]string{{"POST", "/api/v1/title"}, {"GET", "/api/v1/titles"}, {"DELETE", "/api/v1/title/App"}, {"GET", "/healthz"}} {
		if w := b.asAdmin(c[0], c[1], definition("New", "1")); w.Code != 404 {
			t.Errorf("%v: %d", c, w.Code)
		}
	}
}

// With no authentication nothing can be changed, and an embedder's own decides
// where there is one.
func TestOwnAuthentication(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = httpapi.New(b.cat, nil)
	if w := b.asAdmin("POST", "/api/v1/title", definition("New", "1")); w.Code != 401 {
		t.Errorf("%d", w.Code)
	}
	b.handler = httpapi.New(b.cat, &httpapi.Options{Auth: byHeader{}})
	if w := b.do("POST", "/api/v1/title", definition("New", "1"), "X-Forwarded-User", "ann"); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.do("DELETE", "/api/v1/title/New", "", "X-Forwarded-User", "broken"); w.Code != 500 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.do("DELETE", "/api/v1/title/New", ""); w.Code != 401 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type byHeader struct{}

func (byHeader) Authenticate(r *http.Request) (auth.Principal, error) {
	switch r.Header.Get("X-Forwarded-User") {
	case "ann":
		return auth.Principal{TokenID: "ann", Grant: auth.Grant{Kind: auth.Administrator}}, nil
	case "broken":
		return auth.Principal{}, errors.New("the directory does not answer")
	}
	return auth.Principal{}, auth.ErrUnauthorized
}

// A store that fails is a 503, never a 404, and its cause is for the log alone.
func TestOutage(t *testing.T) {
	s := &failing{Store: memstore.New()}
	b := newBench(t, s)
	b.create("App")
	cold, err := catalog.Open(t.Context(), s, nil) // nothing in its cache
	if err != nil {
		t.Fatal(err)
	}
	defer cold.Close()
	var log bytes.Buffer
	b.handler = httpapi.New(cold, &httpapi.Options{Auth: httpapi.BearerTokens(b.auth), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	s.down.Store(true)
	for _, c := range [][2]string{{"GET", "/jamf/v1/patch/App"}, {"GET", "/api/v1/titles/App"}, {"GET", "/readyz"}, {"DELETE", "/api/v1/title/App"}, {"POST", "/api/v1/title"}} {
		log.Reset()
		w := b.asAdmin(c[0], c[1], definition("New", "1"))
		p := problem(t, w)
		id, _ := p.Rest["internal"].(string)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || id == "" || w.Header().Get("X-Request-Id") != id {
			t.Errorf("%v: %d %v %s", c, w.Code, w.Header(), w.Body)
		}
		if strings.Contains(w.Body.String(), "hunter2") || !strings.Contains(log.String(), "hunter2") || !strings.Contains(log.String(), id) {
			t.Errorf("%v: the answer %s; the log %s", c, w.Body, log.String())
		}
	}
	if w := b.do("GET", "/jamf/v1/software", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "App") {
		t.Errorf("the list: %d %s", w.Code, w.Body)
	}
	if w := b.do("GET", "/healthz", ""); w.Code != 200 {
		t.Errorf("/healthz: %d", w.Code)
	}
	s.down.Store(false)
	if w := b.do("GET", "/readyz", ""); w.Code != 200 {
		t.Errorf("/readyz: %d", w.Code)
	}
}

type failing struct {
	store.Store
	down atomic.Bool
}

var errDown = errors.New("dial db: password hunter2 refused")

func (f *failing) Ping(context.Context) error {
	if f.down.Load() {
		return errDown
	}
	return nil
}

func (f *failing) Get(ctx context.Context, k store.Key) (store.Record, error) {
	if f.down.Load() {
		return store.Record{}, errDown
	}
	return f.Store.Get(ctx, k)
}

func (f *failing) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if f.down.Load() {
		return "", errDown
	}
	return f.Store.Put(ctx, k, v, c)
}

func (f *failing) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return f.Store.List(ctx, kind)
}

func TestAPanicIsAnAnswer(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = httpapi.New(b.cat, &httpapi.Options{Auth: panicking{}, Logger: slog.New(slog.NewTextHandler(&b.log, nil))})
	w := b.do("POST", "/api/v1/title", "{}")
	if p := problem(t, w); w.Code != 500 || p.Rest["internal"] == nil || strings.Contains(w.Body.String(), "oops") || !strings.Contains(b.log.String(), "oops") {
		t.Errorf("%d %s; the log: %s", w.Code, w.Body, b.log.String())
	}
}

type panicking struct{}

func (panicking) Authenticate(*http.Request) (auth.Principal, error) { panic("oops") }

func TestIfMatch(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	n := 1
	for _, c := range []struct {
		name   string
		value  func(etag string) string
		status int
	}{
		{"current", func(e string) string { return e }, 201},
		{"current, compressed", func(e string) string { return strings.TrimSuffix(e, `"`) + `-gzip"` }, 201},
		{"any", func(string) string { return "*" }, 201},
		{"one of several", func(e string) string { return `"x", ` + e }, 201},
		{"stale", func(string) string { return `"x"` }, 412},
		{"weak", func(e string) string { return "W/" + e }, 412},
		{"unquoted", func(e string) string { return strings.Trim(e, `"`) }, 412},
	} {
		n++
		etag := b.do("GET", "/api/v1/titles/App", "").Header().Get("ETag")
		w := b.asAdmin("POST", "/api/v1/title/App/version", versionJSON(fmt.Sprint(n)), "If-Match", c.value(etag))
		if w.Code != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.status)
		}
		if c.status == 412 && problem(t, w).Rest["precondition_failed"] == nil {
			t.Errorf("%s", w.Body)
		}
	}
}

// warnings is what lint says of the versions here at these places, but for the
// words.
func warnings(at ...int) string {
	var all []string
	for _, i := range at {
		all = append(all, fmt.Sprintf(`{"code":"components","path":"/patches/%d/components",},{"code":"capabilities","path":"/patches/%d/capabilities",}`, i, i))
	}
	return `"warnings":[` + strings.Join(all, ",") + "]}"
}

func TestAnswers(t *testing.T) {
	b := newBench(t, memstore.New())
	stale := strings.Replace(definition("Composer", "2", "1"), `"lastModified"`, `"currentVersion":"1","lastModified"`, 1)
	w := b.asAdmin("POST", "/api/v1/title", stale)
	want := `{"message":"Title 'Composer' created","id":"Composer","name":"Composer App","warnings":[{"code":"current-version","path":"/currentVersion",`
	if !strings.HasPrefix(w.Body.String(), want) {
		t.Errorf("%s\nwant %s…", w.Body, want)
	}
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/api/v1/title/composer/version", versionJSON("10.1.2"), `{"message":"Version '10.1.2' added to title 'Composer'",` + warnings(0)},
		{"POST", "/api/title/Composer/version", `{"items":[` + versionJSON("12") + "," + versionJSON("11") + `]}`, `{"message":"Versions '12', '11' added to title 'Composer'",` + warnings(0, 1)},
		{"DELETE", "/api/v1/titles/Composer/versions/12", "", `{"message":"Version '12' removed from title 'Composer'"}`},
		{"PUT", "/api/v1/title/Composer", definition("Composer", "2"), `{"message":"Title 'Composer' updated","id":"Composer","name":"Composer App",` + warnings(0)},
		{"PUT", "/api/v1/title/Composer", definition("Composer", "2"), `{"message":"Title 'Composer' is the same already: nothing was changed","id":"Composer","name":"Composer App",` + warnings(0)},
		{"GET", "/api/v1/titles", "", `{"titles":[{"name":"Composer App","publisher":"Example","lastModified":"2026-05-01T12:00:03Z","currentVersion":"2","id":"Composer","author":null,"sync":null}],"next":null}`},
		{"DELETE", "/api/v1/titles/Composer", "", `{"message":"Title 'Composer' deleted"}`},
	} {
		got := regexp.MustCompile(`"message":"version [^}]*`).ReplaceAllString(strings.TrimSpace(b.asAdmin(c.method, c.path, c.body).Body.String()), "")
		if got != c.want {
			t.Errorf("%s %s:\n%s\nwant\n%s", c.method, c.path, got, c.want)
		}
	}
	if !strings.Contains(b.log.String(), "version 12 removed") && !strings.Contains(b.log.String(), "version 10.1.2 removed") {
		t.Errorf("the log does not say what a PUT has changed: %s", b.log.String())
	}
	if !strings.Contains(b.log.String(), "title created") || strings.Contains(b.log.String(), b.admin) {
		t.Errorf("the log: %s", b.log.String())
	}
}

func TestPaging(t *testing.T) {
	b := newBench(t, memstore.New())
	var want []string
	for i := range 7 {
		want = append(want, fmt.Sprintf("T%d", i))
	}
	b.create(want...)
	var got []string
	cursor := ""
	for page := 0; ; page++ {
		var body struct {
			Titles []patch.Summary
			Next   *string
		}
		w := b.do("GET", "/api/v1/titles?limit=3"+cursor, "")
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		for _, s := range body.Titles {
			got = append(got, s.ID)
		}
		if body.Next == nil {
			break
		}
		cursor = "&cursor=" + *body.Next
		if page == 0 { // what goes meanwhile does not disturb the rest
			if w := b.asAdmin("DELETE", "/api/v1/title/T2", ""); w.Code != 204 {
				t.Fatal(w.Code)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

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
		b.handler.ServeHTTP(w, r)
		if w.Code >= 500 || w.Code >= 300 && w.Code < 400 {
			t.Fatalf("%s %q: %d %s", method, path, w.Code, w.Body)
		}
		if w.Code != 204 && method != "HEAD" && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %q: %d and no JSON: %q", method, path, w.Code, w.Body)
		}
	})
}

func TestLint(t *testing.T) {
	b := newBench(t, memstore.New())
	for _, c := range []struct{ name, body, want string }{
		{"warnings", definition("A", "1"), `{"errors":[],"warnings":[{"code":"components","path":"/patches/0/components","message":"`},
		{"failures", `{"id":"a b"}`, `{"errors":[{"path":"/name","message":"`},
		{"no JSON", `{"id":`, `{"errors":[{"path":"/id","message":"line 1`},
	} {
		w := b.do("POST", "/api/v1/lint", c.body)
		if w.Code != 200 || !strings.HasPrefix(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %s…", c.name, w.Code, w.Body, c.want)
		}
	}
	if w := b.do("POST", "/api/v1/lint", strings.Repeat(" ", 200_000)); w.Code != 413 {
		t.Errorf("too large: %d", w.Code)
	}
	if b.cat.Len() != 0 {
		t.Error("something was kept")
	}
}
