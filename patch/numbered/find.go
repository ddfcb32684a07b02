package numbered

import "github.com/patchsource/patchsource/patch"

// Find returns the place of the part of a kind that has a number.
func (t *Title) Find(kind Kind, number uint64) (Place, bool) {
	if number == 0 {
		return Place{}, false
	}
	in := func(numbers []uint64, p Place) (Place, bool) {
		for i, n := range numbers {
			if n == number {
				p.Index = i
				return p, true
			}
		}
		return Place{}, false
	}
	n := &t.Numbers
	switch kind {
	case Requirement:
		return in(n.Requirements, Place{Kind: kind})
	case ExtensionAttribute:
		return in(n.ExtensionAttributes, Place{Kind: kind})
	}
	for i := range n.Patches {
		p := &n.Patches[i]
		place, ok := Place{}, false
		switch kind {
		case Patch:
			place, ok = Place{Kind: kind, Patch: i, Index: i}, p.Number == number
		case KillApp:
			place, ok = in(p.KillApps, Place{Kind: kind, Patch: i})
		case Capability:
			place, ok = in(p.Capabilities, Place{Kind: kind, Patch: i})
		case Component, Criterion:
			place, ok = p.find(kind, number, i, in)
		}
		if ok {
			return place, true
		}
	}
	return Place{}, false
}

// find is Find for the components of the patch at an index, and their criteria.
func (n *PatchNumbers) find(
	kind Kind, number uint64, version int, in func([]uint64, Place) (Place, bool),
) (Place, bool) {
	for j := range n.Components {
		c := &n.Components[j]
		if kind == Component && c.Number == number {
			return Place{Kind: kind, Patch: version, Component: j, Index: j}, true
		}
		if kind == Criterion {
			if p, ok := in(c.Criteria, Place{Kind: kind, Patch: version, Component: j}); ok {
				return p, true
			}
		}
	}
	return Place{}, false
}

// NumberOf returns the number of the part at a place, which must exist. It is 0 if the part has none yet.
func (t *Title) NumberOf(p Place) uint64 {
	n := &t.Numbers
	switch p.Kind {
	case Requirement:
		return n.Requirements[p.Index]
	case ExtensionAttribute:
		return n.ExtensionAttributes[p.Index]
	case Patch:
		return n.Patches[p.Patch].Number
	case KillApp:
		return n.Patches[p.Patch].KillApps[p.Index]
	case Component:
		return n.Patches[p.Patch].Components[p.Component].Number
	case Capability:
		return n.Patches[p.Patch].Capabilities[p.Index]
	}
	return n.Patches[p.Patch].Components[p.Component].Criteria[p.Index]
}

// Patch returns the patch at a place, or the one to which the part at the place belongs, to be changed.
func (t *Title) Patch(p Place) *patch.Patch {
	t.touch(p.Patch)
	return &t.Definition.Patches[p.Patch]
}

// KillApp returns the kill app at a place, to be changed.
func (t *Title) KillApp(p Place) *patch.KillApp { return &t.Patch(p).KillApps[p.Index] }

// Component returns the component at a place, or the one to which the criterion at the place belongs, to be changed.
func (t *Title) Component(p Place) *patch.Component { return &t.Patch(p).Components[p.Component] }

// Criterion returns the requirement, the capability, or the criterion of a component at a place, to be changed.
func (t *Title) Criterion(p Place) *patch.Criterion {
	switch p.Kind {
	case Requirement:
		return &t.Definition.Requirements[p.Index]
	case Capability:
		return &t.Patch(p).Capabilities[p.Index]
	}
	return &t.Component(p).Criteria[p.Index]
}

// ExtensionAttribute returns the extension attribute at a place, to be changed.
func (t *Title) ExtensionAttribute(p Place) *patch.ExtensionAttribute {
	return &t.Definition.ExtensionAttributes[p.Index]
}
