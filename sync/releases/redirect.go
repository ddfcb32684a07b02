package releases

import (
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/patchsource/patchsource/patch/recipe"
)

// maxHops is the maximum number of redirects that are followed.
const maxHops = 5

// redirectKind reads the version from where a server redirects to: Match is run on the Location of each redirect, on
// the file name in Content-Disposition, or on the header that the feed names. Bodies are not read. The method is GET,
// because some servers refuse HEAD.
type redirectKind struct{}

// Request implements [Kind].
func (redirectKind) Request(f recipe.Feed, _ bool) (Request, error) {
	r, err := feedRequest(f)
	err = joinInvalid(err, checkMatch(f))
	if f.Header != "" && !validHeader(f.Header) {
		err = joinInvalid(err, invalid("/feed/header", "is not the name of a header"))
	}
	if err != nil {
		return Request{}, err
	}
	return hop(r), nil
}

// hop makes a request one whose redirect is the answer.
func hop(r Request) Request {
	r.Once, r.HeaderOnly = true, true
	return r
}

// validHeader reports whether a name is one of a header, which consists of token characters (RFC 9110).
func validHeader(name string) bool {
	return len(name) <= 100 && !strings.ContainsFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			strings.ContainsRune("!#$%&'*+-.^_`|~", c))
	})
}

// Read implements [Kind].
func (redirectKind) Read(f recipe.Feed, a Answer) ([]recipe.Release, *Request, error) {
	redirects := 300 <= a.Status && a.Status < 400
	if err := checkStatus(a); err != nil && !redirects {
		if f.Method == http.MethodHead {
			err = unreadable("%w to HEAD: try the method GET", err)
		}
		return nil, nil, err
	}
	a.Header = canonical(a.Header)
	location, err := locationOf(a)
	if err != nil {
		return nil, nil, err
	}
	c := newCollector(f)
	for _, subject := range subjects(f, a, location) {
		if err := c.add(recipe.Release{Rollout: 1}, cutTo(subject, maxSubject), nil); err != nil {
			return nil, nil, err
		}
		if len(c.found) > 0 {
			found, err := c.result()
			return found, nil, err
		}
	}
	if !redirects || location == nil {
		return nil, nil, noVersion(f, a)
	}
	next, err := nextHop(f, a, location)
	return nil, next, err
}

// canonical returns a header with its names in canonical form: the header of a recorded answer may have others.
func canonical(h http.Header) http.Header {
	c := http.Header{}
	for name, values := range h {
		for _, v := range values {
			c.Add(name, v)
		}
	}
	return c
}

// maxSubject is the maximum length of a header that Match is run on.
const maxSubject = 16 << 10

// locationOf returns the address that an answer redirects to, nil if there is none.
func locationOf(a Answer) (*url.URL, error) {
	text := a.Header.Get("Location")
	if text == "" {
		return nil, nil
	}
	location, err := url.Parse(text)
	if err != nil {
		return nil, unreadable("the server redirects to an invalid address")
	}
	if base, err := url.Parse(a.URL); err == nil && a.URL != "" {
		location = base.ResolveReference(location)
	}
	return location, nil
}

// subjects returns the values that Match is run on, one after the other.
func subjects(f recipe.Feed, a Answer, location *url.URL) []string {
	if f.Header != "" && !strings.EqualFold(f.Header, "Location") {
		values := a.Header.Values(f.Header)
		if strings.EqualFold(f.Header, "Content-Disposition") {
			return append(fileNames(a.Header), values...)
		}
		return values
	}
	var list []string
	if text := a.Header.Get("Location"); text != "" {
		list = append(list, text)
		if location != nil && location.String() != text {
			list = append(list, location.String())
		}
	}
	if f.Header == "" {
		list = append(list, fileNames(a.Header)...)
	}
	return list
}

// fileNames returns the file name in Content-Disposition, decoded, and the header itself.
func fileNames(h http.Header) []string {
	value := h.Get("Content-Disposition")
	if value == "" {
		return nil
	}
	if _, params, err := mime.ParseMediaType(value); err == nil && params["filename"] != "" {
		return []string{params["filename"], value}
	}
	return []string{value}
}

// noVersion returns the error for an answer that has no version and is no redirect.
func noVersion(f recipe.Feed, a Answer) error {
	switch {
	case f.Header != "" && len(a.Header.Values(f.Header)) == 0:
		return unreadable("the answer has no header %s", f.Header)
	case f.Header != "":
		return unreadable("match finds no version in the header %s", f.Header)
	case a.Header.Get("Content-Disposition") != "":
		return unreadable("match finds no version in the file name of the answer, %s",
			quote(beginningOf(fileNames(a.Header)[0])))
	case a.Pages > 0:
		return unreadable("match finds no version in the %d addresses that the server redirects to", a.Pages)
	}
	return unreadable("the server does not redirect: it answered %s", statusText(a.Status))
}

// nextHop returns the request that follows a redirect.
func nextHop(f recipe.Feed, a Answer, location *url.URL) (*Request, error) {
	shown := location.Scheme + "://" + location.Host + location.EscapedPath() // queries may have secrets
	shown = quote(beginningOf(shown))
	switch {
	case !location.IsAbs():
		return nil, unreadable("match finds no version in the address that the server redirects to")
	case a.Pages >= maxHops:
		return nil, unreadable("match finds no version in %d redirects, of which the last one is to %s",
			a.Pages+1, shown)
	case checkURL(location.String()) != nil:
		return nil, unreadable("the server redirects to %s, which is no address of HTTP", shown)
	case strings.HasPrefix(strings.ToLower(a.URL), "https:") && !strings.EqualFold(location.Scheme, "https"):
		return nil, unreadable("the server redirects from https to %s, and match finds no version in it", shown)
	}
	location.User = nil
	r := Request{Method: f.Method, URL: location.String(), Header: http.Header{}}
	if f.Method == http.MethodPost {
		r.Method = http.MethodGet
	}
	setHeader(&r, f)
	r.Header.Del("Referer")
	r = hop(r)
	return &r, nil
}
