package patch

import "fmt"

// MaxUnknown is the maximum number of unknown members of a definition: those that are in an Extra. Each takes many
// times the memory that it takes in the text.
const MaxUnknown = 100_000

// UnknownMembers returns the number of unknown members of d and its parts. It is 0 if d is nil.
func (d *Definition) UnknownMembers() int {
	if d == nil {
		return 0
	}
	n := len(d.Extra) + unknownOfCriteria(d.Requirements)
	for i := range d.Patches {
		n += d.Patches[i].UnknownMembers()
	}
	for i := range d.ExtensionAttributes {
		n += len(d.ExtensionAttributes[i].Extra)
	}
	return n
}

// UnknownMembers returns the number of unknown members of p and its parts. It is 0 if p is nil.
func (p *Patch) UnknownMembers() int {
	if p == nil {
		return 0
	}
	n := len(p.Extra) + unknownOfCriteria(p.Capabilities)
	for i := range p.KillApps {
		n += len(p.KillApps[i].Extra)
	}
	for i := range p.Components {
		m := &p.Components[i]
		n += len(m.Extra) + unknownOfCriteria(m.Criteria)
	}
	return n
}

func unknownOfCriteria(criteria []Criterion) (n int) {
	for i := range criteria {
		n += len(criteria[i].Extra)
	}
	return n
}

// unknown records a failure if there are more than MaxUnknown unknown members, and more than the earlier definition
// has.
func (c *checker) unknown(n int, old *Definition) {
	if n > MaxUnknown && n > old.UnknownMembers() {
		c.fail(fmt.Sprintf("must have at most %d unknown members, not %d: remove some", MaxUnknown, n))
	}
}

// maxUnknown returns the maximum number of unknown members that are read. A negative number means no limit.
func (o *ParseOptions) maxUnknown() int {
	switch {
	case o == nil:
		return MaxUnknown
	case o.MaxUnknown != 0:
		return o.MaxUnknown
	case o.Stored:
		return -1
	}
	return max(MaxUnknown, o.Over.UnknownMembers())
}
