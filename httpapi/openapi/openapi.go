// Package openapi serves the HTTP contract of a patch source as an OpenAPI 3.1 document, and a page to browse it, the
// API reference. Both are embedded, so that the page loads nothing from another host.
//
// The page is Swagger UI (https://github.com/swagger-api/swagger-ui), under the Apache License 2.0, which is embedded
// with it.
package openapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"sync"
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

// Serves reports whether the handler serves a path: the document, /docs, and everything below /docs.
func Serves(path string) bool {
	return path == "/api/openapi.yaml" || path == "/docs" || strings.HasPrefix(path, "/docs/")
}

// Reference reports whether a path is that of the document, of the API reference, or of a file that the API reference
// loads. A server that has other documentation too serves it at all other paths for which [Serves] is true.
func Reference(path string) bool {
	_, ok := pages[path]
	return ok
}

// A page is an embedded file.
type page struct {
	file, contentType string
	gzipped           bool
}

var pages = map[string]page{
	"/api/openapi.yaml":           {"openapi.yaml", "application/yaml", false},
	"/docs/api":                   {"docs.html", "text/html; charset=utf-8", false},
	"/docs/docs.css":              {"docs.css", "text/css; charset=utf-8", false},
	"/docs/docs.js":               {"docs.js", "text/javascript; charset=utf-8", false},
	"/docs/swagger-ui.css":        {"swagger/swagger-ui.css.gz", "text/css; charset=utf-8", true},
	"/docs/swagger-ui-bundle.js":  {"swagger/swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8", true},
	"/docs/swagger-ui.LICENSE":    {"swagger/LICENSE", "text/plain; charset=utf-8", false},
	"/docs/swagger-ui.NOTICE.txt": {"swagger/NOTICE", "text/plain; charset=utf-8", false},
}

// starts are the addresses of the API reference, relative to the paths that lead to it.
var starts = map[string]string{"/docs": "docs/api", "/docs/": "api", "/docs/api/": "../api"}

// policy is the Content-Security-Policy: the page loads its own files only. The styles of Swagger UI contain images.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// tags are the values of ETag by the names of the files. They are the same for both encodings, so they are weak.
var tags = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for _, p := range pages {
		sum := sha256.Sum256(read(p.file))
		all[p.file] = `W/"` + hex.EncodeToString(sum[:12]) + `"`
	}
	return all
})

// Handler returns the handler of /api/openapi.yaml and of the API reference at /docs/api, to which /docs redirects. It
// works under a prefix, with http.StripPrefix. It is safe for concurrent use.
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	p, ok := pages[r.URL.Path]
	switch {
	case !ok && starts[r.URL.Path] == "":
		http.Error(w, "This page does not exist.", http.StatusNotFound)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "This page supports the methods GET and HEAD only.", http.StatusMethodNotAllowed)
		return
	case !ok: // a browser keeps the fragment, which names a call
		h.Set("Location", starts[r.URL.Path])
		w.WriteHeader(http.StatusFound)
		return
	}
	data := read(p.file)
	h.Set("Content-Type", p.contentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", tags()[p.file])
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
