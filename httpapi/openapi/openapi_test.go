package openapi_test

import (
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/openapi"
)

func TestPages(t *testing.T) {
	h := openapi.Handler()
	for path, contentType := range map[string]string{"/api/openapi.yaml": "application/yaml", "/docs": "text/html", "/docs/": "text/html", "/docs/docs.js": "text/javascript", "/docs/swagger-ui.css": "text/css", "/docs/swagger-ui-bundle.js": "text/javascript"} {
		for _, encoding := range []string{"", "gzip"} {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("Accept-Encoding", encoding)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), contentType) || w.Body.Len() == 0 ||
				strings.Contains(w.Header().Get("Content-Security-Policy"), "unsafe") {
				t.Errorf("%s: %d %v", path, w.Code, w.Header())
			}
			if (w.Header().Get("Content-Encoding") == "gzip") != (encoding == "gzip" && strings.Contains(path, "swagger")) {
				t.Errorf("%s as %q: %v", path, encoding, w.Header())
			}
			if contentType == "text/html" {
				for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(w.Body.String(), -1) {
					if !strings.HasPrefix(m[1], "/") || !openapi.Serves(m[1]) {
						t.Errorf("%s leads to %s", path, m[1])
					}
				}
			}
		}
	}
	for path, want := range map[string]int{"/docs/nope": 404, "/docs/../openapi.go": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
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
