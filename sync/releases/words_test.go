package releases_test

import (
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch/recipe"
)

// Feeds that could never give a version are refused, with what to do.
func TestCheckOfWordsThatCannotWork(t *testing.T) {
	const as, server = "{version} ({build})", "/feed/url: must be the address of the server"
	for _, tt := range []struct {
		name string
		feed recipe.Feed
		want string // the only failure, or its beginning
	}{
		{"a channel of JSON", recipe.Feed{Kind: "json", Version: "$.v", Channel: "beta"},
			"/feed/channel: must be left out: json does not read it"},
		{"a channel of a text", recipe.Feed{Kind: "text", Match: `(\d+)`, Channel: "beta"}, "/feed/channel: "},
		{"a channel of a redirect", recipe.Feed{Kind: "redirect", Match: `(\d+)`, Channel: "beta"}, "/feed/channel: "},
		{"an asset of an appcast", recipe.Feed{Kind: "sparkle", Asset: `\.dmg$`},
			"/feed/asset: must be left out: sparkle"},
		{"a path of a text", recipe.Feed{Kind: "text", Match: `(\d+)`, Version: "$.v"},
			"/feed/version: must be left out"},
		{"fields of a text", recipe.Feed{Kind: "text", Match: `(\d+)`, Fields: map[string]string{"a": "$.a"}},
			"/feed/fields: must be left out"},
		{"a header of JSON", recipe.Feed{Kind: "json", Version: "$.v", Header: "ETag"},
			"/feed/header: must be left out"},

		{"a group that is missing", recipe.Feed{Kind: "text", Match: `(\d+)`, As: "{major}"},
			"/feed/as: names {major}, of which a feed of kind text has no value" +
				": find it by a group of match, (?P<major>…)"},
		{"a build of electron", recipe.Feed{Kind: "electron", As: as}, "/feed/as: names {build}"},
		{"a build of a tag", recipe.Feed{Kind: "github", Repo: "a/b", URL: "https://github.com", As: as},
			"/feed/as: names {build}, of which a feed of kind github has no value: find it by a group of tag"},
		{"a build of JSON", recipe.Feed{Kind: "json", Version: "$.v", As: as},
			"/feed/as: names {build}, of which a feed of kind json has no value: enter its path as build"},
		{"a field that is missing", recipe.Feed{Kind: "json", Version: "$.v", As: "{version}-{x}"},
			"/feed/as: names {x}, of which a feed of kind json has no value: enter its path among the fields"},
		{"a version that is missing", recipe.Feed{Kind: "json", Fields: map[string]string{"x": "$.x"},
			As: "{version}-{x}"},
			"/feed/as: names {version}"},
		{"a build of an appcast", recipe.Feed{Kind: "sparkle", As: as}, ""},
		{"a build by match", recipe.Feed{Kind: "electron", Match: `(?P<version>.*)-(?P<build>\d+)`, As: as}, ""},
		{"a build by tag", recipe.Feed{Kind: "gitea", URL: "https://git.vendor.example", Repo: "a/b",
			Tag: `(?P<version>.*)-(?P<build>\d+)`, As: as}, ""},

		{"HEAD of JSON", recipe.Feed{Kind: "json", Version: "$.v", Method: "HEAD"},
			"/feed/method: must not be HEAD: json reads the body"},
		{"HEAD of an appcast", recipe.Feed{Kind: "sparkle", Method: "HEAD"}, "/feed/method: must not be HEAD"},
		{"HEAD of a redirect", recipe.Feed{Kind: "redirect", Match: `(\d+)`, Method: "HEAD"}, ""},

		{"a server with a query", recipe.Feed{Kind: "gitlab", URL: "https://git.vendor.example/?x=y", Repo: "a/b"},
			server},
		{"a server with a fragment", recipe.Feed{Kind: "gitea", URL: "https://git.vendor.example/#top", Repo: "a/b"},
			server},
		{"a repository twice", recipe.Feed{Kind: "github", URL: "https://github.com/a/b", Repo: "a/b"},
			server + ", such as https://git.example.org, without the repository, which repo names"},
		{"a repository of GitLab twice", recipe.Feed{Kind: "gitlab", URL: "https://gitlab.com/a/b/", Repo: "a/b"},
			server},
		{"a server in a folder", recipe.Feed{Kind: "gitea", URL: "https://vendor.example/git/", Repo: "a/b"}, ""},
	} {
		got := failures(t, tt.feed)
		if !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" || strings.Contains(got, "\n") {
			t.Errorf("%s: Check returns %q, want %q", tt.name, got, tt.want)
		}
	}
}
