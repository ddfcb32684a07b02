package openapi_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/openapi"
)

// get requests a path. encoding is the value of Accept-Encoding.
func get(method, path, encoding string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	openapi.Handler().ServeHTTP(w, r)
	return w
}

func TestPages(t *testing.T) {
	for path, contentType := range map[string]string{
		"/api/openapi.yaml":          "application/yaml",
		"/docs/api":                  "text/html",
		"/docs/docs.css":             "text/css",
		"/docs/docs.js":              "text/javascript",
		"/docs/swagger-ui.css":       "text/css",
		"/docs/swagger-ui-bundle.js": "text/javascript",
	} {
		for _, encoding := range []string{"", "gzip"} {
			w := get("GET", path, encoding)
			if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), contentType) || w.Body.Len() == 0 ||
				strings.Contains(w.Header().Get("Content-Security-Policy"), "unsafe") {
				t.Errorf("%s has status %d and the header %v", path, w.Code, w.Header())
			}
			zipped := encoding == "gzip" && strings.Contains(path, "swagger")
			if (w.Header().Get("Content-Encoding") == "gzip") != zipped {
				t.Errorf("%s for a client that accepts %q has the header %v", path, encoding, w.Header())
			}
		}
	}
	for path, want := range map[string]int{"/docs/nope": 404, "/docs/../openapi.go": 404} {
		if w := get("GET", path, ""); w.Code != want {
			t.Errorf("%s has status %d, want %d", path, w.Code, want)
		}
	}
	if w := get("POST", "/docs/api", ""); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /docs/api has status %d and the header %v", w.Code, w.Header())
	}
}

// Without other documentation, the API reference is the start page.
func TestStart(t *testing.T) {
	for path, want := range map[string]string{"/docs": "docs/api", "/docs/": "api", "/docs/api/": "../api"} {
		if w := get("GET", path, ""); w.Code != 302 || w.Header().Get("Location") != want || openapi.Reference(path) {
			t.Errorf("%s has status %d and the header %v, want a redirect to %s", path, w.Code, w.Header(), want)
		}
	}
}

// The page loads its own files only, also under a prefix.
func TestNoOtherHosts(t *testing.T) {
	page := get("GET", "/docs/api", "").Body.String()
	links := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(links) == 0 {
		t.Fatalf("the page has no links: %s", page)
	}
	for _, prefix := range []string{"", "/patch"} {
		base, err := url.Parse("https://example.com" + prefix + "/docs/api")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range links {
			u, err := base.Parse(m[1])
			if err != nil {
				t.Fatal(err)
			}
			path, ok := strings.CutPrefix(u.Path, prefix)
			code := get("GET", path, "").Code
			if !ok || u.Host != base.Host || code != 200 && path != "/docs" {
				t.Errorf("under the prefix %q, the page has a link to %s", prefix, u)
			}
		}
	}
	script := get("GET", "/docs/docs.js", "").Body.String()
	if strings.Contains(script, `"/`) {
		t.Errorf("the script has an address that is not relative: %s", script)
	}
}

// A client that has a file asks whether it has changed.
func TestNotModified(t *testing.T) {
	for _, path := range []string{"/docs/api", "/docs/swagger-ui-bundle.js", "/api/openapi.yaml"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("If-None-Match", get("GET", path, "gzip").Header().Get("ETag"))
		w := httptest.NewRecorder()
		openapi.Handler().ServeHTTP(w, r)
		if w.Code != 304 || w.Body.Len() > 0 {
			t.Errorf("%s has status %d and %d bytes, want 304", path, w.Code, w.Body.Len())
		}
	}
}

func Example() {
	w := httptest.NewRecorder()
	openapi.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/api/openapi.yaml", nil))
	line, _, _ := strings.Cut(w.Body.String(), "\n")
	fmt.Println(w.Code, line)
	// Output: 200 openapi: 3.1.0
}
