package recipe_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// newest returns the patch of version 1.2.3 of an application, with a change.
func newest(t testing.TB, change func(*patch.Patch)) *patch.Patch {
	t.Helper()
	p, err := patch.NewPatch(patch.Application{
		Name: "A", BundleID: "com.example.a", Version: "1.2.3", MinimumOS: "10.13", Released: released,
	})
	if err != nil {
		t.Fatal(err)
	}
	change(&p)
	return &p
}

func TestNextPatch(t *testing.T) {
	old := newest(t, func(*patch.Patch) {})
	p, err := recipe.NextPatch(old, &recipe.Watch{}, recipe.Release{Version: "1.3", Date: released, MinOS: "12"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if p.Version != "1.3" || p.Components[0].Version != "1.3" || p.Components[0].Criteria[1].Value != "1.3" {
		t.Errorf("the version is not replaced everywhere: %+v", p)
	}
	if p.ReleaseDate != patch.FormatTime(released) {
		t.Errorf("the date is %q, want that of the release", p.ReleaseDate)
	}
	if p.MinimumOperatingSystem != "12" || p.Capabilities[0].Value != "12" {
		t.Errorf("the minimum macOS is %q and the capability %q, want 12", p.MinimumOperatingSystem,
			p.Capabilities[0].Value)
	}
	if old.Version != "1.2.3" || old.Capabilities[0].Value != "10.13" {
		t.Error("the newest patch has changed")
	}
	p, err = recipe.NextPatch(old, nil, recipe.Release{Version: "1.3"}, now)
	if err != nil || p.ReleaseDate != patch.FormatTime(now) || p.MinimumOperatingSystem != "10.13" {
		t.Errorf("without a date and a macOS version: %+v, %v, want now and 10.13", p, err)
	}
}

// A capability that differs from the minimum is a decision of a person, and stays.
func TestNextPatchKeepsOtherCapabilities(t *testing.T) {
	old := newest(t, func(p *patch.Patch) { p.Capabilities[0].Value = "10.14" })
	p, err := recipe.NextPatch(old, nil, recipe.Release{Version: "1.3", MinOS: "12"}, now)
	if err != nil || p.MinimumOperatingSystem != "12" || p.Capabilities[0].Value != "10.14" {
		t.Errorf("NextPatch = %q, %v, %v", p.MinimumOperatingSystem, p.Capabilities, err)
	}
}

// The minimum and the capability may spell the same version in two ways.
func TestNextPatchComparesCapabilitiesByVersion(t *testing.T) {
	old := newest(t, func(p *patch.Patch) { p.MinimumOperatingSystem, p.Capabilities[0].Value = "11.0", "11" })
	p, err := recipe.NextPatch(old, nil, recipe.Release{Version: "1.3", MinOS: "12"}, now)
	if err != nil || p.MinimumOperatingSystem != "12" || p.Capabilities[0].Value != "12" {
		t.Errorf("NextPatch = %q, %v, %v, want 12 in both places", p.MinimumOperatingSystem, p.Capabilities, err)
	}
}

func TestNextPatchForm(t *testing.T) {
	value := func(s string) func(*patch.Patch) {
		return func(p *patch.Patch) { p.Components[0].Criteria[1].Value = s }
	}
	also := func(s string) func(*patch.Patch) {
		return func(p *patch.Patch) {
			c := &p.Components[0]
			c.Criteria = append(c.Criteria, patch.Criterion{
				Name: "Application Title", Operator: "is", Value: s, Type: "recon",
			})
		}
	}
	for _, c := range []struct {
		name   string
		change func(*patch.Patch)
		want   string // part of the error; if empty, there is none
	}{
		{"the whole value", func(*patch.Patch) {}, ""},
		{"no component", func(p *patch.Patch) { p.Components = nil }, "no criterion of the components"},
		{"another version", value("1.2"), "no criterion of the components"},
		{"a build after it", value("1.2.3 (45)"), "of which the version is only a part"},
		{"a regular expression", value(`^1\.2\.3$`), "of which the version is only a part"},
		{"a second criterion with a part", also("A 1.2.3.app"), "of which the version is only a part"},
		{"a longer version beside it", also("A 11.2.3.app"), ""},
		{"macOS", func(p *patch.Patch) {
			p.Components[0].Criteria = append(p.Components[0].Criteria, patch.Criterion{
				Name: "Operating System Version", Operator: "like", Value: "1.2.3 x", Type: "recon",
			})
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := recipe.NextPatch(newest(t, c.change), nil, recipe.Release{Version: "1.3"}, now)
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, recipe.ErrForm) ||
				!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "give the watch a template")) {
				t.Errorf("NextPatch: %v, want %q", err, c.want)
			}
		})
	}
	for _, c := range []struct {
		name    string
		newest  *patch.Patch
		release recipe.Release
	}{
		{"no patch", nil, recipe.Release{Version: "1"}},
		{"no version", newest(t, func(*patch.Patch) {}), recipe.Release{}},
	} {
		if _, err := recipe.NextPatch(c.newest, nil, c.release, now); !errors.Is(err, recipe.ErrForm) {
			t.Errorf("%s: %v, want ErrForm", c.name, err)
		}
	}
}

