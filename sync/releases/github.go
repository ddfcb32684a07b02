package releases

import (
	"bytes"
	"encoding/xml"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/patchsource/patchsource/patch/recipe"
)

// githubKind reads releases and tags of GitHub, and of GitHub Enterprise if the feed has an address.
//
// With a token, it asks the API. Without one, the API answers 60 requests an hour for each address, so that it asks the
// website first, which has no such limit: the redirect from the latest release to its tag, the page of the assets of a
// release, and the feed of the newest ten tags. The API is then asked only if none of these counts, because the latest
// release has no matching asset yet or is of another product of the repository; and for pre-releases and the source
// "releases": the latest release of GitHub is that of the latest date, which may be a fix of an older version, and the
// website does not say which of the others are pre-releases.
type githubKind struct{}

// githubPage is the number of releases in a page. More could exceed the maximum size of an answer: each release lists
// its assets.
const githubPage = 10

// githubSite is the address of a server: of its website and of its API.
type githubSite struct{ web, api string }

func (githubKind) site(f recipe.Feed) (githubSite, error) {
	segments, err := repository(f.Repo, 2)
	if err != nil {
		return githubSite{}, err
	}
	repo := "/" + segments[0] + "/" + segments[1]
	web := server(f, "https://github.com")
	if web == "https://github.com" || web == "https://www.github.com" || web == "https://api.github.com" {
		return githubSite{"https://github.com" + repo, "https://api.github.com/repos" + repo}, nil
	}
	return githubSite{web + repo, web + "/api/v3/repos" + repo}, nil
}

func (k githubKind) Request(f recipe.Feed, authorized bool) (Request, error) {
	ff, err := newForgeFeed(f)
	if err != nil {
		return Request{}, err
	}
	site, err := k.site(f)
	switch {
	case err != nil:
		return Request{}, err
	case f.Source == "tags" && authorized:
		return k.tags(f, site), nil
	case f.Source == "tags":
		r := Request{URL: site.web + "/tags.atom", Header: http.Header{"Accept": {"application/atom+xml"}}}
		setHeader(&r, f)
		return r, nil
	case authorized && ff.needsAssets(), f.Source == "releases", f.Prereleases:
		return k.list(f, site), nil
	case authorized:
		return githubAPI(f, site.api+"/releases/latest"), nil
	}
	return k.redirect(f, site.web+"/releases/latest"), nil
}

// list returns the request for the first page of releases.
func (githubKind) list(f recipe.Feed, site githubSite) Request {
	return githubAPI(f, site.api+"/releases?per_page=10")
}

// tags returns the request for the first page of tags.
func (githubKind) tags(f recipe.Feed, site githubSite) Request {
	return githubAPI(f, site.api+"/tags?per_page=100")
}

// redirect returns a request for an address that redirects to a release.
func (githubKind) redirect(f recipe.Feed, address string) Request {
	r := Request{URL: address, Header: http.Header{"Accept": {"text/html"}}, Once: true, HeaderOnly: true}
	setHeader(&r, f)
	return r
}

// githubAPI returns a request to the API.
func githubAPI(f recipe.Feed, address string) Request {
	r := Request{URL: address, Header: http.Header{}}
	setHeader(&r, f)
	r.Header.Set("Accept", "application/vnd.github+json")
	r.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	return r
}

// Read reads the JSON of the API, a redirect to a release, the Atom feeds of releases and tags, or the page of the
// assets of a release.
func (k githubKind) Read(f recipe.Feed, a Answer) ([]recipe.Release, *Request, error) {
	ff, err := newForgeFeed(f)
	if err != nil {
		return nil, nil, err
	}
	site, err := k.site(f)
	if err != nil {
		return nil, nil, err
	}
	if a.Header.Get("Location") != "" && (a.Status >= 300 && a.Status < 400 || len(a.Body) == 0) {
		return k.readRedirect(ff, site, a)
	}
	if err := forgeStatus(a, f.Repo); err != nil {
		return nil, nil, err
	}
	switch body := bytes.TrimSpace(bytes.TrimPrefix(a.Body, []byte("\ufeff"))); {
	case bytes.HasPrefix(body, []byte("{")), bytes.HasPrefix(body, []byte("[")):
		return k.readAPI(ff, site, a, body)
	case bytes.Contains(body[:min(len(body), 1000)], []byte("<feed")):
		return k.readAtom(ff, site, a)
	case bytes.HasPrefix(body, []byte("<")):
		return k.readAssets(ff, site, a)
	}
	return nil, nil, unreadable("the answer is neither JSON nor a page of GitHub%s", beginning(a.Body))
}

