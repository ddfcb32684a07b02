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
		"/docs":                      "text/html",
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
	if w := get("GET", "/docs/", ""); w.Code != 301 || w.Header().Get("Location") != "../docs" {
		t.Errorf("/docs/ has status %d and the header %v", w.Code, w.Header())
	}
	if w := get("POST", "/docs", ""); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /docs has status %d and the header %v", w.Code, w.Header())
	}
}

// The page loads its own files only, also under a prefix.
func TestNoOtherHosts(t *testing.T) {
	page := get("GET", "/docs", "").Body.String()
	links := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(links) == 0 {
		t.Fatalf("the page has no links: %s", page)
	}
	for _, prefix := range []string{"", "/patch"} {
		base, err := url.Parse("https://example.com" + prefix + "/docs")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range links {
			u, err := base.Parse(m[1])
			if err != nil {
				t.Fatal(err)
			}
			path, ok := strings.CutPrefix(u.Path, prefix)
			if !ok || u.Host != base.Host || get("GET", path, "").Code != 200 {
				t.Errorf("under the prefix %q, the page has a link to %s", prefix, u)
			}
		}
	}
	script := get("GET", "/docs/docs.js", "").Body.String()
	if strings.Contains(script, `"/`) {
		t.Errorf("the script has an address that is not relative: %s", script)
	}
}

func Example() {
	w := httptest.NewRecorder()
	openapi.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/api/openapi.yaml", nil))
	line, _, _ := strings.Cut(w.Body.String(), "\n")
	fmt.Println(w.Code, line)
	// Output: 200 openapi: 3.1.0
}
