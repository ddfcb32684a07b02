package recipe_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

func versions(d *patch.Definition) (all []string) {
	for _, p := range d.Patches {
		all = append(all, p.Version)
	}
	return all
}

func TestDefinition(t *testing.T) {
	r := parse(t, []byte(rectangle))
	d, err := r.Definition([]recipe.Release{
		{Version: "0.9", Date: released, MinOS: "10.14"},
		{Version: "0.10"},
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"0.10", "0.9"}, versions(d)); diff != "" {
		t.Errorf("the versions are not ordered: %s", diff)
	}
	if d.CurrentVersion != "0.10" || d.LastModified != patch.FormatTime(now) {
		t.Errorf("currentVersion is %q and lastModified %q", d.CurrentVersion, d.LastModified)
	}
	newest, oldest := d.Patches[0], d.Patches[1]
	if newest.ReleaseDate != patch.FormatTime(now) || oldest.ReleaseDate != patch.FormatTime(released) {
		t.Errorf("the dates are %q and %q, want now and that of the feed", newest.ReleaseDate, oldest.ReleaseDate)
	}
	if newest.MinimumOperatingSystem != "10.15" || oldest.MinimumOperatingSystem != "10.14" {
		t.Errorf("the minimum macOS versions are %q and %q, want the recipe's 10.15 and the feed's 10.14",
			newest.MinimumOperatingSystem, oldest.MinimumOperatingSystem)
	}
	if warnings := patch.Lint(d, &patch.LintOptions{Now: now.Add(time.Hour)}); len(warnings) > 0 {
		t.Errorf("Lint = %v, want no warnings", warnings)
	}
}

// Without the optional members, the definition equals that of patch.NewDefinition.
func TestDefinitionDefaults(t *testing.T) {
	r := parse(t, []byte(`{"name":"Some App","bundleId":"com.example.some","feed":{"kind":"sparkle"}}`))
	got, err := r.Definition([]recipe.Release{{Version: "1.2", Date: released}}, now)
	if err != nil {
		t.Fatal(err)
	}
	want, err := patch.NewDefinition(patch.Application{
		Name: "Some App", BundleID: "com.example.some", Version: "1.2", MinimumOS: recipe.DefaultMinimumOS,
		Released: released,
	})
	if err != nil {
		t.Fatal(err)
	}
	want.LastModified = patch.FormatTime(now)
	if diff := cmp.Diff(string(marshal(t, want)), string(marshal(t, got))); diff != "" {
		t.Error(diff)
	}
	if id := r.TitleID(); id != got.ID {
		t.Errorf("TitleID = %q, but the title has %q", id, got.ID)
	}
}

