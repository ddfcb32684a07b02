package patch_test

import (
	"slices"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
)

func TestFix(t *testing.T) {
	d := lintTitle(t, nil)
	p := d.Patches[0]
	good := p.Version
	twin := p.NextVersion(good+".0", time.Time{})
	twin.ReleaseDate = p.ReleaseDate
	late := twin
	late.Version += ".0"
	late.ReleaseDate = "2018-12-01T00:00:00Z"
	d.Patches[1].Components[0].Version = "x"
	d.Patches = append(slices.Clone(d.Patches[1:]), twin, p, late)
	d.CurrentVersion = "old"
	fixed := patch.Fix(d, &patch.LintOptions{Now: now})
	counts := map[string]int{}
	for _, w := range fixed {
		counts[w.Code]++
	}
	if counts["order"] == 0 || counts["component-version"] == 0 ||
		counts["current-version"] != 1 || counts["same-version"] != 1 {
		t.Errorf("Fix repairs %v, want order, component-version, one current-version and one same-version", counts)
	}
	vs := versions(d)
	descending := func(a, b string) int { return patch.OrderVersions(b, a) }
	if !slices.IsSortedFunc(vs, descending) || d.CurrentVersion != vs[0] {
		t.Errorf("the versions are %q and currentVersion is %s, want them sorted and the first", vs, d.CurrentVersion)
	}
	if !slices.Contains(vs, late.Version) || slices.Contains(vs, good) == slices.Contains(vs, twin.Version) {
		t.Errorf("the versions are %q, want one of %s and %s, and %s with another date", vs, good, twin.Version,
			late.Version)
	}
	if d.LastModified != patch.FormatTime(now) {
		t.Errorf("lastModified is %s, want %v", d.LastModified, now)
	}
	last := d.LastModified
	if again := patch.Fix(d, &patch.LintOptions{Now: now.Add(time.Hour)}); len(again) != 0 || d.LastModified != last {
		t.Errorf("Fix again = %+v, and lastModified %s, want no change", again, d.LastModified)
	}
}

func TestFixSkipsRulesThatAreOff(t *testing.T) {
	d := lintTitle(t, func(d *patch.Definition) { d.Patches[0], d.Patches[1] = d.Patches[1], d.Patches[0] })
	off := &patch.LintOptions{Off: []string{"order", "current-version"}}
	if fixed := patch.Fix(d, off); len(fixed) != 0 {
		t.Errorf("Fix = %+v, want nothing", fixed)
	}
}

func TestFixKeepsDifferentPatches(t *testing.T) {
	d := lintTitle(t, nil)
	better := d.Patches[0]
	worse := better
	worse.Version += ".0"
	worse.Components, worse.Capabilities = nil, nil
	d.Patches = append([]patch.Patch{worse}, d.Patches...)
	d.CurrentVersion = worse.Version
	patch.Fix(d, nil)
	if d.FindPatch(better.Version) < 0 || d.FindPatch(worse.Version) < 0 {
		t.Errorf("the versions are %q, want both notations of %s", versions(d), better.Version)
	}
	d = lintTitle(t, func(d *patch.Definition) { d.LastModified, d.CurrentVersion = "9999-12-31T23:59:59Z", "x" })
	if patch.Fix(d, &patch.LintOptions{Now: now}); d.Validate() != nil {
		t.Errorf("Fix made the definition invalid: %v", d.Validate())
	}
}
