package patch

import (
	"context"
	"math"
	"slices"
)

// SortPatches sorts patches as Jamf Pro requires, newest first. Of two notations of the same version, the one with
// fewer numbers is the older; see [Version.Order].
func SortPatches(patches []Patch) {
	keys := make(map[string]Version, len(patches))
	for i := range patches {
		keys[patches[i].Version] = ParseVersion(patches[i].Version)
	}
	slices.SortStableFunc(patches, func(a, b Patch) int { return keys[b.Version].Order(keys[a.Version]) })
}

// Fix repairs what [Lint] has a fix for, unless opts turn the rule off, and returns the warnings of what it
// repaired. It sorts patches, removes the second notation of a version if the two patches are otherwise equal, gives
// a single component its patch's version, and sets currentVersion. Applied again, it changes nothing. d must be
// valid, and remains so; nil has nothing to repair.
//
// If opts.Now is not zero, lastModified advances with a change, as with every edit.
func Fix(d *Definition, opts *LintOptions) []Warning {
	var fixed []Warning
	fixable := onlyFixable(opts)
	for {
		// One rule at a time: its repair may reveal something else.
		warnings, _ := lint(context.Background(), d, fixable, math.MaxInt) // it fails only when its context ends
		i := slices.IndexFunc(fixes, func(f fix) bool {
			return slices.ContainsFunc(warnings, func(w Warning) bool { return w.Code == f.code && w.Fix != "" })
		})
		if i < 0 {
			break
		}
		for _, w := range warnings {
			if w.Code == fixes[i].code && w.Fix != "" {
				fixed = append(fixed, w)
			}
		}
		d.Patches = slices.Clone(d.Patches)
		fixes[i].apply(d)
	}
	if len(fixed) > 0 && opts != nil && !opts.Now.IsZero() {
		d.touch(opts.Now)
	}
	return fixed
}

// onlyFixable returns opts with the rules turned off that Fix cannot repair.
func onlyFixable(opts *LintOptions) *LintOptions {
	var o LintOptions
	if opts != nil {
		o = *opts
	}
	o.Off = slices.Clone(o.Off)
	for _, r := range Rules() {
		if !r.Fixable {
			o.Off = append(o.Off, r.Code)
		}
	}
	return &o
}

// A fix repairs everything that one rule has a fix for. It may change the elements of d.Patches.
type fix struct {
	code  string
	apply func(d *Definition)
}

// fixes are in the order in which they are applied: none undoes an earlier one.
var fixes = []fix{
	{codeOrder, func(d *Definition) {
		follow := d.CurrentVersion == d.newest()
		SortPatches(d.Patches)
		if follow {
			d.CurrentVersion = d.newest()
		}
	}},
	{codeComponentVersion, func(d *Definition) {
		for i := range d.Patches {
			p := &d.Patches[i]
			if !p.Disabled && len(p.Components) == 1 && p.Components[0].Version != p.Version {
				p.Components = slices.Clone(p.Components)
				p.Components[0].Version = p.Version
			}
		}
	}},
	{codeSameVersion, func(d *Definition) { d.Patches = removeRepeated(d.Patches) }},
	{codeCurrentVersion, func(d *Definition) { d.CurrentVersion = d.newest() }},
}

// removeRepeated removes each patch that equals the one before it in all but the notation of the version. Patches that
// are disabled stay, and do not count.
func removeRepeated(patches []Patch) []Patch {
	kept := make([]Patch, 0, len(patches))
	former := -1 // the index of the last one in kept that is enabled
	for i := range patches {
		p := &patches[i]
		if !p.Disabled {
			if former >= 0 && CompareVersions(kept[former].Version, p.Version) == 0 &&
				sameVersionFix(&kept[former], p) != "" {
				continue
			}
			former = len(kept)
		}
		kept = append(kept, *p)
	}
	return kept
}

// sameVersionFix returns what Fix does about two patches of one version. If they differ in more than the notation, it
// does nothing: the vendor may have released both, or one of the patches is better.
func sameVersionFix(former, latter *Patch) string {
	other := *latter
	other.Version = former.Version
	other.Components = slices.Clone(latter.Components)
	for i := range other.Components {
		c := &other.Components[i]
		if c.Version == latter.Version {
			c.Version = former.Version
		}
		c.Criteria = slices.Clone(c.Criteria)
		for j := range c.Criteria {
			if c.Criteria[j].Name == "Application Version" && c.Criteria[j].Value == latter.Version {
				c.Criteria[j].Value = former.Version
			}
		}
	}
	if !sameJSON(*former, other) {
		return ""
	}
	return "the second one removed"
}
