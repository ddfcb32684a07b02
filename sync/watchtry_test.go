package patchsync_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A new title begins with versions that a check would add.
func TestFirstFollowsPolicy(t *testing.T) {
	w := newWorld(t)
	s := open(t, newStore(), w, withLines(patchsync.Options{}))
	defer func() { _ = s.catalog.Close() }()
	first := func(policy recipe.Policy, lines ...string) (string, error) {
		w.lines(feedURL, lines...)
		watch := lineWatch(feedURL)
		def, err := s.sync.Watches().First(t.Context(), recipe.Recipe{
			ID: "App", Name: "App", BundleID: "com.example.app", Feed: watch.Feed, Policy: policy,
		}, true)
		if err != nil {
			return "", err
		}
		if year := strings.Split(def.Patches[0].ReleaseDate, "-")[0]; year > time.Now().UTC().Format("2006") {
			t.Errorf("version %s is of %s", def.Patches[0].Version, def.Patches[0].ReleaseDate)
		}
		var versions []string
		for i := range def.Patches {
			versions = append(versions, def.Patches[i].Version)
		}
		return strings.Join(versions, " "), nil
	}
	for _, c := range []struct {
		name   string
		policy recipe.Policy
		lines  []string
		want   string
	}{
		{"a roll-out", recipe.Policy{}, []string{"3.0 1%", "2.0", "1.0"}, "2.0"},
		{"what is expected", recipe.Policy{Expect: `[12]\..*`}, []string{"3.0", "2.0", "1.0"}, "2.0"},
		{"a date in the future", recipe.Policy{}, []string{"2.0 2990-01-01"}, "2.0"},
		{"a version that a title cannot have", recipe.Policy{Backfill: 3},
			[]string{"3.0", "2.0-" + strings.Repeat("1", 300), "1.0"}, "3.0 1.0"},
	} {
		if got, err := first(c.policy, c.lines...); got != c.want || err != nil {
			t.Errorf("%s: the versions are %q, %v, want %q", c.name, got, err, c.want)
		}
	}
	_, err := first(recipe.Policy{}, "3.0 1%")
	var failure *patchsync.FeedError
	if !errors.As(err, &failure) || !strings.Contains(err.Error(), "to 1 % of users") {
		t.Errorf("a roll-out that has just begun: %v, want a *FeedError that says so", err)
	}
}
