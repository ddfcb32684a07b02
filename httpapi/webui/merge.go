package webui

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// merge merges the changes of two definitions that were made from one, base: mine, a draft, and theirs. Where both have
// changed the same part in different ways, the result has mine, and the collision is named. A version is one part, and
// so are all requirements and each extension attribute.
func merge(base, mine, theirs *patch.Definition) (merged *patch.Definition, collisions []string) {
	m := *mine
	choose := func(name string, base, mine, theirs any) bool { // whether theirs is taken
		b, x, y := encoded(base), encoded(mine), encoded(theirs)
		switch {
		case bytes.Equal(x, y), bytes.Equal(b, y):
			return false
		case bytes.Equal(b, x):
			return true
		}
		collisions = append(collisions, name)
		return false
	}
	if choose("name", base.Name, mine.Name, theirs.Name) {
		m.Name = theirs.Name
	}
	if choose("publisher", base.Publisher, mine.Publisher, theirs.Publisher) {
		m.Publisher = theirs.Publisher
	}
	if choose("application", base.AppName, mine.AppName, theirs.AppName) {
		m.AppName = theirs.AppName
	}
	if choose("bundle ID", base.BundleID, mine.BundleID, theirs.BundleID) {
		m.BundleID = theirs.BundleID
	}
	if choose("requirements", base.Requirements, mine.Requirements, theirs.Requirements) {
		m.Requirements = theirs.Requirements
	}
	if choose("extension attributes", base.ExtensionAttributes, mine.ExtensionAttributes, theirs.ExtensionAttributes) {
		m.ExtensionAttributes = theirs.ExtensionAttributes
	}
	m.Patches = mergeVersions(base, mine, theirs, choose)
	return &m, collisions
}

// encoded returns a part as JSON.
func encoded(part any) []byte {
	data, err := json.Marshal(part)
	if err != nil {
		return nil
	}
	return data
}

// mergeVersions merges the versions. The order is that of mine, or that of theirs if mine is still that of base.
// Versions that only the other one has are added by version order. choose reports whether a part of theirs is taken in
// place of mine.
func mergeVersions(
	base, mine, theirs *patch.Definition, choose func(name string, base, mine, theirs any) bool,
) []patch.Patch {
	inBase, inMine, inTheirs := byVersion(base), byVersion(mine), byVersion(theirs)
	first, second := mine, theirs
	if slices.Equal(base.Versions(), mine.Versions()) {
		first, second = theirs, mine
	}
	merged := func(version string) *patch.Patch { // nil if the version is removed
		if choose("version "+version, inBase[version], inMine[version], inTheirs[version]) {
			return inTheirs[version]
		}
		return inMine[version]
	}
	d := &patch.Definition{}
	done := byVersion(first)
	for i := range first.Patches {
		p := &first.Patches[i]
		if chosen := merged(p.Version); chosen != done[p.Version] {
			p = chosen
		}
		if p != nil {
			d.Patches = append(d.Patches, *p)
		}
	}
	var added []patch.Patch
	for i := range second.Patches {
		version := second.Patches[i].Version
		if done[version] != nil {
			continue
		}
		if p := merged(version); p != nil {
			added = append(added, *p)
		}
	}
	// It cannot fail: the versions are not there, and are different.
	_ = d.AddPatches(patch.Ordered(), time.Time{}, added...)
	return slices.Clip(d.Patches)
}

// byVersion returns the patches of a definition by version: the first one of each.
func byVersion(d *patch.Definition) map[string]*patch.Patch {
	all := make(map[string]*patch.Patch, len(d.Patches))
	for i := range d.Patches {
		if p := &d.Patches[i]; all[p.Version] == nil {
			all[p.Version] = p
		}
	}
	return all
}
