package draft_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"howett.net/plist"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/patch/recipe/draft"
)

// info returns an Info.plist with further keys.
func info(t testing.TB, format int, more map[string]any) []byte {
	t.Helper()
	keys := map[string]any{
		"CFBundleName": "Notes", "CFBundleIdentifier": "com.example.notes", "LSMinimumSystemVersion": "12.0",
		"CFBundleURLTypes": []any{map[string]any{"x": 1}},
	}
	for k, v := range more {
		if keys[k] = v; v == nil {
			delete(keys, k)
		}
	}
	data, err := plist.Marshal(keys, format)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestFromApplication(t *testing.T) {
	sparkle := map[string]any{"SUFeedURL": "https://notes.example/appcast.xml"}
	base := recipe.Recipe{
		ID: "Notes", Name: "Notes", AppName: "Notes.app", BundleID: "com.example.notes", MinimumOperatingSystem: "12.0",
	}
	electron := func(url string) func(r *recipe.Recipe) {
		return func(r *recipe.Recipe) { r.Feed = recipe.Feed{Kind: "electron", URL: url} }
	}
	for _, c := range []struct {
		name string
		app  draft.Application
		want func(r *recipe.Recipe)
		gaps string
	}{
		{"Sparkle", draft.Application{InfoPlist: info(t, plist.XMLFormat, sparkle), AppName: "Notes.app"},
			func(r *recipe.Recipe) {
				r.Feed = recipe.Feed{Kind: "sparkle", URL: "https://notes.example/appcast.xml"}
			},
			"/publisher"},
		{"binary", draft.Application{InfoPlist: info(t, plist.BinaryFormat, sparkle)},
			func(r *recipe.Recipe) {
				r.Feed = recipe.Feed{Kind: "sparkle", URL: "https://notes.example/appcast.xml"}
			},
			"/publisher"},
		{"no updater", draft.Application{InfoPlist: info(t, plist.XMLFormat, nil)}, func(*recipe.Recipe) {},
			"/publisher /feed"},
		{"an appcast that is no address", draft.Application{
			InfoPlist: info(t, plist.XMLFormat, map[string]any{"SUFeedURL": "$(FEED)"}),
		}, func(*recipe.Recipe) {}, "/publisher /feed"},
		{"Keystone", draft.Application{
			InfoPlist: info(t, plist.XMLFormat, map[string]any{"KSProductID": "com.example.notes"}),
		}, func(*recipe.Recipe) {}, "/publisher /feed"},
		{"a preset", draft.Application{
			InfoPlist: info(t, plist.XMLFormat, map[string]any{"CFBundleIdentifier": "org.mozilla.firefox"}),
		}, func(r *recipe.Recipe) {
			r.BundleID, r.Feed = "org.mozilla.firefox", recipe.Feed{Kind: "preset", Name: "firefox"}
		}, "/publisher"},
		{"no name", draft.Application{
			InfoPlist: info(t, plist.XMLFormat, map[string]any{"CFBundleName": nil}), AppName: "My Notes.app",
		}, func(r *recipe.Recipe) { r.ID, r.Name, r.AppName = "MyNotes", "My Notes", "My Notes.app" },
			"/publisher /feed"},
		{"nothing", draft.Application{InfoPlist: []byte("<plist><dict/></plist>")}, func(r *recipe.Recipe) {
			*r = recipe.Recipe{MinimumOperatingSystem: recipe.DefaultMinimumOS}
		}, "/name /publisher /bundleId /feed"},
		{"electron-updater with an address", draft.Application{
			InfoPlist:    info(t, plist.XMLFormat, nil),
			UpdateConfig: []byte("# electron-builder\nprovider: generic\nurl: 'https://notes.example/mac' # x\n"),
		}, electron("https://notes.example/mac/latest-mac.yml"), "/publisher"},
		{"electron-updater with a channel", draft.Application{
			InfoPlist:    info(t, plist.XMLFormat, nil),
			UpdateConfig: []byte("provider: generic\r\nurl: \"https://notes.example/\"\r\nchannel: beta\r\n"),
		}, electron("https://notes.example/beta-mac.yml"), "/publisher"},
		{"electron-updater with S3", draft.Application{
			InfoPlist:    info(t, plist.XMLFormat, nil),
			UpdateConfig: []byte("provider: s3\nbucket: notes\nregion: eu-west-1\npath: /mac/\nnested:\n  path: x\n"),
		}, electron("https://notes.s3.eu-west-1.amazonaws.com/mac/latest-mac.yml"), "/publisher"},
		{"electron-updater with an S3 of another vendor", draft.Application{
			InfoPlist:    info(t, plist.XMLFormat, nil),
			UpdateConfig: []byte("provider: s3\nbucket: notes\nendpoint: https://s3.example/\n"),
		}, electron("https://s3.example/notes/latest-mac.yml"), "/publisher"},
		{"electron-updater with Spaces", draft.Application{
			InfoPlist:    info(t, plist.XMLFormat, nil),
			UpdateConfig: []byte("provider: spaces\nname: notes\nregion: nyc3\npath: mac\n"),
		}, electron("https://notes.nyc3.digitaloceanspaces.com/mac/latest-mac.yml"), "/publisher"},
		{"electron-updater with GitHub", draft.Application{
			InfoPlist:    info(t, plist.XMLFormat, nil),
			UpdateConfig: []byte("provider: github\nowner: example\nrepo: notes\n"),
		}, func(r *recipe.Recipe) {
			r.Publisher = "example"
			r.Feed = recipe.Feed{Kind: "github", Repo: "example/notes", Asset: `^latest-mac\.yml$`}
		}, ""},
		{"electron-updater with GitHub and a channel", draft.Application{
			InfoPlist:    info(t, plist.XMLFormat, nil),
			UpdateConfig: []byte("provider: github\nrepo: example/notes\nchannel: next\n"),
		}, func(r *recipe.Recipe) {
			r.Publisher = "example"
			r.Feed = recipe.Feed{Kind: "github", Repo: "example/notes", Asset: `^next-mac\.yml$`}
		}, ""},
		{"electron-updater with GitHub and a name that is none", draft.Application{
			InfoPlist:    info(t, plist.XMLFormat, nil),
			UpdateConfig: []byte("provider: github\nowner: ..\nrepo: notes\n"),
		}, func(*recipe.Recipe) {}, "/publisher /feed"},
		{"electron-updater with GitHub without a repository", draft.Application{
			InfoPlist: info(t, plist.XMLFormat, nil), UpdateConfig: []byte("provider: github\n"),
		}, func(*recipe.Recipe) {}, "/publisher /feed"},
		{"electron-updater with another service", draft.Application{
			InfoPlist: info(t, plist.XMLFormat, nil), UpdateConfig: []byte("provider: keygen\n"),
		}, func(*recipe.Recipe) {}, "/publisher /feed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := base
			c.want(&want)
			d, err := draft.FromApplication(c.app)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, d.Recipe); diff != "" {
				t.Error(diff)
			}
			if got := strings.Join(d.Gaps, " "); got != c.gaps {
				t.Errorf("the gaps are %q, want %q", got, c.gaps)
			}
			if !strings.Contains(fmt.Sprint(paths(d)), "/feed") {
				t.Errorf("no guess speaks of the feed: %v", d.Guesses)
			}
		})
	}
}

