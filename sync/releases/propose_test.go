package releases_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

var today = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// title returns a definition with these versions, the newest first.
func title(t testing.TB, versions ...string) *patch.Definition {
	t.Helper()
	app := patch.Application{
		Name:      "Example App",
		BundleID:  "com.example.app",
		MinimumOS: "11.0",
		Version:   versions[0],
		Released:  today.AddDate(-1, 0, 0),
	}
	def, err := patch.NewDefinition(app)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions[1:] {
		app.Version = v
		p, err := patch.NewPatch(app)
		if err != nil {
			t.Fatal(err)
		}
		def.Patches = append(def.Patches, p)
	}
	return def
}

// listed returns a selection of releases of these versions, which are the newest first.
func listed(versions ...string) releases.Selection {
	var s releases.Selection
	for _, v := range versions {
		s.Releases = append(s.Releases, recipe.Release{Version: v, Rollout: 1, Date: today.AddDate(0, 0, -1)})
	}
	return s
}

// outcome returns a plan in short words.
func outcome(p *releases.Plan) string {
	var out []string
	for _, s := range p.Add {
		out = append(out, "add "+s.Patch.Version)
	}
	if p.Proposal != nil {
		for _, next := range p.Proposal.Patches {
			out = append(out, "ask "+next.Version)
		}
	}
	for _, s := range p.Held {
		out = append(out, "hold "+s.Release.Version)
	}
	for _, s := range p.Skipped {
		out = append(out, "skip "+s.Version)
	}
	return strings.Join(out, ", ")
}

