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

// An atomFeed is an Atom feed.
type atomFeed struct {
	XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string      `xml:"id"`
	Updated time.Time   `xml:"updated"`
	Entries []atomEntry `xml:"entry"`
}

type atomEntry struct {
	ID      string    `xml:"id"`
	Title   string    `xml:"title"`
	Updated time.Time `xml:"updated"`
	Link    struct {
		Href string `xml:"href,attr"`
	} `xml:"link"`
}

// readAtom returns the feed at a path.
func (b *bench) readAtom(path string) (feed atomFeed) {
	b.t.Helper()
	w := b.do("GET", path, "")
	require(b.t, w, 200)
	if err := xml.Unmarshal(w.Body.Bytes(), &feed); err != nil {
		b.t.Fatal(err)
	}
	if !strings.HasSuffix(feed.ID, path) || feed.Updated.IsZero() {
		b.t.Errorf("%s: got the id %q and the time %v", path, feed.ID, feed.Updated)
	}
	return feed
}

func TestAtom(t *testing.T) {
	b := newBench(t, memstore.New())
	for i := range 60 {
		b.now = b.now.Add(time.Minute)
		b.create(fmt.Sprintf("T%02d", i))
	}
	b.now = b.now.Add(time.Minute)
	hostile := strings.Replace(definition("T00", "2&<b>", "1"), `"T00 App"`, `"<script>alert(1)</script>"`, 1)
	require(t, b.asAdmin("PUT", "/api/v1/title/T00", hostile), 200)
	w := b.do("GET", "/feed.atom", "")
	if !strings.HasPrefix(w.Header().Get("Content-Type"), "application/atom+xml") {
		t.Errorf("the feed has the header %v", w.Header())
	}
	if strings.Contains(w.Body.String(), "<script>") {
		t.Errorf("the feed does not escape: %s", w.Body)
	}
	feed := b.readAtom("/feed.atom")
	if len(feed.Entries) != 50 {
		t.Fatalf("got %d entries, want 50", len(feed.Entries))
	}
	if e := feed.Entries[0]; e.Title != "<script>alert(1)</script> 2&<b>" ||
		!strings.HasSuffix(e.Link.Href, "/jamf/v1/patch/T00") {
		t.Errorf("the first entry is %+v", e)
	}
	ids := map[string]bool{}
	for i, e := range feed.Entries {
		if ids[e.ID] {
			t.Errorf("entry %d has the id of an earlier one: %+v", i, e)
		}
		if i > 0 && e.Updated.After(feed.Entries[i-1].Updated) {
			t.Errorf("entry %d is newer than the one before: %+v", i, e)
		}
		ids[e.ID] = true
	}
	expect(t, b.do("GET", "/feed.atom", "", "If-None-Match", w.Header().Get("ETag")), 304)
}

// The feed of a title has its versions. A version is the same entry in every feed.
func TestTitleAtom(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	b.now = b.now.Add(time.Hour)
	require(t, b.asAdmin("POST", "/api/v1/title/App/version", versionJSON("2")), 201)
	own, all := b.readAtom("/api/v1/titles/App/feed.atom").Entries, b.readAtom("/feed.atom").Entries
	if len(own) != 2 || own[0] != all[0] {
		t.Fatalf("the title's feed has %+v, and the common one %+v", own, all)
	}
	if !strings.HasSuffix(own[1].Title, " 1") || !own[1].Updated.Before(own[0].Updated) || own[0].ID == own[1].ID {
		t.Errorf("the older entry is %+v, and the newer %+v", own[1], own[0])
	}
	expect(t, b.do("GET", "/api/v1/titles/Nope/feed.atom", ""), 404)
	// Links lead to the web page if there is one.
	b.handler = newHandler(t, b.catalog, &httpapi.Options{WebPage: true, Site: "https://p.example.com/x"})
	first := b.readAtom("/api/v1/titles/App/feed.atom").Entries[0]
	if first.Link.Href != "https://p.example.com/x/titles/App" {
		t.Errorf("the link leads to %s", first.Link.Href)
	}
}