// Firefox and Firefox ESR cannot be told apart by their bundle id.
func TestDraftsNameSharedBundleIDs(t *testing.T) {
	app, err := draft.FromApplication(draft.Application{
		InfoPlist: info(t, plist.XMLFormat, map[string]any{"CFBundleIdentifier": "org.mozilla.firefox"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	esr, err := draft.FromCask(cask(t, `"example-notes"`, `"firefox@esr"`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		d          *draft.Draft
		path, want string
	}{
		{app, "/feed/name", "Firefox ESR has the same bundle id"},
		{esr, "/requirements", "Firefox has the same bundle id"},
	} {
		if !strings.Contains(fmt.Sprint(c.d.Guesses), c.path+" "+c.want) {
			t.Errorf("the guesses are %v, want %s with %q", c.d.Guesses, c.path, c.want)
		}
	}
}

func TestFromApplicationErrors(t *testing.T) {
	good := info(t, plist.XMLFormat, nil)
	for _, c := range []struct {
		name string
		app  draft.Application
		want string
	}{
		{"nothing", draft.Application{}, "/info_plist: is no property list in XML or binary form"},
		{"text", draft.Application{InfoPlist: []byte(`{ CFBundleName = A; }`)}, "/info_plist: is no property list"},
		{"half", draft.Application{InfoPlist: good[:200]}, "/info_plist: cannot be read"},
		{"half of a binary", draft.Application{InfoPlist: info(t, plist.BinaryFormat, nil)[:60]}, "/info_plist: "},
		{"another type", draft.Application{
			InfoPlist: info(t, plist.XMLFormat, map[string]any{"CFBundleName": []any{}}),
		}, "/info_plist: cannot be read"},
		{"large", draft.Application{InfoPlist: make([]byte, 2<<20)}, "/info_plist: has 2097152 bytes"},
		{"a large update", draft.Application{InfoPlist: good, UpdateConfig: make([]byte, 1<<20)},
			"/update_config: has 1048576 bytes"},
		{"no update", draft.Application{InfoPlist: good, UpdateConfig: []byte("a: b\n")},
			"/update_config: has no provider"},
	} {
		_, err := draft.FromApplication(c.app)
		if !errors.Is(err, patch.ErrInvalid) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want ErrInvalid with %q", c.name, err, c.want)
		}
	}
}
