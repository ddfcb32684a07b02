package server

import (
	"net/http"

	"github.com/patchsource/patchsource/httpapi/openapi"
)

// newDocs returns the handler of /docs and of the contract. guides is [Config.Docs].
func newDocs(guides http.Handler) http.Handler {
	reference := openapi.Handler()
	if guides == nil {
		return reference
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if openapi.Reference(r.URL.Path) {
			reference.ServeHTTP(w, r)
		} else {
			guides.ServeHTTP(w, r)
		}
	})
}

// A helper is a Config.Docs that describes the web page.
type helper interface {
	Help(page string) (path string)
}

// help returns the function that returns the path of the documentation about a page, or nil if there is none. guides is
// [Config.Docs].
func help(guides http.Handler) func(page string) string {
	if h, ok := guides.(helper); ok {
		return h.Help
	}
	return nil
}
