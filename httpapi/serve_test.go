package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// conditional are paths of documents that are served conditionally.
var conditional = []string{
	"/jamf/v1/software",
	"/jamf/v1/software/App,Other",
	"/jamf/v1/patch/App",
	"/api/v1/titles/App",
	"/api/v1/titles",
}

func TestConditionalRequests(t *testing.T) {
	b := newBench(t, unshared())
	b.create("App", "Other")
	b.now = b.now.Add(10 * time.Second)
	for _, path := range conditional {
		t.Run(path, func(t *testing.T) {
			plain := b.do("GET", path, "")
			etag, modified := plain.Header().Get("ETag"), plain.Header().Get("Last-Modified")
			compressed := b.do("GET", path, "", "Accept-Encoding", "gzip").Header().Get("ETag")
			for _, c := range []struct {
				name, value string
				status      int
			}{
				{"If-None-Match", etag, 304},
				{"If-None-Match", compressed, 304},
				{"If-None-Match", "W/" + etag, 304},
				{"If-None-Match", `"x", ` + etag, 304},
				{"If-None-Match", "*", 304},
				{"If-None-Match", `"x"`, 200},
				{"If-None-Match", "x", 200},
				{"If-Modified-Since", modified, 304},
				{"If-Modified-Since", b.now.Add(time.Hour).Format(http.TimeFormat), 304},
				{"If-Modified-Since", b.now.Add(-time.Hour).Format(http.TimeFormat), 200},
				{"If-Modified-Since", "yesterday", 200},
			} {
				w := b.do("GET", path, "", c.name, c.value)
				expect(t, w, c.status)
				h := w.Header()
				if c.status == 304 && (w.Body.Len() != 0 || h.Get("ETag") == "" || h.Get("Content-Length") != "") {
					t.Errorf("%s: %s: got %d bytes and the header %v", c.name, c.value, w.Body.Len(), h)
				}
			}
			// If-Modified-Since is ignored if there is an If-None-Match.
			expect(t, b.do("GET", path, "", "If-None-Match", `"x"`, "If-Modified-Since", modified), 200)
		})
	}
}

// The compressed form of a document has the same content and an ETag of its own.
func TestCompressedForm(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "Other")
	for _, path := range conditional {
		t.Run(path, func(t *testing.T) {
			plain := b.do("GET", path, "")
			zipped := b.do("GET", path, "", "Accept-Encoding", "br, gzip;q=0.5")
			for _, w := range []*httptest.ResponseRecorder{plain, zipped} {
				h := w.Header()
				expect(t, w, 200)
				if h.Get("Content-Type") != "application/json" ||
					h.Get("Content-Length") != fmt.Sprint(w.Body.Len()) ||
					h.Get("Vary") != "Accept, Accept-Encoding" || h.Get("Cache-Control") == "" ||
					!strings.HasPrefix(h.Get("ETag"), `"`) {
					t.Errorf("got the header %v", h)
				}
			}
			if plain.Header().Get("Content-Encoding") != "" || zipped.Header().Get("Content-Encoding") != "gzip" {
				t.Errorf("got the headers %v and %v", plain.Header(), zipped.Header())
			}
			if plain.Header().Get("ETag") == zipped.Header().Get("ETag") {
				t.Errorf("both forms have the ETag %s", plain.Header().Get("ETag"))
			}
			z, err := gzip.NewReader(zipped.Body)
			if err != nil {
				t.Fatal(err)
			}
			if unzipped, err := io.ReadAll(z); err != nil || !bytes.Equal(unzipped, plain.Body.Bytes()) {
				t.Errorf("the compressed form has %s, %v; want %s", unzipped, err, plain.Body)
			}
		})
	}
}

// HEAD has the header of GET and no body.
func TestHead(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "Other")
	for _, path := range conditional {
		get, head := b.do("GET", path, ""), b.do("HEAD", path, "")
		expect(t, head, 200)
		for _, name := range []string{"ETag", "Content-Length"} {
			if got, want := head.Header().Get(name), get.Header().Get(name); got != want {
				t.Errorf("%s: HEAD has the %s %s, want %s", path, name, got, want)
			}
		}
		if head.Body.Len() != 0 {
			t.Errorf("%s: HEAD has a body: %s", path, head.Body)
		}
	}
}

