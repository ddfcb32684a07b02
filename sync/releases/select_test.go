package releases

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// list returns releases of versions.
func list(versions ...string) []recipe.Release {
	found := make([]recipe.Release, len(versions))
	for i, v := range versions {
		found[i] = recipe.Release{Version: v, Rollout: 1}
	}
	return found
}

// versions returns the versions of releases.
func versions(found []recipe.Release) []string {
	list := make([]string, len(found))
	for i, r := range found {
		list[i] = r.Version
	}
	return list
}

func TestSelectVersions(t *testing.T) {
	tests := []struct {
		name string
		feed recipe.Feed
		give []string
		want []string
	}{
		{"by version, not by place", recipe.Feed{}, []string{"1.9", "1.10", "1.2"}, []string{"1.10", "1.9", "1.2"}},
		{"once each", recipe.Feed{}, []string{"1.0", "1.0", " 1.0 "}, []string{"1.0"}},
		{"first spelling", recipe.Feed{}, []string{"2.17", "2.17.0", "2.16"}, []string{"2.17", "2.16"}},
		{
			"no pre-releases", recipe.Feed{},
			[]string{
				"2.0b1", "2.0-rc.1", "2.0 Beta 3", "App-2.0_beta3", "3.7.2026-nightly", "2.1.4-insider",
				"3.5.2025-2-nightly", "1.0",
			},
			[]string{"1.0"},
		},
		{
			"pre-releases", recipe.Feed{Prereleases: true}, []string{"2.0b1", "2.0", "2.1rc1"},
			[]string{"2.1rc1", "2.0", "2.0b1"},
		},
		{
			"not pre-releases", recipe.Feed{Prereleases: false},
			[]string{"9.0 (45)", "8.0+45", "7.0.01a", "6.0 esr", "5.0u171", "4.6.2-1", "3.0-universal", "2.0-arm64",
				"Build 1"},
			[]string{"9.0 (45)", "8.0+45", "7.0.01a", "6.0 esr", "5.0u171", "4.6.2-1", "3.0-universal", "2.0-arm64",
				"Build 1"},
		},
		{"parts", recipe.Feed{Parts: 3}, []string{"1.185.0.0", "1.9", "1.185.0.1"}, []string{"1.185.0", "1.9"}},
		{"parts keep what surrounds them", recipe.Feed{Parts: 2}, []string{"App-1.2.3 (45)"}, []string{"App-1.2 (45)"}},
		{"include", recipe.Feed{Include: `^\d+\.\d+$`}, []string{"1.2.3", "1.2"}, []string{"1.2"}},
		{"exclude", recipe.Feed{Exclude: `^9`}, []string{"99.0", "1.2"}, []string{"1.2"}},
		{"major", recipe.Feed{Major: 6}, []string{"7.0", "6.1", "60.0", "App-6.0"}, []string{"6.1", "App-6.0"}},
		{"lowest", recipe.Feed{Pick: "lowest"}, []string{"1.2", "1.1", "1.3"}, []string{"1.1"}},
		{"no number", recipe.Feed{}, []string{"latest", "", "1.0"}, []string{"1.0"}},
		{"unusable text", recipe.Feed{}, []string{"1.\u202e0", "1.\x000", "1.\xff", "1\n2", "1.0"}, []string{"1.0"}},
		{
			"characters that no patch may have", recipe.Feed{},
			[]string{"2.1\u034f", "2.2\u3164", "2.3\u2800", "2.4\u115f", "2.5\u17b4", "1.0"}, []string{"1.0"},
		},
		{
			"too long", recipe.Feed{}, []string{strings.Repeat("9", 1<<20), strings.Repeat("9", 256), "1.0"},
			[]string{"1.0"},
		},
		{"an invalid word", recipe.Feed{Include: "("}, []string{"1.0"}, []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := Select(tt.feed, list(tt.give...))
			if diff := cmp.Diff(tt.want, versions(s.Releases)); diff != "" {
				t.Errorf("Select (-want +got):\n%s", diff)
			}
			for _, d := range s.Dropped {
				if len(d.Version) > maxVersion || d.Reason == "" {
					t.Errorf("dropped %.300q: %q", d.Version, d.Reason)
				}
			}
		})
	}
}

