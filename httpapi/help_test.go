package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A bench is a handler and the parts that it is made of.
type bench struct {
	t       testing.TB
	handler http.Handler
	catalog *catalog.Catalog
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
	b.catalog, err = catalog.Open(context.Background(), s, &catalog.Options{Now: clock, CacheBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.catalog.Close() })
	if b.auth, err = auth.Open(context.Background(), memstore.New(), nil); err != nil {
		t.Fatal(err)
	}
	b.admin = b.token(auth.Grant{Kind: auth.Administrator})
	b.handler = newHandler(t, b.catalog, &httpapi.Options{
		Authenticate: httpapi.BearerTokens(b.auth),
		Logger:       b.logger(),
		MaxBodyBytes: 100_000,
		Now:          clock,
	})
	return b
}

// newHandler returns a handler of all calls.
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

// expect reports an answer that has another status, or lacks one of the texts.
func expect(t testing.TB, w *httptest.ResponseRecorder, status int, texts ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("got status %d, want %d: %s", w.Code, status, w.Body)
	}
	for _, text := range texts {
		if !strings.Contains(w.Body.String(), text) {
			t.Errorf("the answer lacks %q: %s", text, w.Body)
		}
	}
}

// require ends the test for an answer that has another status.
func require(t testing.TB, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("got status %d, want %d: %s", w.Code, status, w.Body)
	}
}

// logger writes to the bench's log.
func (b *bench) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&b.log, nil)) }

// token issues a token.
func (b *bench) token(g auth.Grant) string {
	b.t.Helper()
	token, _, err := b.auth.Issue(context.Background(), g)
	if err != nil {
		b.t.Fatal(err)
	}
	return token
}

// do sends a request. header has names and values in turn.
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

// asAdmin sends a request with an administrator's token.
func (b *bench) asAdmin(method, path, body string, header ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.do(method, path, body, append(header, bearer(b.admin)...)...)
}

// bearer returns the header that carries a token, and none for an empty one.
func bearer(token string) []string {
	if token == "" {
		return nil
	}
	return []string{"Authorization", "Bearer " + token}
}

// create creates titles.
func (b *bench) create(ids ...string) {
	b.t.Helper()
	for _, id := range ids {
		require(b.t, b.asAdmin("POST", "/api/v1/title", definition(id, "1")), http.StatusCreated)
	}
}

// versionJSON returns a version as JSON.
func versionJSON(v string) string {
	return `{"version":"` + v + `","releaseDate":"2018-02-02T17:39:58Z","standalone":true,` +
		`"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[],"capabilities":[]}`
}

// definition returns a title's definition as JSON.
func definition(id string, versions ...string) string {
	var patches []string
	for _, v := range versions {
		patches = append(patches, versionJSON(v))
	}
	return `{"id":"` + id + `","name":"` + id + ` App","publisher":"Example","appName":null,"bundleId":null,` +
		`"lastModified":"2018-02-02T17:39:58Z","requirements":[{"name":"Application Bundle ID","operator":"is",` +
		`"value":"x","type":"recon","and":true}],"patches":[` + strings.Join(patches, ",") +
		`],"extensionAttributes":[]}`
}

// problem reads the body of an error and checks its form.
func problem(t testing.TB, w *httptest.ResponseRecorder) (body struct {
	Message string
	Errors  []patch.Failure
	Rest    map[string]any
}) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("the answer with status %d is not JSON: %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body.Rest); err != nil {
		t.Fatal(err)
	}
	if body.Message == "" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("the error has no message or another type: %v %s", w.Header(), w.Body)
	}
	return body
}

// lacks reports an answer, or another text, that has a secret.
func lacks(t testing.TB, text, secret string) {
	t.Helper()
	if strings.Contains(text, secret) {
		t.Errorf("%q is in %s", secret, text)
	}
}

// parse returns the definition in a text.
func parse(t testing.TB, text string) *patch.Definition {
	t.Helper()
	d, err := patch.Parse([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
