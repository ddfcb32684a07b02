// Package openapi has the HTTP contract of a patch source as an OpenAPI 3.1 document,
// and a page to browse it with, both embedded: the page asks no other host for
// anything.
//
// The page is Swagger UI (https://github.com/swagger-api/swagger-ui), under the Apache
// License 2.0, which lies beside it.
package openapi

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"
	"net/http"
	"strings"
	"time"
)

//go:embed assets
var files embed.FS

// Document returns the document, in YAML. It must not be changed.
func Document() []byte { return read("openapi.yaml") }

func read(name string) []byte {
	data, err := files.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	return data
}

// Serves reports whether a path is one of this package's, so that a server knows where
// to send a request.
func Serves(path string) bool {
	return path == "/api/openapi.yaml" || path == "/docs" || strings.HasPrefix(path, "/docs/")
}

// A page is a file and what it is.
type page struct {
	file, contentType string
	gzipped           bool
}

// policy lets the page load what is its own. Swagger UI has pictures of its own in its
// styles.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler returns a handler of /api/openapi.yaml and /docs. It is safe for concurrent
// use.
func Handler() http.Handler {
	pages := map[string]page{
		"/api/openapi.yaml":           {"openapi.yaml", "application/yaml", false},
		"/docs":                       {"docs.html", "text/html; charset=utf-8", false},
		"/docs/":                      {"docs.html", "text/html; charset=utf-8", false},
		"/docs/docs.js":               {"docs.js", "text/javascript; charset=utf-8", false},
		"/docs/swagger-ui.css":        {"swagger/swagger-ui.css.gz", "text/css; charset=utf-8", true},
		"/docs/swagger-ui-bundle.js":  {"swagger/swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8", true},
		"/docs/swagger-ui.LICENSE":    {"swagger/LICENSE", "text/plain; charset=utf-8", false},
		"/docs/swagger-ui.NOTICE.txt": {"swagger/NOTICE", "text/plain; charset=utf-8", false},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		p, ok := pages[r.URL.Path]
		switch {
		case !ok:
			http.Error(w, "There is no such page.", http.StatusNotFound)
			return
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "This can only be read.", http.StatusMethodNotAllowed)
			return
		}
		data := read(p.file)
		h.Set("Content-Type", p.contentType)
		h.Set("Cache-Control", "no-cache")
		if p.gzipped {
			h.Set("Vary", "Accept-Encoding")
			if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				h.Set("Content-Encoding", "gzip")
			} else {
				z, err := gzip.NewReader(bytes.NewReader(data))
				if err == nil {
					data, err = io.ReadAll(z)
				}
				if err != nil {
					panic(err) // it is embedded
				}
			}
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	})
}
