package releases

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/unicode"

	"github.com/patchsource/patchsource/patch/recipe"
)

// appcast returns an appcast of Example App with items.
func appcast(items ...string) []byte {
	return []byte(`<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:sparkle="http://www.andymatuschak.org/xml-namespaces/sparkle"
	xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Example App 9.9</title>
<pubDate>Mon, 02 Mar 2026 10:00:00 +0000</pubDate><language>en</language>` +
		strings.Join(items, "\n") + `</channel></rss>`)
}

// item returns an item with further elements or an enclosure.
func item(inner string) string { return "<item>" + inner + "</item>" }

// sparkle reads an appcast and returns its selection.
func sparkle(t testing.TB, f recipe.Feed, body []byte) Selection {
	t.Helper()
	f.Kind, f.URL = "sparkle", "https://vendor.example/appcast.xml"
	return readAll(t, f, Answer{Status: 200, Body: body})
}

// readAll reads an answer and returns its selection.
func readAll(t testing.TB, f recipe.Feed, a Answer) Selection {
	t.Helper()
	kinds, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := kinds.Check(recipe.Watch{Feed: f}); err != nil {
		t.Fatalf("Check: %v", err)
	}
	found, _, err := kinds.Read(f, a)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return Select(f, found)
}

// unreadableAnswer checks that an answer cannot be read and returns the error.
func unreadableAnswer(t testing.TB, f recipe.Feed, a Answer) error {
	t.Helper()
	kinds, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	found, next, err := kinds.Read(f, a)
	if !errors.Is(err, ErrUnreadable) || next != nil || len(found) > 0 || strings.Contains(err.Error(), "\n") {
		t.Fatalf("Read = %d releases, %v, %v, want an ErrUnreadable", len(found), next, err)
	}
	return err
}

func TestSparkleVersionIsInItemEnclosureOrTitle(t *testing.T) {
	tests := []struct{ name, inner, version, build string }{
		{
			"in the enclosure", `<title>2.1</title><enclosure url="https://vendor.example/a.zip" sparkle:version="210"
			sparkle:shortVersionString="2.1.0"/>`, "2.1.0", "210",
		},
		{
			"in the item", `<sparkle:version>210</sparkle:version><enclosure url="https://vendor.example/a.zip"/>
			<sparkle:shortVersionString>2.1.0</sparkle:shortVersionString>`, "2.1.0", "210",
		},
		{"no enclosure", `<sparkle:version>2.1.0</sparkle:version><link>https://vendor.example/</link>`, "2.1.0", ""},
		{"no short version", `<title>Version 2.1.0</title><enclosure sparkle:version="2.1.0"/>`, "2.1.0", ""},
		{
			"short only in the title", `<title>Example App 2.1.0</title><enclosure sparkle:version="5210"/>`, "2.1.0",
			"5210",
		},
		{"with the build", `<title>Version 2.1 (5210)</title><enclosure sparkle:version="5210"/>`, "2.1", "5210"},
		{
			"a build that looks like a version", `<title>Example App v2.1</title>
			<enclosure sparkle:version="14718.1.399"/>`, "2.1", "14718.1.399",
		},
		{"title shortens", `<title>Example App 2.1</title><enclosure sparkle:version="2.1.3"/>`, "2.1.3", ""},
		{"title of a system", `<title>Now for macOS 26.1</title><enclosure sparkle:version="2.1.3"/>`, "2.1.3", ""},
		{
			"title with prose", `<title>2.1: the 10th anniversary</title><enclosure sparkle:version="2.1.3"/>`,
			"2.1.3", "",
		},
		{"title that goes on", `<title>App 2.1.0 Released</title><enclosure sparkle:version="5210"/>`, "2.1.0", "5210"},
		{"title with a subtitle", `<title>2.1.0 - Fixes</title><enclosure sparkle:version="5210"/>`, "2.1.0", "5210"},
		{"title with a build", `<title>App v2.1 build 5210</title><enclosure sparkle:version="5210"/>`, "2.1", "5210"},
		{"title in brackets", `<title>App 2.1.0 [5210]</title><enclosure sparkle:version="5210"/>`, "2.1.0", "5210"},
		{
			"title with the version and a system", `<title>2.1.0 needs macOS 12.3 or later</title>
			<enclosure sparkle:version="5210"/>`, "2.1.0", "5210",
		},
		{"title of a system", `<title>For macOS 26.1</title><enclosure sparkle:version="5210"/>`, "5210", ""},
		{
			"only in the title", `<title>Example App 2.1</title><enclosure url="https://vendor.example/a.zip"/>`,
			"2.1", "",
		},
		{
			"only in the file", `<title>News</title><enclosure url="https://vendor.example/App_2.1.3.zip?x=1"/>`,
			"2.1.3", "",
		},
		{
			"critical update says another", `<sparkle:criticalUpdate sparkle:version="1.5"/>
			<enclosure sparkle:version="2.1.3"/>`, "2.1.3", "",
		},
		{
			"elements in the description", `<description><p><version>9</version></p></description>
			<sparkle:version>2.1.3</sparkle:version>`, "2.1.3", "",
		},
		{
			"comments",
			`<!-- <sparkle:version>9</sparkle:version> --><sparkle:version>2.1<!-- x -->.3</sparkle:version>`, "2.1.3",
			"",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, ok := new(sparkle(t, recipe.Feed{}, appcast(item(tt.inner)))).Newest()
			if !ok || r.Version != tt.version || r.Build != tt.build {
				t.Errorf("version %q, build %q, want %q, %q", r.Version, r.Build, tt.version, tt.build)
			}
		})
	}
}

