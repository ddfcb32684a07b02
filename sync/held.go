package patchsync

import "github.com/patchsource/patchsource/patch"

// holdBack takes out of a definition, and returns, the patches that the source holds
// back: those in front of the current version, if the source's list and its definition
// agree on one that is not the first. The definition is checked with them.
func holdBack(d *patch.Definition, listed string) (held []patch.Patch, err error) {
	if listed == "" || d.CurrentVersion != listed {
		return nil, nil
	}
	first := d.FindPatch(listed)
	if first <= 0 {
		return nil, nil
	}
	if err := d.Validate(); err != nil {
		return nil, err
	}
	held, d.Patches = d.Patches[:first:first], d.Patches[first:]
	return held, nil
}