func TestNextPatchTemplate(t *testing.T) {
	w := &recipe.Watch{Policy: recipe.Policy{Patch: json.RawMessage(template)}}
	p, err := recipe.NextPatch(nil, w, recipe.Release{Version: "1.3", Build: "7"}, now)
	if err != nil || p.MinimumOperatingSystem != recipe.DefaultMinimumOS || p.ReleaseDate != patch.FormatTime(now) {
		t.Errorf("without an earlier version: %+v, %v", p, err)
	}
	old := newest(t, func(p *patch.Patch) { p.MinimumOperatingSystem = "11" })
	p, err = recipe.NextPatch(old, w, recipe.Release{Version: "1.3", Build: "7"}, now)
	if err != nil || p.MinimumOperatingSystem != "11" {
		t.Errorf("the minimum macOS is %q, %v, want the earlier 11", p.MinimumOperatingSystem, err)
	}
	// Values are text: they are neither JSON nor places themselves.
	odd := recipe.Release{Version: `1"{build}\`, Build: "7"}
	p, err = recipe.NextPatch(old, w, odd, now)
	if err != nil || p.Version != odd.Version {
		t.Errorf("the version is %q, %v, want %q", p.Version, err, odd.Version)
	}
	for _, c := range []struct {
		name    string
		release recipe.Release
		want    error
	}{
		{"no build", recipe.Release{Version: "1.3"}, recipe.ErrForm},
		{"a long version", recipe.Release{Version: strings.Repeat("1", 300), Build: "7"}, patch.ErrInvalid},
		{"bytes that are no text", recipe.Release{Version: "1\xff", Build: "7"}, patch.ErrInvalid},
	} {
		if _, err := recipe.NextPatch(old, w, c.release, now); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestTemplateFailures(t *testing.T) {
	replace := strings.NewReplacer
	for _, c := range []struct {
		name string
		edit *strings.Replacer
		want string
	}{
		{"no member", replace(`"standalone": true, `, ``), "/policy/patch/standalone: is missing: add it"},
		{"a fixed version", replace(`"version": "{version}", "releaseDate"`, `"version": "1", "releaseDate"`),
			`/policy/patch/version: must be "{version}"`},
		{"criteria without a version", replace(`^{version} \\({build}\\)$`, `x`),
			"/policy/patch/components: must have a criterion with {version} or {build}"},
		{"a date", replace(`{date}`, `today`), "/policy/patch/releaseDate: "},
		{"a definition", replace(`"standalone"`, `"patches": [], "requirements": [], "standalone"`),
			"/policy/patch: this is a whole definition"},
		{"large", replace(`"name": "A"`, `"name": "`+strings.Repeat("A", 1<<16)+`"`),
			"/policy/patch: must have at most 65536 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := recipe.Parse(with(t, "policy/patch", c.edit.Replace(template)))
			if got := failures(t, err); len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
				t.Errorf("the failures are %q, want one that begins with %q", got, c.want)
			}
		})
	}
}
