package releases_test

import (
	"testing"

	"github.com/patchsource/patchsource/patch/recipe"
)

func TestText(t *testing.T) {
	text := func(match string) recipe.Feed { return recipe.Feed{Kind: "text", Match: match} }
	as := func(f recipe.Feed, form string) recipe.Feed {
		f.As = form
		return f
	}
	lowest := text(`App-(?P<version>\d+(?:\.\d+)+)\.dmg`)
	lowest.Pick = "lowest"
	const links = `<a href="/App-7.9.dmg">old</a> <a href="/App-7.10.dmg">new</a> <a href="/App-7.2.dmg">older</a>`
	runFeedTests(t, []feedTest{
		{"the newest of all matches by version order, not the first", text(`App-(?P<version>\d+(?:\.\d+)+)\.dmg`),
			links,
			"7.10, 7.9, 7.2"},
		{"pick lowest", lowest, links, "7.2"},
		{"one version in several links", text(`App-([0-9.]+)\.dmg`), "App-1.0.dmg App-1.0.dmg", "1.0"},
		{"the first group without a name", text(`v(\d+) of (\d+)`), "v3 of 9", "3"},
		{"no group", text(`\d+\.\d+`), "is 3.4 now", "3.4"},
		{"flags within the expression", text(`(?im)^app (?P<version>[0-9.]+)$`), "app 9.0 beta\nAPP 1.2\n", "1.2"},
		{"a start of a line after a match", text(`(?m)^(?P<version>\d)`), "1\n2x3\n4", "4, 2, 1"},
		{"the start of the text after a match", text(`^(?P<version>\d)`), "12345", "1"},
		{"word boundaries after a match", text(`\b(?P<version>\d\d)`), "11122 33", "33, 11"},
		{"a build", text(`Build[_](?P<build>\d+)[_]Version[_](?P<version>[0-9.]+)\.dmg`), "Build_77_Version_4.5.dmg",
			"4.5 (77)"},
		{"a date", text(`"(?P<version>[0-9.]+)": "(?P<date>[0-9-]+)"`),
			`{"9.0": "2025-12-20", "126.0": "2026-05-14", "15.0": "2026-01-28"}`,
			"126.0 2026-05-14, 15.0 2026-01-28, 9.0 2025-12-20"},
		{"a minimum macOS version", text(`v(?P<version>[\d.]+) \(requires macOS (?P<minOS>[\d.]+)\)`),
			"v4.1 (requires macOS 11.0) v4.0 (requires macOS 10.13)", "4.1 macOS 11.0, 4.0 macOS 10.13"},
		{"groups and a form", as(text(`suite-(?P<a>\d+)-(?P<b>\d+)-(?P<c>\d+)\.dmg`), "{a}.{b}.{c}"), "suite-4-6-0.dmg",
			"4.6.0"},
		{"a version and its build", as(text(`/(?P<version>\d+\.\d+\.\d+)\.(?P<build>\d+)/`), "{version} ({build})"),
			"/prod/6.1.0.4455/", "6.1.0 (4455) (4455)"},
		{"the word after the version decides", text(`Download v(?P<version>\d+(?:\.\d+)+) stable`),
			"Download v4.2 beta, Download v4.1.3 stable", "4.1.3"},
		{"a space that is not ASCII", text(`Version[\s\x{00A0}]+(?P<version>[0-9.]+)`), "Version\u00a025.1", "25.1"},
		{"a byte order mark", text(`^(?P<version>[0-9.]+)`), "\ufeff1.5\n", "1.5"},
		{"UTF-16", text(`^(?P<version>[0-9.]+)`), "\xff\xfe1\x00.\x005\x00", "1.5"},
		{"bytes that are no characters", text(`v(?P<version>[0-9.]+)`), "\xfdv\xf0v1.5\xe2v1.6", "1.6, 1.5"},
		{"empty matches", text(`(?P<version>\d*)`), "a1b22", "22, 1"},
		{"a page of maintenance", text(`App-([0-9.]+)`), "<html>\nmaintenance</html>",
			`error: match finds no version in the answer (it begins with "<html> maintenance</html>")`},
		{"an empty answer", text(`App-([0-9.]+)`), "", "error: match finds no version in the answer (it is empty)"},
	})
}

func TestTextCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		feed recipe.Feed
		want string
	}{
		"no match": {
			recipe.Feed{Kind: "text"},
			"/feed/match: is missing: enter a regular expression that finds the version",
		},
		"no address": {
			recipe.Feed{Kind: "text", Match: "a", URL: "file:///etc/passwd"},
			`/feed/url: must be a whole address that begins with https:// or http://`,
		},
	} {
		if got := failures(t, tt.feed); got != tt.want {
			t.Errorf("%s: got %s\nwant %s", name, got, tt.want)
		}
	}
}

func TestTextRequest(t *testing.T) {
	r, err := newKinds(t).Request(recipe.Feed{
		Kind: "text", URL: feedURL, Match: `\d+`, Method: "POST", UserAgent: "curl", Referer: "https://vendor.example/",
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	if r.Method != "POST" || r.URL != feedURL || r.Header.Get("Referer") != "https://vendor.example/" ||
		r.Header.Get("User-Agent")[:5] != "curl/" || r.Once || r.HeaderOnly {
		t.Errorf("got %+v", r)
	}
}
