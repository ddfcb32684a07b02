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
	"github.com/patchsource/patchsource/store/memstore"
)

func TestConditionalRequests(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "Other")
	b.now = b.now.Add(10 * time.Second)
	for _, path := range []string{"/jamf/v1/software", "/jamf/v1/software/App,Other", "/jamf/v1/patch/App", "/api/v1/titles/App", "/api/v1/titles"} {
		t.Run(path, func(t *testing.T) {
			plain := b.do("GET", path, "")
			zipped := b.do("GET", path, "", "Accept-Encoding", "br, gzip;q=0.5")
			etag, zetag, modified := plain.Header().
				Get("ETag"),
				zipped.Header().
					Get("ETag"),
				plain.Header().
					Get("Last-Modified")
			if plain.Code != 200 || zipped.Code != 200 || !strings.HasPrefix(etag, `"`) || etag == zetag ||
				plain.Header().Get("Content-Encoding") != "" ||
				zipped.Header().Get("Content-Encoding") != "gzip" {
				t.Fatalf("%v\n%v", plain.Header(), zipped.Header())
			}
			for _, w := range []*httptest.ResponseRecorder{plain, zipped} {
				if w.Header().Get("Vary") != "Accept, Accept-Encoding" || w.Header().Get("Cache-Control") == "" ||
					w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) ||
					w.Header().Get("Content-Type") != "application/json" {
					t.Errorf("%v", w.Header())
				}
			}
			z, err := gzip.NewReader(zipped.Body)
			if err != nil {
				t.Fatal(err)
			}
			if unzipped, err := io.ReadAll(z); err != nil || !bytes.Equal(unzipped, plain.Body.Bytes()) {
				t.Errorf("%v: not the same: %s", err, unzipped)
			}
			for _, c := range []struct {
				name, value string
				status      int
			}{
				{"If-None-Match", etag, 304},
				{"If-None-Match", zetag, 304},
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
				if w.Code != c.status ||
					c.status == 304 &&
						(w.Body.Len() != 0 || w.Header().Get("ETag") == "" || w.Header().Get("Content-Length") != "") {
					t.Errorf("%s: %s: %d %v, want %d", c.name, c.value, w.Code, w.Header(), c.status)
				}
			}
			if w := b.do("GET", path, "", "If-None-Match", `"x"`, "If-Modified-Since", modified); w.Code != 200 {
				t.Errorf("If-Modified-Since counts beside If-None-Match: %d", w.Code)
			}
			head := b.do("HEAD", path, "")
			if head.Code != 200 || head.Body.Len() != 0 ||
				head.Header().Get("Content-Length") != plain.Header().Get("Content-Length") ||
				head.Header().Get("ETag") != etag {
				t.Errorf("HEAD: %d %v", head.Code, head.Header())
			}
		})
	}
}

// A client that only knows the time never takes an old state for the current one,
// though changes come faster than seconds do.
func TestIfModifiedSinceIsNeverStale(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	for i := range 5 {
		for _, path := range []string{"/jamf/v1/software", "/jamf/v1/patch/App"} {
			held := b.do("GET", path, "")
			if at, err := http.ParseTime(held.Header().Get("Last-Modified")); err != nil || at.After(b.now) {
				t.Fatalf("Last-Modified %v lies ahead of %v", at, b.now)
			}
			if w := b.asAdmin("POST", "/api/v1/title/App/version", versionJSON(fmt.Sprint(path[10:11], i))); w.Code != 201 {
				t.Fatal(w.Body)
			}
			if w := b.do("GET", path, "", "If-Modified-Since", held.Header().Get("Last-Modified")); w.Code != 200 {
				t.Errorf("%s, change %d: %d, want the new state", path, i, w.Code)
			}
		}
	}
}