func TestSelectChannels(t *testing.T) {
	found := []recipe.Release{{Version: "3.0", Channel: "beta"}, {Version: "2.0", Channel: "stable"}, {Version: "1.0"}}
	for channel, want := range map[string]string{"": "1.0", "stable": "2.0", "beta": "3.0"} {
		s := Select(recipe.Feed{Channel: channel}, found)
		if r, ok := s.Newest(); !ok || r.Version != want || len(s.Releases) != 1 || len(s.Dropped) != 2 {
			t.Errorf("channel %q: %+v, want %s", channel, s, want)
		}
	}
}

func TestSelectMergesReleasesOfOneVersion(t *testing.T) {
	early := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	s := Select(recipe.Feed{}, []recipe.Release{
		{Version: "2.0", MinOS: "13.0", Rollout: 0.1, Date: early.Add(time.Hour)},
		{Version: "2.0", MinOS: "macOS 11.0", Rollout: 0.5, Date: early, Build: "200"},
	})
	want := []recipe.Release{{Version: "2.0", MinOS: "11.0", Rollout: 0.5, Date: early, Build: "200"}}
	if diff := cmp.Diff(want, s.Releases); diff != "" {
		t.Errorf("Select (-want +got):\n%s", diff)
	}
}

func TestSelectMinimumSystem(t *testing.T) {
	for text, want := range map[string]string{
		"10.14.6": "10.14.6", "13": "13", " 12.0 ": "12.0", "macOS 11.0": "11.0", "OS X 10.9+": "10.9", "Windows": "",
		strings.Repeat("1", 99): "", "13.x": "",
	} {
		s := Select(recipe.Feed{}, []recipe.Release{{Version: "1", MinOS: text}})
		if got := s.Releases[0].MinOS; got != want {
			t.Errorf("minimum system %q is %q, want %q", text, got, want)
		}
	}
}

// The newest release is a stable one, also if pre-releases are asked for.
func TestNewestIsStable(t *testing.T) {
	s := Select(recipe.Feed{Prereleases: true}, list("2.0b1", "1.0"))
	if r, ok := s.Newest(); !ok || r.Version != "1.0" {
		t.Errorf("Newest = %q, %v", r.Version, ok)
	}
	s = Select(recipe.Feed{Prereleases: true}, list("2.0b1"))
	if r, ok := s.Newest(); ok {
		t.Errorf("Newest = %q, want none", r.Version)
	}
}

func TestSelectRollout(t *testing.T) {
	for rollout, want := range map[float64]float64{2: 1, -1: 0, math.Inf(1): 1, 0.25: 0.25} {
		s := Select(recipe.Feed{}, []recipe.Release{{Version: "1", Rollout: rollout}})
		if got := s.Releases[0].Rollout; got != want {
			t.Errorf("rollout %v is %v, want %v", rollout, got, want)
		}
	}
	if s := Select(recipe.Feed{}, []recipe.Release{{Version: "1", Rollout: math.NaN()}}); s.Releases[0].Rollout != 0 {
		t.Errorf("rollout NaN is %v, want 0", s.Releases[0].Rollout)
	}
}

func TestSelectTenThousandReleases(t *testing.T) {
	var all []string
	for i := range MaxReleases {
		all = append(all, fmt.Sprintf("1.%d", i))
	}
	if s := Select(recipe.Feed{}, list(all...)); len(s.Releases) != MaxReleases || s.Releases[0].Version != "1.9999" {
		t.Errorf("%d releases, the newest is %s", len(s.Releases), s.Releases[0].Version)
	}
}

// Select returns versions in strictly descending order and explains every other release.
func FuzzSelect(f *testing.F) {
	f.Add("1.0\n2.0b1\n1.0.0\nlatest", "", 2, 1, false)
	f.Add("App-1.2.3 (45)\n9", "beta", 1, 0, true)
	f.Fuzz(func(t *testing.T, text, channel string, parts, major int, prereleases bool) {
		found := list(strings.Split(text, "\n")...)
		s := Select(recipe.Feed{Channel: channel, Parts: parts, Major: major, Prereleases: prereleases}, found)
		if len(s.Releases)+len(s.Dropped) > len(found) {
			t.Fatalf("%d releases and %d dropped of %d", len(s.Releases), len(s.Dropped), len(found))
		}
		for i, r := range s.Releases {
			if r.Prerelease && !prereleases || unusable(r.Version) != "" {
				t.Errorf("%q counts", r.Version)
			}
			if i > 0 && patch.CompareVersions(s.Releases[i-1].Version, r.Version) <= 0 {
				t.Errorf("%q precedes %q", s.Releases[i-1].Version, r.Version)
			}
		}
	})
}
