package releases

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch/recipe"
)

func TestTagsOfManyForms(t *testing.T) {
	for tag, want := range map[string]string{
		"1.2": "1.2", "v1.2": "1.2", "V1.2.3": "1.2.3", "v.1.2": "1.2", "release-1.2": "1.2", "release/1.2": "1.2",
		"releases/v1.2": "1.2", "app-v1.2": "1.2", "app@1.2.3": "1.2.3", "app/v1.2": "1.2", "Example_App-v1.2": "1.2",
		"Audio-3.7.8": "3.7.8", "app_1_2_3": "1.2.3", "REL1_2_3": "1.2.3", "app2-v1.3": "1.3", "v1.2.3+45": "1.2.3+45",
		"1.2.3-stable": "1.2.3", "1.2_final": "1.2", "v1.2.3-macos": "1.2.3", "v1.2-beta.1": "1.2-beta.1",
		"v1.2b3": "1.2b3", "build-4192": "4192", "v5": "5", "2026-05-01": "2026-05-01", "desktop-v2026.7.0": "2026.7.0",
		"release1.2": "1.2", "macos-11-v1.2": "1.2", "v1.2.3-45": "1.2.3-45", "production/5.4.0-20109": "5.4.0-20109",
		"x-n1.2": "1.2", "v1.2-desktop": "1.2",
		"v1.2-signed": "1.2", "nightly": "", "latest": "", "": "", "version 1.2": "1.2",
		"1.2.3.4": "1.2.3.4", "v01.02": "01.02",
		"(1.2)": "1.2)",
	} {
		if got := tagVersion(tag); got != want {
			t.Errorf("tagVersion(%q) = %q, want %q", tag, got, want)
		}
	}
}

// release returns the JSON of a release of the API of GitHub with assets.
func release(tag string, prerelease bool, assets ...string) string {
	var list []string
	for _, a := range assets {
		list = append(list, fmt.Sprintf(`{"name": %q, "state": "uploaded",
			"browser_download_url": "https://github.com/example/App/releases/download/%s/%s"}`, a, tag, a))
	}
	return fmt.Sprintf(`{"tag_name": %q, "name": "Example App", "prerelease": %v, "draft": false,
		"created_at": "2025-01-01T00:00:00Z", "published_at": "2026-03-02T10:00:00Z",
		"html_url": "https://github.com/example/App/releases/tag/%s", "assets": [%s]}`,
		tag, prerelease, tag, strings.Join(list, ","))
}

// page returns the answer of an API with a list.
func page(items ...string) Answer {
	return Answer{Status: 200, Body: []byte("[" + strings.Join(items, ",") + "]")}
}

var github = recipe.Feed{Kind: "github", Repo: "example/App"}

// read reads an answer.
func read(t *testing.T, f recipe.Feed, a Answer) ([]recipe.Release, *Request) {
	t.Helper()
	kinds, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	found, next, err := kinds.Read(f, a)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return found, next
}

func TestGitHubRequests(t *testing.T) {
	const api, web = "https://api.github.com/repos/example/App", "https://github.com/example/App"
	tests := []struct {
		name       string
		change     func(*recipe.Feed)
		authorized string
		anonymous  string
	}{
		{"latest", func(*recipe.Feed) {}, api + "/releases/latest", web + "/releases/latest"},
		{
			"releases", func(f *recipe.Feed) { f.Source = "releases" }, api + "/releases?per_page=10",
			api + "/releases?per_page=10",
		},
		{"tags", func(f *recipe.Feed) { f.Source = "tags" }, api + "/tags?per_page=100", web + "/tags.atom"},
		{"asset", func(f *recipe.Feed) { f.Asset = "dmg$" }, api + "/releases?per_page=10", web + "/releases/latest"},
		{
			"pre-releases", func(f *recipe.Feed) { f.Prereleases = true }, api + "/releases?per_page=10",
			api + "/releases?per_page=10",
		},
		{
			"enterprise", func(f *recipe.Feed) { f.URL = "https://git.vendor.example/" },
			"https://git.vendor.example/api/v3/repos/example/App/releases/latest",
			"https://git.vendor.example/example/App/releases/latest",
		},
	}
	for _, tt := range tests {
		f := github
		tt.change(&f)
		for authorized, want := range map[bool]string{true: tt.authorized, false: tt.anonymous} {
			r, err := githubKind{}.Request(f, authorized)
			redirect := strings.HasSuffix(want, "/latest") && !strings.Contains(want, "/repos/")
			if err != nil || r.URL != want || r.Once != redirect || r.HeaderOnly != redirect ||
				r.Header.Get("Accept") == "" {
				t.Errorf("%s, authorized %v: %+v, %v, want %s", tt.name, authorized, r, err, want)
			}
		}
	}
}

