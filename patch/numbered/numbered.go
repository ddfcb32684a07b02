// Package numbered gives numbers to a title and to all of its parts, as Jamf's Title Editor API addresses them, and
// edits titles by these numbers. A number is unique among all titles of a server and is never used again.
//
// A [Title] is a whole title: it has the patches that are disabled too, and it may be incomplete. Its parts are in the
// lists of a [patch.Definition], and their numbers are in the same places of [Numbers].
//
// The package is pure: it knows nothing of storage, HTTP or time.
package numbered

import (
	"time"

	"github.com/patchsource/patchsource/patch"
)

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
}

// Numbers are the numbers of a title and of its parts. The lists are parallel to those of the definition.
type Numbers struct {
	// Title is the number of the title, which is also its first block of numbers for parts.
	Title uint32
	// Blocks are further blocks of numbers for parts, which are needed after the first 65,535 parts.
	Blocks []uint32
	// Next is the next number for a part that has not been used: the lower 16 bits within the block that the other
	// bits select. It never decreases.
	Next                uint32
	Requirements        []uint32
	ExtensionAttributes []uint32
	Patches             []PatchNumbers
}

// PatchNumbers are the numbers of a patch and of its parts.
type PatchNumbers struct {
	Number       uint32
	KillApps     []uint32
	Components   []ComponentNumbers
	Capabilities []uint32
}

// ComponentNumbers are the numbers of a component and of its criteria.
type ComponentNumbers struct {
	Number   uint32
	Criteria []uint32
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
