package releases

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch/recipe"
)

var electron = recipe.Feed{Kind: "electron", URL: "https://vendor.example/mac/latest-mac.yml"}

// electronFile reads a file of electron-updater and returns its only release.
func electronFile(t *testing.T, text string) recipe.Release {
	t.Helper()
	found, next := read(t, electron, Answer{Status: 200, Body: []byte(text)})
	if len(found) != 1 || next != nil {
		t.Fatalf("Read = %+v, %v", found, next)
	}
	return found[0]
}

func TestElectron(t *testing.T) {
	got := electronFile(t, `version: 2.10.0
files:
  - url: Example-2.10.0-mac.zip
    sha512: AAAA==
    size: 117738343
    blockMapSize: 74521
  - url: Example-2.10.0-arm64.dmg
    sha512: BBBB==
    size: 1
path: Example-2.10.0-mac.zip
sha512: AAAA==
releaseNotes: |
  version: 9.9.9
  * [unbalanced { brackets
minimumSystemVersion: 21.6.0
stagingPercentage: 25
releaseDate: '2026-03-02T10:00:00.500Z'
`)
	want := recipe.Release{
		Version: "2.10.0", MinOS: "12.0", Rollout: 0.25, URL: "https://vendor.example/mac/Example-2.10.0-arm64.dmg",
		Date: time.Date(2026, 3, 2, 10, 0, 0, 500e6, time.UTC),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}
}

func TestElectronRolloutThatIsNoNumber(t *testing.T) {
	body := "version: 1.0.0\nstagingPercentage: some\n"
	err := unreadableAnswer(t, electron, Answer{Status: 200, Body: []byte(body)})
	if !strings.Contains(err.Error(), `stagingPercentage "some"`) {
		t.Errorf("Read returns %v, want what is wrong", err)
	}
}

// minimumSystemVersion is the version of the kernel.
func TestElectronMinimumSystemIsDarwins(t *testing.T) {
	for version, want := range map[string]string{
		"25.0.0": "26.0", "24": "15.0", "23": "14.0", "23.1.0": "14.0", "22.0.0": "13.0",
		"21.6.0": "12.0", "20": "11.0",
		"19.0.0": "10.15", "18": "10.14", "17": "10.13", "16": "10.12", "10.15.0": "10.15.0", "10.13": "10.13",
		"12.0.0": "", "10.2": "", "": "", "x": "", "26": "27.0", "'22.0'": "13.0",
	} {
		r := electronFile(t, "version: 1.0.0\nminimumSystemVersion: "+version+"\n")
		if r.MinOS != want {
			t.Errorf("minimum system %q is %q, want %q", version, r.MinOS, want)
		}
	}
}

func TestElectronDates(t *testing.T) {
	for text, want := range map[string]string{
		"2026-03-02T10:00:00.000Z": "2026-03-02T10:00:00Z", "'2026-03-02T10:00:00.000Z'": "2026-03-02T10:00:00Z",
		"2026-03-02": "2026-03-02T00:00:00Z", "!!timestamp 2026-03-02T10:00:00Z": "2026-03-02T10:00:00Z",
		"2026-03-02 12:00:00 +02:00":            "2026-03-02T10:00:00Z",
		"\"Mon Mar 02 2026 10:00:00 GMT+0000\"": "2026-03-02T10:00:00Z",
		"":                                      "0001-01-01T00:00:00Z", "~": "0001-01-01T00:00:00Z",
	} {
		if r := electronFile(t, "version: 1.0.0\nreleaseDate: "+text+"\n"); r.Date.Format(time.RFC3339) != want {
			t.Errorf("%s is %v, want %s", text, r.Date, want)
		}
	}
}

// A version is text, however it is written.
func TestElectronVersions(t *testing.T) {
	for text, want := range map[string]string{
		"1.10": "1.10", "'1.10'": "1.10", "v1.0.13": "1.0.13", "2026": "2026", "1.0e3": "1.0e3", `"2.0.0"`: "2.0.0",
		"1.2.3+45": "1.2.3+45", "|\n  1.2.3": "1.2.3",
	} {
		if r := electronFile(t, "version: "+text+"\n"); r.Version != want || r.Prerelease {
			t.Errorf("%s is %q (pre-release %v), want %q", text, r.Version, r.Prerelease, want)
		}
	}
	for _, text := range []string{"2.5.1-SUM-2170.1", "2.0.0-beta.1", "1.0.0-1"} {
		if s := readAll(t, electron, Answer{Body: []byte("version: " + text)}); len(s.Releases) != 0 ||
			len(s.Dropped) != 1 {
			t.Errorf("%s: %+v, want a pre-release", text, s)
		}
	}
	f := electron
	f.Match, f.Parts = `^(?P<version>[\d.]+)`, 2
	if r, _ := new(readAll(t, f, Answer{Body: []byte("version: 1.2.3")})).Newest(); r.Version != "1.2" {
		t.Errorf("%+v", r)
	}
	if r := electronFile(t, `{"version": "1.2.3", "files": [{"url": "a.dmg"}]}`); r.Version != "1.2.3" {
		t.Errorf("%+v", r) // JSON is YAML
	}
}

