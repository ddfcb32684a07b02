package httpapi_test

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"

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
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/atom+xml") || strings.Contains(w.Body.String(), "<script>") {
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
	if e := feed.Entries[0]; e.Title != "<script>alert(1)</script> 2&<b>" || !strings.HasSuffix(e.Link.Href, "/jamf/v1/patch/T00") {
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