// readRedirect reads the redirect from the latest release to its tag.
func (k githubKind) readRedirect(f *forgeFeed, site githubSite, a Answer) ([]recipe.Release, *Request, error) {
	from := site.web + "/releases/latest"
	to, err := url.Parse(from)
	if err == nil {
		to, err = to.Parse(a.Header.Get("Location"))
	}
	if err != nil || !sameHost(to.String(), from) {
		return nil, nil, unreadable("the server redirects to another host")
	}
	switch rest := strings.SplitN(strings.TrimPrefix(to.EscapedPath(), "/"), "/", 4); {
	case len(rest) < 3 || rest[2] != "releases":
		return nil, nil, unreadable("the server redirects to an address that is not that of a release")
	case len(rest) == 4 && rest[3] == "latest": // the repository was renamed
		if a.Pages+1 >= maxPages {
			return nil, nil, unreadable("the server redirects too often")
		}
		next := k.redirect(f.Feed, to.String())
		return nil, &next, nil
	case len(rest) == 4 && strings.HasPrefix(rest[3], "tag/"):
		tag, err := url.PathUnescape(strings.TrimPrefix(rest[3], "tag/"))
		if err != nil {
			return nil, nil, unreadable("the tag in the redirect is not valid")
		}
		repo := to.Scheme + "://" + to.Host + "/" + rest[0] + "/" + rest[1]
		return k.readLatest(f, site, repo, tag, to.String())
	}
	return nil, nil, unreadable("the repository %s has no stable release", f.Repo)
}

// readLatest returns the latest release by its tag. If it needs assets, the next request is for them. If its tag does
// not match, the next request is for the list of releases.
func (k githubKind) readLatest(f *forgeFeed, site githubSite, repo, tag, notes string) (
	[]recipe.Release, *Request, error,
) {
	if f.needsAssets() && (f.tag == nil || f.tag.MatchString(tag)) {
		next := Request{
			URL:    repo + "/releases/expanded_assets/" + url.PathEscape(tag),
			Header: http.Header{"Accept": {"text/html"}},
		}
		setHeader(&next, f.Feed)
		return nil, &next, nil
	}
	found, counts, err := f.releases([]forgeRelease{{tag: tag, notes: notes}})
	if err != nil {
		return nil, nil, err
	}
	if !counts {
		next := k.list(f.Feed, site)
		return nil, &next, nil
	}
	return found, nil, nil
}

// A githubRelease is a release or a tag in the JSON of the APIs of GitHub and Gitea.
type githubRelease struct {
	Tag        string `json:"tag_name"`
	Name       string `json:"name"`
	Draft      bool   `json:"draft"`
	Prerelease bool   `json:"prerelease"`
	Published  string `json:"published_at"`
	URL        string `json:"html_url"`
	Assets     []struct {
		Name  string `json:"name"`
		State string `json:"state"`
		URL   string `json:"browser_download_url"`
	} `json:"assets"`
}

// forgeReleases returns the releases of an answer of the API of GitHub or Gitea.
func forgeReleases(body []byte) ([]forgeRelease, error) {
	list, err := decodeList[githubRelease](body)
	if err != nil {
		return nil, err
	}
	all := make([]forgeRelease, 0, len(list))
	for _, g := range list {
		l := forgeRelease{
			tag: g.Tag, notes: g.URL, date: parseDate(g.Published), prerelease: g.Prerelease, hidden: g.Draft,
		}
		if l.tag == "" {
			l.tag = g.Name // of a tag
		}
		for _, a := range g.Assets {
			if a.State == "" || a.State == "uploaded" {
				l.assets = append(l.assets, asset{a.Name, a.URL})
			}
		}
		all = append(all, l)
	}
	return all, nil
}

// readAPI reads a release, or a page of releases or tags. The next request is for another page if no release
// counts.
func (k githubKind) readAPI(f *forgeFeed, site githubSite, a Answer, body []byte) ([]recipe.Release, *Request, error) {
	list, err := forgeReleases(body)
	if err != nil {
		return nil, nil, err
	}
	found, counts, err := f.releases(list)
	if err != nil {
		return nil, nil, err
	}
	var next *Request
	switch {
	case counts:
	case bytes.HasPrefix(body, []byte("{")):
		r := k.list(f.Feed, site) // the latest release does not count: an older one may
		next = &r
	case f.Source == "tags":
		next = nextPage(a, k.tags(f.Feed, site), len(list) == 100)
	default:
		next = nextPage(a, k.list(f.Feed, site), len(list) >= githubPage)
	}
	if len(found) == 0 && next == nil {
		return nil, nil, f.noRelease(len(list))
	}
	return found, next, nil
}

