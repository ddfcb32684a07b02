package releases_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

func TestProposeMakesWholePatches(t *testing.T) {
	s := listed("2.1.0")
	s.Releases[0].MinOS = "13.0"
	s.Releases[0].Date = time.Date(2026, 2, 27, 8, 0, 0, 0, time.UTC)
	plan, err := releases.Propose(title(t, "2.0.0"), recipe.Watch{}, s, nil, today, nil)
	if err != nil || len(plan.Add) != 1 {
		t.Fatalf("Propose returns %+v, %v, want one version to add", plan, err)
	}
	p := plan.Add[0].Patch
	if p.ReleaseDate != "2026-02-27T08:00:00Z" || p.MinimumOperatingSystem != "13.0" {
		t.Errorf("the patch is of %s and needs macOS %s, want those of the feed",
			p.ReleaseDate, p.MinimumOperatingSystem)
	}
	data, err := p.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if text := string(data); strings.Contains(text, "2.0.0") || strings.Count(text, `"2.1.0"`) < 3 {
		t.Errorf("the patch is %s, want the new version in every place", text)
	}
}

func TestProposeRefusesTitlesOfAnotherForm(t *testing.T) {
	def := title(t, "2.0.0")
	def.Patches[0].Components[0].Criteria[1].Value = "1999" // a build
	plan, err := releases.Propose(def, recipe.Watch{}, listed("2.1.0"), nil, today, nil)
	if err == nil || !strings.Contains(err.Error(), "2.1.0") {
		t.Errorf("Propose returns %+v, %v, want recipe.ErrForm", plan, err)
	}
}

// buildPolicy has a template whose versions need a build.
var buildPolicy = recipe.Policy{Patch: []byte(`{"version":"{version}","releaseDate":"{date}","standalone":true,` +
	`"minimumOperatingSystem":"{minimumOS}","reboot":false,"killApps":[],"capabilities":[],` +
	`"components":[{"name":"Example App","version":"{version}","criteria":[{"name":"Application Version",` +
	`"operator":"is","value":"{version} ({build})","type":"recon","and":true}]}]}`)}

func TestProposeSkipsReleasesWithoutAPatch(t *testing.T) {
	s := listed("2.2.0", "2.1.0")
	w := recipe.Watch{Policy: buildPolicy}
	if _, err := releases.Propose(title(t, "2.0.0"), w, s, nil, today, nil); !errors.Is(err, recipe.ErrForm) {
		t.Errorf("without a build, Propose returns %v, want recipe.ErrForm", err)
	}
	s.Releases[0].Build = "220"
	plan, err := releases.Propose(title(t, "2.0.0"), w, s, nil, today, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := outcome(plan); !strings.Contains(got, "2.2.0, skip 2.1.0") {
		t.Errorf("the plan is %q, want 2.2.0 and 2.1.0 skipped", got)
	}
	if len(plan.Skipped) == 1 && !strings.Contains(plan.Skipped[0].Reason, "no build") {
		t.Errorf("2.1.0 is skipped because %q, want that it has no build", plan.Skipped[0].Reason)
	}
}

// Select drops such versions. An embedding program may have made its selection by itself.
func TestProposeSkipsInvalidVersions(t *testing.T) {
	plan, err := releases.Propose(title(t, "2.0.0"), recipe.Watch{}, listed("2.2.0", "2.1.0\u2800"), nil, today, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := outcome(plan); got != "add 2.2.0, skip 2.1.0\u2800" {
		t.Errorf("the plan is %q", got)
	}
	plan, err = releases.Propose(title(t, "2.0.0"), recipe.Watch{}, listed("2.1.0\u2800"), nil, today, nil)
	if err != nil || !strings.Contains(plan.Note, "version has the invisible character U+2800") {
		t.Errorf("Propose returns %+v, %v, want a note about the character", plan, err)
	}
}

func TestProposeAsksAboutNewWarnings(t *testing.T) {
	def := title(t, "2.0.0")
	s := listed("2.0.1")
	s.Releases[0].Date = today.AddDate(-2, 0, 0) // before that of the older version
	plan, err := releases.Propose(def, recipe.Watch{}, s, nil, today, nil)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Proposal == nil || !strings.Contains(strings.Join(plan.Proposal.Reasons, " "), "lint warns") {
		t.Errorf("the plan is %q with the reasons %q, want a proposal because of lint", outcome(plan), reasons(plan))
	}
}

func TestProposalsAreBounded(t *testing.T) {
	var many []string
	for i := 10000; i > 0; i-- {
		many = append(many, fmt.Sprintf("2.%d.0", i))
	}
	plan, err := releases.Propose(title(t, "2.0.0"), recipe.Watch{}, listed(many...), nil, today, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Add) != 0 || len(plan.Proposal.Patches) != 50 || plan.Proposal.Version != "2.10000.0" {
		t.Errorf("%d versions are added and %d proposed up to %s, want 0 and 50 up to 2.10000.0",
			len(plan.Add), len(plan.Proposal.Patches), plan.Proposal.Version)
	}
	if !strings.Contains(plan.Proposal.Reasons[0], "9950 more versions") {
		t.Errorf("the first reason is %q, want the number of the other versions", plan.Proposal.Reasons[0])
	}
}

func TestHeldVersionsAreBounded(t *testing.T) {
	var many []string
	for i := 1000; i > 0; i-- {
		many = append(many, fmt.Sprintf("2.%d.0", i))
	}
	s := listed(many...)
	for i := range s.Releases {
		s.Releases[i].Rollout = 0.1
	}
	plan, err := releases.Propose(title(t, "2.0.0"), recipe.Watch{}, s, nil, today, nil)
	if err != nil || len(plan.Held) != 50 || plan.Held[49].Patch.Version != "2.1000.0" {
		t.Errorf("%d versions are held, %v, want 50 up to 2.1000.0", len(plan.Held), err)
	}
}

// Some appcasts give each item a channel.
func TestNoteNamesTheChannels(t *testing.T) {
	found := []recipe.Release{
		{Version: "2.1", Channel: "stable"}, {Version: "2.2b1", Channel: "beta"}, {Version: "2.0", Channel: "stable"},
	}
	s := releases.Select(recipe.Feed{}, found)
	plan, err := releases.Propose(title(t, "2.0"), recipe.Watch{}, s, nil, today, nil)
	const want = `the feed lists no release that counts, but some of channel "beta", "stable": set channel`
	if err != nil || plan.Note != want {
		t.Errorf("the note is %q, %v, want %q", plan.Note, err, want)
	}
}
