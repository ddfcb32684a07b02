package guides_test

import (
	"bytes"
	"html"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/examples"
	"github.com/patchsource/patchsource/examples/server/internal/guides"
)

// root is the folder of the repository.
const root = "../../../.."

func newHandler(t *testing.T) *guides.Handler {
	t.Helper()
	h, err := guides.New(examples.Files(), &guides.Options{Site: "https://patches.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// request sends a request with a header, whose names and values alternate.
func request(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// folders returns the folders of all guides: those of examples with a file README.md.
func folders(t *testing.T) (all []string) {
	t.Helper()
	source := os.DirFS(root + "/examples")
	err := fs.WalkDir(source, ".", func(file string, _ fs.DirEntry, err error) error {
		if path.Base(file) == "README.md" {
			all = append(all, path.Dir(file))
		}
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("there are no guides: %v", err)
	}
	return all
}

func TestGuides(t *testing.T) {
	h := newHandler(t)
	for _, folder := range folders(t) {
		name := path.Base(folder)
		source, err := os.ReadFile(filepath.Join(root, "examples", folder, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		title, _, _ := strings.Cut(strings.TrimPrefix(string(source), "# "), "\n")
		page := request(h, "GET", "/docs/"+name, "Accept", "text/html,*/*;q=0.8")
		if page.Code != 200 || page.Header().Get("Content-Type") != "text/html; charset=utf-8" ||
			!strings.Contains(page.Body.String(), "<h1>"+html.EscapeString(title)+"</h1>") {
			t.Errorf("%s has status %d and the header %v, want a page titled %q", name, page.Code, page.Header(), title)
		}
		for path, accept := range map[string]string{
			"/docs/" + name + ".md": "text/html",
			"/docs/" + name:         "text/markdown, text/html;q=0.9",
		} {
			w := request(h, "GET", path, "Accept", accept)
			contentType := w.Header().Get("Content-Type")
			if !bytes.Equal(w.Body.Bytes(), source) || contentType != "text/markdown; charset=utf-8" {
				t.Errorf("%s for Accept: %s is not the file: %v", path, accept, w.Header())
			}
		}
		if !slices.Contains(page.Header().Values("Vary"), "Accept") {
			t.Errorf("%s does not vary by Accept: %v", name, page.Header())
		}
	}
}

// A guide links to files of its folder, such as a compose file: they are served too.
func TestFiles(t *testing.T) {
	h := newHandler(t)
	count := 0
	err := fs.WalkDir(examples.Files(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "/README.md") {
			return err
		}
		count++
		data, err := fs.ReadFile(examples.Files(), path)
		w := request(h, "GET", "/docs/"+path)
		contentType := w.Header().Get("Content-Type")
		if w.Code != 200 || !bytes.Equal(w.Body.Bytes(), data) || strings.Contains(contentType, "html") {
			t.Errorf("%s has status %d and the header %v", path, w.Code, w.Header())
		}
		return err
	})
	if err != nil || count < 300 {
		t.Errorf("%d files: %v", count, err)
	}
	if code := request(h, "GET", "/docs/server/README.md").Code; code != 404 {
		t.Errorf("the guide is served under a second path: %d", code)
	}
}

func TestAnswers(t *testing.T) {
	h := newHandler(t)
	for _, test := range []struct {
		name, method, path string
		status             int
		location, body     string
	}{
		{"start", "GET", "/docs", 200, "", "Server manual"},
		{"start with a slash", "GET", "/docs/", 301, "../docs", ""},
		{"guide with a slash", "GET", "/docs/server/", 301, "../server", ""},
		{"recipe with a slash", "GET", "/docs/recipes/Zoom/", 301, "../Zoom", ""},
		{"two slashes", "GET", "/docs//", 404, "", "does not exist"},
		{"many slashes", "GET", "/docs" + strings.Repeat("/", 1000), 404, "", "does not exist"},
		{"unknown guide", "GET", "/docs/nope", 404, "", `href="./deploy"`},
		{"unknown folder", "GET", "/docs/a/b", 404, "", `href="../deploy"`},
		{"unknown recipe", "GET", "/docs/recipes/Nope", 404, "", "does not exist"},
		{"outside", "GET", "/docs/../examples.go", 404, "", "does not exist"},
		{"no folder", "GET", "/docs/deploy/..", 404, "", "does not exist"},
		{"beginning only", "GET", "/docsx", 404, "", "does not exist"},
		{"HEAD", "HEAD", "/docs/server", 200, "", ""},
		{"HEAD of nothing", "HEAD", "/docs/nope", 404, "", ""},
		{"POST", "POST", "/docs", 405, "", "GET and HEAD only"},
		{"DELETE of a file", "DELETE", "/docs/recipes/Zoom.json", 405, "", "GET and HEAD only"},
		{"POST to nothing", "POST", "/docs/nope", 404, "", "does not exist"},
	} {
		w := request(h, test.method, test.path)
		if w.Code != test.status || w.Header().Get("Location") != test.location ||
			!strings.Contains(w.Body.String(), test.body) || test.method == "HEAD" && w.Body.Len() > 0 {
			t.Errorf("%s: got status %d, the header %v and the body %.2000s", test.name, w.Code, w.Header(), w.Body)
		}
		if allow := w.Header().Get("Allow"); (allow == "GET, HEAD") != (test.status == 405) {
			t.Errorf("%s: got Allow: %s", test.name, allow)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") ||
			w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: got the header %v", test.name, w.Header())
		}
	}
}

// A client that has a page asks whether it has changed.
func TestNotModified(t *testing.T) {
	h := newHandler(t)
	for _, path := range []string{
		"/docs", "/docs/server", "/docs/server.md", "/docs/recipes/Zoom.json", "/docs/guides.css",
	} {
		first := request(h, "GET", path).Header()
		if first.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: got Cache-Control: %s", path, first.Get("Cache-Control"))
		}
		if w := request(h, "GET", path, "If-None-Match", first.Get("ETag")); w.Code != 304 || w.Body.Len() > 0 {
			t.Errorf("%s: got status %d and %d bytes, want 304", path, w.Code, w.Body.Len())
		}
	}
	page, text := request(h, "GET", "/docs/server"), request(h, "GET", "/docs/server.md")
	if page.Header().Get("ETag") == text.Header().Get("ETag") {
		t.Error("the page and its Markdown have one ETag")
	}
}

// The host that a client asks for is in commands, unless a shell would take it for more than a host.
func TestHostInCommands(t *testing.T) {
	h, err := guides.New(examples.Files(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"titles.example:8080": "http://titles.example:8080",
		"[::1]:8080":          "http://[::1]:8080",
		"":                    "https://patches.example.com",
		"a;id":                "https://patches.example.com",
		"$(id).example":       "https://patches.example.com",
		"a'b":                 "https://patches.example.com",
	} {
		r := httptest.NewRequest("GET", "/docs/recipes/1Password", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		command := "curl -sf " + want + "/docs/recipes/"
		if w.Code != 200 || !strings.Contains(w.Body.String(), command) {
			t.Errorf("%q: got status %d and no command with %s", host, w.Code, want)
		}
	}
}
