package guides_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/patchsource/patchsource/examples/server/internal/guides"
	"github.com/patchsource/patchsource/httpapi/openapi"
)

// A document is a page, with the addresses that it contains and the ids of its elements.
type document struct {
	addresses []string
	ids       map[string]bool
	scripts   int // scripts and styles that are part of the page
}

// parse parses a page. An id that is there twice is an error.
func parse(t *testing.T, path, text string) document {
	t.Helper()
	tree, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	d := document{ids: map[string]bool{}}
	for n := range tree.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if (n.Data == "script" || n.Data == "style") && n.FirstChild != nil {
			d.scripts++
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "href", a.Key == "src", a.Key == "action":
				d.addresses = append(d.addresses, a.Val)
			case a.Key == "style", strings.HasPrefix(a.Key, "on"):
				d.scripts++
			case a.Key == "id":
				if d.ids[a.Val] {
					t.Errorf("%s has two elements with the id %s", path, a.Val)
				}
				d.ids[a.Val] = true
			}
		}
	}
	return d
}

// calls are the calls in the API reference: a slash, the tag, another slash, and the name.
var calls = func() map[string]bool {
	all := map[string]bool{}
	call := regexp.MustCompile(`tags: \[(\w+)\]|operationId: "([^"]+)"`)
	tag := ""
	for _, m := range call.FindAllStringSubmatch(string(openapi.Document()), -1) {
		if m[1] != "" {
			tag = m[1]
		} else {
			all["/"+tag+"/"+m[2]] = true
		}
	}
	return all
}()

// A crawler follows all links of the documentation, below a prefix.
type crawler struct {
	t      *testing.T
	h      http.Handler
	prefix string
	pages  map[string]document // by path; those that are no page are zero
}

// visit returns the page at a path, and visits the pages to which it links.
func (c *crawler) visit(path string) document {
	c.t.Helper()
	if d, ok := c.pages[path]; ok {
		return d
	}
	c.pages[path] = document{}
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if w.Code != 200 {
		c.t.Errorf("%s has status %d", path, w.Code)
		return document{}
	}
	if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		return document{}
	}
	d := parse(c.t, path, w.Body.String())
	c.pages[path] = d
	if d.scripts > 0 {
		c.t.Errorf("%s has %d scripts or styles, which the policy forbids", path, d.scripts)
	}
	for _, address := range d.addresses {
		c.follow(path, address)
	}
	return d
}

// follow checks an address on a page.
func (c *crawler) follow(path, address string) {
	c.t.Helper()
	base := url.URL{Scheme: "https", Host: "patches.example.com", Path: path}
	to, err := base.Parse(address)
	if err != nil {
		c.t.Errorf("%s: %v", path, err)
		return
	}
	if to.Host != base.Host {
		to.Fragment = "" // GitHub makes the ids of sections from headings
		file, ours := strings.CutPrefix(to.String(), "https://github.com/patchsource/patchsource/blob/HEAD/")
		if _, err := os.Stat(root + "/" + file); ours && err != nil {
			c.t.Errorf("%s links to a file that does not exist: %v", path, err)
		}
		return
	}
	below, ok := strings.CutPrefix(to.Path, c.prefix)
	switch {
	case !ok:
		c.t.Errorf("%s links to %s, which does not have the prefix %s", path, to.Path, c.prefix)
	case below == "/", below == "/feeds/new": // pages of package webui
	case below == "/docs/api" && strings.HasPrefix(to.Fragment, "/"): // a call: its tag and its name
		if !calls[to.Fragment] {
			c.t.Errorf("%s links to %s, which is not in the API reference", path, to.Fragment)
		}
	case !strings.HasPrefix(below, "/docs") && below != "/api/openapi.yaml":
		c.t.Errorf("%s links to %s", path, to.Path)
	default:
		if page := c.visit(to.Path); to.Fragment != "" && !page.ids[to.Fragment] {
			c.t.Errorf("%s links to %s, where #%s does not exist", path, to.Path, to.Fragment)
		}
	}
}