func TestPropose(t *testing.T) {
	half, none := 0.5, 0.0
	with := func(s releases.Selection, change func(*recipe.Release)) releases.Selection {
		change(&s.Releases[0])
		return s
	}
	hold := recipe.Duration(48 * time.Hour)
	for name, test := range map[string]struct {
		title  []string
		listed releases.Selection
		policy recipe.Policy
		feed   recipe.Feed
		seen   releases.Seen
		want   string
		says   string // in a reason or the note
	}{
		"a newer release is added": {
			title: []string{"2.0.0"}, listed: listed("2.1.0", "2.0.0"), want: "add 2.1.0",
		},
		"three are added, the oldest first": {
			title: []string{"2.0.0"}, listed: listed("2.3.0", "2.2.0", "2.1.0", "2.0.0"),
			want: "add 2.1.0, add 2.2.0, add 2.3.0",
		},
		"four become one proposal": {
			title: []string{"2.0.0"}, listed: listed("2.4.0", "2.3.0", "2.2.0", "2.1.0"),
			want: "ask 2.1.0, ask 2.2.0, ask 2.3.0, ask 2.4.0", says: "the feed lists 4 newer versions",
		},
		"nothing new": {
			title: []string{"2.0.0"}, listed: listed("2.0.0", "1.0.0"),
			says: "the title has the newest release, 2.0.0",
		},
		"another spelling is not new": {
			title: []string{"2.0"}, listed: listed("2.0.0"),
			says: "the title has the newest release, 2.0.0",
		},
		"a feed that goes back": {
			title: []string{"2.1.0", "2.0.0"}, listed: listed("1.0.0"),
			says: "is older than version 2.1.0",
		},
		"a feed without a stable release": {
			title:  []string{"2.0.0"},
			listed: with(listed("3.0.0"), func(r *recipe.Release) { r.Prerelease = true }),
			says:   "no stable release",
		},
		"a pre-release that the feed includes": {
			title:  []string{"2.0.0"},
			listed: with(listed("3.0.0"), func(r *recipe.Release) { r.Prerelease = true }),
			feed:   recipe.Feed{Prereleases: true}, want: "add 3.0.0",
		},
		"an older version in between is left": {
			title: []string{"3.0.0", "1.0.0"}, listed: listed("3.0.0", "2.0.0"), says: "has the newest",
		},
		"the newest of the title need not be its first": {
			title: []string{"1.0.0", "2.0.0"}, listed: listed("1.5.0"),
			says: "is older than version 2.0.0",
		},

		"more numbers": {
			title: []string{"2.1.0"}, listed: listed("2.2.0.1234"), want: "ask 2.2.0.1234",
			says: "has 4 dotted numbers, unlike the versions before, such as 2.1.0",
		},
		"fewer numbers": {
			title: []string{"2.1.0"}, listed: listed("2.2"), want: "ask 2.2", says: "2 dotted numbers",
		},
		"as many numbers as an earlier one": {
			title: []string{"2.1.1", "2.1"}, listed: listed("2.2"), want: "add 2.2",
		},
		"the first bug fix of a new title": {
			title: []string{"142.0"}, listed: listed("142.0.1", "142.0", "141.0.3", "141.0"), want: "add 142.0.1",
		},
		"a bug fix in a form that the feed has for newer versions only": {
			title: []string{"142.0"}, listed: listed("142.0.2", "142.0.1", "142.0", "141.0"),
			want: "ask 142.0.1, ask 142.0.2",
		},
		"a feed that does not list the newest version": {
			title: []string{"142.0"}, listed: listed("142.0.1", "141.0.3", "141.0"), want: "ask 142.0.1",
		},
		"a build where the feed has short versions": {
			title: []string{"16.89"}, listed: listed("16.90.24101387", "16.89", "16.88.1"),
			want: "ask 16.90.24101387", says: "a much higher number, 24101387",
		},
		"a year": {
			title: []string{"2.1"}, listed: listed("2026.1"), want: "ask 2026.1",
			says: "much higher number",
		},
		"years that go on": {
			title: []string{"2025.4"}, listed: listed("2026.1"), want: "add 2026.1",
		},
		"years that jump": {
			title: []string{"2026.1.1"}, listed: listed("2510.0.1"), want: "ask 2510.0.1",
			says: "much higher number",
		},
		"the year after the next": {
			title: []string{"2026.1"}, listed: listed("2028.0"), want: "add 2028.0",
		},
		"a year too far ahead": {
			title: []string{"2026.1"}, listed: listed("2029.0"), want: "ask 2029.0",
		},
		"large first numbers": {
			title: []string{"142.0"}, listed: listed("213.0"), want: "add 213.0",
		},
		"large first numbers that jump": {
			title: []string{"142.0"}, listed: listed("214.0"), want: "ask 214.0",
		},
		"dates as versions": {
			title: []string{"20260101"}, listed: listed("20260301"), want: "add 20260301",
		},
		"the build for the last number of the short version": {
			title: []string{"16.89.1", "16.89", "16.88.1"}, listed: listed("16.90.24101387"),
			want: "ask 16.90.24101387", says: "a much higher number, 24101387, than the versions before",
		},
		"a date for the last number": {
			title: []string{"3.1.2"}, listed: listed("3.1.20260301"), want: "ask 3.1.20260301",
		},
		"a last number with two more digits": {
			title: []string{"151.0.7922.1"}, listed: listed("151.0.7922.174"), want: "add 151.0.7922.174",
		},
		"a last number that an older version exceeds": {
			title: []string{"2.1.0", "2.0.4711"}, listed: listed("2.1.5012"), want: "add 2.1.5012",
		},
		"a build in brackets that is a date": {
			title: []string{"4.1.2 (499)"}, listed: listed("4.1.3 (20260301)"), want: "ask 4.1.3 (20260301)",
			says: "20260301",
		},
		"a first number that grows by a bit": {
			title: []string{"9.1"}, listed: listed("10.0"), want: "add 10.0",
		},
		"a prefix": {
			title: []string{"4180"}, listed: listed("Build 4192"), want: "ask Build 4192",
			says: "does not begin as 4180",
		},
		"the same prefix": {
			title: []string{"Build 4180"}, listed: listed("Build 4192"), want: "add Build 4192",
		},
		"a build in brackets": {
			title: []string{"4.1.2"}, listed: listed("4.1.3 (5012)"), want: "ask 4.1.3 (5012)",
			says: "does not end as 4.1.2",
		},
		"builds in brackets": {
			title: []string{"4.1.2 (4999)"}, listed: listed("4.1.3 (5012)"), want: "add 4.1.3 (5012)",
		},
		"what is expected may have any form": {
			title: []string{"2.1"}, listed: listed("2026.1"), policy: recipe.Policy{Expect: `20\d\d\.\d+`},
			want: "add 2026.1",
		},
		"what is not expected": {
			title: []string{"2.1"}, listed: listed("2.2"), policy: recipe.Policy{Expect: `20\d\d\.\d+`},
			want: "ask 2.2", says: "the policy expects versions that match",
		},
		"one of the right form, one not": {
			title: []string{"2.1.0"}, listed: listed("2026.1", "2.2.0"), want: "add 2.2.0, ask 2026.1",
		},

		"a date in the future": {
			title:  []string{"2.1"},
			listed: with(listed("2.2"), func(r *recipe.Release) { r.Date = today.AddDate(0, 0, 3) }),
			want:   "ask 2.2", says: "released on 2026-03-05, which is in the future",
		},
		"the date of tomorrow, elsewhere": {
			title:  []string{"2.1"},
			listed: with(listed("2.2"), func(r *recipe.Release) { r.Date = today.Add(25 * time.Hour) }),
			want:   "add 2.2",
		},
		"no date": {
			title:  []string{"2.1"},
			listed: with(listed("2.2"), func(r *recipe.Release) { r.Date = time.Time{} }), want: "add 2.2",
		},
		"a macOS that does not exist": {
			title:  []string{"2.1"},
			listed: with(listed("2.2"), func(r *recipe.Release) { r.MinOS = "23.0.0" }), want: "ask 2.2",
			says: "needs macOS 23.0.0, which does not exist",
		},
		"a macOS that exists": {
			title:  []string{"2.1"},
			listed: with(listed("2.2"), func(r *recipe.Release) { r.MinOS = "26.0" }), want: "add 2.2",
		},

		"propose": {
			title: []string{"2.1"}, listed: listed("2.2"), policy: recipe.Policy{Mode: recipe.Propose},
			want: "ask 2.2", says: "the policy proposes every version",
		},
		"off": {
			title: []string{"2.1"}, listed: listed("2.2"), policy: recipe.Policy{Mode: recipe.Off},
			says: "the policy is off",
		},
		"a roll-out that has begun": {
			title:  []string{"2.1"},
			listed: with(listed("2.2"), func(r *recipe.Release) { r.Rollout = 0.25 }), want: "hold 2.2",
			says: "25 % of users",
		},
		"a roll-out that suffices": {
			title:  []string{"2.1"},
			listed: with(listed("2.2"), func(r *recipe.Release) { r.Rollout = 0.5 }),
			policy: recipe.Policy{MinRollout: &half}, want: "add 2.2",
		},
		"no roll-out is waited for": {
			title: []string{"2.1"}, listed: with(listed("2.2"), func(r *recipe.Release) { r.Rollout = 0 }),
			policy: recipe.Policy{MinRollout: &none}, want: "add 2.2",
		},
		"held by its date": {
			title: []string{"2.1"}, listed: listed("2.2"), policy: recipe.Policy{Hold: hold},
			want: "hold 2.2", says: "for 48h, until 2026-03-03 12:00 UTC",
		},
		"held since it was listed": {
			title:  []string{"2.1"},
			listed: with(listed("2.2"), func(r *recipe.Release) { r.Date = time.Time{} }),
			policy: recipe.Policy{Hold: hold},
			seen:   releases.Seen{"2.2": {Memory: recipe.Listed, At: today.Add(-47 * time.Hour)}},
			want:   "hold 2.2", says: "2026-03-02 13:00 UTC",
		},
		"held since it was listed if its date is not later than that of the newest version": {
			title:  []string{"2.1"},
			listed: with(listed("2.2"), func(r *recipe.Release) { r.Date = today.AddDate(-1, 0, 0) }),
			policy: recipe.Policy{Hold: hold},
			seen:   releases.Seen{"2.2": {Memory: recipe.Listed, At: today.Add(-time.Hour)}},
			want:   "hold 2.2", says: "2026-03-04 11:00 UTC",
		},
		"held from now if its date is old": {
			title:  []string{"2.1"},
			listed: with(listed("2.2"), func(r *recipe.Release) { r.Date = today.AddDate(-2, 0, 0) }),
			policy: recipe.Policy{Hold: hold}, want: "hold 2.2", says: "2026-03-04 12:00 UTC",
		},
		"held long enough": {
			title:  []string{"2.1"},
			listed: with(listed("2.2"), func(r *recipe.Release) { r.Date = time.Time{} }),
			policy: recipe.Policy{Hold: hold},
			seen:   releases.Seen{"2.2": {Memory: recipe.Listed, At: today.Add(-48 * time.Hour)}},
			want:   "add 2.2",
		},
		"a person removed it": {
			title: []string{"2.0.0"}, listed: listed("2.1.0"),
			seen: releases.Seen{"2.1.0": {Memory: recipe.Added}}, want: "skip 2.1.0",
			says: "every newer release was removed or rejected",
		},
		"a person removed another spelling": {
			title: []string{"2.0.0"}, listed: listed("2.1"),
			seen: releases.Seen{"2.1.0": {Memory: recipe.Added}}, want: "skip 2.1",
		},
		"a person rejected it": {
			title: []string{"2.0.0"}, listed: listed("2.1.0"),
			seen: releases.Seen{"2.1.0": {Memory: recipe.Rejected}}, want: "skip 2.1.0",
		},
		"a rejection precedes a listing": {
			title: []string{"2.0.0"}, listed: listed("2.1.0"),
			seen: releases.Seen{"2.1": {Memory: recipe.Rejected}, "2.1.0": {Memory: recipe.Listed}},
			want: "skip 2.1.0",
		},
		"what is newer than a removed one": {
			title: []string{"2.0.0"}, listed: listed("2.2.0", "2.1.0"),
			seen: releases.Seen{"2.1.0": {Memory: recipe.Added}}, want: "add 2.2.0, skip 2.1.0",
		},
		"the server stopped while adding": {
			title: []string{"2.0.0"}, listed: listed("2.1.0"),
			seen: releases.Seen{"2.1.0": {Memory: recipe.Adding}}, want: "ask 2.1.0",
			says: "the server stopped while it added the version",
		},
		"an added one that the title has": {
			title: []string{"2.1.0", "2.0.0"}, listed: listed("2.1.0"),
			seen: releases.Seen{"2.1.0": {Memory: recipe.Added}}, says: "has the newest",
		},
		"a version that is no version at all": {
			title: []string{"2.0.0"}, listed: listed("latest"), says: "is older than",
		},
	} {
		t.Run(name, func(t *testing.T) {
			def := title(t, test.title...)
			before := def.Clone()
			w := recipe.Watch{Feed: test.feed, Policy: test.policy}
			plan, err := releases.Propose(def, w, test.listed, test.seen, today, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := outcome(plan); got != test.want {
				t.Errorf("the plan is %q, want %q", got, test.want)
			}
			if all := strings.Join(reasons(plan), "; "); !strings.Contains(all, test.says) {
				t.Errorf("the reasons are %q, want one with %q", all, test.says)
			}
			if (test.want == "") != (plan.Note != "") && !strings.HasPrefix(test.want, "skip") {
				t.Errorf("the note is %q, although the plan is %q", plan.Note, outcome(plan))
			}
			if diff := cmp.Diff(before, def); diff != "" {
				t.Errorf("Propose has changed the definition:\n%s", diff)
			}
		})
	}
}

// reasons returns all sentences of a plan.
func reasons(p *releases.Plan) []string {
	all := []string{p.Note}
	for _, s := range append(slices.Clone(p.Add), p.Held...) {
		all = append(all, s.Reasons...)
	}
	if p.Proposal != nil {
		all = append(all, p.Proposal.Reasons...)
	}
	return all
}

func TestSilent(t *testing.T) {
	every := func(days int, last time.Time) (found []recipe.Release) {
		for i := range 6 {
			found = append(found, recipe.Release{Date: last.AddDate(0, 0, -i*days)})
		}
		return found
	}
	for name, test := range map[string]struct {
		found []recipe.Release
		want  bool
	}{
		"nothing is known":          {nil, false},
		"no dates":                  {make([]recipe.Release, 10), false},
		"too few dates":             {every(10, today.AddDate(-5, 0, 0))[:3], false},
		"as always":                 {every(20, today.AddDate(0, 0, -19)), false},
		"late":                      {every(20, today.AddDate(0, 0, -59)), false},
		"silent":                    {every(20, today.AddDate(0, 0, -61)), true},
		"daily builds on vacation":  {every(1, today.AddDate(0, 0, -29)), false},
		"daily builds have stopped": {every(1, today.AddDate(0, 0, -31)), true},
	} {
		if got := releases.Silent(test.found, today); got != test.want {
			t.Errorf("%s: Silent returns %v", name, got)
		}
	}
}
