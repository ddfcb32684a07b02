package patch

import (
	"context"
	"math"
	"slices"
)

// SortPatches puts patches into the order that Jamf Pro wants, newest first. Of
// two that are the same version, the one with fewer numbers is the older; see
// [Version.Order].
func SortPatches(patches []Patch) {
	keys := make(map[string]Version, len(patches))
	for i := range patches {
		keys[patches[i].Version] = ParseVersion(patches[i].Version)
	}
	slices.SortStableFunc(patches, func(a, b Patch) int { return keys[b.Version].Order(keys[a.Version]) })
}

// Fix mends what [Lint] has a fix for, as far as the options leave the rule on,
// and returns the warnings that it mended, as they were: patches are sorted, the
// repetition of a version in another notation is removed when it is the same in all
// else, a single component gets its patch's version, and currentVersion
// is set. Applied again it changes nothing. d has to be valid, and stays so.
//
// If opts has Now, lastModified moves on with a change, as with every edit.
func Fix(d *Definition, opts *LintOptions) []Warning {
	var mended []Warning
	fixable := onlyFixable(opts)
	for {
		// One rule at a time: what it mends may show something else.
		warnings, _ := lint(context.Background(), d, fixable, math.MaxInt) // which never ends
		i := slices.IndexFunc(fixes, func(f fix) bool {
			return slices.ContainsFunc(warnings, func(w Warning) bool { return w.Code == f.code && w.Fix != "" })
		})
		if i < 0 {
			break
		}
		for _, w := range warnings {
			if w.Code == fixes[i].code && w.Fix != "" {
				mended = append(mended, w)
			}
		}
		d.Patches = slices.Clone(d.Patches)
		fixes[i].apply(d)
	}
	if len(mended) > 0 && opts != nil && !opts.Now.IsZero() {
		d.touch(opts.Now)
	}
	return mended
}

// onlyFixable returns the options without the rules that nothing mends.
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

// A fix mends all that one rule has a fix for. It may change d.Patches in place.
type fix struct {
	code  string
	apply func(d *Definition)
}

// fixes are in the order in which they are applied: none undoes an earlier one.
var fixes = []fix{
	{CodeOrder, func(d *Definition) {
		follow := d.CurrentVersion == d.Patches[0].Version
		SortPatches(d.Patches)
		if follow {
			d.CurrentVersion = d.Patches[0].Version
		}
	}},
	{CodeComponentVersion, func(d *Definition) {
		for i := range d.Patches {
			if p := &d.Patches[i]; len(p.Components) == 1 && p.Components[0].Version != p.Version {
				p.Components = slices.Clone(p.Components)
				p.Components[0].Version = p.Version
			}
		}
	}},
	{CodeSameVersion, func(d *Definition) { d.Patches = removeRepeated(d.Patches) }},
	{CodeCurrentVersion, func(d *Definition) { d.CurrentVersion = d.Patches[0].Version }},
}

// removeRepeated removes a patch that is the one in front of it in another
// notation.
func removeRepeated(patches []Patch) []Patch {
	kept := patches[:1]
	for _, p := range patches[1:] {
		front := &kept[len(kept)-1]
		if CompareVersions(front.Version, p.Version) == 0 && sameVersionFix(front, &p) != "" {
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

// sameVersionFix says what Fix does about two patches of one version. They are
// one release if they are the same but for the notation; otherwise the vendor may
// mean two, or one of them is better.
func sameVersionFix(front, back *Patch) string {
	other := *back
	other.Version = front.Version
	other.Components = slices.Clone(back.Components)
	for i := range other.Components {
		c := &other.Components[i]
		if c.Version == back.Version {
			c.Version = front.Version
		}
		c.Criteria = slices.Clone(c.Criteria)
		for j := range c.Criteria {
			if c.Criteria[j].Name == "Application Version" && c.Criteria[j].Value == back.Version {
				c.Criteria[j].Value = front.Version
			}
		}
	}
	if !sameJSON(*front, other) {
		return ""
	}
	return "the one behind removed"
}
