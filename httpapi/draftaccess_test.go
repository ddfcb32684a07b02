package httpapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

func (b *bench) as(token, method, path, body string, header ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.do(method, path, body, append(header, bearer(token)...)...)
}

// A draft that has changed is not discarded by a request for its earlier text.
func TestDiscardedDraftIsTheOneThatWasRead(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	old := b.asAdmin("PUT", "/api/v1/titles/App/draft", `{"name":"one"}`).Header().Get("ETag")
	require(t, b.asAdmin("PUT", "/api/v1/titles/App/draft", `{"name":"two"}`), 200)
	expect(t, b.asAdmin("DELETE", "/api/v1/titles/App/draft", "", "If-Match", old), 412)
	expect(t, b.asAdmin("GET", "/api/v1/titles/App/draft", ""), 200, "two")
}

// If-Match is a list; * is any draft that exists; without a tag that matches, the draft is not saved.
func TestDraftIfMatch(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	expect(t, b.asAdmin("PUT", "/api/v1/titles/App/draft", `{"name":"x"}`, "If-Match", "*"), 412)
	tag := b.asAdmin("PUT", "/api/v1/titles/App/draft", `{"name":"one"}`).Header().Get("ETag")
	expect(t, b.asAdmin("PUT", "/api/v1/titles/App/draft", `{"name":"two"}`, "If-Match", `"other", `+tag), 200)
	expect(t, b.asAdmin("PUT", "/api/v1/titles/App/draft", `{"name":"three"}`, "If-Match", ` , `), 412)
	expect(t, b.asAdmin("PUT", "/api/v1/titles/New/draft", `{"name":"x"}`, "If-Match", "*"), 412)
}

// A client learns nothing of the disabled titles of others.
func TestDisabledTitlesOfOthersAreHidden(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("Mine")
	require(t, b.asAdmin("PUT", "/api/v1/titles/Secret/draft", `{"name":"x"}`), 201)
	mine, err := b.catalog.Title("Mine")
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"contributor": b.token(auth.Grant{Kind: auth.Contributor, Contributor: "ann"}),
		"title token": b.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{mine.UID}}),
	} {
		for _, call := range []string{
			"GET /api/v1/titles/%s/draft", "DELETE /api/v1/titles/%s/draft", "POST /api/v1/titles/%s/draft/publish",
			"DELETE /api/v1/titles/%s", "POST /api/v1/titles/%s/disable", "GET /api/v1/titles/%s?disabled=1",
			"POST /api/v1/titles/%s/versions/1/clone",
		} {
			method, path, _ := strings.Cut(call, " ")
			body := ""
			if strings.HasSuffix(path, "clone") {
				body = `{"version":"2"}`
			}
			there := b.as(token, method, fmt.Sprintf(path, "Secret"), body)
			absent := b.as(token, method, fmt.Sprintf(path, "Absent"), body)
			got := strings.ReplaceAll(there.Body.String(), "Secret", "Absent")
			if there.Code != absent.Code || got != absent.Body.String() {
				t.Errorf("%s: %s: %d %s, for an id that is free %d %s", name, call, there.Code, there.Body,
					absent.Code, absent.Body)
			}
		}
	}
}

// A slowBody calls f before its end.
type slowBody struct {
	io.Reader
	f func()
}

func (s *slowBody) Read(p []byte) (int, error) {
	if s.f != nil {
		s.f()
		s.f = nil
	}
	return s.Reader.Read(p)
}

// A draft of a new title is not saved into the title of somebody else that has taken the id meanwhile.
func TestDraftOfIDThatIsTakenMeanwhile(t *testing.T) {
	b := newBench(t, memstore.New())
	token := b.token(auth.Grant{Kind: auth.Contributor, Contributor: "ann"})
	body := &slowBody{strings.NewReader(`{"name":"ann's"}`), func() {
		_, _, err := b.catalog.SaveDraft(t.Context(), "App_ann", []byte(`{"name":"the administrator's"}`), nil)
		if err != nil {
			t.Error(err)
		}
	}}
	r := httptest.NewRequest("PUT", "/api/v1/titles/App/draft", body)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	d, err := b.catalog.Draft(t.Context(), "App_ann")
	if err != nil || !strings.Contains(string(d.Definition), "administrator") {
		t.Errorf("status %d: %s: the draft is %s, %v", w.Code, w.Body, d.Definition, err)
	}
}

// A draft of a contributor's title cannot give it a name without the author.
func TestDraftKeepsAuthorInName(t *testing.T) {
	b := newBench(t, memstore.New())
	token := b.token(auth.Grant{Kind: auth.Contributor, Contributor: "ann"})
	require(t, b.as(token, "PUT", "/api/v1/titles/App/draft", definition("App", "1")), 201)
	require(t, b.as(token, "PUT", "/api/v1/titles/App/draft", definition("App", "1")), 200)
	require(t, b.as(token, "POST", "/api/v1/titles/App/draft/publish", ""), 201)
	title, err := b.catalog.Title("App_ann")
	if err != nil || !strings.HasSuffix(title.Name, "(ann)") {
		t.Errorf("the title is %q, %v, want one that ends with (ann)", title.Name, err)
	}
}

