package httpapi

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/httpapi/internal/problem"
)

// cleanPath drops the slashes that stand doubled or at the end of a path, as a
// redirect would have its client do.
func cleanPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		if !strings.Contains(path, "//") && (path == "/" || !strings.HasSuffix(path, "/")) && path != "" {
			next.ServeHTTP(w, r)
			return
		}
		segments := slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
		clean := "/" + strings.Join(segments, "/")
		u := *r.URL
		u.RawPath = clean
		u.Path, _ = url.PathUnescape(clean) // it was a path before
		r2 := *r
		r2.URL = &u
		next.ServeHTTP(w, &r2)
	})
}

// byMethod chooses a path's handler by the request's method. HEAD is GET without
// the body, which net/http leaves out.
func (a *api) byMethod(m methods) func(http.ResponseWriter, *http.Request) error {
	names := slices.Collect(maps.Keys(m))
	if m["GET"] != nil {
		names = append(names, "HEAD")
	}
	slices.Sort(names)
	allow := strings.Join(names, ", ")
	return func(w http.ResponseWriter, r *http.Request) error {
		method := r.Method
		if method == "HEAD" {
			method = "GET"
		}
		f := m[method]
		if f == nil {
			return &problem.MethodError{Method: r.Method, Allow: allow}
		}
		return f(w, r)
	}
}
