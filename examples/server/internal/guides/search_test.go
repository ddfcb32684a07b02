package guides_test

import (
	"io/fs"
	"net/url"
	"path"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/net/html"

	"github.com/patchsource/patchsource/examples"
	"github.com/patchsource/patchsource/examples/server/internal/guides"
)

// mapFS returns guides by their folders.
func mapFS(source map[string]string) fs.FS {
	all := fstest.MapFS{}
	for folder, text := range source {
		all[folder+"/README.md"] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

// links returns the addresses of the links in the main part of a page.
func links(t *testing.T, page string) (all []string) {
	t.Helper()
	tree, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range tree.Descendants() {
		if n.Data != "main" {
			continue
		}
		for a := range n.Descendants() {
			for _, attribute := range a.Attr {
				if a.Data == "a" && attribute.Key == "href" {
					all = append(all, attribute.Val)
				}
			}
		}
	}
	return all
}

func TestSearch(t *testing.T) {
	h := newHandler(t)
	for _, test := range []struct{ name, query, first, text string }{
		{"a section", "acme", "./server#https", "<mark>acme</mark>"},
		{"case", "HTTPS certificate", "./server#https", "<mark>HTTPS</mark>"},
		{"a recipe", "firefox", "./recipes/Firefox", "Firefox ESR"},
		{"a bundle id", "us.zoom.xos", "./recipes/Zoom", "Zoom"},
		{"a call", "history", "./server#backup-restore-and-undo", `href="./api#/history/get%20%2Fapi%2Fv1%2Ftitles%2F`},
		{"nothing", "xyzzy plugh", "./server", "Nothing has all of these words"},
		{"no words", " ", "", "Enter one or more words"},
		{"markup", "<b>", "./server", "“&lt;b&gt;”"},
	} {
		page := request(h, "GET", "/docs/search?q="+url.QueryEscape(test.query)).Body.String()
		found := append(links(t, page), "")
		if found[0] != test.first || !strings.Contains(page, test.text) {
			t.Errorf("%s: the first result of %d is %s, want %s, with %s", test.name, len(found), found[0], test.first,
				test.text)
		}
	}
}

// A search takes time that is linear in the texts, whatever the query is.
func TestSearchIsBounded(t *testing.T) {
	h := newHandler(t)
	request(h, "GET", "/docs") // renders the guides
	for name, query := range map[string]string{
		"long":   strings.Repeat("a", 100_000),
		"many":   strings.Repeat("e ", 50_000),
		"cut":    strings.Repeat("é", 1000),
		"bytes":  strings.Repeat("\xff", 1000),
		"spaces": strings.Repeat(" ", 1000),
	} {
		begin := time.Now()
		w := request(h, "GET", "/docs/search?q="+url.QueryEscape(query))
		if w.Code != 200 || w.Body.Len() > 100_000 || time.Since(begin) > 5*time.Second {
			t.Errorf("%s: got status %d and %d bytes after %v", name, w.Code, w.Body.Len(), time.Since(begin))
		}
	}
}

// The page of the recipes has all of them, or those that match.
func TestRecipes(t *testing.T) {
	h := newHandler(t)
	page := request(h, "GET", "/docs/recipes").Body.String()
	names, err := fs.Glob(examples.Files(), "recipes/*.json")
	if err != nil || len(names) < 300 {
		t.Fatalf("there are %d recipes: %v", len(names), err)
	}
	listed := map[string]bool{}
	for _, address := range links(t, page) {
		listed[path.Clean(address)] = true
	}
	for _, name := range names {
		if !listed[strings.TrimSuffix(name, ".json")] {
			t.Errorf("%s is not listed", name)
		}
	}
	for _, want := range []string{"Zoom Communications", "arduino/arduino-ide", "propose", "342 of 342 recipes"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %s", want)
		}
	}
	some := request(h, "GET", "/docs/recipes?q=zoom").Body.String()
	if !strings.Contains(some, `href="./recipes/Zoom"`) || strings.Contains(some, `href="./recipes/Firefox"`) {
		t.Errorf("the page for zoom has the links %v", links(t, some))
	}
}

// The page of a recipe says how to use it.
func TestRecipe(t *testing.T) {
	page := request(newHandler(t), "GET", "/docs/recipes/Zoom").Body.String()
	for _, want := range []string{
		"us.zoom.xos", "ZoomInstallerIT.pkg", "curl -sf https://patches.example.com/docs/recipes/Zoom.json",
		`action="../../feeds/new?try=1#trial"`, `name="/feed/kind" value="redirect"`,
		`name="app_name" value="zoom.us.app"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %s: %s", want, page)
		}
	}
	h, err := guides.New(examples.Files(), nil)
	if err != nil {
		t.Fatal(err)
	}
	page = request(h, "GET", "/docs/recipes/Zoom").Body.String()
	if !strings.Contains(page, "http://example.com/docs/") {
		t.Error("without a site, the command does not have the host of the request")
	}
}
