package app

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/patchsource/patchsource/httpapi/openapi"
)

// The document has valid examples of every request and every response.
func TestEveryCallHasExamples(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(openapi.Document())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil { // also validates the examples
		t.Fatal(err)
	}
	bodies := 0
	check := func(where string, content openapi3.Content) {
		for mediaType, m := range content {
			switch mediaType {
			case "application/zip", "multipart/form-data": // binary
				continue
			}
			bodies++
			if len(m.Examples) == 0 {
				t.Errorf("%s, %s: no example", where, mediaType)
			}
			for name, e := range m.Examples {
				if e.Value == nil || e.Value.Value == nil {
					t.Errorf("%s, %s: example %s is empty", where, mediaType, name)
				}
			}
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			where := method + " " + path
			if op.RequestBody != nil {
				check(where, op.RequestBody.Value.Content)
			}
			for status, r := range op.Responses.Map() {
				check(where+" "+status, r.Value.Content)
			}
		}
	}
	if bodies < 200 {
		t.Errorf("checked %d bodies, want 200 or more", bodies)
	}
}

// The published document is valid, and it describes the answers of the server.
func TestAnswersAreAsDocumented(t *testing.T) {
	p := start(t, t.TempDir(), "--allow-private-networks", "--rate-limit=false")
	_, text := p.do("GET", "/api/openapi.yaml", "")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	openapi3filter.RegisterBodyDecoder("application/atom+xml", openapi3filter.FileBodyDecoder)
	doc.Servers = openapi3.Servers{{URL: p.url}}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/feed" {
			_, _ = io.WriteString(w, `["2", "2026.1"]`)
			return
		}
		_, _ = io.WriteString(w, definition("Sub", "1"))
	}))
	feed := `"feed":{"kind":"json","url":"` + upstream.URL + `/feed","items":"$[*]","version":"$","include":"^.$"}`
	wider := strings.Replace(feed, `"^.$"`, `"."`, 1)
	recipe := `{"id":"Fed","name":"Fed","bundleId":"com.example.fed",` + feed + `}`
	defer upstream.Close()
	openapi3filter.RegisterBodyDecoder("text/plain", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.JSONBodyDecoder) // has one line
	openapi3filter.RegisterBodyDecoder("application/zip", openapi3filter.FileBodyDecoder)
	zipped := zipOf(t, "Zipped")
	published := `{"author_name":"Ann","author_email":"ann@example.com","definition":` + definition("P", "1") + `}`
	for _, c := range []struct {
		method, path, body string
		status             int
		header             string // Name: value
	}{
		{"POST", "/api/v1/title", definition("App", "1"), 201, ""},
		{"POST", "/api/v1/title", definition("App", "1"), 409, ""},
		{"POST", "/api/v1/title", `{"id":"x"}`, 400, ""},
		{"POST", "/api/v1/title", published, 201, ""},
		{"GET", "/jamf/v1/software", "", 200, ""},
		{"GET", "/jamf/v1/software/App,Nope", "", 200, ""},
		{"GET", "/jamf/v1/patch/App", "", 200, ""},
		{"GET", "/jamf/v1/patch/Nope", "", 404, ""},
		{"GET", "/software", "", 200, ""},
		{"POST", "/api/v1/title/App/version", versionJSON("2"), 201, ""},
		{"POST", "/api/v1/title/App/version", versionJSON("2"), 409, ""},
		{"PUT", "/api/v1/title/App", definition("App", "3"), 200, ""},
		{"GET", "/api/v1/titles/App/history", "", 200, ""},
		{"GET", "/api/v1/titles/App/history/1", "", 200, ""},
		{"GET", "/api/v1/titles/App/history/1/diff", "", 200, ""},
		{"GET", "/api/v1/titles/App/history/99", "", 404, ""},
		{"POST", "/api/v1/titles/App/history/2/restore", "", 200, ""},
		{"DELETE", "/api/v1/title/App/version/2", "", 200, ""},
		{"POST", "/api/v1/titles/App/versions/1/clone", `{"version":"4"}`, 201, ""},
		{"POST", "/api/v1/titles/App/versions/1/clone", `{"version":"4"}`, 409, ""},
		{"POST", "/api/v1/titles/App/versions/1/clone", `{}`, 400, ""},
		{"POST", "/api/v1/titles/App/order", `{"versions":["4"]}`, 400, ""},
		{"PUT", "/api/v1/titles/New/draft", `{"id":"New","name":"New"}`, 201, ""},
		{"PUT", "/api/v1/titles/New/draft", `[]`, 400, ""},
		{"POST", "/api/v1/definitions/from-application?app_name=A.app", "x", 400, ""},
		{"GET", "/api/v1/titles/New/draft", "", 200, ""},
		{"GET", "/api/v1/drafts", "", 200, ""},
		{"POST", "/api/v1/titles/New/draft/publish", "", 400, ""},
		{"DELETE", "/api/v1/titles/New/draft", "", 204, ""},
		{"GET", "/api/v1/titles/New/draft", "", 404, ""},
		{"PUT", "/api/v1/titles/App/draft", definition("App", "9"), 200, ""},
		{"POST", "/api/v1/titles/App/disable", "", 409, ""},
		{"PUT", "/api/v1/title/App", definition("App", "3"), 200, ""},
		{"POST", "/api/v1/titles/App/draft/publish", "", 409, ""},
		{"DELETE", "/api/v1/titles/App/draft", "", 204, ""},
		{"POST", "/api/v1/titles/App/order", `{"versions":["3"]}`, 200, ""},
		{"POST", "/api/v1/titles/App/disable", "", 200, ""},
		{"POST", "/api/v1/titles/App/draft/publish", "", 201, ""},
		{"POST", "/api/v1/lint", definition("App", "3"), 200, ""},
		{"POST", "/api/v1/evaluate", `{"title":"App","computers":[{"name":"a","os_version":"14"}]}`, 200, ""},
		{"POST", "/api/v1/evaluate", `{"title":"App","computers":0}`, 400, ""},
		{"POST", "/api/v1/subscribe", `{"id":"Sub","json_url":"` + upstream.URL + `"}`, 201, ""},
		{"POST", "/api/v1/subscribe", `{"id":"Sub2","json_url":"ftp://x"}`, 400, ""},
		{"POST", "/api/v1/title/Sub/sync", "", 202, ""},
		{"GET", "/api/v1/sync", "", 200, ""},
		{"GET", "/api/v1/titles", "", 200, ""},
		{"GET", "/api/v1/titles?limit=x", "", 400, ""},
		{"POST", "/api/v1/unsubscribe/Sub", "", 200, ""},
		{"POST", "/api/v1/tokens", `{"expires_in_days":7,"titles_in_scope":["App"]}`, 201, ""},
		{"GET", "/api/v1/tokens", "", 200, ""},
		{"GET", "/api/v1/token", "", 200, ""},
		{"POST", "/api/v1/sync", `{"mirror":"nope"}`, 400, ""},
		{"POST", "/api/v1/recipes", recipe, 201, ""},
		{"POST", "/api/v1/recipes", recipe, 409, ""},
		{"POST", "/api/v1/recipes", `{"feed":{}}`, 400, ""},
		{"POST", "/api/v1/recipes/test", `{"recipe":{` + feed + `}}`, 200, ""},
		{"POST", "/api/v1/recipes/test", `{"recipe":{` + feed + `},"answer":{"body":"x"}}`, 400, ""},
		{"POST", "/api/v1/recipes/draft", `{"cask":{"token":"a","name":["A"],"version":"1"}}`, 200, ""},
		{"POST", "/api/v1/recipes/draft", `{}`, 400, ""},
		{"GET", "/api/v1/titles/App/watch", "", 404, ""},
		{"PUT", "/api/v1/titles/App/watch", `{` + feed + `,"policy":{"hold":"48h"}}`, 201, ""},
		{"POST", "/api/v1/titles/App/watch/check", "", 200, ""},
		{"DELETE", "/api/v1/titles/App/watch", "", 204, ""},
		{"PUT", "/api/v1/titles/Fed/watch", `{` + wider + `}`, 200, ""},
		{"POST", "/api/v1/titles/Fed/watch/check?dry_run=1", "", 200, ""},
		{"POST", "/api/v1/titles/Fed/watch/check", "", 200, ""},
		{"GET", "/api/v1/watches", "", 200, ""},
		{"GET", "/api/v1/watches?state=x", "", 400, ""},
		{"GET", "/api/v1/proposals", "", 200, ""},
		{"POST", "/api/v1/proposals/nope/approve", "", 404, ""},
		{"POST", "/api/v1/proposals/nope/reject", "", 404, ""},
		{"GET", "/api/v1/titles/App/feed.atom", "", 200, ""},
		{"GET", "/feed.atom", "", 200, ""},
		{"POST", "/api/v1/tokens/nope/invalidate", "", 404, ""},
		{"POST", "/api/v1/token", `{}`, 403, ""},
		{"POST", "/api/v1/contributors/register", `{"name":"macman","email":"mac@example.com"}`, 201, ""},
		{"GET", "/api/v1/contributors", "", 200, ""},
		{"POST", "/api/v1/contributors/token", `{"email":"mac@example.com"}`, 202, ""},
		{"POST", "/api/v1/contributors/macman/release", "", 200, ""},
		{"POST", "/api/v1/tokens", `{"name":"build server"}`, 201, ""},
		{"POST", "/api/v1/tokens", `{"name":"second","administrator":true,"never_expires":true}`, 201, ""},
		{"POST", "/api/v1/tokens", `{"administrator":true,"titles_in_scope":["App"]}`, 400, ""},
		{"POST", "/api/title", definition("Simple", "1"), 201, ""},
		{"PUT", "/api/title/Nope", definition("Nope", "1"), 404, ""},
		{"GET", "/jamf/v1/software?pretty", "", 200, ""},
		{"POST", "/api/v1/webhooks", `{"url":"` + upstream.URL + `","format":"slack","events":["new_title"]}`, 201, ""},
		{"POST", "/api/v1/webhooks", `{"url":"nope"}`, 400, ""},
		{"GET", "/api/v1/webhooks", "", 200, ""},
		{"GET", "/api/v1/webhooks/nope/deliveries", "", 404, ""},
		{"POST", "/api/v1/webhooks/nope/deliveries/x/retry", "", 404, ""},
		{"DELETE", "/api/v1/webhooks/nope", "", 404, ""},
		{"GET", "/jamf/v1/software", "", 304, "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"},
		{"GET", "/api/v1/titles/App", "", 304, "If-None-Match: *"},
		{"PUT", "/api/v1/title/App", definition("App", "4"), 412, `If-Match: "x"`},
		{"POST", "/api/v1/title", strings.Repeat(" ", 10<<20+1), 413, ""},
		{"PUT", "/api/v1/title/App", "x", 415, "Content-Type: text/html"},
		{"POST", "/api/v1/title/App/version", "x", 415, "Content-Type: text/html"},
		{"POST", "/api/v1/tokens", "x", 415, "Content-Type: text/html"},
		{"POST", "/api/v1/webhooks", "x", 415, "Content-Type: text/html"},
		{"POST", "/api/v1/subscribe", "x", 415, "Content-Type: text/html"},
		{"POST", "/api/v1/titles/import", definition("Imported", "1"), 200, "Content-Type: application/x-ndjson"},
		{"POST", "/api/v1/restore?mode=merge", zipped, 201, "Content-Type: application/zip"},
		{"GET", "/api/v1/jobs", "", 200, ""},
		{"GET", "/api/v1/jobs/nope", "", 404, ""},
		{"POST", "/api/v1/restore", zipped, 400, "Content-Type: application/zip"},
		{"POST", "/api/v1/restore?mode=replace&dry_run=1", zipped, 200, "Content-Type: application/zip"},
		{"POST", "/api/v1/restore?mode=replace", zipped, 400, "Content-Type: application/zip"},
		{"GET", "/api/v1/backup", "", 200, ""},
		{"GET", "/metrics", "", 200, ""},
		{"GET", "/healthz", "", 200, ""},
		{"GET", "/readyz", "", 200, ""},
		{"DELETE", "/api/v1/titles/App", "", 200, ""},
		{"DELETE", "/api/v1/title/App", "", 404, ""},
	} {
		r, err := http.NewRequest(c.method, p.url+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if name, value, ok := strings.Cut(c.header, ": "); ok {
			r.Header.Set(name, value)
		}
		r.Header.Set("Authorization", "Bearer "+p.token())
		route, params, err := router.FindRoute(r)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
			continue
		}
		input := &openapi3filter.RequestValidationInput{
			Request:    r,
			PathParams: params,
			Route:      route,
			Options: &openapi3filter.Options{
				AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
				IncludeResponseStatus: true,
			},
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != c.status {
			t.Errorf("%s %s: got status %d, want %d: %s", c.method, c.path, res.StatusCode, c.status, body)
			continue
		}
		answer := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: input,
			Status:                 res.StatusCode,
			Header:                 res.Header,
			Body:                   io.NopCloser(bytes.NewReader(body)),
			Options:                input.Options,
		}
		if err := openapi3filter.ValidateResponse(t.Context(), answer); err != nil {
			t.Errorf("%s %s: the answer is not as documented: %v", c.method, c.path, err)
		}
	}
}

// zipOf returns a backup of one title.
func zipOf(t *testing.T, id string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("patch_archive/" + id + ".json")
	if err == nil {
		_, err = io.WriteString(w, definition(id, "1"))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
