package httpapi_test

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/store/memstore"
)

func TestAtom(t *testing.T) {
	b := newBench(t, memstore.New())
	for i := range 60 {
		b.now = b.now.Add(time.Minute)
		b.create(fmt.Sprintf("T%02d", i))
	}
	b.now = b.now.Add(time.Minute)
	hostile := strings.Replace(definition("T00", "2&<b>", "1"), `"T00 App"`, `"<script>alert(1)</script>"`, 1)
	if w := b.asAdmin("PUT", "/api/v1/title/T00", hostile); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	w := b.do("GET", "/feed.atom", "")
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/atom+xml") ||
		strings.Contains(w.Body.String(), "<script>") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	var feed struct {
		XMLName xml.Name  `xml:"http://www.w3.org/2005/Atom feed"`
		ID      string    `xml:"id"`
		Updated time.Time `xml:"updated"`
		Entries []struct {
			ID      string    `xml:"id"`
			Title   string    `xml:"title"`
			Updated time.Time `xml:"updated"`
			Link    struct {
				Href string `xml:"href,attr"`
			} `xml:"link"`
		} `xml:"entry"`
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &feed); err != nil {
		t.Fatal(err)
	}
	if len(feed.Entries) != 50 || feed.ID == "" || feed.Updated.IsZero() {
		t.Fatalf("%d entries, %q, %v", len(feed.Entries), feed.ID, feed.Updated)
	}
	if e := feed.Entries[0]; e.Title != "<script>alert(1)</script> 2&<b>" ||
		!strings.HasSuffix(e.Link.Href, "/jamf/v1/patch/T00") {
		t.Errorf("%+v", e)
	}
	ids := map[string]bool{}
	for i, e := range feed.Entries {
		if ids[e.ID] || i > 0 && e.Updated.After(feed.Entries[i-1].Updated) {
			t.Errorf("%d: %+v", i, e)
		}
		ids[e.ID] = true
	}
	if again := b.do("GET", "/feed.atom", "", "If-None-Match", w.Header().Get("ETag")); again.Code != 304 {
		t.Errorf("%d", again.Code)
	}
}

// A title's own feed has its versions; a version is the same entry in every feed.
func TestTitleAtom(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	b.now = b.now.Add(time.Hour)
	if w := b.asAdmin("POST", "/api/v1/title/App/version", versionJSON("2")); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	type entry struct {
		ID      string    `xml:"id"`
		Title   string    `xml:"title"`
		Updated time.Time `xml:"updated"`
		Link    struct {
			Href string `xml:"href,attr"`
		} `xml:"link"`
	}
	read := func(path string) (entries []entry) {
		t.Helper()
		var feed struct {
			ID      string  `xml:"id"`
			Entries []entry `xml:"entry"`
		}
		w := b.do("GET", path, "")
		if err := xml.Unmarshal(w.Body.Bytes(), &feed); err != nil || w.Code != 200 ||
			!strings.HasSuffix(feed.ID, path) {
			t.Fatalf("%s: %d %v %s", path, w.Code, err, w.Body)
		}
		return feed.Entries
	}
	own, all := read("/api/v1/titles/App/feed.atom"), read("/feed.atom")
	if len(own) != 2 || own[0] != all[0] || !strings.HasSuffix(own[1].Title, " 1") ||
		!own[1].Updated.Before(own[0].Updated) ||
		own[0].ID == own[1].ID {
		t.Errorf("%+v %+v", own, all)
	}
	if w := b.do("GET", "/api/v1/titles/Nope/feed.atom", ""); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
	// For people, if there is a page.
	b.handler = newHandler(t, b.cat, &httpapi.Options{WebPage: true, Site: "https://p.example.com/x"})
	if own := read("/api/v1/titles/App/feed.atom"); own[0].Link.Href != "https://p.example.com/x/titles/App" {
		t.Errorf("%+v", own[0])
	}
}
