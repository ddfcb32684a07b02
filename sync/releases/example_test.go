package releases_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// A table is a kind of feeds: text with a version, a channel and a date in each line.
type table struct{}

func (table) Request(f recipe.Feed, _ bool) (releases.Request, error) {
	return releases.Request{URL: f.URL, Header: http.Header{"Accept": {"text/csv"}}}, nil
}

func (table) Read(_ recipe.Feed, a releases.Answer) ([]recipe.Release, *releases.Request, error) {
	if a.Status != http.StatusOK {
		return nil, nil, fmt.Errorf("the server answered %d", a.Status)
	}
	lines, err := csv.NewReader(strings.NewReader(string(a.Body))).ReadAll()
	if err != nil {
		return nil, nil, err
	}
	var found []recipe.Release
	for _, line := range lines {
		found = append(found, recipe.Release{Version: line[0], Channel: line[1], Rollout: 1})
	}
	return found, nil, nil
}

// A program adds its own kind of feeds.
func ExampleNew() {
	kinds, err := releases.New(map[string]releases.Kind{"table": table{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	feed := recipe.Feed{Kind: "table", URL: "https://vendor.example/releases.csv"}
	found, _, err := kinds.Read(feed, releases.Answer{Status: 200, Body: []byte("1.9,\n1.10,\n2.0,beta\n2.0rc1,\n")})
	if err != nil {
		fmt.Println(err)
		return
	}
	selection := releases.Select(feed, found)
	for _, r := range selection.Releases {
		fmt.Println(r.Version)
	}
	for _, d := range selection.Dropped {
		fmt.Printf("%s: %s\n", d.Version, d.Reason)
	}
	// Output:
	// 1.10
	// 1.9
	// 2.0: It is of channel "beta".
	// 2.0rc1: It is a pre-release.
}

func ExampleKinds_Read() {
	kinds, err := releases.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	feed := recipe.Feed{Kind: "github", Repo: "example/App"}
	request, err := kinds.Request(feed, false)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(request.URL)
	// The website of GitHub redirects to the latest release.
	found, _, err := kinds.Read(feed, releases.Answer{
		Status: http.StatusFound,
		Header: http.Header{"Location": {"https://github.com/example/App/releases/tag/app-v1.2.3"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(found[0].Version)
	// Output:
	// https://github.com/example/App/releases/latest
	// 1.2.3
}
