package webui_test

import (
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// readOnly returns the page of a catalog without an API.
func readOnly(c *fakeCatalog, path string) *httptest.ResponseRecorder {
	h := newPage(c, &webui.Options{Site: "https://patches.example.com", Publishing: true})
	return send(h, "GET", path, "")
}

// idsInTable returns the ids in the table, in order.
func idsInTable(body string) string {
	var ids []string
	for _, m := range regexp.MustCompile(`<th scope="row"><a href="/titles/([^"]*)">`).FindAllStringSubmatch(body, -1) {
		ids = append(ids, m[1])
	}
	return strings.Join(ids, " ")
}

func TestTable(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := &fakeCatalog{titles: []webui.Title{
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
		"/":                "a b c",
		"/?sort=-name":     "c b a",
		"/?sort=publisher": "c a b",
		"/?sort=version":   "c a b",
		"/?sort=-version":  "b a c",
		"/?sort=changed":   "a b c",
		"/?sort=source":    "c a b",
		"/?sort=nonsense":  "a b c",
		"/?q=ALPHA":        "a",
		"/?q=ann":          "a",
		"/?q=nothing":      "",
		"/?q=%3Cscript%3E": "",
		"/?page=99":        "a b c",
		"/?page=-1":        "a b c",
		"/?page=x":         "a b c",
	} {
		w := readOnly(c, path)
		if got := idsInTable(w.Body.String()); w.Code != 200 || got != want {
			t.Errorf("%s has status %d and the titles %q, want %q", path, w.Code, got, want)
		}
	}
	wantPage(t, readOnly(c, "/"), 200, "2026-01-02T04:04:05Z", "up to date", "failing", "it answered 503",
		"1 to 3 of 3", "<code>patches.example.com/jamf/v1</code>", "port 443, with SSL", `aria-sort="ascending"`)
	wantTexts(t, readOnly(c, "/?q=%3Cscript%3Ex"), map[string]bool{"<script>x": false, "&lt;script&gt;x": true})
}

func TestPaging(t *testing.T) {
	c := &fakeCatalog{}
	for i := range 250 {
		id := fmt.Sprintf("T%03d", i)
		c.titles = append(c.titles, webui.Title{ID: id, Name: id, Publisher: "P"})
	}
	next := regexp.MustCompile(`rel="next" href="([^"]*)"`)
	path, seen := "/?q=t&sort=-name", 0
	for pages := 0; path != "" && pages < 10; pages++ {
		body := readOnly(c, path).Body.String()
		ids := strings.Fields(idsInTable(body))
		for i, id := range ids {
			if want := fmt.Sprintf("T%03d", 249-seen-i); id != want {
				t.Fatalf("%s has the title %s, want %s", path, id, want)
			}
		}
		seen += len(ids)
		path = ""
		if m := next.FindStringSubmatch(body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	if seen != 250 {
		t.Errorf("all pages together have %d titles, want 250", seen)
	}
}

// BenchmarkTable measures pages of a table of 10,000 titles.
func BenchmarkTable(b *testing.B) {
	c := &fakeCatalog{}
	for i := range 10_000 {
		c.titles = append(c.titles, webui.Title{
			ID:        fmt.Sprintf("T%05d", i),
			Name:      fmt.Sprintf("Title %d", i*7919%10_000),
			Publisher: "P",
			Version:   fmt.Sprintf("149.0.%d.%d", i*7919%10_000, i),
		})
	}
	h := newPage(c, nil)
	for name, path := range map[string]string{
		"all":        "/",
		"search":     "/?q=title",
		"by-version": "/?sort=version",
		"last-page":  "/?page=100",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
			}
		})
	}
}