func TestForgeInvalidFeeds(t *testing.T) {
	kinds, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, f := range map[string]recipe.Feed{
		"/feed/repo":       {Repo: "App"},
		"/feed/source":     {Repo: "example/App", Source: "commits"},
		"/feed/tag":        {Repo: "example/App", Tag: "("},
		"/feed/asset":      {Repo: "example/App", Asset: "("},
		"/feed/assetMatch": {Repo: "example/App", AssetMatch: "("},
		"/feed/channel":    {Repo: "example/App", Channel: "beta"},
		"/feed/url":        {Repo: "example/App", URL: "file:///etc"},
	} {
		for _, f.Kind = range []string{"github", "gitlab", "gitea"} {
			if err := kinds.Check(recipe.Watch{Feed: f}); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("Check(%+v): %v, want a failure of %s", f, err, path)
			}
		}
	}
	for _, repo := range []string{"", "../x", "a/..", "a/b/c", "a/b?x", "a b/c", "a//b", strings.Repeat("a",
		300) + "/b"} {
		if _, err := kinds.Request(recipe.Feed{Kind: "github", Repo: repo}, true); err == nil {
			t.Errorf("the repository %q is valid", repo)
		}
	}
}

func TestGitHubLatestRelease(t *testing.T) {
	a := Answer{Status: 200, Body: []byte(release("v1.2.3", false, "App.dmg"))}
	found, next := read(t, github, a)
	want := []recipe.Release{{
		Version: "1.2.3", Date: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), Rollout: 1,
		Notes: "https://github.com/example/App/releases/tag/v1.2.3",
	}}
	if diff := cmp.Diff(want, found); diff != "" || next != nil {
		t.Errorf("Read (-want +got), next %v:\n%s", next, diff)
	}
}

// GitHub's latest release goes by date: of a list, the newest one by version counts.
func TestGitHubListGoesByVersion(t *testing.T) {
	draft := strings.Replace(release("v9.0", false), `"draft": false`, `"draft": true`, 1)
	s := readAll(t, github, page(release("v1.9.5", false), draft, release("v2.0", false), release("v3.0", true),
		release("v2.1-beta1", false), release("nightly", false), release("preview-v8.0", false)))
	if diff := cmp.Diff([]string{"2.0", "1.9.5"}, versions(s.Releases)); diff != "" {
		t.Error(diff)
	}
}

func TestGitHubPageOfPrereleasesOnly(t *testing.T) {
	var items []string
	for i := range githubPage {
		items = append(items, release(fmt.Sprintf("v3.0-rc%d", i), true))
	}
	a := page(items...)
	a.URL = "https://api.github.com/repos/example/App/releases?per_page=10"
	_, next := read(t, github, a)
	if next == nil || next.URL != a.URL[:len(a.URL)-len("?per_page=10")]+"?page=2&per_page=10" {
		t.Fatalf("next is %+v, want page 2", next)
	}
	a.Header = http.Header{"Link": {
		`<https://api.github.com/repositories/1/releases?page=2>; rel="next", <https://x>; rel="last"`,
	}}
	if _, next = read(t, github, a); next == nil ||
		next.URL != "https://api.github.com/repositories/1/releases?page=2" {
		t.Errorf("next is %+v, want that of the header Link", next)
	}
	a.Header = http.Header{"Link": {`<https://evil.example/releases?page=2>; rel="next"`}}
	if _, next = read(t, github, a); next != nil {
		t.Errorf("next is %+v, on another host", next)
	}
	a.Header, a.Pages = nil, maxPages-1
	if _, next = read(t, github, a); next != nil {
		t.Errorf("next is %+v after %d pages", next, maxPages)
	}
}

// The asset for macOS is added after the release: until then, the release before it counts.
func TestGitHubAssetComesLater(t *testing.T) {
	f := github
	f.Asset = `\.dmg$`
	starting := strings.Replace(release("v2.2", false, "App.dmg"), "uploaded", "starter", 1)
	s := readAll(t, f, page(starting, release("v2.1", false, "App.exe"), release("v2.0", false, "App.exe",
		"App-2.0.dmg")))
	if r, _ := s.Newest(); r.Version != "2.0" || !strings.HasSuffix(r.URL, "/v2.0/App-2.0.dmg") ||
		len(s.Releases) != 1 {
		t.Errorf("%+v", s)
	}
	// The latest release alone does not count: the list is asked for.
	found, next := read(t, f, Answer{Status: 200, Body: []byte(release("v2.1", false, "App.exe"))})
	if len(found) != 0 || next == nil || !strings.Contains(next.URL, "api.github.com/repos/example/App/releases?") {
		t.Errorf("found %+v, next %+v", found, next)
	}
	unreadableAnswer(t, f, page(release("v2.1", false, "App.exe")))
}