// A client that only remembers the time never takes an old document for the current one, even if changes come faster
// than seconds.
func TestIfModifiedSinceIsNeverStale(t *testing.T) {
	b := newBench(t, unshared())
	b.create("App")
	for i := range 5 {
		for _, path := range []string{"/jamf/v1/software", "/jamf/v1/patch/App"} {
			modified := b.do("GET", path, "").Header().Get("Last-Modified")
			if at, err := http.ParseTime(modified); err != nil || at.After(b.now) {
				t.Fatalf("Last-Modified is %v, %v; want no later than %v", at, err, b.now)
			}
			version := versionJSON(fmt.Sprint(path[10:11], i))
			require(t, b.asAdmin("POST", "/api/v1/title/App/version", version), 201)
			expect(t, b.do("GET", path, "", "If-Modified-Since", modified), 200)
		}
	}
}

// unshared returns a store that no other server can use: it has no Watcher.
func unshared() store.Store { return struct{ store.Store }{memstore.New()} }

// Servers over one store have equal lists with equal ETags, and date none: each has learned of the last change at a
// time of its own. A client that has the list of one server by its time alone gets the new one from the other.
func TestListsOfSharedStoresAreNotDated(t *testing.T) {
	s := memstore.New()
	one := newBench(t, s)
	one.create("App", "Other")
	two := newBench(t, s)
	two.now = two.now.Add(time.Hour)
	for _, path := range []string{
		"/jamf/v1/software", "/jamf/v1/software/App,Other", "/jamf/v1/software?pretty", "/api/v1/titles", "/feed.atom",
	} {
		here, there := one.do("GET", path, ""), two.do("GET", path, "")
		if here.Header().Get("ETag") != there.Header().Get("ETag") || here.Code != 200 || there.Code != 200 {
			t.Errorf("%s: two servers answer %v and %v, want the same ETag", path, here.Header(), there.Header())
		}
		for _, w := range []*httptest.ResponseRecorder{here, there} {
			if modified, ok := w.Header()["Last-Modified"]; ok {
				t.Errorf("%s: Last-Modified %s, want none", path, modified)
			}
		}
		later := two.now.Add(time.Hour).Format(http.TimeFormat)
		if w := one.do("GET", path, "", "If-Modified-Since", later); w.Code != 200 {
			t.Errorf("%s: If-Modified-Since: %d, want 200", path, w.Code)
		}
		if w := two.do("GET", path, "", "If-None-Match", here.Header().Get("ETag")); w.Code != 304 {
			t.Errorf("%s: If-None-Match with the ETag of the other server: %d, want 304", path, w.Code)
		}
	}
	if w := one.do("GET", "/jamf/v1/patch/App", ""); w.Header().Get("Last-Modified") == "" {
		t.Error("a definition has no Last-Modified")
	}
}

func TestAcceptEncoding(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "B", "C")
	for accept, want := range map[string]bool{
		"gzip": true, "GZIP": true, "x-gzip": true, "deflate, gzip": true, "gzip;q=1.0": true, "*": true,
		"gzip; q=0.001": true,
		"":              false, "identity": false, "gzip;q=0": false, "gzip; q=0.0, *": false, "*;q=0": false,
		"br": false, "gzip;q=x": false,
	} {
		w := b.do("GET", "/jamf/v1/software", "", "Accept-Encoding", accept)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("Accept-Encoding: %s: compressed: %v, want %v", accept, got, want)
		}
	}
	// A document that would become no smaller is not compressed.
	w := b.do("GET", "/jamf/v1/software/Nope", "", "Accept-Encoding", "gzip")
	if w.Header().Get("Content-Encoding") != "" || w.Body.String() != "[]" {
		t.Errorf("got %s with the header %v", w.Body, w.Header())
	}
}

