package httpapi

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/audit"
	"github.com/patchsource/patchsource/httpapi/openapi"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// The published document has every path of the server with its methods, and no others.
func TestDocumentHasEveryCall(t *testing.T) {
	documented, served := documentedMethods(t), servedMethods(t)
	delete(documented, "/metrics") // package metrics serves it
	for path, methods := range served {
		if !slices.Equal(methods, documented[path]) {
			t.Errorf("%s has %v, and the document says %v", path, methods, documented[path])
		}
		delete(documented, path)
	}
	for path := range documented {
		t.Errorf("the document has %s, and the server does not", path)
	}
}

var (
	pathLine   = regexp.MustCompile(`^  (/\S*):\n$`)
	methodLine = regexp.MustCompile(`^    (get|put|post|delete):\n$`)
	method     = regexp.MustCompile(`[A-Z]+`)
)

// documentedMethods returns the methods of each path of the document, sorted.
func documentedMethods(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	path := ""
	for line := range strings.Lines(string(openapi.Document())) {
		if m := pathLine.FindStringSubmatch(line); m != nil {
			path = m[1]
		} else if m := methodLine.FindStringSubmatch(line); m != nil {
			all[path] = append(all[path], strings.ToUpper(m[1]))
			slices.Sort(all[path])
		}
	}
	if len(all) < 40 {
		t.Fatalf("the document has %d paths, want at least 40", len(all))
	}
	return all
}

// servedMethods returns the methods of each path of a server with all services, sorted.
func servedMethods(t *testing.T) map[string][]string {
	t.Helper()
	titles, err := catalog.Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = titles.Close() })
	a, err := newAPI(titles, &Options{
		Tokens:    &auth.Service{},
		Community: struct{ Community }{},
		Sync:      struct{ Sync }{},
		Webhooks:  struct{ Webhooks }{},
		Watches:   struct{ Watches }{},
		Audit:     audit.New(memstore.New(), nil),
		Jobs:      struct{ Jobs }{},
		RootFeed:  true,
	})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, prefix := range []string{"/jamf/v1", "", "/jamf/v1/{contributor}"} { // the feed has no router
		for _, path := range []string{"/software", "/software/{ids}", "/patch/{id}"} {
			all[prefix+path] = []string{"GET"}
		}
	}
	err = a.router.mux().Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		all[path] = append(all[path], methodsOf(route, path)...)
		slices.Sort(all[path])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// methodsOf returns the methods of a route. A path names its methods in the answer to any other.
func methodsOf(route *mux.Route, path string) []string {
	if methods, err := route.GetMethods(); err == nil {
		return methods
	}
	w := httptest.NewRecorder()
	route.GetHandler().ServeHTTP(w, httptest.NewRequest("BREW", "http://x"+path, http.NoBody))
	all := method.FindAllString(w.Header().Get("Allow"), -1)
	return slices.DeleteFunc(all, func(m string) bool { return m == "HEAD" })
}
