package httpapi

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// mostEntries is how many entries an Atom feed has.
const mostEntries = 50

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

// atom serves the titles that changed last, for feed readers.
func (a *api) atom(w http.ResponseWriter, r *http.Request) error {
	changed := a.cat.Changed() // first: what is listed is no older
	var latest []catalog.Title
	for t := range a.cat.Find(catalog.Filter{}) {
		latest = append(latest, t)
	}
	slices.SortStableFunc(latest, func(a, b catalog.Title) int { return b.Changed.Compare(a.Changed) })
	var entries []atomEntry
	for _, t := range latest[:min(len(latest), mostEntries)] {
		entries = append(entries, a.atomEntry(r, t, t.CurrentVersion, t.Changed))
	}
	return a.serveAtom(w, r, "/feed.atom", "Patch definitions", changed, entries)
}

// titleAtom serves the versions of one title, the current one first.
func (a *api) titleAtom(w http.ResponseWriter, r *http.Request) error {
	id, err := a.reading(w, r)
	if err != nil {
		return err
	}
	if err := a.workOn(r, id); err != nil {
		return err
	}
	def, t, err := a.cat.Load(r.Context(), id)
	if err != nil {
		return err
	}
	var entries []atomEntry
	for i, p := range def.Patches[:min(len(def.Patches), mostEntries)] {
		at := t.Changed
		if released, err := patch.ParseTime(p.ReleaseDate); err == nil && i > 0 {
			at = released
		}
		entries = append(entries, a.atomEntry(r, t, p.Version, at))
	}
	return a.serveAtom(w, r, "/api/v1/titles/"+t.ID+"/feed.atom", t.Name, t.Changed, entries)
}

// atomEntry is a version of a title as news. It has the same id in every feed.
func (a *api) atomEntry(r *http.Request, t catalog.Title, version string, at time.Time) atomEntry {
	definition := a.address(r) + "/jamf/v1/patch/" + url.PathEscape(t.ID)
	link := atomLink{Rel: "alternate", Href: definition, Type: "application/json"}
	if a.page {
		link = atomLink{Rel: "alternate", Href: a.address(r) + "/titles/" + url.PathEscape(t.ID), Type: "text/html"}
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

func (a *api) serveAtom(
	w http.ResponseWriter,
	r *http.Request,
	path, title string,
	changed time.Time,
	entries []atomEntry,
) error {
	self := a.address(r) + path
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
	return a.answers.Serve(w, r, answer.New(b.Bytes(), changed), contentAtom)
}

// address is where the handler is found: as its options say, or as the client has.
func (a *api) address(r *http.Request) string {
	if a.site != "" {
		return a.site
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + strings.ToLower(r.Host)
}
