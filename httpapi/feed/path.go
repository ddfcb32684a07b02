package feed

import "strings"

// A call is one of the things that Jamf Pro asks for.
type call int

const (
	notFeed    call = iota
	software        // the summaries of all titles
	selection       // the summaries of some titles
	definition      // the definition of one title
)

// A path is a path of the feed, taken apart.
type path struct {
	call call
	// contributor is the name of the contributor whose own feed it is. If empty, it is the common feed.
	contributor string
	// arg is the last part of the path: ids separated by commas, or an id.
	arg string
}

// route returns the name under which a call is observed.
func (p path) route() string {
	if p.contributor != "" {
		switch p.call {
		case software:
			return "/jamf/v1/{contributor}/software"
		case selection:
			return "/jamf/v1/{contributor}/software/{ids}"
		}
		return "/jamf/v1/{contributor}/patch/{id}"
	}
	switch p.call {
	case software:
		return "/jamf/v1/software"
	case selection:
		return "/jamf/v1/software/{ids}"
	}
	return "/jamf/v1/patch/{id}"
}

// Serves reports whether a path is one of the feed, also of a contributor's own. rootFeed is Options.RootFeed.
func Serves(path string, rootFeed bool) bool { return match(path, rootFeed, true).call != notFeed }

// match takes a path apart.
func (h *handler) match(s string) path { return match(s, h.root, h.contributors != nil) }

// match takes a path apart. Its call is notFeed if it is not one of the feed. Slashes may be doubled and at the end.
func match(s string, root, contributors bool) (p path) {
	name, rest := segment(s)
	if name == "jamf" {
		if name, rest = segment(rest); name != "v1" {
			return p
		}
		name, rest = segment(rest)
		if name != "software" && name != "patch" && name != "" && contributors {
			p.contributor = name
			name, rest = segment(rest)
		}
	} else if !root {
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

// segment splits the first segment from a path.
func segment(path string) (name, rest string) {
	path = strings.TrimLeft(path, "/")
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}