// readAtom reads the Atom feed of releases or tags. It does not say which are pre-releases. It has ten entries; if none
// counts, the next request is for the list of the API.
func (k githubKind) readAtom(f *forgeFeed, site githubSite, a Answer) ([]recipe.Release, *Request, error) {
	list, err := readAtom(a.Body)
	if err != nil {
		return nil, nil, err
	}
	found, counts, err := f.releases(list)
	switch {
	case err != nil:
		return nil, nil, err
	case len(list) == 0:
		return nil, nil, f.noRelease(0)
	case counts || a.Pages+1 >= maxPages:
		if len(found) == 0 {
			return nil, nil, f.noRelease(len(list))
		}
		return found, nil, nil
	}
	next := k.list(f.Feed, site)
	if f.Source == "tags" {
		next = k.tags(f.Feed, site)
	}
	return found, &next, nil
}

// readAtom returns the releases of an Atom feed of GitHub.
func readAtom(body []byte) (list []forgeRelease, err error) {
	r, err := newXMLTokens(body)
	if err != nil {
		return nil, err
	}
	var entry *forgeRelease
	for {
		t, err := r.token()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		start, ok := t.(xml.StartElement)
		switch {
		case !ok:
		case start.Name.Local == "entry":
			if len(list) == MaxReleases {
				return nil, unreadable("the feed has more than %d entries", MaxReleases)
			}
			list = append(list, forgeRelease{unmarked: true})
			entry = &list[len(list)-1]
		case entry == nil:
		case start.Name.Local == "updated":
			text, err := r.text()
			if err != nil {
				return nil, err
			}
			entry.date = parseDate(text)
		case start.Name.Local == "link":
			for _, attr := range start.Attr {
				if _, tag, ok := strings.Cut(attr.Value, "/releases/tag/"); ok && attr.Name.Local == "href" {
					entry.notes = attr.Value
					entry.tag, _ = url.PathUnescape(tag)
				}
			}
		}
	}
}

var (
	downloadLink = regexp.MustCompile(`href="([^"]*/releases/download/([^"/]+)/([^"/?#]+))"`)
	archiveLink  = regexp.MustCompile(`href="[^"]*/archive/refs/tags/([^"]+?)\.(?:zip|tar\.gz)"`)
	pageDate     = regexp.MustCompile(`<relative-time[^>]*\sdatetime="([^"]+)"`)
)

// readAssets reads the page of the assets of a release. If none matches, the next request is for the list of releases:
// assets are often added after the release, and until then the one before it counts.
func (k githubKind) readAssets(f *forgeFeed, site githubSite, a Answer) ([]recipe.Release, *Request, error) {
	text := string(a.Body)
	l := forgeRelease{tag: tagOfPage(a.URL, text)}
	for _, m := range downloadLink.FindAllStringSubmatch(text, MaxReleases) {
		address, name := html.UnescapeString(m[1]), html.UnescapeString(m[3])
		if u, err := url.Parse(site.web); err == nil {
			if to, err := u.Parse(address); err == nil {
				address = to.String()
			}
		}
		if decoded, err := url.PathUnescape(name); err == nil {
			name = decoded
		}
		l.assets = append(l.assets, asset{name, address})
	}
	if m := pageDate.FindStringSubmatch(text); m != nil {
		l.date = parseDate(m[1])
	}
	if l.tag == "" {
		return nil, nil, unreadable("the answer is neither JSON nor a page of GitHub with assets")
	}
	found, counts, err := f.releases([]forgeRelease{l})
	if err == nil && !counts {
		next := k.list(f.Feed, site)
		return nil, &next, nil
	}
	return found, nil, err
}

// tagOfPage returns the tag of a page of assets, from its address or its links.
func tagOfPage(address, text string) string {
	tag := ""
	if _, escaped, ok := strings.Cut(address, "/releases/expanded_assets/"); ok {
		tag = escaped
	} else if m := downloadLink.FindStringSubmatch(text); m != nil {
		tag = html.UnescapeString(m[2])
	} else if m := archiveLink.FindStringSubmatch(text); m != nil {
		tag = html.UnescapeString(m[1])
	}
	decoded, err := url.PathUnescape(tag)
	if err != nil {
		return tag
	}
	return decoded
}
