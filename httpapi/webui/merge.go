package webui

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// merge merges the changes of two definitions that were made from one, base: mine, a draft, and theirs. Where both have
// changed the same part in different ways, the result has mine, and the collision is named. Each version and each
// extension attribute is one part, and so are all requirements.
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
	field := func(f patch.Field) string { return f.Name }
	members, newMembers := mergeLists("member", field, base.Extra, mine.Extra, theirs.Extra, choose)
	m.Extra = append(members, newMembers...)
	key := func(a patch.ExtensionAttribute) string { return a.Key }
	attributes, newAttributes := mergeLists("extension attribute", key,
		base.ExtensionAttributes, mine.ExtensionAttributes, theirs.ExtensionAttributes, choose)
	m.ExtensionAttributes = append(attributes, newAttributes...)
	version := func(p patch.Patch) string { return p.Version }
	patches, newPatches := mergeLists("version", version, base.Patches, mine.Patches, theirs.Patches, choose)
	all := &patch.Definition{Patches: patches}
	// It cannot fail: the versions are not there, and are different.
	_ = all.AddPatches(patch.Ordered(), time.Time{}, newPatches...)
	m.Patches = all.Patches
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

// mergeLists merges lists of parts that have a key. The order is that of mine, or that of theirs if mine is still that
// of base. added are the parts that only the other one has. choose reports whether a part of theirs is taken in place
// of mine; it gets the word for such a part and its key. A list in which a key is repeated is one part.
func mergeLists[T any](
	word string, key func(T) string, base, mine, theirs []T, choose func(name string, base, mine, theirs any) bool,
) (merged, added []T) {
	if repeated(base, key) || repeated(mine, key) || repeated(theirs, key) { // parts cannot be told apart
		if choose(word+"s", base, mine, theirs) {
			return slices.Clone(theirs), nil
		}
		return slices.Clone(mine), nil
	}
	inBase, inMine, inTheirs := byKey(base, key), byKey(mine, key), byKey(theirs, key)
	first, second, done := mine, theirs, inMine
	same := func(a, b T) bool { return key(a) == key(b) }
	if slices.EqualFunc(base, mine, same) {
		first, second, done = theirs, mine, inTheirs
	}
	pick := func(k string) *T { // nil if the part is removed
		if choose(word+" "+k, inBase[k], inMine[k], inTheirs[k]) {
			return inTheirs[k]
		}
		return inMine[k]
	}
	merged = make([]T, 0, len(first))
	for i := range first {
		p, k := &first[i], key(first[i])
		if picked := pick(k); picked != done[k] {
			p = picked
		}
		if p != nil {
			merged = append(merged, *p)
		}
	}
	for i := range second {
		k := key(second[i])
		if done[k] != nil {
			continue
		}
		if p := pick(k); p != nil {
			added = append(added, *p)
		}
	}
	return merged, added
}

// repeated reports whether two parts of a list have the same key.
func repeated[T any](list []T, key func(T) string) bool { return len(byKey(list, key)) < len(list) }

// byKey returns the parts of a list by their key: the first one of each.
func byKey[T any](list []T, key func(T) string) map[string]*T {
	all := make(map[string]*T, len(list))
	for i := range list {
		if k := key(list[i]); all[k] == nil {
			all[k] = &list[i]
		}
	}
	return all
}
