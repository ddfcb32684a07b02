// Package numbered gives numbers to a title and to all of its parts, as Jamf's Title Editor API addresses them, and
// edits titles by these numbers. A number is unique among all titles of a server and is never used again.
//
// A [Title] is a whole title: it has the patches that are disabled too, and it may be incomplete. Its parts are in the
// lists of a [patch.Definition], and their numbers are in the same places of [Numbers].
//
// The number of a part is a block of numbers, shifted by 16 bits, and the place within the block. The number of the
// title is its first block, so that the title of a part can be found. Numbers of parts fit into 32 bits for the first
// 32,767 titles of a server, and are always exact in JSON.
//
// The package is pure: it knows nothing of storage, HTTP or time.
package numbered

import (
	"errors"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// ErrFull reports that a title has used all numbers of its blocks and needs another block.
var ErrFull = errors.New("the title has used up its numbers")

// A Title is a title with a number for each of its parts. The zero number stands for a part that has none yet.
// A Title must not be used concurrently.
type Title struct {
	// Definition is the whole definition, also with the patches that are disabled. Its parts must be added, moved and
	// removed by the methods of Title only.
	Definition *patch.Definition
	// Enabled reports whether the title is served.
	Enabled bool
	// Modified is the time of the last change of the title or of a part of it, also one that is not served.
	Modified time.Time
	// Numbers are the numbers of the title and of its parts.
	Numbers Numbers

	touched []bool // the patches that were changed, by index
}

// NewTitle returns a title with a copy of a definition. numbers must be parallel to it.
func NewTitle(numbers Numbers, d *patch.Definition, enabled bool, modified time.Time) *Title {
	return &Title{
		Definition: d.Clone(),
		Enabled:    enabled,
		Modified:   modified,
		Numbers:    numbers.Clone(),
		touched:    make([]bool, len(d.Patches)),
	}
}

// Numbers are the numbers of a title and of its parts. The lists are parallel to those of the definition.
type Numbers struct {
	// Title is the number of the title, which is also its first block of numbers for parts.
	Title uint64
	// Blocks are further blocks of numbers for parts, which are needed after the first 65,535 parts.
	Blocks []uint64
	// Next is the first number for a part that was never used: its lower 16 bits are the place within the block that
	// the other bits select. It never decreases.
	Next                uint64
	Requirements        []uint64
	ExtensionAttributes []uint64
	Patches             []PatchNumbers
}

// PatchNumbers are the numbers of a patch and of its parts.
type PatchNumbers struct {
	Number       uint64
	KillApps     []uint64
	Components   []ComponentNumbers
	Capabilities []uint64
}

// ComponentNumbers are the numbers of a component and of its criteria.
type ComponentNumbers struct {
	Number   uint64
	Criteria []uint64
}

// A Kind is a kind of part.
type Kind int

// The kinds of parts.
const (
	Requirement Kind = iota + 1
	ExtensionAttribute
	Patch
	KillApp
	Component
	Capability
	Criterion // of a component
)

// A Place is the place of a part in a title's definition. It is valid until a part is added, moved or removed.
type Place struct {
	Kind Kind
	// Patch is the index of the patch that the part is, or belongs to.
	Patch int
	// Component is the index of the component that the part is, or belongs to, within the patch.
	Component int
	// Index is the index of the part in its own list.
	Index int
}

// New returns the numbers of a title whose parts have none yet.
func New(title uint64, d *patch.Definition) Numbers {
	n := Numbers{
		Title:               title,
		Requirements:        make([]uint64, len(d.Requirements)),
		ExtensionAttributes: make([]uint64, len(d.ExtensionAttributes)),
		Patches:             make([]PatchNumbers, len(d.Patches)),
	}
	for i := range d.Patches {
		n.Patches[i] = newPatchNumbers(&d.Patches[i])
	}
	return n
}

func newPatchNumbers(p *patch.Patch) PatchNumbers {
	n := PatchNumbers{
		KillApps:     make([]uint64, len(p.KillApps)),
		Components:   make([]ComponentNumbers, len(p.Components)),
		Capabilities: make([]uint64, len(p.Capabilities)),
	}
	for i := range p.Components {
		n.Components[i] = newComponentNumbers(&p.Components[i])
	}
	return n
}

func newComponentNumbers(c *patch.Component) ComponentNumbers {
	return ComponentNumbers{Criteria: make([]uint64, len(c.Criteria))}
}

// Clone returns a deep copy of n.
func (n Numbers) Clone() Numbers {
	n.Blocks = slices.Clone(n.Blocks)
	n.Requirements = slices.Clone(n.Requirements)
	n.ExtensionAttributes = slices.Clone(n.ExtensionAttributes)
	n.Patches = slices.Clone(n.Patches)
	for i := range n.Patches {
		p := &n.Patches[i]
		p.KillApps = slices.Clone(p.KillApps)
		p.Capabilities = slices.Clone(p.Capabilities)
		p.Components = slices.Clone(p.Components)
		for j := range p.Components {
			p.Components[j].Criteria = slices.Clone(p.Components[j].Criteria)
		}
	}
	return n
}
