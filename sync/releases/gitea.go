package releases

import (
	"bytes"
	"net/http"

	"github.com/patchsource/patchsource/patch/recipe"
)

// giteaKind reads releases and tags of Gitea and Forgejo, at gitea.com or at the address of the feed.
type giteaKind struct{}

const giteaPage = 10

func (k giteaKind) Request(f recipe.Feed, _ bool) (Request, error) {
	ff, err := newForgeFeed(f)
	if err != nil {
		return Request{}, err
	}
	repo, err := k.repository(f)
	switch {
	case err != nil:
		return Request{}, err
	case f.Source == "tags":
		return k.request(f, repo+"/tags?limit=50"), nil
	case f.Source == "releases", f.Prereleases, ff.needsAssets():
		return k.list(f, repo), nil
	}
	return k.request(f, repo+"/releases/latest"), nil
}

// repository returns the address of the repository in the API.
func (giteaKind) repository(f recipe.Feed) (string, error) {
	segments, err := repository(f.Repo, 2)
	if err != nil {
		return "", err
	}
	return server(f, "https://gitea.com") + "/api/v1/repos/" + segments[0] + "/" + segments[1], nil
}

func (k giteaKind) list(f recipe.Feed, repo string) Request {
	return k.request(f, repo+"/releases?draft=false&limit=10")
}

func (giteaKind) request(f recipe.Feed, address string) Request {
	r := Request{URL: address, Header: http.Header{}}
	setHeader(&r, f)
	r.Header.Set("Accept", "application/json")
	return r
}

func (k giteaKind) Read(f recipe.Feed, a Answer) ([]recipe.Release, *Request, error) {
	ff, err := newForgeFeed(f)
	if err != nil {
		return nil, nil, err
	}
	repo, err := k.repository(f)
	if err != nil {
		return nil, nil, err
	}
	if err := forgeStatus(a, f.Repo); err != nil {
		return nil, nil, err
	}
	list, err := forgeReleases(a.Body)
	if err != nil {
		return nil, nil, err
	}
	found, counts, err := ff.releases(list)
	if err != nil {
		return nil, nil, err
	}
	var next *Request
	switch {
	case counts:
	case bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("{")):
		r := k.list(f, repo)
		next = &r
	case f.Source == "tags":
		next = nextPage(a, k.request(f, repo+"/tags?limit=50"), len(list) >= 50)
	default:
		next = nextPage(a, k.list(f, repo), len(list) >= giteaPage)
	}
	if len(found) == 0 && next == nil {
		return nil, nil, ff.noRelease(len(list))
	}
	return found, next, nil
}