func TestDefinitionParts(t *testing.T) {
	r := parse(t, with(t,
		"killApps", `[{"bundleId":"com.other","appName":"Other.app"}]`,
		"requirements", `[{"name":"Application Title","operator":"is","value":"R.app","type":"recon","and":true}]`,
		"extensionAttributes", `[{"key":"k","value":"IyEvYmluL3NoCg==","displayName":"d"}]`,
	))
	d, err := r.Definition([]recipe.Release{{Version: "2"}, {Version: "1"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Patches {
		if len(p.KillApps) != 1 || p.KillApps[0].BundleID != "com.other" {
			t.Errorf("version %s has the kill apps %v", p.Version, p.KillApps)
		}
	}
	if d.Requirements[0].Value != "R.app" || d.ExtensionAttributes[0].Key != "k" {
		t.Errorf("the title has %v and %v", d.Requirements, d.ExtensionAttributes)
	}
	d.Requirements[0].Value, d.Patches[0].KillApps[0].AppName = "x", "x"
	if r.Requirements[0].Value != "R.app" || r.KillApps[0].AppName != "Other.app" ||
		d.Patches[1].KillApps[0].AppName != "Other.app" {
		t.Error("the definition shares memory with its recipe, or a version with another")
	}
}

func TestDefinitionTemplate(t *testing.T) {
	r := parse(t, with(t, "policy/patch", template))
	d, err := r.Definition([]recipe.Release{{Version: "1.2", Build: "34", Date: released}}, now)
	if err != nil {
		t.Fatal(err)
	}
	p := d.Patches[0]
	if got := p.Components[0].Criteria[1].Value; got != `^1\.2 \(34\)$` {
		t.Errorf("the criterion is %q, want the version and the build, quoted", got)
	}
	if p.MinimumOperatingSystem != "10.15" || p.Capabilities[0].Value != "10.15" ||
		p.ReleaseDate != patch.FormatTime(released) {
		t.Errorf("the patch is %+v", p)
	}
	if _, err := r.Definition([]recipe.Release{{Version: "1.2"}}, now); !errors.Is(err, recipe.ErrForm) {
		t.Errorf("without a build: %v, want ErrForm", err)
	}
}

func TestDefinitionErrors(t *testing.T) {
	r := parse(t, []byte(rectangle))
	if _, err := r.Definition(nil, now); err == nil || !strings.Contains(err.Error(), "at least one release") {
		t.Errorf("without releases: %v", err)
	}
	for _, c := range []struct {
		name     string
		releases []recipe.Release
		want     string
	}{
		{"no version", []recipe.Release{{}}, "must not be empty"},
		{"a long version", []recipe.Release{{Version: strings.Repeat("1", 300)}}, "at most 255 bytes"},
		{"two of which none is good", []recipe.Release{{Version: "1\u202e2"}, {}}, "invisible character"},
		{"an invisible character", []recipe.Release{{Version: "1\u202e2"}}, "invisible character"},
		{"a year that is none", []recipe.Release{{Version: "1", Date: now.AddDate(20000, 0, 0)}}, "releaseDate"},
	} {
		_, err := r.Definition(c.releases, now)
		if !errors.Is(err, patch.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want ErrInvalid with %q", c.name, err, c.want)
		}
	}
}

// A release that the title cannot have does not prevent the others.
func TestDefinitionSkipsUnusableReleases(t *testing.T) {
	plain := parse(t, []byte(rectangle))
	templated := parse(t, with(t, "policy/patch", template))
	for _, c := range []struct {
		name     string
		recipe   *recipe.Recipe
		releases []recipe.Release
		want     string
	}{
		{"a long version", plain,
			[]recipe.Release{{Version: "3"}, {Version: strings.Repeat("1", 300)}, {Version: "2"}}, "3 2"},
		{"an invisible character", plain, []recipe.Release{{Version: "3"}, {Version: "2\u202e1"}}, "3"},
		{"the newest", plain, []recipe.Release{{}, {Version: "2"}, {Version: "1"}}, "2 1"},
		{"twice", plain, []recipe.Release{{Version: "1"}, {Version: "1"}}, "1"},
		{"no build for the template", templated,
			[]recipe.Release{{Version: "3", Build: "7"}, {Version: "2"}, {Version: "1", Build: "5"}}, "3 1"},
	} {
		d, err := c.recipe.Definition(c.releases, now)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := strings.Join(versions(d), " "); got != c.want || d.Validate() != nil {
			t.Errorf("%s: the versions are %q (%v), want %q", c.name, got, d.Validate(), c.want)
		}
	}
}

func TestTitleID(t *testing.T) {
	for _, c := range []struct{ id, name, want string }{
		{"A", "B", "A"},
		{"", "Some App", "SomeApp"},
		{"", "Café Über", "CafeUber"},
		{"", "株式会社", ""},
		{"", "", ""},
	} {
		r := recipe.Recipe{ID: c.id, Name: c.name}
		if got := r.TitleID(); got != c.want {
			t.Errorf("TitleID of %q, %q = %q, want %q", c.id, c.name, got, c.want)
		}
	}
}

func TestValidate(t *testing.T) {
	var none *recipe.Recipe
	if got := failures(t, none.Validate()); len(got) != 3 {
		t.Errorf("a nil recipe has the failures %q, want three", got)
	}
	var noWatch *recipe.Watch
	if got := failures(t, noWatch.Validate()); len(got) != 1 || !strings.HasPrefix(got[0], "/feed/kind: ") {
		t.Errorf("a nil watch has the failures %q, want /feed/kind", got)
	}
	r := recipe.Recipe{Name: "株式", BundleID: "a", Feed: recipe.Feed{Kind: "x", Channel: "\xff"}}
	got := strings.Join(failures(t, r.Validate()), "\n")
	for _, want := range []string{
		"/id: is missing, and the name has no letter for it",
		"/feed/channel: must be valid UTF-8",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the failures are %q, want %q", got, want)
		}
	}
}
