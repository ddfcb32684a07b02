package httpapi

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
)

// mostEntries is how many changes the Atom feed has.
const mostEntries = 50

var contentAtom = []string{"application/atom+xml; charset=utf-8"}

// An atomFeed is the Atom feed (RFC 4287) of what has changed.
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
	latest = latest[:min(len(latest), mostEntries)]
	self := a.address(r) + "/feed.atom"
	feed := atomFeed{ID: self, Title: "Patch definitions", Updated: changed.UTC().Format(time.RFC3339), Author: atomAuthor{"patchsource"}, Links: []atomLink{{Rel: "self", Href: self, Type: "application/atom+xml"}}}
	for _, t := range latest {
		at := a.address(r) + "/jamf/v1/patch/" + url.PathEscape(t.ID)
		e := atomEntry{
			// A version is an entry of its own, and one that is changed again is news.
			ID:      at + "#" + url.PathEscape(t.CurrentVersion),
			Title:   t.Name + " " + t.CurrentVersion,
			Updated: t.Changed.UTC().Truncate(time.Second).Format(time.RFC3339),
			Author:  atomAuthor{t.Publisher},
			Link:    atomLink{Rel: "alternate", Href: at, Type: "application/json"},
			Summary: t.Name + " by " + t.Publisher + " is at version " + t.CurrentVersion + ".",
		}
		if t.Author != "" {
			e.Author.Name = t.Author
		}
		feed.Entries = append(feed.Entries, e)
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	if err := xml.NewEncoder(&b).Encode(feed); err != nil {
		return err
	}
	a.serveAs(w, r, catalog.NewDocument(b.Bytes(), changed), contentAtom)
	return nil
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
