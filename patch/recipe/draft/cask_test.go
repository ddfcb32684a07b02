package draft_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/patch/recipe/draft"
)

// notes is the JSON of a cask.
const notes = `{
	"token": "example-notes", "tap": "homebrew/cask", "name": ["Example Notes", "Notes"], "desc": "Takes notes",
	"homepage": "https://notes.example/", "version": "2.10.1", "sha256": "no_check", "deprecated": false,
	"url": "https://github.com/example/notes/releases/download/v2.10.1/Example-Notes-2.10.1-arm64.dmg",
	"artifacts": [
		{"app": ["Example Notes.app"]},
		{"uninstall": [{"quit": "com.example.notes", "launchctl": "com.example.notes.agent"}]},
		{"zap": [{"trash": [
			"~/Library/Application Support/com.example.notes",
			"~/Library/Caches/com.example.notes.ShipIt",
			"~/Library/Preferences/com.example.notes.plist",
			"~/Library/Saved Application State/com.example.notes.savedState"
		]}]}
	],
	"depends_on": {"macos": {">=": ["12"]}}
}`

// cask returns the JSON of the cask notes with some parts replaced, given as old and new in turn.
func cask(t testing.TB, oldnew ...string) []byte {
	t.Helper()
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(notes, oldnew[i]) {
			t.Fatalf("the cask has no %s", oldnew[i])
		}
	}
	return []byte(strings.NewReplacer(oldnew...).Replace(notes))
}

// paths returns the paths of guesses.
func paths(d *draft.Draft) (all []string) {
	for _, g := range d.Guesses {
		all = append(all, g.Path)
	}
	return all
}

func TestFromCask(t *testing.T) {
	d, err := draft.FromCask([]byte(notes))
	if err != nil {
		t.Fatal(err)
	}
	want := recipe.Recipe{
		ID: "ExampleNotes", Name: "Example Notes", Publisher: "example", AppName: "Example Notes.app",
		BundleID: "com.example.notes", MinimumOperatingSystem: "12",
		Feed: recipe.Feed{Kind: "github", Repo: "example/notes", Asset: `^Example-Notes-.+-arm64\.dmg$`},
	}
	if diff := cmp.Diff(want, d.Recipe); diff != "" {
		t.Error(diff)
	}
	if err := d.Recipe.Validate(); err != nil || len(d.Gaps) > 0 {
		t.Errorf("the gaps are %q, Validate returns %v, want a complete recipe", d.Gaps, err)
	}
	if diff := cmp.Diff([]string{"/id", "/bundleId", "/feed", "/feed/asset", "/publisher"}, paths(d)); diff != "" {
		t.Errorf("the guesses: %s", diff)
	}
}

func TestFromCaskFeed(t *testing.T) {
	const address = `https://github.com/example/notes/releases/download/v2.10.1/Example-Notes-2.10.1-arm64.dmg`
	for _, c := range []struct {
		name, url, version string
		want               recipe.Feed
	}{
		{"a tag with a prefix", "https://github.com/a/b/releases/download/release-1.2/B.dmg", "1.2", recipe.Feed{
			Kind: "github", Repo: "a/b", Tag: `^release-(?P<version>\d+(?:\.\d+)*)$`, Asset: `\.dmg$`,
		}},
		{"a tag with a slash", "https://github.com/a/b/releases/download/app/v1.2/B_1.2.zip", "1.2", recipe.Feed{
			Kind: "github", Repo: "a/b", Tag: `^app/v(?P<version>\d+(?:\.\d+)*)$`, Asset: `^B_.+\.zip$`,
		}},
		{"a build", "https://github.com/a/b/releases/download/v1.2/B-1.2-345.pkg", "1.2,345", recipe.Feed{
			Kind: "github", Repo: "a/b", Asset: `^B-.+-.+\.pkg$`,
		}},
		{"a tag of another form", "https://github.com/a/b/releases/download/nightly/B.dmg", "1.2", recipe.Feed{
			Kind: "github", Repo: "a/b", Asset: `\.dmg$`,
		}},
		{"GitLab", "https://gitlab.com/a/b/c/-/releases/v1.2/downloads/B.dmg", "1.2", recipe.Feed{
			Kind: "gitlab", Repo: "a/b/c",
		}},
		{"a GitLab of one's own", "https://git.example:8443/a/b/-/package_files/7/download", "1.2", recipe.Feed{
			Kind: "gitlab", Repo: "a/b", URL: "https://git.example:8443",
		}},
		{"Gitea", "https://codeberg.org/a/b/releases/download/v1.2/B.dmg", "1.2", recipe.Feed{
			Kind: "gitea", Repo: "a/b", URL: "https://codeberg.org", Asset: `\.dmg$`,
		}},
		{"the latest release", "https://github.com/a/b/releases/latest/download/B.dmg", "1.2", recipe.Feed{
			Kind: "github", Repo: "a/b", Asset: `^B\.dmg$`,
		}},
		{"an escaped tag", "https://github.com/a/b/releases/download/app%2Fv1.2/B%20x.zip", "1.2", recipe.Feed{
			Kind: "github", Repo: "a/b", Tag: `^app/v(?P<version>\d+(?:\.\d+)*)$`, Asset: `\.zip$`,
		}},
		{"a repository with a space", "https://github.com/a/b%20c/releases/download/v1.2/B.dmg", "1.2", recipe.Feed{}},
		{"a repository with a slash", "https://github.com/a%2Fx/b/releases/download/v1.2/B.dmg", "1.2", recipe.Feed{}},
		{"no repository of GitLab", "https://gitlab.com/a%20b/c/-/releases/v1.2/downloads/B.dmg", "1.2", recipe.Feed{}},
		{"another host", "https://vendor.example/B-1.2.dmg", "1.2", recipe.Feed{}},
		{"an archive of sources", "https://github.com/a/b/archive/v1.2.tar.gz", "1.2", recipe.Feed{}},
		{"no address", "x", "1.2", recipe.Feed{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := draft.FromCask(cask(t, address, c.url, `"version": "2.10.1"`, `"version": "`+c.version+`"`))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, d.Recipe.Feed); diff != "" {
				t.Error(diff)
			}
			if gap := strings.Contains(fmt.Sprint(d.Gaps), "/feed"); gap != (c.want.Kind == "") {
				t.Errorf("the gaps are %q", d.Gaps)
			}
			if !strings.Contains(fmt.Sprint(paths(d)), "/feed") {
				t.Errorf("no guess speaks of the feed: %v", d.Guesses)
			}
		})
	}
}

