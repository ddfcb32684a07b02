package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/store/memstore"
)

// Options.NotFound is called for paths that no call has, and for no others. A request that it does not answer is
// answered as without it.
func TestNotFound(t *testing.T) {
	for _, c := range []struct {
		name, method, path string
		notFound           bool // the option is set
		status             int
		says               string
	}{
		{"answered", "GET", "/nope", true, 404, "a page"},
		{"answered, below the API", "GET", "/api/v1/nope", true, 404, "a page"},
		{"left", "POST", "/nope", true, 404, `"message"`},
		{"none", "GET", "/nope", false, 404, `"message"`},
		{"a title that is not there", "GET", "/jamf/v1/patch/nope", true, 404, "title_not_found"},
		{"another method", "DELETE", "/api/v1/titles", true, 405, `"message"`},
		{"a call", "GET", "/jamf/v1/software", true, 200, "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, memstore.New())
			opts := &httpapi.Options{}
			if c.notFound {
				opts.NotFound = func(w http.ResponseWriter, r *http.Request) bool {
					if r.Method == "GET" {
						http.Error(w, "a page", http.StatusNotFound)
					}
					return r.Method == "GET"
				}
			}
			b.handler = newHandler(t, b.catalog, opts)
			expect(t, b.do(c.method, c.path, ""), c.status, c.says)
		})
	}
}
