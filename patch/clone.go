package patch

import "slices"

// Clone returns a deep copy of d: a change of either does not affect the other. The clone of a nil definition is nil.
func (d *Definition) Clone() *Definition {
	if d == nil {
		return nil
	}
	c := *d
	c.AppName = clonePointer(d.AppName)
	c.BundleID = clonePointer(d.BundleID)
	c.Requirements = cloneCriteria(d.Requirements)
	c.Patches = slices.Clone(d.Patches)
	for i := range c.Patches {
		c.Patches[i] = d.Patches[i].Clone()
	}
	c.ExtensionAttributes = slices.Clone(d.ExtensionAttributes)
	for i := range c.ExtensionAttributes {
		a := &c.ExtensionAttributes[i]
		a.Extra = cloneFields(a.Extra)
	}
	c.Extra = cloneFields(d.Extra)
	return &c
}

// Clone returns a deep copy of p: a change of either does not affect the other. A plain copy would share its lists with
// p. See [Patch.NextVersion] for a copy with another version.
func (p *Patch) Clone() Patch {
	if p == nil {
		return Patch{}
	}
	c := *p
	c.KillApps = slices.Clone(p.KillApps)
	for i := range c.KillApps {
		c.KillApps[i].Extra = cloneFields(c.KillApps[i].Extra)
	}
	c.Components = slices.Clone(p.Components)
	for i := range c.Components {
		m := &c.Components[i]
		m.Criteria = cloneCriteria(m.Criteria)
		m.Extra = cloneFields(m.Extra)
	}
	c.Capabilities = cloneCriteria(p.Capabilities)
	c.Dependencies = slices.Clone(p.Dependencies)
	c.Extra = cloneFields(p.Extra)
	return c
}

func cloneCriteria(criteria []Criterion) []Criterion {
	c := slices.Clone(criteria)
	for i := range c {
		c[i].And = clonePointer(c[i].And)
		c[i].Extra = cloneFields(c[i].Extra)
	}
	return c
}

func cloneFields(fields []Field) []Field {
	c := slices.Clone(fields)
	for i := range c {
		c[i].Value = slices.Clone(c[i].Value)
	}
	return c
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
