package releases

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/patchsource/patchsource/patch/recipe"
)

// gitlabKind reads releases and tags of GitLab, at gitlab.com or at the address of the feed. GitLab does not mark
// pre-releases, so that "latest" is the newest release by version, as "releases" is.
type gitlabKind struct{}

const gitlabPage = 20

func (gitlabKind) Request(f recipe.Feed, _ bool) (Request, error) {
	if _, err := newForgeFeed(f); err != nil {
		return Request{}, err
	}
	segments, err := repository(f.Repo, 20)
	if err != nil {
		return Request{}, err
	}
	project := server(f, "https://gitlab.com") + "/api/v4/projects/" + url.PathEscape(strings.Join(segments, "/"))
	r := Request{URL: project + "/releases?per_page=20", Header: http.Header{}}
	if f.Source == "tags" {
		r.URL = project + "/repository/tags?per_page=100"
	}
	setHeader(&r, f)
	r.Header.Set("Accept", "application/json")
	return r, nil
}

// A gitlabRelease is a release or a tag in the JSON of the API.
type gitlabRelease struct {
	Tag      string `json:"tag_name"`
	Name     string `json:"name"`
	Released string `json:"released_at"`
	Created  string `json:"created_at"`
	Upcoming bool   `json:"upcoming_release"`
	Links    struct {
		Self string `json:"self"`
	} `json:"_links"`
	Assets struct {
		Links []struct {
			Name   string `json:"name"`
			URL    string `json:"url"`
			Direct string `json:"direct_asset_url"`
		} `json:"links"`
	} `json:"assets"`
	Commit struct {
		Created string `json:"created_at"`
	} `json:"commit"`
}

func (k gitlabKind) Read(f recipe.Feed, a Answer) ([]recipe.Release, *Request, error) {
	ff, err := newForgeFeed(f)
	if err != nil {
		return nil, nil, err
	}
	first, err := k.Request(f, false)
	if err != nil {
		return nil, nil, err
	}
	if err := forgeStatus(a, f.Repo); err != nil {
		return nil, nil, err
	}
	answered, err := decodeList[gitlabRelease](a.Body)
	if err != nil {
		return nil, nil, err
	}
	list := make([]forgeRelease, 0, len(answered))
	for _, g := range answered {
		list = append(list, g.forgeRelease())
	}
	found, counts, err := ff.releases(list)
	if err != nil {
		return nil, nil, err
	}
	var next *Request
	if !counts {
		full := len(list) >= gitlabPage && f.Source != "tags" || len(list) >= 100
		next = nextPage(a, first, full)
	}
	if len(found) == 0 && next == nil {
		return nil, nil, ff.noRelease(len(list))
	}
	return found, next, nil
}

// forgeRelease returns the release in the form that all forges share. Links have names that people choose, so that the
// name of the file counts too.
func (g *gitlabRelease) forgeRelease() forgeRelease {
	l := forgeRelease{tag: g.Tag, notes: g.Links.Self, hidden: g.Upcoming}
	if l.tag == "" {
		l.tag = g.Name // of a tag
	}
	for _, date := range []string{g.Commit.Created, g.Created, g.Released} {
		if d := parseDate(date); !d.IsZero() {
			l.date = d
		}
	}
	for _, link := range g.Assets.Links {
		address := link.Direct
		if address == "" {
			address = link.URL
		}
		l.assets = append(l.assets, asset{link.Name, address}, asset{assetName(address), address})
	}
	return l
}
