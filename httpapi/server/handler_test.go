package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store/memstore"
)

// accept returns a header function for call.
func accept(types string) func(http.Header) {
	return func(h http.Header) { h.Set("Accept", types) }
}

// What a browser accepts.
const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// A browser is shown a page for an unknown path. Scripts, and all clients of the API and the feed, get JSON.
func TestUnknownPaths(t *testing.T) {
	const page, data = "text/html", "application/json"
	s := open(t, server.Config{Store: memstore.New(), RootFeed: true})
	for _, c := range []struct {
		name, method, path, accept string
		status                     int
		contentType                string
	}{
		{"a browser", "GET", "/nope", browser, 404, page},
		{"a browser, deeper", "GET", "/nope/deeper", browser, 404, page},
		{"a browser, HEAD", "HEAD", "/nope", browser, 404, page},
		{"a script", "GET", "/nope", "*/*", 404, data},
		{"a client that accepts JSON", "GET", "/nope", "application/json", 404, data},
		{"a form", "POST", "/nope", browser, 404, data},
		{"a call of the API", "GET", "/api/v1/nope", browser, 404, data},
		{"a title of the API", "GET", "/api/v1/titles/nope", browser, 404, data},
		{"a path of the feed", "GET", "/jamf/nope", browser, 404, data},
		{"a path of the feed with an extra slash", "GET", "//jamf/nope", browser, 404, data},
		{"a title of the feed", "GET", "/jamf/v1/patch/nope", browser, 404, data},
		{"a title of the feed at the root", "GET", "/patch/nope", browser, 404, data},
		{"the feed", "GET", "/jamf/v1/software", browser, 200, data},
		{"the feed at the root", "GET", "/software", browser, 200, data},
		{"a page", "GET", "/publish", browser, 200, page},
		{"the page of a title", "GET", "/titles/nope", browser, 404, page},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := call(s, c.method, c.path, "", accept(c.accept))
			contentType, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
			if w.Code != c.status || contentType != c.contentType {
				t.Errorf("got %d %s, want %d %s", w.Code, contentType, c.status, c.contentType)
			}
		})
	}
}

// Browsers get the page. Clients of the feed get JSON, whatever they accept.
func TestAccept(t *testing.T) {
	s := open(t, server.Config{Store: memstore.New(), RootFeed: true})
	for _, c := range []struct{ path, accept, contentType string }{
		{"/", browser, "text/html"},
		{"/", "*/*", "text/html"},
		{"/", "application/json", "application/json"},
		{"/jamf/v1/software", "text/html", "application/json"},
		{"/jamf/v1/software/x", "text/html", "application/json"},
		{"/jamf/v1/patch/x", "text/html", "application/json"},
		{"/software", "text/html", "application/json"},
		{"/docs/api", "text/html", "text/html"},
		{"/api/v1/titles", "text/html", "application/json"},
	} {
		got := call(s, "GET", c.path, "", accept(c.accept)).Header().Get("Content-Type")
		if !strings.HasPrefix(got, c.contentType) {
			t.Errorf("%s as %s: got %s, want %s", c.path, c.accept, got, c.contentType)
		}
	}
}

// Pages are compressed only for clients that accept it.
func TestCompression(t *testing.T) {
	s := open(t, full(t))
	for _, c := range []struct {
		path, accept, byteRange string
		encoding                string
	}{
		{"/publish", "gzip", "", "gzip"},
		{"/publish", "gzip, deflate, br, zstd", "", "gzip"},
		{"/publish", "gzip;q=0", "", ""},
		{"/publish", "identity", "", ""},
		{"/publish", "*;q=0", "", ""},
		{"/api/openapi.yaml", "gzip", "", "gzip"},
		{"/api/openapi.yaml", "gzip", "bytes=0-99", ""},
		{"/docs/swagger-ui.css", "gzip", "", "gzip"}, // embedded in this form
	} {
		w := call(s, "GET", c.path, "", func(h http.Header) {
			h.Set("Accept-Encoding", c.accept)
			if c.byteRange != "" {
				h.Set("Range", c.byteRange)
			}
		})
		header, body := w.Header(), w.Body.String()
		if header.Get("Content-Encoding") != c.encoding ||
			!strings.Contains(strings.Join(header.Values("Vary"), ","), "Accept-Encoding") {
			t.Errorf("%+v: got %v", c, header)
		}
		if compressed := strings.HasPrefix(body, "\x1f\x8b"); compressed != (c.encoding == "gzip") {
			t.Errorf("%+v: the body is compressed: %v; got %v", c, compressed, header)
		}
		if c.byteRange != "" && (w.Code != 206 || len(body) != 100) && w.Code != 200 {
			t.Errorf("%+v: got status %d and %d bytes", c, w.Code, len(body))
		}
	}
}

