package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
)

// What Jamf Pro asks for.
type feedCall int

const (
	notFeed    feedCall = iota
	software            // every title's summary
	selection           // some titles' summaries
	definition          // one title's definition
)

// A feedPath is a path of the feed taken apart.
type feedPath struct {
	call feedCall
	// contributor is the id of the contributor whose own feed it is; empty: the
	// common one.
	contributor string
	// arg is what is asked for: ids separated by commas, or an id.
	arg string
}

// feed serves the feed, and hands every other request to next.
//
// It does not go through the router: that takes a path apart by regular
// expressions and copies the request for what it finds, which costs more than
// the whole answer. The feed has three paths, and nearly all requests are for
// them.
func (a *api) feed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := a.matchFeed(r.URL.Path)
		if path.call == notFeed {
			next.ServeHTTP(w, r)
			return
		}
		if a.observe == nil {
			a.serveFeed(w, r, path)
			return
		}
		o := &observer{ResponseWriter: w, began: time.Now()}
		defer o.tell(a, path.route(), r.Method)
		a.serveFeed(o, r, path)
		o.done = true
	})
}

// serveFeed answers a call of the feed.
func (a *api) serveFeed(w http.ResponseWriter, r *http.Request, path feedPath) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		a.writeError(w, r, &methodError{method: r.Method, allow: "GET, HEAD"})
		return
	}
	doc, err := a.readFeed(r, path)
	contentType := contentJSON
	if err == nil && a.seal != nil && path.call == definition {
		doc, err = a.seal.seal(doc)
		contentType = contentCMS
	}
	if err != nil {
		a.writeError(w, r, err)
		return
	}
	a.serveAs(w, r, doc, contentType)
}

// route names a call of the feed.
func (p feedPath) route() string {
	prefix := "/jamf/v1"
	if p.contributor != "" {
		prefix = "/jamf/v1/{contributor}"
	}
	switch p.call {
	case software:
		return prefix + "/software"
	case selection:
		return prefix + "/software/{ids}"
	}
	return prefix + "/patch/{id}"
}

// readFeed reads what a call of the feed asks for.
func (a *api) readFeed(r *http.Request, path feedPath) (*catalog.Document, error) {
	if path.contributor != "" {
		return a.readContributorFeed(r, path)
	}
	switch path.call {
	case software:
		return a.cat.Software(), nil
	case selection:
		return a.cat.Select(path.arg), nil
	}
	return a.cat.Definition(r.Context(), path.arg)
}

// matchFeed takes a path apart if it is of the feed. Slashes may stand doubled and
// at the end.
func (a *api) matchFeed(path string) (p feedPath) {
	name, rest := segment(path)
	if name == "jamf" {
		if name, rest = segment(rest); name != "v1" {
			return p
		}
		name, rest = segment(rest)
		if name != "software" && name != "patch" && name != "" && a.comm != nil {
			p.contributor = name
			name, rest = segment(rest)
		}
	} else if !a.root {
		return p
	}
	p.arg = strings.Trim(rest, "/")
	switch {
	case name == "software" && p.arg == "":
		p.call = software
	case name == "software":
		p.call = selection
	case name == "patch" && p.arg != "":
		p.call = definition
	}
	return p
}

// segment takes the first segment off a path.
func segment(path string) (name, rest string) {
	path = strings.TrimLeft(path, "/")
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}
