package webui_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch"
)

// A shelf is a catalog of made up titles.
type shelf struct {
	titles []webui.Title
	def    *patch.Definition
	err    error
}

func (s *shelf) Titles() iter.Seq[webui.Title] { return slices.Values(s.titles) }

func (s *shelf) Bytes(string) int64 { return 1 }

func (s *shelf) Title(_ context.Context, id string) (webui.Title, *patch.Definition, error) {
	for _, t := range s.titles {
		if t.ID == id {
			return t, s.def, s.err
		}
	}
	return webui.Title{}, nil, webui.ErrNotFound
}

func (s *shelf) History(context.Context, string) ([]webui.Revision, error) {
	return []webui.Revision{
		{Number: 2, At: time.Now(), Version: "2", Current: true},
		{Number: 1, At: time.Now(), Version: "1"},
	}, nil
}

// newPage returns the page of a catalog. It panics if the options are invalid.
func newPage(c webui.Catalog, opts *webui.Options) http.Handler {
	h, err := webui.New(c, opts)
	if err != nil {
		panic(err)
	}
	return h
}

func get(h *shelf, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	newPage(h, &webui.Options{Site: "https://patches.example.com", Publishing: true}).
		ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

// shown returns the names in the table, in order.
func shown(body string) string {
	var names []string
	for _, m := range regexp.MustCompile(`<th scope="row"><a href="/titles/([^"]*)">`).FindAllStringSubmatch(body, -1) {
		names = append(names, m[1])
	}
	return strings.Join(names, " ")
}

func TestTable(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := &shelf{titles: []webui.Title{
		{ID: "b", Name: "beta", Publisher: "Z", Version: "1.10", Changed: at},
		{
			ID:        "a",
			Name:      "Alpha",
			Publisher: "Y",
			Author:    "Ann",
			Version:   "1.9",
			Changed:   at.Add(time.Hour),
			Follows:   "https://example.com/",
		},
		{
			ID:        "c",
			Name:      "Gamma",
			Publisher: "X",
			Version:   "1.0b1",
			Changed:   at.Add(-time.Hour),
			Follows:   "https://example.com/",
			Trouble:   "it answered 503",
		},
	}}
	for path, want := range map[string]string{
		"/": "a b c", "/?sort=-name": "c b a", "/?sort=publisher": "c a b", "/?sort=version": "c a b", "/?sort=-version": "b a c", "/?sort=changed": "a b c", "/?sort=nonsense": "a b c",
		"/?q=ALPHA": "a", "/?q=ann": "a", "/?q=nothing": "", "/?q=%3Cscript%3E": "", "/?page=99": "a b c", "/?page=-1": "a b c", "/?page=x": "a b c",
	} {
		w := get(s, path)
		if got := shown(w.Body.String()); w.Code != 200 || got != want {
			t.Errorf("%s: %d, %s, want %s", path, w.Code, got, want)
		}
	}
	body := get(s, "/").Body.String()
	for _, want := range []string{"2026-01-02T04:04:05Z", "in step", "failing", "it answered 503", "1 to 3 of 3", "https://patches.example.com/jamf/v1", `aria-sort="ascending"`} {
		if !strings.Contains(body, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(get(s, "/?q=%3Cscript%3Ex").Body.String(), "<script>x") {
		t.Error("what was searched for is not escaped")
	}
}

func TestPaging(t *testing.T) {
	s := &shelf{}
	for i := range 250 {
		s.titles = append(
			s.titles,
			webui.Title{ID: fmt.Sprintf("T%03d", i), Name: fmt.Sprintf("T%03d", i), Publisher: "P"},
		)
	}
	path, seen := "/?q=t&sort=-name", 0
	for pages := 0; path != "" && pages < 10; pages++ {
		body := get(s, path).Body.String()
		names := strings.Fields(shown(body))
		for i, name := range names {
			if want := fmt.Sprintf("T%03d", 249-seen-i); name != want {
				t.Fatalf("%s: %s, want %s", path, name, want)
			}
		}
		seen += len(names)
		path = ""
		if m := regexp.MustCompile(`rel="next" href="([^"]*)"`).FindStringSubmatch(body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	if seen != 250 {
		t.Errorf("%d titles on all pages", seen)
	}
}

// What strangers have written is text, wherever it stands.
func TestHostileTitles(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	c := patch.Criterion{Name: evil, Operator: evil, Value: evil, Type: "recon"}
	s := &shelf{
		titles: []webui.Title{
			{
				ID:        "x",
				Name:      evil,
				Publisher: evil,
				Author:    evil,
				Version:   evil,
				Follows:   "javascript:alert(1)",
				Trouble:   evil,
			},
		},
		def: &patch.Definition{
			ID:           "x",
			Name:         evil,
			Requirements: []patch.Criterion{c},
			ExtensionAttributes: []patch.ExtensionAttribute{
				{Key: evil, DisplayName: evil, Value: base64.StdEncoding.EncodeToString([]byte(evil))},
				{Key: "y", Value: "!"},
			},
			Patches: []patch.Patch{
				{
					Version:                evil,
					ReleaseDate:            evil,
					MinimumOperatingSystem: evil,
					Components:             []patch.Component{{Name: evil, Criteria: []patch.Criterion{c, c}}},
					Capabilities:           []patch.Criterion{c},
					KillApps:               []patch.KillApp{{AppName: evil}},
				},
			},
		},
	}
	for _, path := range []string{"/", "/titles/x", "/?q=" + "%22%3E%3Cscript%3Ealert(1)", "/titles/%22%3E%3Cscript%3Ealert(1)%3C/script%3E"} {
		w := get(s, path)
		body := w.Body.String()
		if strings.Contains(body, "<script>") || strings.Contains(body, "<img") ||
			strings.Contains(body, `href="javascript:`) {
			t.Errorf("%s: %s", path, body)
		}
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") ||
			w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, w.Header())
		}
		if strings.Contains(body, " style=") || strings.Contains(body, " onclick=") {
			t.Errorf("%s has what its policy forbids", path)
		}
	}
	if body := get(s, "/titles/x").Body.String(); !strings.Contains(body, "&lt;script&gt;alert(1)") {
		t.Error("the script of the extension attribute is not shown")
	}
}

// No page asks another host for anything.
func TestNothingFromElsewhere(t *testing.T) {
	s := &shelf{
		titles: []webui.Title{{ID: "x", Name: "X"}},
		def:    &patch.Definition{ID: "x", Patches: []patch.Patch{{Version: "1"}}},
	}
	for _, path := range []string{"/", "/titles/x", "/publish", "/nope"} {
		body := get(s, path).Body.String()
		for _, m := range regexp.MustCompile(`(?:src|href|action)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
			if !strings.HasPrefix(m[1], "/") && !strings.HasPrefix(m[1], "#") || strings.HasPrefix(m[1], "//") {
				t.Errorf("%s leads to %s", path, m[1])
			}
			if strings.HasPrefix(m[1], "/ui/") {
				if w := get(s, m[1]); w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
					t.Errorf("%s: %d", m[1], w.Code)
				}
			}
		}
	}
}

func TestStatuses(t *testing.T) {
	s := &shelf{
		titles: []webui.Title{{ID: "x", Name: "X"}},
		def:    &patch.Definition{ID: "x", Patches: []patch.Patch{{Version: "1"}}},
	}
	for path, want := range map[string]int{"/titles/nope": 404, "/titles/": 404, "/ui/nope.css": 404, "/publish": 200, "/titles/x": 200} {
		if w := get(s, path); w.Code != want || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	w := httptest.NewRecorder()
	newPage(s, nil).ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
	if w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("%d", w.Code)
	}
	w = httptest.NewRecorder()
	newPage(s, nil).ServeHTTP(w, httptest.NewRequest("HEAD", "/", nil))
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	s.err = errors.New("dial db: password hunter2 refused")
	if w := get(s, "/titles/x"); w.Code != 503 || strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for path, want := range map[string]bool{"/": true, "/titles/x": true, "/publish": true, "/ui/x": true, "/api/v1/titles": false, "/jamf/v1/software": false, "/software": false} {
		if webui.Serves(httptest.NewRequest("GET", path, nil)) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

// The page of a table of 10,000 titles, in server time.
func BenchmarkTable(b *testing.B) {
	s := &shelf{}
	for i := range 10_000 {
		s.titles = append(
			s.titles,
			webui.Title{
				ID:        fmt.Sprintf("T%05d", i),
				Name:      fmt.Sprintf("Title %d", i*7919%10_000),
				Publisher: "P",
				Version:   fmt.Sprintf("149.0.%d.%d", i*7919%10_000, i),
			},
		)
	}
	h := newPage(s, nil)
	for name, path := range map[string]string{"all": "/", "search": "/?q=title", "by-version": "/?sort=version", "last-page": "/?page=100"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
			}
		})
	}
}

func Example() {
	s := &shelf{titles: []webui.Title{{ID: "Composer", Name: "Composer", Publisher: "Jamf", Version: "10.1.1"}}}
	w := httptest.NewRecorder()
	h, err := webui.New(s, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), `<a href="/titles/Composer">Composer</a>`))
	// Output: 200 true
}