// simple returns an item with a version and further elements.
func simple(version, more string) string {
	return item(`<title>Version ` + version + `</title>` + more + `<enclosure sparkle:version="` + version + `"/>`)
}

func TestSparkleItemsInAnyOrder(t *testing.T) {
	s := sparkle(t, recipe.Feed{}, appcast(simple("1.9", ""), simple("1.10", ""), simple("1.2", "")))
	if diff := cmp.Diff([]string{"1.10", "1.9", "1.2"}, versions(s.Releases)); diff != "" {
		t.Error(diff)
	}
}

func TestSparkleChannels(t *testing.T) {
	body := appcast(simple("3.0", "<sparkle:channel>beta</sparkle:channel>"), simple("2.0", ""),
		simple("2.5", "<sparkle:channel> stable </sparkle:channel>"),
		simple("2.1", "<!-- <sparkle:channel>beta</sparkle:channel> -->"), simple("2.2", "<sparkle:channel/>"))
	for channel, want := range map[string]string{"": "2.2", "beta": "3.0", "stable": "2.5"} {
		if r, _ := new(sparkle(t, recipe.Feed{Channel: channel}, body)).Newest(); r.Version != want {
			t.Errorf("channel %q: %q, want %q", channel, r.Version, want)
		}
	}
}

func TestSparklePrereleasesWithoutChannel(t *testing.T) {
	s := sparkle(t, recipe.Feed{}, appcast(simple("3.0b1", ""), simple("2.9-rc1", ""), simple("2.0", ""),
		item(`<title>Example App 2.5 Beta 2</title><enclosure sparkle:version="50"
			sparkle:shortVersionString="2.5"/>`)))
	if diff := cmp.Diff([]string{"2.0"}, versions(s.Releases)); diff != "" {
		t.Error(diff)
	}
}

func TestSparkleDeltasAreNotReleases(t *testing.T) {
	deltas := `<sparkle:deltas><enclosure url="https://vendor.example/9.delta" sparkle:version="9.9"
		sparkle:deltaFrom="1"/>
		</sparkle:deltas>`
	delta := `<enclosure url="https://vendor.example/8.delta" sparkle:version="8.8" sparkle:deltaFrom="1.0"/>`
	r, _ := new(sparkle(t, recipe.Feed{}, appcast(item(deltas+delta+
		`<enclosure url="https://vendor.example/a.zip" sparkle:version="2.0"/>`)))).Newest()
	if r.Version != "2.0" || r.URL != "https://vendor.example/a.zip" {
		t.Errorf("%+v", r)
	}
}