// newSite returns the documentation with the API reference, as package server serves them, below a prefix.
func newSite(t *testing.T, prefix string) http.Handler {
	h := newHandler(t)
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if openapi.Reference(r.URL.Path) {
			openapi.Handler().ServeHTTP(w, r)
		} else {
			h.ServeHTTP(w, r)
		}
	})
	return http.StripPrefix(prefix, site)
}

// Every link of every page leads to a page, to a section that exists, or to a file of the repository.
func TestLinks(t *testing.T) {
	for _, prefix := range []string{"", "/patch/source"} {
		c := &crawler{t: t, h: newSite(t, prefix), prefix: prefix, pages: map[string]document{}}
		c.visit(prefix + "/docs")
		c.visit(prefix + "/docs/search?q=token")
		c.visit(prefix + "/docs/search?q=nothing+of+the+kind")
		for _, folder := range folders(t) {
			if _, ok := c.pages[prefix+"/docs/"+path.Base(folder)]; !ok {
				t.Errorf("no page links to %s", folder)
			}
		}
		for _, path := range []string{"/docs/api", "/docs/recipes/Zoom.json", "/docs/deploy/compose.yaml"} {
			if _, ok := c.pages[prefix+path]; !ok {
				t.Errorf("no page links to %s", path)
			}
		}
		if len(c.pages) < 700 {
			t.Errorf("%d pages and files were visited, want two for each recipe", len(c.pages))
		}
	}
}

// Each page of the server leads to a section that exists.
func TestHelp(t *testing.T) {
	files, err := filepath.Glob(root + "/httpapi/webui/templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	c := &crawler{t: t, h: newSite(t, ""), pages: map[string]document{}}
	count := 0
	for _, file := range files {
		if help := newHandler(t).Help(strings.TrimSuffix(filepath.Base(file), ".html")); help != "" {
			c.follow("/", help)
			count++
		}
	}
	if count != guides.Helps {
		t.Errorf("%d pages lead to the documentation, want %d: the others do not exist", count, guides.Helps)
	}
}

// A page that does not exist has links that work, wherever it is.
func TestMissingLinks(t *testing.T) {
	for _, path := range []string{"/docs/nope", "/docs/recipes/Nope", "/docs/a/b/c", "/docs/a%2Fb"} {
		h := newSite(t, "")
		page := request(h, "GET", path)
		base, err := url.Parse("https://patches.example.com" + path)
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range parse(t, path, page.Body.String()).addresses {
			to, err := base.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			if to.Path != "/" && to.Fragment != "content" && request(h, "GET", to.Path).Code != 200 {
				t.Errorf("%s has a link to %s", path, to)
			}
		}
	}
}

// The headings have the ids that GitHub gives them, so that links work at both places.
func TestHeadingIDs(t *testing.T) {
	source := map[string]string{}
	for _, folder := range folders(t) {
		source[folder] = "# Title\n"
	}
	source["server"] = "# Title\n\n- [One](#one)\n- [Two](#two)\n\n## `--acme`, and C++\n\ntext\n\n" +
		"## Ünï code_x\n\n### Same\n\n### Same\n\n```sh\necho '<b>' # comment\n```\n\n" +
		"| a | b |\n|---|---|\n| `x\\|y` | 2 |\n\n<b>raw</b>\n"
	h, err := guides.New(mapFS(source), nil)
	if err != nil {
		t.Fatal(err)
	}
	page := request(h, "GET", "/docs/server").Body.String()
	ids := parse(t, "/docs/server", page).ids
	for _, id := range []string{"--acme-and-c", "ünï-code_x", "same", "same-1"} {
		if !ids[id] {
			t.Errorf("no heading has the id %s; there are %v", id, ids)
		}
	}
	for _, want := range []string{"echo &#39;&lt;b&gt;&#39; # comment", `<td data-label="b">2</td>`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %s: %s", want, page)
		}
	}
	for _, wrong := range []string{`href="#one"`, "<b>raw"} {
		if strings.Contains(page, wrong) {
			t.Errorf("the page has %s: %s", wrong, page)
		}
	}
}