// The shapes of Homebrew's casks vary with their age.
func TestFromCaskShapes(t *testing.T) {
	const (
		names = `["Example Notes", "Notes"]`
		app   = `["Example Notes.app"]`
		macOS = `{">=": ["12"]}`
		quit  = `"quit": "com.example.notes", `
	)
	for _, c := range []struct {
		name     string
		old, new string
		want     func(r *recipe.Recipe)
		gaps     string
	}{
		{"an empty name", names, `[]`, func(*recipe.Recipe) {}, ""},
		{"a name that is null", names, `null`, func(*recipe.Recipe) {}, ""},
		{"a name that is text", names, `"Notes"`, func(r *recipe.Recipe) { r.ID, r.Name = "Notes", "Notes" }, ""},
		{"an app in a folder", app, `["Notes 2/Example Notes.app"]`, func(*recipe.Recipe) {}, ""},
		{"an app that is renamed", app, `["a.app", {"target": "Example Notes.app"}]`, func(*recipe.Recipe) {}, ""},
		{"a target beside it", app, `["a.app"], "target": "$APPDIR/Example Notes.app"`, func(*recipe.Recipe) {}, ""},
		{"no app", `"app"`, `"pkg"`, func(*recipe.Recipe) {}, ""},
		{"several apps", `{"app": ` + app + `}`, `{"app": ["A.app"]}, {"app": ["B.app"]}`,
			func(r *recipe.Recipe) { r.AppName = "A.app" }, ""},
		{"artifacts that are no list", `"artifacts": [`, `"artifacts": 1, "x": [`,
			func(r *recipe.Recipe) { r.BundleID = "" }, "/bundleId"},
		{"no quit", quit, ``, func(*recipe.Recipe) {}, ""},
		{"several quits", quit, `"quit": ["com.example.notes", "com.example.helper"], `, func(*recipe.Recipe) {}, ""},
		{"an exact macOS", macOS, `{"==": ["14", "13", "15"]}`,
			func(r *recipe.Recipe) { r.MinimumOperatingSystem = "13" }, ""},
		{"a name of macOS", macOS, `">= :big_sur"`, func(r *recipe.Recipe) { r.MinimumOperatingSystem = "11" }, ""},
		{"no macOS", macOS, `null`, func(r *recipe.Recipe) { r.MinimumOperatingSystem = "10.13" }, ""},
		{"a token with a preset", `"example-notes"`, `"google-chrome"`, func(r *recipe.Recipe) {
			r.Publisher, r.Feed = "", recipe.Feed{Kind: "preset", Name: "chrome"}
		}, "/publisher"},
		{"an invisible character", names, `["Example\u202eNotes"]`, func(r *recipe.Recipe) { r.Name = "" }, "/name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			base, err := draft.FromCask([]byte(notes))
			if err != nil {
				t.Fatal(err)
			}
			want := base.Recipe
			c.want(&want)
			d, err := draft.FromCask(cask(t, c.old, c.new))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, d.Recipe); diff != "" {
				t.Error(diff)
			}
			if got := strings.Join(d.Gaps, " "); got != c.gaps {
				t.Errorf("the gaps are %q, want %q", got, c.gaps)
			}
		})
	}
}

func TestFromCaskOfBrewInfo(t *testing.T) {
	got, err := draft.FromCask([]byte(`{"formulae": [], "casks": [` + notes + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	want, err := draft.FromCask([]byte(notes))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFromCaskErrors(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       error
		message    string
	}{
		{"no JSON", "cask", patch.ErrInvalid, "line 1"},
		{"a list", `[` + notes + `]`, patch.ErrInvalid, "send the JSON of one cask"},
		{"no cask", `{"name": "A"}`, patch.ErrInvalid, "/token: is missing: send the JSON of one cask"},
		{"a token that is none", `{"token": 3}`, patch.ErrInvalid, "is not a cask"},
		{"two casks", `{"casks": [` + notes + `,` + notes + `]}`, patch.ErrInvalid, "must have one cask, not 2"},
		{"no casks", `{"casks": []}`, patch.ErrInvalid, "must have one cask, not 0"},
		{"too large", strings.Repeat(" ", draft.MaxCask+1), patch.ErrTooLarge, "10485760"},
	} {
		_, err := draft.FromCask([]byte(c.text))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v, want %v with %q", c.name, err, c.want, c.message)
		}
	}
}