func TestSparkleItemsOfOtherSystems(t *testing.T) {
	body := appcast(
		item(`<enclosure url="https://vendor.example/a" sparkle:os="windows" sparkle:version="3.0"/>`),
		item(`<enclosure url="https://vendor.example/Setup.exe" sparkle:version="3.1"/>`),
		item(`<sparkle:os>windows</sparkle:os><enclosure url="https://vendor.example/a" sparkle:version="3.3"/>`),
		item(`<enclosure url="https://vendor.example/a" sparkle:os="windows-x64" sparkle:version="3.2"/>
			<enclosure url="https://vendor.example/a.dmg" sparkle:os="macos" sparkle:version="2.1"/>`),
		item(`<enclosure url="https://vendor.example/b.dmg" sparkle:os="osx" sparkle:version="2.0"/>`),
		simple("5.0", "<sparkle:maximumSystemVersion>2.0</sparkle:maximumSystemVersion>"),
	)
	if diff := cmp.Diff([]string{"2.1", "2.0"}, versions(sparkle(t, recipe.Feed{}, body).Releases)); diff != "" {
		t.Error(diff)
	}
	err := unreadableAnswer(t, recipe.Feed{Kind: "sparkle", URL: "https://vendor.example/"}, Answer{Body: appcast(
		item(`<enclosure url="https://vendor.example/a" sparkle:os="windows" sparkle:version="3.0"/>`))})
	if !strings.Contains(err.Error(), "macOS") {
		t.Error(err)
	}
}

// Several items are current, each for a range of systems. The newest counts; one version for several systems counts
// once, from the lowest system on.
func TestSparkleSeveralCurrentItemsByMinimumSystem(t *testing.T) {
	low := "<sparkle:minimumSystemVersion>%s</sparkle:minimumSystemVersion>"
	s := sparkle(t, recipe.Feed{}, appcast(
		simple("4.9", fmt.Sprintf(low, "10.13")+"<sparkle:maximumSystemVersion>12.99</sparkle:maximumSystemVersion>"),
		simple("5.0", fmt.Sprintf(low, "14.0")), simple("5.0", fmt.Sprintf(low, "13.0")),
	))
	if r, _ := s.Newest(); r.Version != "5.0" || r.MinOS != "13.0" || len(s.Releases) != 2 {
		t.Errorf("%+v", s)
	}
}

func TestSparkleMinimumSystemAnywhere(t *testing.T) {
	for _, inner := range []string{
		`<sparkle:minimumSystemVersion>10.14.6</sparkle:minimumSystemVersion><enclosure sparkle:version="1"/>`,
		`<enclosure sparkle:version="1"/><sparkle:minimumSystemVersion>10.14.6</sparkle:minimumSystemVersion>`,
		`<enclosure sparkle:version="1" sparkle:minimumSystemVersion="10.14.6"></enclosure>`,
	} {
		if r, _ := new(sparkle(t, recipe.Feed{}, appcast(item(inner)))).Newest(); r.MinOS != "10.14.6" {
			t.Errorf("%s: minimum system %q", inner, r.MinOS)
		}
	}
}

