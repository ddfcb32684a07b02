package titleeditor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/titleeditor"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A fixture is a handler over a catalog, with a clock of its own.
type fixture struct {
	t       testing.TB
	store   store.Store
	catalog *catalog.Catalog
	tokens  *auth.Service
	handler http.Handler
	token   string // an administrator's, with which requests are made
	session string // takes the place of token if it is set
	now     time.Time
}

// key signs the sessions.
var key = []byte("0123456789abcdef0123456789abcdef")

// newFixture returns a fixture. change, if not nil, changes the Config.
func newFixture(t testing.TB, change func(*titleeditor.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, store: memstore.New(), now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return f.now }
	var err error
	if f.catalog, err = catalog.Open(t.Context(), f.store, &catalog.Options{Now: clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.catalog.Close() })
	if f.tokens, err = auth.Open(t.Context(), f.store, &auth.Options{Now: clock}); err != nil {
		t.Fatal(err)
	}
	c := titleeditor.Config{Catalog: f.catalog, Tokens: f.tokens, Key: key, Now: clock}
	if change != nil {
		change(&c)
	}
	if f.handler, err = titleeditor.New(&c); err != nil {
		t.Fatal(err)
	}
	f.token = f.issue(auth.Grant{Kind: auth.Administrator})
	return f
}

// issue makes a token.
func (f *fixture) issue(g auth.Grant) string {
	f.t.Helper()
	token, _, err := f.tokens.Issue(f.t.Context(), g)
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

// as returns the fixture with another token.
func (f *fixture) as(token string) *fixture {
	other := *f
	other.token, other.session = token, ""
	return &other
}

// send makes a request. body is a string, or is written as JSON; nil is none. header has pairs of names and values.
func (f *fixture) send(method, path string, body any, header ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	text, isText := body.(string)
	if body != nil && !isText {
		data, err := json.Marshal(body)
		if err != nil {
			f.t.Fatal(err)
		}
		text = string(data)
	}
	r := httptest.NewRequest(method, path, strings.NewReader(text))
	credentials := f.token
	if f.session != "" {
		credentials = f.session
	}
	if credentials != "" {
		r.Header.Set("Authorization", "Bearer "+credentials)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

// login logs in and returns the answer.
func (f *fixture) login(path, user, password string) *httptest.ResponseRecorder {
	f.t.Helper()
	r := httptest.NewRequest("POST", path, nil)
	r.SetBasicAuth(user, password)
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

// members are the members of an object in an answer.
type members = map[string]any

// remove deletes something.
func (f *fixture) remove(path string) {
	f.t.Helper()
	if w := f.send("DELETE", path, nil); w.Code != 204 || w.Body.Len() > 0 {
		f.t.Fatalf("DELETE %s: status %d: %s", path, w.Code, w.Body)
	}
}

// ok makes a request that must succeed, and returns the object in the answer.
func (f *fixture) ok(method, path string, body any) members {
	f.t.Helper()
	w := f.send(method, path, body)
	if w.Code != 200 {
		f.t.Fatalf("%s %s: status %d: %s", method, path, w.Code, w.Body)
	}
	var m members
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		f.t.Fatalf("%s %s: %v: %s", method, path, err, w.Body)
	}
	return m
}

// number returns a number that an answer has.
func number(m members, name string) int {
	n, _ := m[name].(float64)
	return int(n)
}

// list returns an array of objects that an answer has.
func list(m members, name string) (all []members) {
	elements, _ := m[name].([]any)
	for _, e := range elements {
		all = append(all, e.(members))
	}
	return all
}

// refusal is the content of the answer to an error.
type refusal struct {
	status      int
	code        string
	description string
	field       string
}

// refused makes a request that must fail, and returns the first error in the answer.
func (f *fixture) refused(method, path string, body any, header ...string) refusal {
	f.t.Helper()
	r, err := refusalIn(f.send(method, path, body, header...))
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

// refusalIn returns the first error in an answer.
func refusalIn(w *httptest.ResponseRecorder) (refusal, error) {
	var answer struct {
		Errors []struct{ Code, Description, Field string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		return refusal{}, fmt.Errorf("status %d: %w: %s", w.Code, err, w.Body)
	}
	if w.Code < 400 || len(answer.Errors) == 0 {
		return refusal{}, fmt.Errorf("status %d without errors: %s", w.Code, w.Body)
	}
	e := answer.Errors[0]
	if e.Code == "" || e.Description == "" {
		return refusal{}, errors.New("an error without a code or a description: " + w.Body.String())
	}
	return refusal{w.Code, e.Code, e.Description, e.Field}, nil
}

// criterion returns the body of a criterion.
func criterion(name, operator, value string) members {
	return members{"name": name, "operator": operator, "value": value, "type": "recon"}
}

// bare returns the body of a title without patches.
func bare(id string) members {
	return members{
		"id":             id,
		"name":           id,
		"publisher":      "Example",
		"currentVersion": "1.0",
		"requirements":   []any{criterion("Application Bundle ID", "is", "com.example."+id)},
	}
}

// whole returns the body of a patch with everything that it needs.
func whole(version string) members {
	return members{
		"version":                version,
		"releaseDate":            "2026-04-01T00:00:00Z",
		"minimumOperatingSystem": "12.0",
		"killApps":               []any{members{"bundleId": "com.example", "appName": "Example.app"}},
		"components": []any{members{"name": "Example", "version": version, "criteria": []any{
			criterion("Application Version", "is", version),
		}}},
		"capabilities": []any{criterion("Operating System Version", "greater than or equal", "12.0")},
	}
}

// create creates a title with patches, and enables it if it has some. It returns the path of the title.
func (f *fixture) create(id string, versions ...string) string {
	f.t.Helper()
	body := bare(id)
	var patches []any
	for _, v := range versions {
		patches = append(patches, whole(v))
	}
	body["patches"] = patches
	path := fmt.Sprintf("/v2/softwaretitles/%d", number(f.ok("POST", "/v2/softwaretitles", body), "softwareTitleId"))
	if len(versions) > 0 {
		f.ok("PUT", path, members{"enabled": true})
	}
	return path
}

// served returns the versions that are served of a title, separated by spaces, and "none" if it is not served.
func (f *fixture) served(id string) string {
	f.t.Helper()
	d, _, err := f.catalog.Load(f.t.Context(), id)
	if errors.Is(err, catalog.ErrNotFound) {
		return "none"
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return strings.Join(d.Versions(), " ")
}

// shown returns the versions of a title in this API, separated by spaces, with a hyphen behind those that are disabled.
func (f *fixture) shown(path string) string {
	f.t.Helper()
	var all []string
	for i, p := range list(f.ok("GET", path, nil), "patches") {
		v := p["version"].(string)
		if p["enabled"] == false {
			v += "-"
		}
		if number(p, "absoluteOrderId") != i {
			f.t.Errorf("patch %d of %s has the absoluteOrderId %d", i, path, number(p, "absoluteOrderId"))
		}
		all = append(all, v)
	}
	return strings.Join(all, " ")
}

// createFunc is the argument of a titleeditor.OwnFunc.
type createFunc = func(owner catalog.CreateOptions) (id string, err error)

// observer returns a Config.Observe that notes the outcomes of requests.
func observer(outcomes *[]string) func(string, string, int, int64, time.Duration) {
	return func(route, method string, status int, _ int64, _ time.Duration) {
		*outcomes = append(*outcomes, fmt.Sprintf("%s %s %d", method, route, status))
	}
}