func TestAcceptEncoding(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "B", "C")
	for _, c := range []struct {
		accept string
		zipped bool
	}{
		{"gzip", true}, {"GZIP", true}, {"x-gzip", true}, {"deflate, gzip", true}, {"gzip;q=1.0", true}, {"*", true}, {"gzip; q=0.001", true},
		{"", false}, {"identity", false}, {"gzip;q=0", false}, {"gzip; q=0.0, *", false}, {"*;q=0", false}, {"br", false}, {"gzip;q=x", false},
	} {
		w := b.do("GET", "/jamf/v1/software", "", "Accept-Encoding", c.accept)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != c.zipped {
			t.Errorf("Accept-Encoding: %s: gzip %v, want %v", c.accept, got, c.zipped)
		}
	}
	// What would be no smaller is not compressed.
	if w := b.do("GET", "/jamf/v1/software/Nope", "", "Accept-Encoding", "gzip"); w.Header().
		Get("Content-Encoding") !=
		"" ||
		w.Body.String() != "[]" {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
}

func TestPaths(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "a.b")
	list := b.do("GET", "/jamf/v1/software", "").Body.String()
	for _, path := range []string{"/jamf/v1/software/", "/jamf/v1//software", "//jamf/v1/software", "/jamf//v1/software//"} {
		if w := b.do("GET", path, ""); w.Code != 200 || w.Body.String() != list {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/jamf/v1/software/App,a.b", "/jamf/v1/software/App%2Ca.b", "/jamf/v1/software/aPP,%61.b,x%2Fy/"} {
		if w := b.do("GET", path, ""); w.Code != 200 || strings.Count(w.Body.String(), `"id"`) != 2 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/jamf/v1/patch/App", "/jamf/v1/patch/app/", "/jamf/v1/patch/%41pp", "/api/v1/titles/App", "/api/v1//titles/APP/", "/api/v1/titles/%41pp"} {
		if w := b.do("GET", path, ""); w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"id":"App"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := b.asAdmin("POST", "/api/v1/title/App/version", versionJSON("1 (b/7)")); w.Code != 201 {
		t.Fatal(w.Body)
	}
	if w := b.asAdmin("DELETE", "/api/v1/title/App/version/1%20%28b%2F7%29/", ""); w.Code != 200 {
		t.Errorf("a version with a slash: %d %s", w.Code, w.Body)
	}
}

// The handler goes under any prefix, in any tree.
func TestMounting(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	inner := b.handler
	std := http.NewServeMux()
	std.Handle("/patch/", http.StripPrefix("/patch", inner))
	gorilla := mux.NewRouter()
	gorilla.PathPrefix("/patch/").Handler(http.StripPrefix("/patch", inner))
	for name, handler := range map[string]http.Handler{"http.ServeMux": std, "gorilla/mux": gorilla} {
		b.handler = handler
		for _, path := range []string{"/patch/jamf/v1/software", "/patch/jamf/v1/software/", "/patch/jamf/v1/patch/App", "/patch/api/v1/titles/App"} {
			if w := b.do("GET", path, ""); w.Code != 200 {
				t.Errorf("%s: %s: %d %s", name, path, w.Code, w.Body)
			}
		}
		if w := b.asAdmin("POST", "/patch/api/v1/title/App/version", versionJSON(name)); w.Code != 201 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if w := b.do("GET", "/patch/nothing", ""); w.Code != 404 ||
			w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestFeedAlone(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	feed, err := httpapi.NewFeed(b.cat, &httpapi.Options{RootFeed: true})
	if err != nil {
		t.Fatal(err)
	}
	b.handler = feed
	for _, path := range []string{"/jamf/v1/software", "/software", "/software/App", "/patch/App"} {
		if w := b.do("GET", path, ""); w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for _, c := range [][2]string{{"POST", "/api/v1/title"}, {"GET", "/api/v1/titles"}, {"DELETE", "/api/v1/title/App"}, {"GET", "/healthz"}} {
		if w := b.asAdmin(c[0], c[1], definition("New", "1")); w.Code != 404 {
			t.Errorf("%v: %d", c, w.Code)
		}
	}
}
