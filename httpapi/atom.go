package httpapi

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"net/http"
	"net/url"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// maxEntries bounds the entries of an Atom feed.
const maxEntries = 50

var contentAtom = []string{"application/atom+xml; charset=utf-8"}

// An atomFeed is an Atom feed (RFC 4287).
type atomFeed struct {
	XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string      `xml:"id"`
	Title   string      `xml:"title"`
	Updated string      `xml:"updated"`
	Links   []atomLink  `xml:"link"`
	Author  atomAuthor  `xml:"author"`
	Entries []atomEntry `xml:"entry"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Href string `xml:"href,attr"`
	Type string `xml:"type,attr,omitempty"`
}

type atomAuthor struct {
	Name string `xml:"name"`
}

type atomEntry struct {
	ID      string     `xml:"id"`
	Title   string     `xml:"title"`
	Updated string     `xml:"updated"`
	Author  atomAuthor `xml:"author"`
	Link    atomLink   `xml:"link"`
	Summary string     `xml:"summary"`
}

// atomCalls are the feeds of new versions, for feed readers.
type atomCalls struct{ *titleService }

// all serves the titles that changed last.
func (c *atomCalls) all(w http.ResponseWriter, r *http.Request) error {
	changed := c.catalog.Changed() // before the titles are read: they are no older
	latest := c.catalog.Page(&catalog.PageOptions{Order: catalog.ByChanged, Limit: maxEntries}).Titles
	var entries []atomEntry
	for _, t := range latest {
		entries = append(entries, c.entry(r, t, t.CurrentVersion, t.Changed))
	}
	shared := c.catalog.Shared()
	if shared && len(latest) > 0 {
		changed = latest[0].Changed // is the same at all servers
	}
	return c.serveAtom(w, r, "/feed.atom", "Patch definitions", changed, !shared, entries)
}

// title serves the versions of one title, the current one first.
func (c *atomCalls) title(w http.ResponseWriter, r *http.Request) error {
	id, err := c.readable(w, r)
	if err != nil {
		return err
	}
	if err := c.turn(r, id); err != nil {
		return err
	}
	def, t, err := c.catalog.Load(r.Context(), id)
	if err != nil {
		return err
	}
	var entries []atomEntry
	for i, p := range def.Patches[:min(len(def.Patches), maxEntries)] {
		at := t.Changed
		if released, err := patch.ParseTime(p.ReleaseDate); err == nil && i > 0 {
			at = released
		}
		entries = append(entries, c.entry(r, t, p.Version, at))
	}
	return c.serveAtom(w, r, "/api/v1/titles/"+t.ID+"/feed.atom", t.Name, t.Changed, true, entries)
}

// entry returns a version of a title as an entry. It has the same id in every feed.
func (c *atomCalls) entry(r *http.Request, t catalog.Title, version string, at time.Time) atomEntry {
	definition := c.address(r) + "/jamf/v1/patch/" + url.PathEscape(t.ID)
	link := atomLink{Rel: "alternate", Href: definition, Type: "application/json"}
	if c.webPage {
		link = atomLink{Rel: "alternate", Href: c.address(r) + "/titles/" + url.PathEscape(t.ID), Type: "text/html"}
	}
	return atomEntry{
		ID:      definition + "#" + url.PathEscape(version),
		Title:   t.Name + " " + version,
		Updated: at.UTC().Truncate(time.Second).Format(time.RFC3339),
		Author:  atomAuthor{cmp.Or(t.Author, t.Publisher, "unknown")}, // an author must have a name
		Link:    link,
		Summary: t.Name + " by " + cmp.Or(t.Publisher, "an unknown publisher") + " is at version " + version + ".",
	}
}

// serveAtom answers with an Atom feed. If it is not dated, the answer has no Last-Modified.
func (c *atomCalls) serveAtom(
	w http.ResponseWriter, r *http.Request, path, title string, changed time.Time, dated bool, entries []atomEntry,
) error {
	self := c.address(r) + path
	feed := atomFeed{
		ID:      self,
		Title:   title,
		Updated: changed.UTC().Format(time.RFC3339),
		Author:  atomAuthor{"patchsource"},
		Links:   []atomLink{{Rel: "self", Href: self, Type: "application/atom+xml"}},
		Entries: entries,
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	if err := xml.NewEncoder(&b).Encode(feed); err != nil {
		return err
	}
	doc := answer.New(b.Bytes(), changed)
	if !dated {
		doc = answer.Undated(doc)
	}
	return c.answers.Serve(w, r, doc, contentAtom)
}
