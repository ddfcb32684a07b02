package numbered

import (
	"slices"

	"github.com/patchsource/patchsource/patch"
)

// AddRequirement adds a requirement at an index, or at the end if at is negative or too large.
func (t *Title) AddRequirement(at int, c patch.Criterion) Place {
	i := insert(&t.Definition.Requirements, &t.Numbers.Requirements, at, c, 0)
	return Place{Kind: Requirement, Index: i}
}

// AddExtensionAttribute adds an extension attribute at the end.
func (t *Title) AddExtensionAttribute(a patch.ExtensionAttribute) Place {
	i := insert(&t.Definition.ExtensionAttributes, &t.Numbers.ExtensionAttributes, -1, a, 0)
	return Place{Kind: ExtensionAttribute, Index: i}
}

// AddPatch adds a copy of a patch at an index, or at the end if at is negative or too large. The front is at 0.
func (t *Title) AddPatch(at int, p patch.Patch) Place {
	p = p.Clone()
	i := insert(&t.Definition.Patches, &t.Numbers.Patches, at, p, newPatchNumbers(&p))
	t.touched = slices.Insert(t.touched, i, true)
	return Place{Kind: Patch, Patch: i, Index: i}
}

// AddKillApp adds a kill app to the patch at an index.
func (t *Title) AddKillApp(version int, k patch.KillApp) Place {
	t.touch(version)
	i := insert(&t.Definition.Patches[version].KillApps, &t.Numbers.Patches[version].KillApps, -1, k, 0)
	return Place{Kind: KillApp, Patch: version, Index: i}
}

// AddComponent adds a copy of a component to the patch at an index.
func (t *Title) AddComponent(version int, c patch.Component) Place {
	t.touch(version)
	c.Criteria = slices.Clone(c.Criteria)
	p, n := &t.Definition.Patches[version], &t.Numbers.Patches[version]
	i := insert(&p.Components, &n.Components, -1, c, newComponentNumbers(&c))
	return Place{Kind: Component, Patch: version, Component: i, Index: i}
}

// AddCapability adds a capability to the patch at an index, at the index at of its capabilities, or at their end if at
// is negative or too large.
func (t *Title) AddCapability(version, at int, c patch.Criterion) Place {
	t.touch(version)
	i := insert(&t.Definition.Patches[version].Capabilities, &t.Numbers.Patches[version].Capabilities, at, c, 0)
	return Place{Kind: Capability, Patch: version, Index: i}
}

// AddCriterion adds a criterion to a component of the patch at an index, at the index at of its criteria, or at their
// end if at is negative or too large.
func (t *Title) AddCriterion(version, component, at int, c patch.Criterion) Place {
	t.touch(version)
	m, n := &t.Definition.Patches[version].Components[component], &t.Numbers.Patches[version].Components[component]
	i := insert(&m.Criteria, &n.Criteria, at, c, 0)
	return Place{Kind: Criterion, Patch: version, Component: component, Index: i}
}

// Move moves the part at a place to an index of its list, or to the end if to is too large, and returns its new place.
// The others keep their order.
func (t *Title) Move(p Place, to int) Place {
	d, n := t.Definition, &t.Numbers
	switch p.Kind {
	case Requirement:
		p.Index = move(d.Requirements, n.Requirements, p.Index, to)
	case ExtensionAttribute:
		p.Index = move(d.ExtensionAttributes, n.ExtensionAttributes, p.Index, to)
	case Patch:
		t.touch(p.Patch)
		touched := slices.Clone(t.touched)
		move(touched, make([]struct{}, len(touched)), p.Patch, to)
		p.Patch = move(d.Patches, n.Patches, p.Patch, to)
		p.Index, t.touched = p.Patch, touched
	case KillApp:
		p.Index = move(t.Patch(p).KillApps, n.Patches[p.Patch].KillApps, p.Index, to)
	case Capability:
		p.Index = move(t.Patch(p).Capabilities, n.Patches[p.Patch].Capabilities, p.Index, to)
	case Component:
		p.Component = move(t.Patch(p).Components, n.Patches[p.Patch].Components, p.Component, to)
		p.Index = p.Component
	case Criterion:
		p.Index = move(t.Component(p).Criteria, n.Patches[p.Patch].Components[p.Component].Criteria, p.Index, to)
	}
	return p
}

// Remove removes the part at a place.
func (t *Title) Remove(p Place) {
	d, n := t.Definition, &t.Numbers
	switch p.Kind {
	case Requirement:
		remove(&d.Requirements, &n.Requirements, p.Index)
	case ExtensionAttribute:
		remove(&d.ExtensionAttributes, &n.ExtensionAttributes, p.Index)
	case Patch:
		remove(&d.Patches, &n.Patches, p.Patch)
		t.touched = slices.Delete(t.touched, p.Patch, p.Patch+1)
	case KillApp:
		remove(&t.Patch(p).KillApps, &n.Patches[p.Patch].KillApps, p.Index)
	case Capability:
		remove(&t.Patch(p).Capabilities, &n.Patches[p.Patch].Capabilities, p.Index)
	case Component:
		remove(&t.Patch(p).Components, &n.Patches[p.Patch].Components, p.Component)
	case Criterion:
		remove(&t.Component(p).Criteria, &n.Patches[p.Patch].Components[p.Component].Criteria, p.Index)
	}
}

// Complete reports whether the patch at an index can be enabled: it has a capability, and a component with a criterion.
// That is Title Editor's rule; see also [patch.Definition.Validate].
func (t *Title) Complete(version int) bool { return complete(&t.Definition.Patches[version]) }

func complete(p *patch.Patch) bool {
	return len(p.Capabilities) > 0 &&
		slices.ContainsFunc(p.Components, func(c patch.Component) bool { return len(c.Criteria) > 0 })
}

// Settle disables each patch that was changed and is incomplete (see [Title.Complete]), and the title if it has no
// requirement or no enabled patch, as Title Editor does. A patch that was not changed stays as it is.
func (t *Title) Settle() {
	enabled := 0
	for i := range t.Definition.Patches {
		p := &t.Definition.Patches[i]
		if t.touched[i] && !complete(p) {
			p.Disabled = true
		}
		if !p.Disabled {
			enabled++
		}
	}
	if enabled == 0 || len(t.Definition.Requirements) == 0 {
		t.Enabled = false
	}
}

// touch notes that the patch at an index is changed.
func (t *Title) touch(version int) { t.touched[version] = true }

// insert inserts a value and its number at an index, or at the end if at is negative or too large, and returns the
// index.
func insert[T, N any](values *[]T, numbers *[]N, at int, value T, number N) int {
	if at < 0 || at > len(*values) {
		at = len(*values)
	}
	*values = slices.Insert(*values, at, value)
	*numbers = slices.Insert(*numbers, at, number)
	return at
}

// move moves a value and its number to an index, or to the end if it is too large, and returns the index.
func move[T, N any](values []T, numbers []N, from, to int) int {
	to = max(0, min(to, len(values)-1))
	value, number := values[from], numbers[from]
	copy(numbers[from:], numbers[from+1:])
	copy(values[from:], values[from+1:])
	copy(values[to+1:], values[to:len(values)-1])
	copy(numbers[to+1:], numbers[to:len(numbers)-1])
	values[to], numbers[to] = value, number
	return to
}

// remove removes a value and its number.
func remove[T, N any](values *[]T, numbers *[]N, at int) {
	*values = slices.Delete(*values, at, at+1)
	*numbers = slices.Delete(*numbers, at, at+1)
}