func TestElectronAnswersThatCannotBeRead(t *testing.T) {
	lol := "a: &a [x, x]\nb: &b [*a, *a, *a, *a]\nc: [*b, *b, *b, *b]\nversion: 1.0.0\n"
	for name, tt := range map[string]struct{ body, want string }{
		"empty":         {"", ""},
		"HTML":          {"<html>maintenance</html>", "not YAML"},
		"text":          {"maintenance", "electron-updater"},
		"list":          {"- version: 1.0.0", "electron-updater"},
		"no version":    {"path: a.zip", "no version"},
		"map":           {"version: {a: 1}", "no version"},
		"a shell's end": {"version: 0.0.2\npath: a.zip\nEOF < /dev/null", "[3:1]"},
		"tabs":          {"version: 1\n\tpath: x", ""},
		"aliases":       {lol, "line 1"},
		"merge keys":    {"x: 1\n<<: {version: 1}", "line 2"},
		"for Windows":   {"version: 1.0.0\nfiles:\n  - url: Setup.exe\npath: Setup.exe", "other systems"},
		"deep flow":     {"version: 1.0.0\nx: " + strings.Repeat("[", 6_000), "levels"},
		"deep maps":     {"version: 1.0.0\nx: " + strings.Repeat("{a: ", 2_000), "levels"},
		"deep list":     {"version: 1.0.0\nx:\n" + strings.Repeat("- ", 6_000), "levels"},
		"deep keys":     {strings.Repeat("? ", 6_000), "levels"},
		"many tags":     {"version: " + strings.Repeat("!a ", 3_000), "levels"},
		"many tokens":   {strings.Repeat("a: 1\n", 10_000), "tokens"},
		"too large":     {"version: " + strings.Repeat("1", maxYAML), "256 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			err := unreadableAnswer(t, electron, Answer{Status: 200, Body: []byte(tt.body)})
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// Answers that are just within the limits are read, and in little time.
func TestElectronLargeAnswers(t *testing.T) {
	unique := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "k%d: v\n", i)
		}
		return b.String()
	}
	for name, body := range map[string]string{
		"literal":       "notes: |\n" + strings.Repeat("  some text: [x\n", 8_000),
		"folded":        "notes: >-\n" + strings.Repeat("  some text\n\n", 8_000),
		"plain":         "notes: x\n" + strings.Repeat("  some text\n", 8_000),
		"double quoted": `notes: "` + strings.Repeat(`\n\u00e9 \" some text`, 6_000) + `"`,
		"single quoted": `notes: '` + strings.Repeat(`some '' text`, 8_000) + `'`,
		"lines":         `notes: "` + strings.Repeat("some text\n  ", 8_000) + `"`,
		"comments":      strings.Repeat("# some text\n", 8_000),
		"keys":          unique(3_000),
		"flow list":     "notes: [" + strings.Repeat("a, ", 4_000) + "a]",
		"list":          "notes:\n" + strings.Repeat("- a\n", 4_000),
		"documents":     strings.Repeat("---\n", 9_000),
		"spaces":        "notes: " + strings.Repeat(" ", 250_000) + "x",
		"long word":     "notes: " + strings.Repeat("x", 250_000),
		"empty lines":   strings.Repeat("\n", 250_000),
		"returns":       strings.Repeat("\r\n", 125_000),
	} {
		t.Run(name, func(t *testing.T) {
			if r := electronFile(t, "version: 1.0.0\n"+body+"\n"); r.Version != "1.0.0" {
				t.Errorf("%+v", r)
			}
		})
	}
}

func FuzzElectron(f *testing.F) {
	f.Add([]byte("version: 1.0.0\nfiles:\n  - url: a.zip\nreleaseDate: 2026-03-02\n"))
	f.Add([]byte("a: &a [*a]\nversion: |\n  1\n"))
	f.Add([]byte("? [a, {b: c}]\n: - - !!str x\n"))
	f.Fuzz(func(t *testing.T, body []byte) { fuzzRead(t, electron, Answer{Body: body}) })
}
