package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// manual is documentation that a program brings along.
type manual struct{}

func (manual) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprint(w, "the manual at ", r.URL.Path)
}

func (manual) Help(page string) string { return "docs/about-" + page }

// The API reference is at its place, whether or not there is other documentation.
func TestDocs(t *testing.T) {
	for name, c := range map[string]struct {
		docs  http.Handler
		wants map[string]string // the beginnings of answers
	}{
		"the API reference alone": {nil, map[string]string{
			"/docs":             "302 docs/api",
			"/docs/":            "302 api",
			"/docs/server":      "404 ",
			"/docs/api":         "200 <!doctype html>",
			"/docs/docs.js":     `200 "use strict"`,
			"/api/openapi.yaml": "200 openapi: 3.1",
		}},
		"with a manual": {manual{}, map[string]string{
			"/docs":             "200 the manual at /docs",
			"/docs/":            "200 the manual at /docs/",
			"/docs/server":      "200 the manual at /docs/server",
			"/docs/api":         "200 <!doctype html>",
			"/docs/docs.js":     `200 "use strict"`,
			"/api/openapi.yaml": "200 openapi: 3.1",
		}},
	} {
		config := full(t)
		config.Docs = c.docs
		s := open(t, config)
		for path, want := range c.wants {
			w := call(s, "GET", path, "", nil)
			if got := fmt.Sprint(w.Code, " ", w.Header().Get("Location"), w.Body); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s answers %.200s, want %s", name, path, got, want)
			}
		}
		page := call(s, "GET", "/publish", "", nil).Body.String()
		if strings.Contains(page, `/docs/about-publish"`) != (c.docs != nil) {
			t.Errorf("%s: a page has these links: %s", name, page)
		}
	}
}