// Reads depend on cookies only if the program has sessions.
func TestReadsVary(t *testing.T) {
	for want, authenticate := range map[string]httpapi.Authenticator{
		"Accept, Accept-Encoding, Authorization": nil,
		"Accept, Accept-Encoding, Authorization, Cookie": func(*http.Request) (auth.Principal, error) {
			return auth.Principal{}, auth.ErrUnauthorized
		},
	} {
		c := full(t)
		c.Authenticate, c.Session = authenticate, nil
		s := open(t, c)
		w := call(s, "GET", "/api/v1/titles", "", bearer(adminToken(t, s)))
		if got := w.Header().Get("Vary"); got != want {
			t.Errorf("got Vary %s, want %s", got, want)
		}
	}
}

// The metrics count requests by route, the storage, titles, sources, caches and tokens. They name no title and no
// token.
func TestMetrics(t *testing.T) {
	s := open(t, full(t))
	token := bearer(adminToken(t, s))
	for _, c := range [][3]string{
		{"POST", "/api/v1/title", definition("SomeTitle", "1")},
		{"GET", "/jamf/v1/patch/SomeTitle", ""},
		{"GET", "/jamf/v1/patch/Nope", ""},
		{"GET", "/jamf/v1/software/SomeTitle,Nope", ""},
		{"GET", "/no/such/call", ""},
		{"GET", "/titles/SomeTitle", ""},
		{"GET", "/titles/Nope/edit", ""},
	} {
		call(s, c[0], c[1], c[2], token)
	}
	w := call(s, "GET", "/metrics", "", nil)
	text := w.Body.String()
	for _, want := range []string{
		`patchsource_http_requests_total{method="POST",route="/api/v1/title",status="201"} 1`,
		`patchsource_http_requests_total{method="GET",route="/jamf/v1/patch/{id}",status="200"} 1`,
		`patchsource_http_requests_total{method="GET",route="/jamf/v1/patch/{id}",status="404"} 1`,
		`patchsource_http_requests_total{method="GET",route="none",status="404"} 1`,
		`patchsource_http_requests_total{method="GET",route="/titles/{id}",status="200"} 1`,
		`patchsource_http_requests_total{method="GET",route="/titles/{id}/edit",status="401"} 1`,
		`patchsource_http_response_bytes_total{route="/jamf/v1/patch/{id}"}`,
		`patchsource_http_request_seconds_bucket{route="/jamf/v1/patch/{id}",status="200",le="`,
		"patchsource_titles 1",
		`patchsource_sources{result="failing"} 0`,
		`patchsource_sync_rounds_total{result="failed"} 0`,
		`patchsource_watches{state="failing"} 0`,
		`patchsource_watch_checks_total{result="failed"} 0`,
		"patchsource_watch_requests_total 0",
		"patchsource_watch_versions_added_total 0",
		"patchsource_proposals 0",
		`patchsource_tokens_checked_total{result="accepted"} 1`,
		`patchsource_cache_requests_total{cache="selections",result="miss"} 1`,
		`patchsource_cache_bytes{cache="definitions"}`,
		"patchsource_webhook_deliveries_pending 0",
		`patchsource_store_seconds_count{operation="put"}`,
	} {
		if w.Code != 200 || !strings.Contains(text, want) {
			t.Errorf("got status %d; the metrics do not contain %s", w.Code, want)
		}
	}
	if strings.Contains(text, "SomeTitle") || strings.Contains(text, "pst_") {
		t.Error("the metrics contain a title or a token")
	}
}
