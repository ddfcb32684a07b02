package releases_test

import (
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch/recipe"
)

func TestPresets(t *testing.T) {
	name := func(name string) recipe.Feed { return recipe.Feed{Kind: "preset", Name: name} }
	older := name("firefox")
	older.Major = 151
	const fox = `{"FIREFOX_ESR": "140.8.0esr", "FIREFOX_NIGHTLY": "153.0a1", "LATEST_FIREFOX_DEVEL_VERSION": "152.0b3",
		"LATEST_FIREFOX_VERSION": "151.0.2"}`
	const edge = `[
		{"Product": "Beta", "Releases": [{"Platform": "MacOS", "ProductVersion": "152.0.1.1"}]},
		{"Product": "Stable", "Releases": [
			{"Platform": "Windows", "ProductVersion": "151.0.4.2", "PublishedTime": "2026-02-20T02:57:00"},
			{"Platform": "MacOS", "ProductVersion": "151.0.3.9", "PublishedTime": "2026-02-19T02:57:00"}]}]`
	const ide = `{"XY": [{"type": "release", "version": "2026.1.3", "build": "261.24374.151", "date": "2026-02-26"}]}`
	const office = plistHead + `<array>
		<dict><key>Title</key><string>Vendor Write Update 16.112.1 (26081720)</string></dict>
		<dict><key>Title</key><string>Vendor Write Update 16.112.0 (26081010)</string></dict></array>` + plistTail
	const store = `{"resultCount": 2, "results": [
		{"kind": "software", "version": "9.0", "minimumOsVersion": "17.0"},
		{"kind": "mac-software", "version": "8.4", "minimumOsVersion": "13.0",
			"currentVersionReleaseDate": "2026-02-18T09:00:00Z"}]}`
	const systems = `{"OSVersions": [
		{"OSVersion": "Redwood 26", "Latest": {"ProductVersion": "26.3", "Build": "25D125",
			"ReleaseDate": "2026-02-11T00:00:00Z"}},
		{"OSVersion": "Oak 15", "Latest": {"ProductVersion": "15.7.4", "Build": "24G517",
			"ReleaseDate": "2026-02-11T00:00:00Z"}}]}`
	runFeedTests(t, []feedTest{
		{"chrome", name("chrome"), `{"releases": [{"version": "151.0.7922.174", "fraction": 1,
			"serving": {"startTime": "2026-02-17T18:00:00.1Z"}}]}`, "151.0.7922.174 2026-02-17"},
		{"chrome in the midst of a roll-out", name("chrome"), `{"releases": [
			{"version": "152.0.7950.3", "fraction": 0.05}, {"version": "152.0.7950.3", "fraction": 0.1},
			{"version": "151.0.7922.174", "fraction": 1}]}`, "152.0.7950.3 10%, 151.0.7922.174"},
		{"chrome without a release", name("chrome"), `{"releases": [], "nextPageToken": ""}`, ""},
		{"chrome without a list", name("chrome"), `{"nextPageToken": ""}`,
			"error: the path items, $.releases[*], finds nothing in the answer"},
		{"firefox", name("firefox"), fox, "151.0.2"},
		{"firefox of a major version", older, fox, "151.0.2"},
		{"firefox-esr without its suffix", name("firefox-esr"), fox, "140.8.0"},
		{"edge, its stable channel for macOS", name("edge"), edge, "151.0.3.9 2026-02-19"},
		{"jetbrains", name("jetbrains:XY"), ide, "2026.1.3 (261.24374.151) 2026-02-26"},
		{"jetbrains in lower case", name("JetBrains:xy"), ide, "2026.1.3 (261.24374.151) 2026-02-26"},
		{"office by name, the short version", name("office:word"), office, "16.112.1 (26081720), 16.112 (26081010)"},
		{"office by code", name("office:XCEL2019"), office, "16.112.1 (26081720), 16.112 (26081010)"},
		{"appstore, the record of the Mac", name("appstore:462054704"), store, "8.4 2026-02-18 macOS 13.0"},
		{"appstore without one of the Mac", name("appstore:1"), `{"results": [{"kind": "software", "version": "9.0"}]}`,
			"error: the path items, "},
		{"macos", name("macos"), systems, "26.3 (25D125) 2026-02-11, 15.7.4 (24G517) 2026-02-11"},
	})
}

func TestPresetCheck(t *testing.T) {
	own := recipe.Feed{Kind: "preset", Name: "chrome", URL: feedURL}
	for _, tt := range []struct {
		feed recipe.Feed
		want string
	}{
		{recipe.Feed{Kind: "preset"},
			"/feed/name: is missing: choose one of appstore:462054704, chrome, edge, firefox, " +
				"firefox-esr, jetbrains:CL, macos, office:word"},
		{recipe.Feed{Kind: "preset", Name: "netscape"}, "/feed/name: is unknown: choose one of "},
		{recipe.Feed{Kind: "preset", Name: "chrome:beta"}, "/feed/name: has an argument, which chrome does not take"},
		{recipe.Feed{Kind: "preset", Name: "jetbrains"},
			"/feed/name: has no valid argument: write jetbrains:CL, for example"},
		{recipe.Feed{Kind: "preset", Name: "jetbrains:CL&x"}, "/feed/name: has no valid argument"},
		{recipe.Feed{Kind: "preset", Name: "office:visio"}, "/feed/name: has no valid argument"},
		{recipe.Feed{Kind: "preset", Name: "appstore:1/2"}, "/feed/name: has no valid argument"},
		{own, "/feed: a preset may have these words only: "},
	} {
		if got := failures(t, tt.feed); !strings.HasPrefix(got, tt.want) {
			t.Errorf("Check(%+v):\ngot  %s\nwant %s", tt.feed, got, tt.want)
		}
	}
}

// A policy says how far a roll-out must be: the request must not leave out those that are not complete.
func TestChromeAsksForAllRollouts(t *testing.T) {
	r, err := newKinds(t).Request(recipe.Feed{Kind: "preset", Name: "chrome"}, false)
	if err != nil || strings.Contains(r.URL, "fraction") {
		t.Errorf("Request returns %s, %v, want no filter on the fraction", r.URL, err)
	}
}

func TestPresetRequests(t *testing.T) {
	kinds := newKinds(t)
	for name, want := range map[string]string{
		"chrome":             "versionhistory.googleapis.com",
		"firefox":            "product-details.mozilla.org",
		"firefox-esr":        "product-details.mozilla.org",
		"edge":               "edgeupdates.microsoft.com",
		"jetbrains:IIU":      "data.services.jetbrains.com",
		"office:onenote":     "res.public.onecdn.static.microsoft",
		"appstore:462054704": "itunes.apple.com",
		"macos":              "sofafeed.macadmins.io",
	} {
		f := recipe.Feed{Kind: "preset", Name: name}
		if err := kinds.Check(recipe.Watch{Feed: f}); err != nil {
			t.Errorf("Check(%s): %v", name, err)
		}
		if got := kinds.Host(f); got != want {
			t.Errorf("Host(%s) = %q, want %q", name, got, want)
		}
		if kinds.Restricted(f) {
			t.Errorf("Restricted(%s)", name)
		}
	}
}