// Indented JSON, for people who cut it with grep, has the same content and an ETag of its own.
func TestPretty(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "Other")
	for _, c := range []struct {
		path   string
		header []string
		pretty bool
	}{
		{"/jamf/v1/software?pretty", nil, true},
		{"/jamf/v1/software/App,Other?pretty", nil, true},
		{"/jamf/v1/patch/App?pretty=1", nil, true},
		{"/api/v1/titles/App?pretty", nil, true},
		{"/jamf/v1/patch/App", []string{"Accept", "text/html, application/json; indent=2"}, true},
		{"/jamf/v1/patch/App", []string{"Accept", "application/json"}, false},
		{"/jamf/v1/patch/App?pretty=0", nil, false},
		{"/jamf/v1/patch/App?prettyplease", nil, false},
	} {
		t.Run(c.path, func(t *testing.T) {
			w := b.do("GET", c.path, "", c.header...)
			path, _, _ := strings.Cut(c.path, "?")
			compact := b.do("GET", path, "")
			expect(t, w, 200)
			if got := bytes.Contains(w.Body.Bytes(), []byte("\n  ")); got != c.pretty {
				t.Errorf("indented: %v, want %v: %.200s", got, c.pretty, w.Body)
			}
			if !strings.Contains(w.Header().Get("Vary"), "Accept") {
				t.Errorf("got the header %v", w.Header())
			}
			etag := w.Header().Get("ETag")
			if same := etag == compact.Header().Get("ETag"); same == c.pretty {
				t.Errorf("the ETag is that of the compact form: %v", same)
			}
			expect(t, b.do("GET", c.path, "", append(c.header, "If-None-Match", etag)...), 304)
			zipped := b.do("GET", c.path, "", append(c.header, "Accept-Encoding", "gzip")...).Header()
			if c.pretty && (zipped.Get("Content-Encoding") != "gzip" || zipped.Get("ETag") == etag) {
				t.Errorf("the compressed form has the header %v", zipped)
			}
		})
	}
}

// Slashes may be doubled or at the end of a path, and characters may be escaped.
func TestPaths(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "a.b")
	list := b.do("GET", "/jamf/v1/software", "").Body.String()
	for _, path := range []string{
		"/jamf/v1/software/", "/jamf/v1//software", "//jamf/v1/software", "/jamf//v1/software//",
	} {
		expect(t, b.do("GET", path, ""), 200, list)
	}
	for _, path := range []string{
		"/jamf/v1/software/App,a.b", "/jamf/v1/software/App%2Ca.b", "/jamf/v1/software/aPP,%61.b,x%2Fy/",
	} {
		w := b.do("GET", path, "")
		expect(t, w, 200)
		if strings.Count(w.Body.String(), `"id"`) != 2 {
			t.Errorf("%s: the selection is %s", path, w.Body)
		}
	}
	for _, path := range []string{
		"/jamf/v1/patch/App", "/jamf/v1/patch/app/", "/jamf/v1/patch/%41pp",
		"/api/v1/titles/App", "/api/v1//titles/APP/", "/api/v1/titles/%41pp",
	} {
		expect(t, b.do("GET", path, ""), 200, `{"id":"App"`)
	}
	require(t, b.asAdmin("POST", "/api/v1/title/App/version", versionJSON("1 (b/7)")), 201)
	expect(t, b.asAdmin("DELETE", "/api/v1/title/App/version/1%20%28b%2F7%29/", ""), 200)
}

// A handler can be mounted under any prefix of any router.
func TestMounting(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	mounted := http.StripPrefix("/patch", b.handler)
	std := http.NewServeMux()
	std.Handle("/patch/", mounted)
	gorilla := mux.NewRouter()
	gorilla.PathPrefix("/patch/").Handler(mounted)
	for name, handler := range map[string]http.Handler{"http.ServeMux": std, "gorilla/mux": gorilla} {
		t.Run(name, func(t *testing.T) {
			b.handler = handler
			for _, path := range []string{
				"/patch/jamf/v1/software", "/patch/jamf/v1/software/", "/patch/jamf/v1/patch/App",
				"/patch/api/v1/titles/App",
			} {
				expect(t, b.do("GET", path, ""), 200)
			}
			expect(t, b.asAdmin("POST", "/patch/api/v1/title/App/version", versionJSON(name)), 201)
			problem(t, b.do("GET", "/patch/nothing", ""))
		})
	}
}

// Options.Signer signs the feed, and not the API.
func TestSigner(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Signer: sealer{}})
	expect(t, b.do("GET", "/jamf/v1/patch/App", ""), 200, `sealed:{"id":"App"`)
	if w := b.do("GET", "/api/v1/titles/App", ""); !strings.HasPrefix(w.Body.String(), `{"id":"App"`) {
		t.Errorf("the API answers with %s", w.Body)
	}
	var none *sealer
	if _, err := httpapi.New(b.catalog, &httpapi.Options{Signer: none}); err == nil {
		t.Error("New accepts a nil signer")
	}
}

// A sealer marks the content of envelopes.
type sealer struct{}

func (sealer) Seal(content []byte) ([]byte, error) { return append([]byte("sealed:"), content...), nil }
