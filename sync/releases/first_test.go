package releases_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

func TestFirst(t *testing.T) {
	past := today.AddDate(0, -1, 0)
	half := 0.5
	stable := func(versions ...string) (all []recipe.Release) {
		for _, v := range versions {
			all = append(all, recipe.Release{Version: v, Rollout: 1, Date: past})
		}
		return all
	}
	staged := append([]recipe.Release{{Version: "4", Rollout: 0.01}, {Version: "3", Rollout: 0.6}}, stable("2", "1")...)
	for _, c := range []struct {
		name     string
		feed     recipe.Feed
		policy   recipe.Policy
		releases []recipe.Release
		want     string
		failure  string // part of the error; if empty, there is none
	}{
		{"the newest", recipe.Feed{}, recipe.Policy{}, stable("3", "2", "1"), "3", ""},
		{"a backfill", recipe.Feed{}, recipe.Policy{Backfill: 2}, stable("3", "2", "1"), "3 2", ""},
		{"a roll-out", recipe.Feed{}, recipe.Policy{}, staged, "2", ""},
		{"a roll-out that is enough", recipe.Feed{}, recipe.Policy{MinRollout: &half, Backfill: 2}, staged, "3 2", ""},
		{"a roll-out alone", recipe.Feed{}, recipe.Policy{}, staged[:1], "",
			"the vendor offers version 4 to 1 % of users, and the policy waits for 100 %"},
		{"what is expected", recipe.Feed{}, recipe.Policy{Expect: `[12]`}, stable("3", "2", "1"), "2", ""},
		{"nothing that is expected", recipe.Feed{}, recipe.Policy{Expect: `\d\.\d`}, stable("3", "2"), "",
			`the policy expects versions that match "\\d\\.\\d", and 3 does not`},
		{"a pre-release", recipe.Feed{}, recipe.Policy{},
			append([]recipe.Release{{Version: "4b1", Rollout: 1, Prerelease: true}}, stable("3")...), "3", ""},
		{"a pre-release that is asked for", recipe.Feed{Prereleases: true}, recipe.Policy{},
			[]recipe.Release{{Version: "4b1", Rollout: 1, Prerelease: true}}, "4b1", ""},
		{"nothing", recipe.Feed{}, recipe.Policy{}, nil, "", "it lists no stable release"},
	} {
		w := recipe.Watch{Feed: c.feed, Policy: c.policy}
		first, err := releases.First(w, releases.Selection{Releases: c.releases}, today)
		var versions []string
		for _, r := range first {
			versions = append(versions, r.Version)
		}
		if got := strings.Join(versions, " "); got != c.want {
			t.Errorf("%s: the releases are %q, want %q", c.name, got, c.want)
		}
		if c.failure == "" && err != nil ||
			c.failure != "" && (!errors.Is(err, releases.ErrUnreadable) || !strings.Contains(err.Error(), c.failure)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.failure)
		}
	}
}

// Values of a release that cannot be true do not become those of a new title.
func TestFirstRemovesValues(t *testing.T) {
	odd := recipe.Release{Version: "1", Rollout: 1, Date: today.AddDate(3, 0, 0), MinOS: "99"}
	first, err := releases.First(recipe.Watch{}, releases.Selection{Releases: []recipe.Release{odd}}, today)
	if err != nil || len(first) != 1 || !first[0].Date.IsZero() || first[0].MinOS != "" {
		t.Errorf("a date in the future and macOS 99 remain: %+v, %v", first, err)
	}
	tagged := releases.Select(recipe.Feed{}, []recipe.Release{{Version: "1", Rollout: 1, Channel: "stable"}})
	_, err = releases.First(recipe.Watch{}, tagged, today)
	if err == nil || !strings.Contains(err.Error(), "stable\"") {
		t.Errorf("a feed with a channel: %v, want its name", err)
	}
}
