package patch

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A Placed is a disabled patch with its place among the patches that are not.
type Placed struct {
	// After is the version of the last patch before it that is not disabled. It is empty if there is none.
	After string
	Patch Patch
}

// Split returns d without the patches that are disabled, and these, in their order. The result shares its lists with d.
// [Definition.Whole] puts them together again. It returns nothing if d is nil.
func (d *Definition) Split() (served *Definition, disabled []Placed) {
	if d == nil {
		return nil, nil
	}
	c := *d
	if !slices.ContainsFunc(d.Patches, func(p Patch) bool { return p.Disabled }) {
		return &c, nil
	}
	c.Patches = make([]Patch, 0, len(d.Patches))
	after := ""
	for _, p := range d.Patches {
		if p.Disabled {
			disabled = append(disabled, Placed{after, p})
			continue
		}
		c.Patches = append(c.Patches, p)
		after = p.Version
	}
	return &c, disabled
}

// Whole returns d, which has no disabled patches, with some of them at their places. One whose place does not exist
// stands in front of all others. The result shares its lists with d. It is nil if d is nil.
func (d *Definition) Whole(disabled []Placed) *Definition {
	if d == nil {
		return nil
	}
	c := *d
	if len(disabled) == 0 {
		return &c
	}
	exists := make(map[string]bool, len(d.Patches))
	for i := range d.Patches {
		exists[d.Patches[i].Version] = true
	}
	behind := map[string][]Patch{}
	for _, p := range disabled {
		after := p.After
		if !exists[after] {
			after = ""
		}
		behind[after] = append(behind[after], p.Patch)
	}
	c.Patches = slices.Clone(behind[""])
	for _, p := range d.Patches {
		c.Patches = append(c.Patches, p)
		if p.Version != "" {
			c.Patches = append(c.Patches, behind[p.Version]...)
		}
	}
	return &c
}

// KeepDisabled returns the disabled patches of a title after an edit that has changed the versions that are not
// disabled. before and after are these versions, in their order. A disabled patch whose version is in after goes: it
// was published another way. One that stood behind a version that is gone stands behind the nearest one before that is
// still there.
func KeepDisabled(disabled []Placed, before, after []string) []Placed {
	if len(disabled) == 0 {
		return nil
	}
	exists := make(map[string]bool, len(after))
	for _, v := range after {
		exists[v] = true
	}
	standsBehind := make(map[string]string, len(before)) // the version that takes the place of each
	last := ""
	for _, v := range before {
		if exists[v] {
			last = v
		}
		standsBehind[v] = last
	}
	var kept []Placed
	for _, p := range disabled {
		if !exists[p.Patch.Version] {
			kept = append(kept, Placed{standsBehind[p.After], p.Patch})
		}
	}
	return kept
}

// Versions returns the versions of the patches that are not disabled, in their order.
func (d *Definition) Versions() []string {
	if d == nil {
		return nil
	}
	versions := make([]string, 0, len(d.Patches))
	for i := range d.Patches {
		if !d.Patches[i].Disabled {
			versions = append(versions, d.Patches[i].Version)
		}
	}
	return versions
}

// firstEnabled returns the index of the first patch that is not disabled, or -1.
func firstEnabled(patches []Patch) int {
	return slices.IndexFunc(patches, func(p Patch) bool { return !p.Disabled })
}

// lastEnabled returns the index of the last patch that is not disabled, or -1.
func lastEnabled(patches []Patch) int {
	for i := range slices.Backward(patches) {
		if !patches[i].Disabled {
			return i
		}
	}
	return -1
}

// CloneVersion adds a copy of a version, with another version string and now as its release date, in front of all
// others; see [Patch.NextVersion]. The copy is not validated. The copy of a disabled version is disabled.
//
// The error is a *[VersionError]: [ErrVersionNotFound], or [ErrVersionExists] if next exists already.
func (d *Definition) CloneVersion(version, next string, now time.Time) error {
	i := d.FindPatch(version)
	if i < 0 {
		return &VersionError{version, ErrVersionNotFound}
	}
	return d.AddPatches(Position{}, now, d.Patches[i].NextVersion(next, now))
}

// OrderVersions puts the versions that are not disabled into another order. A disabled version stays behind the one
// that it stands behind. If they are in this order already, d does not change.
//
// The error is [ErrInvalid] unless versions has each of them once.
func (d *Definition) OrderVersions(versions []string, now time.Time) error {
	served, disabled := d.Split()
	if served == nil {
		return errNilDefinition
	}
	byVersion := make(map[string]*Patch, len(served.Patches))
	for i := range served.Patches {
		byVersion[served.Patches[i].Version] = &served.Patches[i]
	}
	c := newChecker(nil)
	c.push("versions")
	ordered := make([]Patch, 0, len(versions))
	seen := make(map[string]bool, len(versions))
	for i, v := range versions {
		switch p := byVersion[v]; {
		case p == nil:
			c.failAt(strconv.Itoa(i), fmt.Sprintf("%q is no version of the title", shorten(v)))
		case seen[v]:
			c.failAt(strconv.Itoa(i), fmt.Sprintf("%q is given twice", shorten(v)))
		default:
			seen[v] = true
			ordered = append(ordered, *p)
		}
	}
	for _, p := range served.Patches {
		if !seen[p.Version] {
			c.fail(fmt.Sprintf("must have each version once: %q is missing", shorten(p.Version)))
			break
		}
	}
	if err := c.result(); err != nil {
		return err
	}
	if slices.Equal(versions, d.Versions()) {
		return nil
	}
	served.Patches = ordered
	d.setPatches(served.Whole(disabled).Patches, now)
	return nil
}