func TestGitHubAssetMatch(t *testing.T) {
	f := github
	f.AssetMatch = `^App_mac[._-](?P<version>[\d.]+)_(?P<build>\d+)\.dmg$`
	r, _ := new(readAll(t, f, page(release("v2-tag", false, "App.exe", "App_mac-2.1.0_77.dmg")))).Newest()
	if r.Version != "2.1.0" || r.Build != "77" {
		t.Errorf("%+v", r)
	}
}

func TestGitHubTagExpression(t *testing.T) {
	tests := []struct {
		tag, as, want string
		build         string
	}{
		{`^v-(?P<version>[\d.]+)-b-(?P<build>\d+)$`, "", "3.2.4", "136"},
		{`^v-(?P<version>[\d.]+)-b-(?P<build>\d+)$`, "{version} ({build})", "3.2.4 (136)", "136"},
		{`^v-([\d.]+)`, "", "3.2.4", ""},
		{`^v-`, "", "3.2.4-b-136", ""},
	}
	for _, tt := range tests {
		f := github
		f.Tag, f.As = tt.tag, tt.as
		r, _ := new(readAll(t, f, page(release("web-9.0", false), release("v-3.2.4-b-136", false)))).Newest()
		if r.Version != tt.want || r.Build != tt.build {
			t.Errorf("tag %s: %q, %q, want %q, %q", tt.tag, r.Version, r.Build, tt.want, tt.build)
		}
	}
	// An expression that leaves the word out does not make a pre-release stable.
	f := github
	f.Tag = `^v(?P<version>[\d.]+)`
	if s := readAll(t, f, page(release("v2.0-beta.1", false), release("v1.0", false))); len(s.Releases) != 1 {
		t.Errorf("%+v", s)
	}
	f.Tag = `^dev-tools-v(?P<version>[\d.]+)$`
	if s := readAll(t, f, page(release("dev-tools-v2.0", false))); len(s.Releases) != 1 {
		t.Errorf("%+v", s)
	}
}

// location returns a redirect to an address.
func location(address string) Answer {
	return Answer{Status: 302, Header: http.Header{"Location": {address}}}
}

// Without a token, the redirect of the website from the latest release has the tag.
func TestGitHubRedirect(t *testing.T) {
	found, next := read(t, github, location("https://github.com/example/App/releases/tag/app-v1.2.3"))
	if len(found) != 1 || found[0].Version != "1.2.3" || found[0].Prerelease || next != nil {
		t.Errorf("found %+v, next %+v", found, next)
	}
	found, next = read(t, github, location("/example/App/releases/tag/production%2F1.2.3"))
	if len(found) != 1 || found[0].Version != "1.2.3" || next != nil {
		t.Errorf("found %+v, next %+v", found, next)
	}
	// The repository was renamed.
	_, next = read(t, github, location("https://github.com/other/Name/releases/latest"))
	if next == nil || next.URL != "https://github.com/other/Name/releases/latest" || !next.Once {
		t.Errorf("next %+v", next)
	}
	endless := location("https://github.com/example/App/releases/latest")
	endless.Pages = maxPages
	unreadableAnswer(t, github, endless)
}

// If the latest release is of another product or another major version, the list of the API decides.
func TestGitHubRedirectToAReleaseThatDoesNotCount(t *testing.T) {
	for _, f := range []recipe.Feed{
		{Kind: "github", Repo: "example/App", Tag: "^desktop-v(.*)$"}, {Kind: "github", Repo: "example/App", Major: 6},
	} {
		_, next := read(t, f, location("https://github.com/example/App/releases/tag/web-v9.0"))
		if next == nil || !strings.HasPrefix(next.URL, "https://api.github.com/repos/example/App/releases?") ||
			next.Once {
			t.Errorf("next %+v", next)
		}
	}
}