func TestSparkleDatesOfManyForms(t *testing.T) {
	for text, want := range map[string]string{
		"Fri, 02 Mar 2026 10:00:00 +0000": "2026-03-02T10:00:00Z", "2026-03-02": "2026-03-02T00:00:00Z",
		"Mo, 02 März 2026 10:00:00 +0100": "2026-03-02T09:00:00Z", "Lun, 2 mars 2026 10:00 GMT": "2026-03-02T10:00:00Z",
		"Пн, 02 мар 2026 10:00:00 +0300": "2026-03-02T07:00:00Z",
		"someday":                        "0001-01-01T00:00:00Z", "": "0001-01-01T00:00:00Z",
	} {
		r, ok := new(sparkle(t, recipe.Feed{}, appcast(simple("1.0", "<pubDate>"+text+"</pubDate>")))).Newest()
		if got := r.Date.Format(time.RFC3339); !ok || got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestSparkleNamespaces(t *testing.T) {
	inner := `<channel>%s<item><enclosure x:version="210" x:shortVersionString="2.1"/>
		<x:minimumSystemVersion>12.0</x:minimumSystemVersion></item></channel></rss>`
	for _, start := range []string{
		`<rss xmlns:x="http://www.andymatuschak.org/xml-namespaces/sparkle">`,
		`<rss xmlns:x="http://www.andymatuschak.org/xml-namespaces/sparkle/">`,
		`<rss xmlns:x="https://www.andymatuschak.org/xml-namespaces/sparkle">`,
		`<rss xmlns:x="http://www.andymatuschak.org/xml-namespaces">`,
		`<rss xmlns:x="HTTP://sparkle-project.org/xml/Sparkle">`,
	} {
		r, ok := new(sparkle(t, recipe.Feed{}, []byte(start+fmt.Sprintf(inner, "")))).Newest()
		if !ok || r.Version != "2.1" || r.Build != "210" || r.MinOS != "12.0" {
			t.Errorf("%s: %+v", start, r)
		}
	}
	for name, body := range map[string]string{
		"not declared": `<rss>` + strings.ReplaceAll(inner, "x:", "sparkle:"),
		"no prefix":    `<rss>` + strings.ReplaceAll(inner, "x:", ""),
	} {
		r, ok := new(sparkle(t, recipe.Feed{}, []byte(fmt.Sprintf(body, "")))).Newest()
		if !ok || r.Version != "2.1" || r.Build != "210" || r.MinOS != "12.0" {
			t.Errorf("namespace %s: %+v", name, r)
		}
	}
	other := `<rss xmlns:o="https://vendor.example/ns">` + strings.ReplaceAll(inner, "x:", "o:")
	unreadableAnswer(t, recipe.Feed{Kind: "sparkle", URL: "https://vendor.example/"}, Answer{Body: []byte(other)})
}

func TestSparkleMatch(t *testing.T) {
	body := appcast(
		item(`<enclosure url="https://vendor.example/App-2-1-0.zip" sparkle:version="9"
			sparkle:shortVersionString="App-2.0.9 x"/>`),
		item(`<enclosure url="https://vendor.example/Other.zip" sparkle:version="8"
			sparkle:shortVersionString="none"/>`))
	tests := []struct {
		name string
		feed recipe.Feed
		want string
	}{
		{"short", recipe.Feed{From: "short", Match: `^App-(?P<version>[\d.]+)`}, "2.0.9"},
		{"default", recipe.Feed{Match: `^App-(?P<version>[\d.]+)`, As: "{version} ({build})"}, "2.0.9 (9)"},
		{"url", recipe.Feed{From: "url", Match: `App-(?P<a>\d)-(?P<b>\d)-(?P<c>\d)`, As: "{a}.{b}.{c}"}, "2.1.0"},
	}
	for _, tt := range tests {
		s := sparkle(t, tt.feed, body)
		if r, _ := s.Newest(); r.Version != tt.want || len(s.Releases) != 1 {
			t.Errorf("%s: %+v, want %s", tt.name, s, tt.want)
		}
	}
	unreadableAnswer(t, recipe.Feed{Kind: "sparkle", URL: "https://vendor.example/", Match: "nothing"},
		Answer{Body: body})
}

func TestSparkleEncodings(t *testing.T) {
	text := strings.Replace(string(appcast(simple("2.1", ""))), `encoding="utf-8"`, `encoding="utf-16"`, 1)
	utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	latin := strings.Replace(string(appcast(simple("2.1", "\xa9 \xe9"))), `encoding="utf-8"`, `encoding="ISO-8859-1"`,
		1)
	for name, body := range map[string]string{"UTF-16": utf16, "BOM": "\ufeff" + string(appcast(simple("2.1", ""))),
		"Latin 1": latin} {
		if r, _ := new(sparkle(t, recipe.Feed{}, []byte(body))).Newest(); r.Version != "2.1" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestSparkleRequest(t *testing.T) {
	for path, f := range map[string]recipe.Feed{
		"/feed/url":   {URL: "file:///etc/passwd"},
		"/feed/from":  {URL: "https://vendor.example/", From: "title"},
		"/feed/match": {URL: "https://vendor.example/", From: "url"},
	} {
		if _, err := (sparkleKind{}).Request(f, false); err == nil || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("Request(%+v): %v, want a failure of %s", f, err, path)
		}
	}
}

// An answer that is hostile or broken is an error in a sentence, and costs little.
func TestSparkleHostileAnswers(t *testing.T) {
	bomb := `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;">]>`
	external := `<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>`
	for name, body := range map[string]string{
		"empty":               "",
		"HTML":                "<html><body><p>maintenance<br></body></html>",
		"well-formed HTML":    "<html><body>maintenance</body></html>",
		"JSON":                `{"version": "1"}`,
		"truncated":           string(appcast(simple("2.0", "")))[:300],
		"no items":            string(appcast()),
		"items without texts": string(appcast(item(""))),
		"entities":            bomb + string(appcast(simple("&lol2;", "")))[38:],
		"external entity":     external + string(appcast(simple("&x;", "")))[38:],
		"unknown entity":      string(appcast(simple("1.0&x;", ""))),
		"deep":                "<rss>" + strings.Repeat("<a>", 500_000),
		"deep in an item":     string(appcast(item(strings.Repeat("<a>", 1000) + strings.Repeat("</a>", 1000)))),
		"too many items":      string(appcast(strings.Repeat("<item></item>", MaxReleases+1))),
		"encoding":            `<?xml version="1.0" encoding="x-unknown"?><rss/>`,
		"too large":           string(appcast(strings.Repeat(" ", MaxBytes))),
	} {
		t.Run(name, func(t *testing.T) {
			unreadableAnswer(t, recipe.Feed{Kind: "sparkle", URL: "https://vendor.example/"}, Answer{Status: 200,
				Body: []byte(body)})
		})
	}
}

// A version of 1 MiB is dropped, and does not hide the others.
func TestSparkleLongVersion(t *testing.T) {
	s := sparkle(t, recipe.Feed{}, appcast(
		item(`<enclosure sparkle:version="`+strings.Repeat("9", 1<<20)+`"/>`), simple("1.0", "")))
	if r, _ := s.Newest(); r.Version != "1.0" || len(s.Dropped) != 1 || len(s.Dropped[0].Version) > maxVersion {
		t.Errorf("%d dropped, newest %.80q", len(s.Dropped), r.Version)
	}
}

func FuzzSparkle(f *testing.F) {
	f.Add(appcast(simple("2.0", "<sparkle:channel>beta</sparkle:channel>"), simple("1.0", "")), "", "")
	f.Add(appcast(item(`<sparkle:deltas><enclosure sparkle:version="9"/></sparkle:deltas>`)), "url", `a(?P<version>\d)`)
	f.Add([]byte("<rss><item><enclosure sparkle:version='1' url='x_1.zip'/></item></rss>"), "short", "")
	f.Fuzz(func(t *testing.T, body []byte, from, match string) {
		fuzzRead(t, recipe.Feed{Kind: "sparkle", URL: "https://vendor.example/", From: from, Match: match},
			Answer{Body: body})
	})
}

// fuzzRead reads an answer and checks what holds for all kinds.
func fuzzRead(t *testing.T, f recipe.Feed, a Answer) {
	kinds, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if kinds.Check(recipe.Watch{Feed: f}) != nil {
		return
	}
	found, next, err := kinds.Read(f, a)
	if err != nil && (len(found) > 0 || next != nil) || err == nil && len(found) == 0 && next == nil {
		t.Errorf("Read = %d releases, %v, %v", len(found), next, err)
	}
	if len(found) > MaxReleases {
		t.Errorf("Read returned %d releases", len(found))
	}
	s := Select(f, found)
	for _, r := range s.Releases {
		if unusable(r.Version) != "" || r.Rollout < 0 || r.Rollout > 1 || len(r.MinOS) > 20 {
			t.Errorf("%+v counts", r)
		}
	}
}
