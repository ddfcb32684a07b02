// Package openapi serves the HTTP contract of a patch source as an OpenAPI 3.1 document, and a page to browse it. Both
// are embedded, so that the page loads nothing from another host.
//
// The page is Swagger UI (https://github.com/swagger-api/swagger-ui), under the Apache License 2.0, which is embedded
// with it.
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

// Document returns a copy of the document, in YAML.
func Document() []byte { return read("openapi.yaml") }

func read(name string) []byte {
	data, err := files.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // the file is embedded
	}
	return data
}

// Serves reports whether the handler serves a path.
func Serves(path string) bool {
	return path == "/api/openapi.yaml" || path == "/docs" || strings.HasPrefix(path, "/docs/")
}

// A page is an embedded file.
type page struct {
	file, contentType string
	gzipped           bool
}

var pages = map[string]page{
	"/api/openapi.yaml":           {"openapi.yaml", "application/yaml", false},
	"/docs":                       {"docs.html", "text/html; charset=utf-8", false},
	"/docs/docs.js":               {"docs.js", "text/javascript; charset=utf-8", false},
	"/docs/swagger-ui.css":        {"swagger/swagger-ui.css.gz", "text/css; charset=utf-8", true},
	"/docs/swagger-ui-bundle.js":  {"swagger/swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8", true},
	"/docs/swagger-ui.LICENSE":    {"swagger/LICENSE", "text/plain; charset=utf-8", false},
	"/docs/swagger-ui.NOTICE.txt": {"swagger/NOTICE", "text/plain; charset=utf-8", false},
}

// policy is the Content-Security-Policy: the page loads its own files only. The styles of Swagger UI contain images.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler returns the handler of /api/openapi.yaml and /docs. It works under a prefix, with http.StripPrefix. It is
// safe for concurrent use.
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	p, ok := pages[r.URL.Path]
	switch {
	case r.URL.Path == "/docs/": // the links of the page are relative to /docs
		h.Set("Location", "../docs")
		w.WriteHeader(http.StatusMovedPermanently)
		return
	case !ok:
		http.Error(w, "This page does not exist.", http.StatusNotFound)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "This page supports the methods GET and HEAD only.", http.StatusMethodNotAllowed)
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
			data = gunzip(data)
		}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// gunzip decompresses an embedded file.
func gunzip(data []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err == nil {
		data, err = io.ReadAll(z)
	}
	if err != nil {
		panic(err) // the file is embedded
	}
	return data
}