func TestGitHubRedirectElsewhere(t *testing.T) {
	for _, to := range []string{
		"https://github.com/example/App/releases", "https://evil.example/example/App/releases/tag/v9",
		"https://github.com/login",
		"https://github.com/example/App/releases/tag/%zz", "http://github.com/example/App/releases/tag/v9", "/",
	} {
		unreadableAnswer(t, github, location(to))
	}
}

// With an asset, the page of the assets follows the redirect.
func TestGitHubExpandedAssets(t *testing.T) {
	f := github
	f.Asset = `\.dmg$`
	found, next := read(t, f, location("https://github.com/example/App/releases/tag/v1.2.3"))
	if len(found) > 0 || next == nil || next.URL != "https://github.com/example/App/releases/expanded_assets/v1.2.3" {
		t.Fatalf("found %+v, next %+v", found, next)
	}
	assets := `<div><ul><li class="Box-row"><a href="/example/App/releases/download/v1.2.3/App%20x.%s" rel="nofollow">
		<span>App</span></a><relative-time datetime="2026-03-02T10:00:00Z">now</relative-time></li>
		<li><a href="/example/App/archive/refs/tags/v1.2.3.zip">Source code</a></li></ul></div>`
	for _, address := range []string{next.URL, ""} {
		found, next := read(t, f, Answer{URL: address, Status: 200, Body: []byte(strings.ReplaceAll(assets, "%s",
			"dmg"))})
		want := []recipe.Release{{
			Version: "1.2.3", URL: "https://github.com/example/App/releases/download/v1.2.3/App%20x.dmg", Rollout: 1,
			Date: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC),
		}}
		if diff := cmp.Diff(want, found); diff != "" || next != nil {
			t.Errorf("Read (-want +got), next %v:\n%s", next, diff)
		}
		found, next = read(t, f, Answer{URL: address, Status: 200, Body: []byte(strings.ReplaceAll(assets, "%s",
			"exe"))})
		if len(found) > 0 || next == nil || !strings.HasPrefix(next.URL,
			"https://api.github.com/repos/example/App/releases?") {
			t.Errorf("found %+v, next %+v", found, next)
		}
	}
}

func TestGitHubTags(t *testing.T) {
	f := github
	f.Source = "tags"
	s := readAll(t, f, page(`{"name": "v1.9", "commit": {}}`, `{"name": "v1.10"}`, `{"name": "v2.0-rc1"}`))
	if diff := cmp.Diff([]string{"1.10", "1.9"}, versions(s.Releases)); diff != "" {
		t.Error(diff)
	}
	atom := `<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom">
		<updated>2026-01-01T00:00:00Z</updated>
		<entry><id>tag:github.com,2008:Repository/1/v1.10</id><updated>2026-03-02T10:00:00Z</updated>
		<link rel="alternate" type="text/html" href="https://github.com/example/App/releases/tag/v1.10"/>
		<title>v1.10</title>
		<content type="html">&lt;p&gt;2.0&lt;/p&gt;</content></entry></feed>`
	s = readAll(t, f, Answer{Status: 200, Body: []byte(atom)})
	if r, _ := s.Newest(); r.Version != "1.10" || r.Date.Year() != 2026 || r.Date.Month() != 3 {
		t.Errorf("%+v", s)
	}
}

func TestForgeAnswersThatCannotBeRead(t *testing.T) {
	limit := http.Header{"X-Ratelimit-Remaining": {"0"}}
	for name, tt := range map[string]struct {
		a    Answer
		want string
	}{
		"not modified":   {Answer{Status: 304}, "304"},
		"missing":        {Answer{Status: 404, Body: []byte(`{"message": "Not Found"}`)}, "does not exist"},
		"rate limit":     {Answer{Status: 403, Header: limit, Body: []byte(`{"message": "limit"}`)}, "limit"},
		"too many":       {Answer{Status: 429}, "limit"},
		"server error":   {Answer{Status: 502, Body: []byte("<html>")}, "502"},
		"empty list":     {page(), "no release"},
		"no version":     {page(`{"tag_name": "nightly"}`), "version"},
		"not JSON":       {Answer{Status: 200, Body: []byte("[1, 2")}, "JSON"},
		"other JSON":     {Answer{Status: 200, Body: []byte(`[1, 2]`)}, "JSON"},
		"empty":          {Answer{Status: 200}, ""},
		"text":           {Answer{Status: 200, Body: []byte("maintenance")}, ""},
		"too many items": {page(strings.Repeat("{},", MaxReleases) + "{}"), "10000"},
		"deep":           {Answer{Status: 200, Body: []byte(strings.Repeat("[", 1_000_000))}, "JSON"},
	} {
		for _, kind := range []string{"github", "gitlab", "gitea"} {
			f := recipe.Feed{Kind: kind, Repo: "example/App"}
			if err := unreadableAnswer(t, f, tt.a); !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, %s: %v, want %q", kind, name, err, tt.want)
			}
		}
	}
	unreadableAnswer(t, github, Answer{Status: 200, Body: []byte("<html>maintenance</html>")})
}

