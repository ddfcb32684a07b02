package httpapi

import (
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/httpapi/internal/problem"
)

// A handlerFunc answers a request. If it returns an error, it has written nothing, and the error is answered.
type handlerFunc func(http.ResponseWriter, *http.Request) error

// A wrapper makes http.Handlers of handlerFuncs.
type wrapper struct {
	cross  *http.CrossOriginProtection
	errors problem.Writer
}

func newWrapper(site *url.URL, log *slog.Logger) (*wrapper, error) {
	h := &wrapper{cross: http.NewCrossOriginProtection(), errors: problem.Writer{Table: problems, Log: log}}
	if site == nil {
		return h, nil
	}
	return h, h.cross.AddTrustedOrigin(site.Scheme + "://" + site.Host)
}

// wrap returns a handler that refuses changes which a page of another site has its visitor's browser request: the
// browser would attach an embedder's cookie or Basic credentials. Clients that are no browsers send neither
// Sec-Fetch-Site nor Origin, and are not affected.
func (h *wrapper) wrap(f handlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, c := withCall(r)
		defer c.end()
		w = &turnWriter{w, c}
		err := error(errCrossSite)
		if h.cross.Check(r) == nil {
			err = f(w, r)
		}
		if err != nil {
			h.fail(w, r, err)
		}
	})
}

// fail answers with an error.
func (h *wrapper) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrMail) {
		h.errors.Log.ErrorContext(r.Context(), "a mail could not be sent", "error", err)
	}
	h.errors.Write(w, r, err, callOf(r).simple)
}

// simple marks a call whose answers have the members that clients of Stupid Simple Patch Server expect: success or
// error, beside the message.
func simple(f handlerFunc) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		callOf(r).simple = true
		return f(w, r)
	}
}

// methods are the handlers of one path by method.
type methods map[string]handlerFunc

// choose returns a handler that dispatches by the request's method. HEAD is GET without the body, which net/http
// discards.
func (m methods) choose() handlerFunc {
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

// cleanPath returns a handler that removes the slashes that are doubled or at the end of a path, as a redirect would
// make the client do.
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
		u.Path, _ = url.PathUnescape(clean) // it was a valid path before
		r2 := *r
		r2.URL = &u
		next.ServeHTTP(w, &r2)
	})
}
