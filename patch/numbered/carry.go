package numbered

import (
	"encoding/json"

	"github.com/patchsource/patchsource/patch"
)

// Carry returns the numbers of a definition that was edited without them. n are those of the definition before. A patch
// keeps its number if its version does, and an extension attribute if its key does. A part of a patch and a requirement
// keep theirs if there is an equal one after the edit, or else if there is another one at the same place that has none;
// so do extension attributes with new keys. All others have no number yet, and numbers of parts that are gone are
// forgotten. Both definitions are whole, and not changed.
func (n Numbers) Carry(before, after *patch.Definition) Numbers {
	next := n
	next.Requirements = carry(before.Requirements, n.Requirements, after.Requirements)
	next.ExtensionAttributes = n.carryAttributes(before.ExtensionAttributes, after.ExtensionAttributes)
	next.Patches = make([]PatchNumbers, len(after.Patches))
	byKey := make(map[string]int, len(before.Patches))
	was, is := keysOf(before), keysOf(after)
	for i := range before.Patches {
		byKey[was(i)] = i
	}
	for i := range after.Patches {
		p := &after.Patches[i]
		if j, ok := byKey[is(i)]; ok && j < len(n.Patches) {
			next.Patches[i] = n.Patches[j].carry(&before.Patches[j], p)
		} else {
			next.Patches[i] = newPatchNumbers(p)
		}
	}
	return next
}

// carry returns the numbers of a patch that was edited.
func (n PatchNumbers) carry(before, after *patch.Patch) PatchNumbers {
	next := PatchNumbers{
		Number:       n.Number,
		KillApps:     carry(before.KillApps, n.KillApps, after.KillApps),
		Components:   make([]ComponentNumbers, len(after.Components)),
		Capabilities: carry(before.Capabilities, n.Capabilities, after.Capabilities),
	}
	for i, j := range match(before.Components, after.Components) {
		c := &after.Components[i]
		if j < 0 || j >= len(n.Components) {
			next.Components[i] = newComponentNumbers(c)
			continue
		}
		was := n.Components[j]
		next.Components[i] = ComponentNumbers{was.Number, carry(before.Components[j].Criteria, was.Criteria,
			c.Criteria)}
	}
	return next
}

// carryAttributes returns the numbers of extension attributes that were edited.
func (n *Numbers) carryAttributes(before, after []patch.ExtensionAttribute) []uint64 {
	keys := func(attributes []patch.ExtensionAttribute) []patch.ExtensionAttribute {
		keys := make([]patch.ExtensionAttribute, len(attributes))
		for i, a := range attributes {
			keys[i].Key = a.Key
		}
		return keys
	}
	return carry(keys(before), n.ExtensionAttributes, keys(after))
}

// carry returns the numbers of the parts in a list that was edited.
func carry[T json.Marshaler](before []T, numbers []uint64, after []T) []uint64 {
	next := make([]uint64, len(after))
	for i, j := range match(before, after) {
		if j >= 0 && j < len(numbers) {
			next[i] = numbers[j]
		}
	}
	return next
}

// match returns, for each element of after, the index of the element of before that it was, or -1: an equal one, in
// order, or else the one at the same place if that is equal to no other.
func match[T json.Marshaler](before, after []T) []int {
	matches := make([]int, len(after))
	equal := make(map[string][]int, len(before)) // the indices in before, by content
	for i := range before {
		key := content(before[i])
		equal[key] = append(equal[key], i)
	}
	taken := make([]bool, len(before))
	for i := range after {
		matches[i] = -1
		key := content(after[i])
		if same := equal[key]; len(same) > 0 {
			matches[i], equal[key] = same[0], same[1:]
			taken[same[0]] = true
		}
	}
	for i := range after {
		if matches[i] < 0 && i < len(before) && !taken[i] {
			matches[i] = i
		}
	}
	return matches
}

// content returns what two equal parts have in common.
func content(part json.Marshaler) string {
	data, err := part.MarshalJSON()
	if err != nil {
		return "" // parts that cannot be written are matched by their places
	}
	return string(data)
}
