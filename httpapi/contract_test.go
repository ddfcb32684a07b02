package httpapi

import (
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/openapi"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// The document that is published has every call that there is, with the methods that it
// has, and no other.
func TestDocumentHasEveryCall(t *testing.T) {
	documented := map[string][]string{}
	path := ""
	for line := range strings.Lines(string(openapi.Document())) {
		if m := regexp.MustCompile(`^  (/\S*):\n$`).FindStringSubmatch(line); m != nil {
			path = m[1]
		} else if m := regexp.MustCompile(`^    (get|put|post|delete):\n$`).FindStringSubmatch(line); m != nil {
			documented[path] = append(documented[path], strings.ToUpper(m[1]))
		}
	}
	if len(documented) < 40 {
		t.Fatalf("the document has %d paths", len(documented))
	}
	cat, err := catalog.Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cat.Close()
	api, err := newAPI(
		cat,
		&Options{
			Tokens:    &auth.Service{},
			Community: struct{ Community }{},
			Sync:      struct{ Sync }{},
			Webhooks:  struct{ Webhooks }{},
			RootFeed:  true,
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string][]string{}
	for _, prefix := range []string{"/jamf/v1", "", "/jamf/v1/{contributor}"} { // which are matched by hand
		for _, path := range []string{"/software", "/software/{ids}", "/patch/{id}"} {
			there[prefix+path] = []string{"GET"}
		}
	}
	// What a path has is in the Allow of what it has not.
	err = api.router.mux().Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		if methods, err := route.GetMethods(); err == nil {
			there[path] = append(there[path], methods...)
			return nil
		}
		r, _ := http.NewRequest("BREW", "http://x"+path, nil)
		w := &allowed{header: http.Header{}}
		route.GetHandler().ServeHTTP(w, r)
		for _, method := range regexp.MustCompile(`[A-Z]+`).FindAllString(w.header.Get("Allow"), -1) {
			if method != "HEAD" {
				there[path] = append(there[path], method)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, methods := range there {
		sort.Strings(methods)
		sort.Strings(documented[path])
		if !slices.Equal(methods, documented[path]) {
			t.Errorf("%s has %v, and the document says %v", path, methods, documented[path])
		}
		delete(documented, path)
	}
	delete(documented, "/metrics") // which package metrics serves
	for path := range documented {
		t.Errorf("the document has %s, which there is not", path)
	}
}

// An allowed keeps the headers of an answer.
type allowed struct{ header http.Header }

func (a *allowed) Header() http.Header         { return a.header }
func (a *allowed) Write(p []byte) (int, error) { return len(p), nil }
func (a *allowed) WriteHeader(int)             {}
