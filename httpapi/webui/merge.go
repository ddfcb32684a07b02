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

// mergeVersions merges the versions. The order is that of mine; versions that only theirs has are added by version
// order. choose reports whether a part of theirs is taken in place of mine.
func mergeVersions(
	base, mine, theirs *patch.Definition, choose func(name string, base, mine, theirs any) bool,
) []patch.Patch {
	find := func(d *patch.Definition, v string) *patch.Patch {
		if i := d.FindPatch(v); i >= 0 {
			return &d.Patches[i]
		}
		return nil
	}
	d := &patch.Definition{}
	for i := range mine.Patches {
		p := &mine.Patches[i]
		if choose("version "+p.Version, find(base, p.Version), p, find(theirs, p.Version)) {
			if p = find(theirs, p.Version); p == nil {
				continue // they have removed it
			}
		}
		d.Patches = append(d.Patches, *p)
	}
	for i := range theirs.Patches {
		p := &theirs.Patches[i]
		if find(mine, p.Version) != nil {
			continue
		}
		if choose("version "+p.Version, find(base, p.Version), (*patch.Patch)(nil), p) {
			// It cannot fail: the version is not there.
			_ = d.AddPatches(patch.Ordered(), time.Time{}, *p)
		}
	}
	return slices.Clip(d.Patches)
}
