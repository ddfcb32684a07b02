package app

import (
	"net/http"
	"strings"
	"testing"
)

// fetch asks for a path as a client that accepts a type, and returns the answer's status and type.
func (p *process) fetch(method, path, accept string) (status int, contentType string, header http.Header) {
	p.t.Helper()
	r, err := http.NewRequest(method, p.url+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	contentType, _, _ = strings.Cut(res.Header.Get("Content-Type"), ";")
	return res.StatusCode, contentType, res.Header
}

// A browser is shown a page for a path that there is not. Scripts, and all that ask the API or
// the feed, get JSON.
func TestUnknownPaths(t *testing.T) {
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	const page, data = "text/html", "application/json"
	p := start(t, t.TempDir())
	for _, c := range []struct {
		name, method, path, accept string
		status                     int
		contentType                string
	}{
		{"a browser", "GET", "/nope", browser, 404, page},
		{"a browser, deeper", "GET", "/nope/deeper", browser, 404, page},
		{"a browser, HEAD", "HEAD", "/nope", browser, 404, page},
		{"a script", "GET", "/nope", "*/*", 404, data},
		{"a client of JSON", "GET", "/nope", "application/json", 404, data},
		{"a form", "POST", "/nope", browser, 404, data},
		{"a call of the API", "GET", "/api/v1/nope", browser, 404, data},
		{"a title of the API", "GET", "/api/v1/titles/nope", browser, 404, data},
		{"a path of the feed", "GET", "/jamf/nope", browser, 404, data},
		{"a slash too many, then the feed", "GET", "//jamf/nope", browser, 404, data},
		{"a title of the feed", "GET", "/jamf/v1/patch/nope", browser, 404, data},
		{"a title of the feed at the root", "GET", "/patch/nope", browser, 404, data},
		{"the feed", "GET", "/jamf/v1/software", browser, 200, data},
		{"the feed at the root", "GET", "/software", browser, 200, data},
		{"a page", "GET", "/publish", browser, 200, page},
		{"a title's page", "GET", "/titles/nope", browser, 404, page},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, contentType, _ := p.fetch(c.method, c.path, c.accept); status != c.status ||
				contentType != c.contentType {
				t.Errorf("%d %s, want %d %s", status, contentType, c.status, c.contentType)
			}
		})
	}
}

// Over its own TLS, the server has browsers stay with TLS; without, it says nothing of it.
func TestStrictTransportSecurity(t *testing.T) {
	certFile, keyFile := certificate(t)
	p := start(t, t.TempDir(), "--tls-cert", certFile, "--tls-key", keyFile)
	client := trusting(t, certFile)
	for _, path := range []string{"/", "/jamf/v1/software", "/jamf/v1/patch/nope", "/healthz", "/docs"} {
		res, err := client.Get(p.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if got := res.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
			t.Errorf("%s: %q", path, got)
		}
	}
	plain := start(t, t.TempDir())
	if _, _, header := plain.fetch("GET", "/", "text/html"); header.Get("Strict-Transport-Security") != "" {
		t.Errorf("without TLS: %v", header)
	}
}