func TestGitLab(t *testing.T) {
	f := recipe.Feed{Kind: "gitlab", URL: "https://git.vendor.example", Repo: "group/sub/App", Asset: "dmg$"}
	r, err := gitlabKind{}.Request(f, false)
	if want := "https://git.vendor.example/api/v4/projects/group%2Fsub%2FApp/releases?per_page=20"; err != nil ||
		r.URL != want {
		t.Errorf("Request: %s, %v, want %s", r.URL, err, want)
	}
	item := func(tag, file string, upcoming bool) string {
		return fmt.Sprintf(`{"tag_name": %q, "released_at": "2026-03-02T10:00:00.000Z", "upcoming_release": %v,
			"assets": {"links": [{"name": "macOS", "url": "https://vendor.example/%s"}]}}`, tag, upcoming, file)
	}
	s := readAll(t, f, page(item("v9.0", "App.dmg", true), item("v2.1", "App.exe", false), item("v2.0", "App.dmg",
		false),
		item("v2.0-rc1", "App.dmg", false)))
	want := []recipe.Release{{
		Version: "2.0", Date: time.Date(2026, 3, 2, 10, 0, 0, 0,
			time.UTC), Rollout: 1, URL: "https://vendor.example/App.dmg",
	}}
	if diff := cmp.Diff(want, s.Releases); diff != "" {
		t.Error(diff)
	}
	f = recipe.Feed{Kind: "gitlab", Repo: "group/App", Source: "tags"}
	r, _ = gitlabKind{}.Request(f, false)
	if want := "https://gitlab.com/api/v4/projects/group%2FApp/repository/tags?per_page=100"; r.URL != want {
		t.Errorf("Request: %s, want %s", r.URL, want)
	}
	s = readAll(t, f, page(`{"name": "v1.2", "commit": {"created_at": "2026-03-02T10:00:00Z"}}`))
	if r, _ := s.Newest(); r.Version != "1.2" || r.Date.IsZero() {
		t.Errorf("%+v", s)
	}
}

func TestGitea(t *testing.T) {
	f := recipe.Feed{Kind: "gitea", URL: "https://git.vendor.example/", Repo: "example/App"}
	const repo = "https://git.vendor.example/api/v1/repos/example/App"
	for source, want := range map[string]string{
		"": "/releases/latest", "releases": "/releases?draft=false&limit=10", "tags": "/tags?limit=50",
	} {
		f.Source = source
		if r, err := (giteaKind{}).Request(f, false); err != nil || r.URL != repo+want {
			t.Errorf("Request of %q: %s, %v, want %s", source, r.URL, err, want)
		}
	}
	f.Source = ""
	s := readAll(t, f, page(release("v3.0", true), release("v2.0", false), release("v2.1-beta", false)))
	if r, _ := s.Newest(); r.Version != "2.0" || len(s.Releases) != 1 {
		t.Errorf("%+v", s)
	}
	if _, next := read(t, f, Answer{Status: 200, Body: []byte(release("v2.1-beta", false))}); next == nil {
		t.Error("the list is not asked for after a latest release that does not count")
	}
}

func FuzzForges(f *testing.F) {
	f.Add([]byte("["+release("v1.2.3", false, "App.dmg")+"]"), "", "", "", 200)
	f.Add([]byte(""), "https://github.com/example/App/releases/tag/v1", "", "dmg", 302)
	f.Add([]byte(`<a href="/example/App/releases/download/v1/App.dmg">`), "", `^v(\d+)$`, "dmg", 200)
	f.Add([]byte(`<feed><entry><link href="https://github.com/example/App/releases/tag/v1"/></entry></feed>`), "", "",
		"", 200)
	f.Fuzz(func(t *testing.T, body []byte, to, tag, asset string, status int) {
		for _, kind := range []string{"github", "gitlab", "gitea"} {
			fuzzRead(t, recipe.Feed{Kind: kind, Repo: "example/App", Tag: tag, Asset: asset}, Answer{
				Status: status, Header: http.Header{"Location": {to}}, Body: body,
			})
		}
	})
}