// peak returns the most bytes of heap that f needs.
func peak(f func()) uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	base := m.HeapAlloc
	var most atomic.Uint64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), m.HeapAlloc))
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	f()
	close(done)
	<-ended
	return most.Load() - min(base, most.Load())
}

// budgetHandler has a budget and bodies of 10 MiB.
func budgetHandler(b *bench) http.Handler {
	return newHandler(b.t, b.catalog, &httpapi.Options{
		Authenticate: httpapi.BearerTokens(b.auth), Logger: b.logger(), Now: func() time.Time { return b.now },
	})
}

// The failures of a request are bounded while they are collected.
func TestEvaluateFailuresAreBounded(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	h := budgetHandler(b)
	token := b.token(auth.Grant{Kind: auth.Contributor, Contributor: "ann"})
	for _, apps := range []string{strings.Repeat("1,", 4<<20) + "1", strings.Repeat(`{},`, 3<<20) + "{}"} {
		body := `{"title":"App","computers":[{"applications":[` + apps + `]}]}`
		code := 0
		n := peak(func() {
			r := httptest.NewRequest("POST", "/api/v1/evaluate", strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			code = w.Code
		})
		if code < 400 || n > 30*uint64(len(body)) {
			t.Errorf("a body of %d MiB needs %d MiB, and is answered with status %d", len(body)>>20, n>>20, code)
		}
	}
}

// A contributor's plain id means the contributor's title, as in the other calls.
func TestEvaluatePlainID(t *testing.T) {
	b := newBench(t, memstore.New())
	token := b.token(auth.Grant{Kind: auth.Contributor, Contributor: "ann"})
	require(t, b.as(token, "POST", "/api/v1/titles", definition("App", "1")), 201)
	expect(t, b.as(token, "GET", "/api/v1/titles/App", ""), 200)
	expect(t, b.as(token, "POST", "/api/v1/evaluate", `{"title":"App","computers":[]}`), 200)
}

// Strange values make a 400, not a 500.
func TestFromApplicationWithStrangeValues(t *testing.T) {
	b := newBench(t, memstore.New())
	plist := func(pairs ...string) string {
		s := `<?xml version="1.0"?><plist version="1.0"><dict>`
		for i := 0; i < len(pairs); i += 2 {
			s += "<key>" + pairs[i] + "</key><string>" + pairs[i+1] + "</string>"
		}
		return s + "</dict></plist>"
	}
	good := plist("CFBundleIdentifier", "a.b", "CFBundleShortVersionString", "1", "LSMinimumSystemVersion", "10")
	for _, c := range []struct{ query, body string }{
		{"app_name=%ff.app", good}, {"app_name=a%0ab.app", good}, {"app_name=.app", good}, {"app_name=..", good},
		{"app_name=" + strings.Repeat("a", 5000), good}, {"app_name=A.app&publisher=%ff", good},
		{"app_name=A.app&name=%ff%00", good}, {"app_name=A.app&release_date=9999-12-31T23:59:59Z", good},
		{"app_name=A.app", plist("CFBundleIdentifier", "\xff", "CFBundleShortVersionString", "\xff",
			"LSMinimumSystemVersion", "x")},
		{"app_name=A.app", strings.Repeat("<array>", 100_000)},
		{"app_name=A.app", `<?xml version="1.0"?><plist><dict>` + strings.Repeat("<array>", 100_000)},
		{"app_name=A.app", "bplist00" + strings.Repeat("\xff", 100)},
		{"app_name=A.app&release_date=0000-01-01T00:00:00Z", good},
	} {
		w := b.asAdmin("POST", "/api/v1/definitions/from-application?"+c.query, c.body)
		if w.Code != 400 && w.Code != 200 {
			t.Errorf("%.100s: %d: %s", c.query, w.Code, w.Body)
		}
	}
}

// Titles that are disabled are in no list, feed or backup, and their history is not public.
func TestDisabledTitlesAreNotListed(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	require(t, b.asAdmin("PUT", "/api/v1/titles/Hidden/draft", definition("Hidden", "1")), 201)
	if err := b.catalog.Disable(t.Context(), "App", &catalog.EditOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/jamf/v1/software", "/api/v1/titles", "/feed.atom", "/api/v1/backup",
		"/api/v1/titles?q=hidden", "/jamf/v1/software/App,Hidden", "/jamf/v1/patch/App", "/api/v1/titles/Hidden",
		"/api/v1/titles/App/history", "/api/v1/titles/Hidden/history"} {
		w := b.do("GET", path, "")
		if strings.Contains(w.Body.String(), "Hidden App") || strings.Contains(w.Body.String(), "App App") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
