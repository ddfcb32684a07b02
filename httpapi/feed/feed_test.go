package feed_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/feed"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/envelope"
	"github.com/patchsource/patchsource/store/memstore"
)

// composerCatalog returns a catalog with the title Composer.
func composerCatalog(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.Create(t.Context(), composer(), nil); err != nil {
		t.Fatal(err)
	}
	return c
}

func newFeed(t *testing.T, c *catalog.Catalog, opts *feed.Options) http.Handler {
	t.Helper()
	h, err := feed.New(c, opts)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestNewFails(t *testing.T) {
	c := composerCatalog(t)
	var none *envelope.Signer
	for name, signer := range map[string]feed.Signer{"a zero signer": &envelope.Signer{}, "a nil signer": none} {
		if _, err := feed.New(c, &feed.Options{Signer: signer}); err == nil {
			t.Errorf("New accepts %s", name)
		}
	}
	if _, err := feed.New(nil, nil); err == nil {
		t.Error("New accepts a nil catalog")
	}
}

// The errors of the feed alone have the form of those of package httpapi.
func TestErrors(t *testing.T) {
	h := newFeed(t, composerCatalog(t), nil)
	for _, c := range []struct {
		method, path string
		status       int
		code, detail string
		header       string // one that the answer must have
	}{
		{"GET", "/jamf/v1/patch/Nope", 404, "title_not_found", "Nope", ""},
		{"GET", "/jamf/v1/patch", 404, "not_found", "/jamf/v1/patch", ""},
		{"GET", "/software", 404, "not_found", "/software", ""},
		{"GET", "/jamf/v1/macman/software", 404, "not_found", "/jamf/v1/macman/software", ""},
		{"POST", "/jamf/v1/software", 405, "method_not_allowed", "POST", "Allow"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		var body map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Errorf("%s %s: %v in %s", c.method, c.path, err, w.Body)
		}
		if w.Code != c.status || body["message"] == "" || body[c.code] != c.detail {
			t.Errorf("%s %s: got status %d: %s", c.method, c.path, w.Code, w.Body)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || c.header != "" && w.Header().Get(c.header) == "" {
			t.Errorf("%s %s: got the header %v", c.method, c.path, w.Header())
		}
	}
}

// The feed alone answers its own paths, and nothing else.
func TestFeedAlone(t *testing.T) {
	h := newFeed(t, composerCatalog(t), &feed.Options{RootFeed: true})
	for _, path := range []string{"/jamf/v1/software", "/software", "/software/Composer", "/patch/Composer"} {
		if w := get(h, path); w.Code != 200 {
			t.Errorf("GET %s: got status %d, want 200", path, w.Code)
		}
	}
	for _, c := range [][2]string{
		{"POST", "/api/v1/title"}, {"DELETE", "/api/v1/title/Composer"}, {"GET", "/api/v1/titles"}, {"GET", "/healthz"},
	} {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, httptest.NewRequest(c[0], c[1], nil)); w.Code != 404 {
			t.Errorf("%s %s: got status %d, want 404", c[0], c[1], w.Code)
		}
	}
}

// A panic of the next handler is answered, and its cause is logged under the id of the answer.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	h := newFeed(t, composerCatalog(t), &feed.Options{
		Next:   http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("hunter2") }),
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	w := get(h, "/other", "X-Request-Id", "req-1")
	if w.Code != 500 || w.Header().Get("X-Request-Id") != "req-1" || strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("got status %d, %v: %s", w.Code, w.Header(), w.Body)
	}
	if !strings.Contains(log.String(), "hunter2") || !strings.Contains(log.String(), "req-1") {
		t.Errorf("the log: %s", log.String())
	}
}

// A contributorList has the contributor macman, who has no titles.
type contributorList struct{ err error }

func (contributorList) ContributorID(name string) (string, bool) {
	return "macman", strings.EqualFold(name, "macman")
}

func (f contributorList) ExtendedList(string) ([]byte, error) {
	return []byte(`[{"last_sync_result":null}]`), f.err
}

func TestContributors(t *testing.T) {
	h := newFeed(t, composerCatalog(t), &feed.Options{Contributors: contributorList{}})
	for path, want := range map[string]string{
		"/jamf/v1/MacMan/software":           "[]",
		"/jamf/v1/macman/software/Composer":  "[]",
		"/jamf/v1//macman//software/?extend": `[{"last_sync_result":null}]`,
	} {
		if w := get(h, path); w.Code != 200 || strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("%s: got status %d: %s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/jamf/v1/winman/software", "/jamf/v1/macman/patch/Composer"} {
		if w := get(h, path); w.Code != 404 {
			t.Errorf("%s: got status %d: %s", path, w.Code, w.Body)
		}
	}
	h = newFeed(t, composerCatalog(t), &feed.Options{Contributors: contributorList{err: errors.New("hunter2")}})
	if w := get(h, "/jamf/v1/macman/software?extend"); w.Code != 500 || strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("a list that fails: got status %d: %s", w.Code, w.Body)
	}
}

func TestObserve(t *testing.T) {
	var routes []string
	h := newFeed(t, composerCatalog(t), &feed.Options{
		RootFeed: true,
		Observe: func(route, method string, status int, bytes int64, _ time.Duration) {
			routes = append(routes, route)
			if method != "GET" || status != 200 || bytes == 0 {
				t.Errorf("%s: observed %s, status %d, %d bytes", route, method, status, bytes)
			}
		},
	})
	for _, path := range []string{"/software", "/jamf/v1/software/Composer", "/patch/composer"} {
		get(h, path)
	}
	want := "/jamf/v1/software /jamf/v1/software/{ids} /jamf/v1/patch/{id}"
	if got := strings.Join(routes, " "); got != want {
		t.Errorf("observed %s, want %s", got, want)
	}
}

// An answer makes at most these allocations. A handler that writes the same body and decides nothing makes four.
const maxAllocations = 5

func TestAllocations(t *testing.T) {
	h := newFeed(t, composerCatalog(t), nil)
	for _, path := range []string{"/jamf/v1/software", "/jamf/v1/software/Composer", "/jamf/v1/patch/Composer"} {
		for _, encoding := range []string{"identity", "gzip"} {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("Accept-Encoding", encoding)
			got := testing.AllocsPerRun(100, func() { h.ServeHTTP(discard{http.Header{}}, r) })
			if got > maxAllocations {
				t.Errorf("%s, %s: %v allocations, want at most %d", path, encoding, got, maxAllocations)
			}
		}
	}
}

// A discard is a ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func TestServes(t *testing.T) {
	for path, want := range map[string]bool{
		"/jamf/v1/software": true, "/jamf/v1/software/A,B": true, "//jamf//v1/patch/A/": true,
		"/jamf/v1/macman/software": true, "/jamf/v1/macman/patch/A": true,
		"/jamf/v1": false, "/jamf/v1/patch": false, "/jamf/v2/software": false, "/api/v1/titles": false, "": false,
		"/jamf/v1/macman/tokens": false, "/jamf/v1/../api/v1/software": false,
	} {
		if got := feed.Serves(path, false); got != want {
			t.Errorf("Serves(%q) = %v, want %v", path, got, want)
		}
	}
	for _, path := range []string{"/software", "/software/A", "/patch/A"} {
		if feed.Serves(path, false) || !feed.Serves(path, true) {
			t.Errorf("Serves(%q): got %v and %v with the feed at the root", path, feed.Serves(path, false),
				feed.Serves(path, true))
		}
	}
}
