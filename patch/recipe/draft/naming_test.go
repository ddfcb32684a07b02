package draft_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch/recipe/draft"
	"github.com/patchsource/patchsource/sync/releases"
)

// readRelease returns the newest version of a feed of GitHub with one release.
func readRelease(t *testing.T, d *draft.Draft, tag, asset string) string {
	t.Helper()
	body, err := json.Marshal([]map[string]any{{
		"tag_name": tag, "published_at": "2026-07-01T00:00:00Z", "assets": []any{map[string]string{"name": asset}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := releases.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	found, _, err := kinds.Read(d.Recipe.Feed, releases.Answer{Status: 200, Body: body})
	if err != nil {
		return err.Error()
	}
	s := releases.Select(d.Recipe.Feed, found)
	if newest, ok := s.Newest(); ok {
		return newest.Version
	}
	return fmt.Sprint("dropped: ", s.Dropped)
}

// A drafted feed finds the version of its cask, and the next one.
func TestDraftsFindVersions(t *testing.T) {
	for _, c := range []struct {
		version, tag, asset             string
		nextVersion, nextTag, nextAsset string
		word                            string // the word of the feed that has an expression
	}{
		{"1.2.3", "v1.2.3", "B.dmg", "1.3", "v1.3", "B.dmg", ""},
		{"1.2.3", "1.2.3", "B.dmg", "1.2.4", "1.2.4", "B.dmg", ""},
		{"1.2.3", "release-1.2.3", "B-1.2.3.dmg", "1.3", "release-1.3", "B-1.3.dmg", "tag"},
		{"1.2.3", "app2/v1.2.3", "B-1.2.3.dmg", "2.0", "app2/v2.0", "B-2.0.dmg", "tag"},
		{"1.2.3,456", "v1.2.3-456", "B.dmg", "1.2.4", "v1.2.4-460", "B.dmg", "tag"},
		{"1.2.3,456", "1.2.3+456", "B.dmg", "1.3", "1.3+501", "B.dmg", "tag"},
		{"1.2.3,456", "v1.2.3_build456", "B.dmg", "1.3", "v1.3_build501", "B.dmg", "tag"},
		{"1.2.3,456", "1.2.3b456", "B.dmg", "1.3", "1.3b501", "B.dmg", "tag"},
		{"1.2.3,abcdef0", "v1.2.3-abcdef0", "B.dmg", "1.3", "v1.3-0123abc", "B.dmg", "tag"},
		{"1.2.3,456,20260701", "B-1.2.3-456-20260701", "B.dmg", "1.3", "B-1.3-501-20260801", "B.dmg", "tag"},
		{"1.2.3", "v1.2.3-20260701", "B.dmg", "1.3", "v1.3-20260801", "B.dmg", "tag"},
		{"1.2.3", "v1.2.3-abcdef0", "B.dmg", "1.3", "v1.3-0123abc", "B.dmg", "tag"},
		{"1.2.3", "20260701-v1.2.3", "B.dmg", "1.3", "20260801-v1.3", "B.dmg", "tag"},
		{"2026-07-01", "stable-2026-07-01", "B.dmg", "2026-08-01", "stable-2026-08-01", "B.dmg", "tag"},
		{"1.2.3", "release_1_2_3", "B.dmg", "1.2.4", "release_1_2_4", "B.dmg", "tag"},
		{"1.2.3", "release-1-2-3", "B.dmg", "1.3.0", "release-1-3-0", "B.dmg", "tag"},
		{"1.2.3", "desktop@1.2.3-mac", "B.dmg", "1.3", "desktop@1.3-mac", "B.dmg", "tag"},
		{"12", "build-12", "B.dmg", "13", "build-13", "B.dmg", "tag"},
		{"1.2.3", "stable", "B-1.2.3-arm64.dmg", "1.3", "stable", "B-1.3-arm64.dmg", "assetMatch"},
		{"1.2.3,456", "r789", "B_1.2.3_456.dmg", "1.3", "r800", "B_1.3_501.dmg", "assetMatch"},
	} {
		t.Run(c.tag+" "+c.version, func(t *testing.T) {
			d, err := draft.FromCask(cask(t, `"version": "2.10.1"`, `"version": "`+c.version+`"`,
				"v2.10.1/Example-Notes-2.10.1-arm64.dmg", c.tag+"/"+c.asset))
			if err != nil {
				t.Fatal(err)
			}
			checkDraft(t, d)
			f := d.Recipe.Feed
			if (f.Tag != "") != (c.word == "tag") || (f.AssetMatch != "") != (c.word == "assetMatch") {
				t.Errorf("the feed is %+v, want an expression in %q", f, c.word)
			}
			short, _, _ := strings.Cut(c.version, ",")
			if got := readRelease(t, d, c.tag, c.asset); got != short {
				t.Errorf("%+v finds %s in its own release, want %s", f, got, short)
			}
			if got := readRelease(t, d, c.nextTag, c.nextAsset); got != c.nextVersion {
				t.Errorf("%+v finds %s in the next release, want %s", f, got, c.nextVersion)
			}
		})
	}
}

// A draft says that the tag does not name the version.
func TestDraftsWithoutVersions(t *testing.T) {
	for _, c := range []struct{ version, tag string }{
		{"1.2.3", "nightly"},
		{"1.2.3", "v11.2.34"},
		{"latest", "v1.2.3"},
		{"1.2.3,456", "r456"},
	} {
		d, err := draft.FromCask(cask(t, `"version": "2.10.1"`, `"version": "`+c.version+`"`,
			"v2.10.1/Example-Notes-2.10.1-arm64.dmg", c.tag+"/B.dmg"))
		if err != nil {
			t.Fatal(err)
		}
		checkDraft(t, d)
		if f := d.Recipe.Feed; f.Tag != "" || f.AssetMatch != "" {
			t.Errorf("%s: the feed is %+v, want no expression", c.tag, f)
		}
		if got := strings.Join(paths(d), " "); !strings.Contains(got, "/feed/tag") {
			t.Errorf("%s: the guesses are about %s, want /feed/tag", c.tag, got)
		}
	}
}
