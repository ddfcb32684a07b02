package releases

import (
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// A Plan says what a check of a watch finds to do. It is not stored.
type Plan struct {
	// Add are the versions to add now, the oldest first.
	Add []Step
	// Proposal has the versions that wait for a person. If nil, there are none. Its ID and Title are empty. A proposal
	// that was stored earlier is not part of the plan: its versions are listed again while they are newer than the
	// title's newest version, and not otherwise.
	Proposal *recipe.Proposal
	// Held are the versions that wait for their time, or for their roll-out, the oldest first. If there are more than
	// 50, they are the newest 50.
	Held []Step
	// Skipped are the versions that are newer than the title's newest version and neither added nor proposed.
	Skipped []Dropped
	// Newest is the newest stable release of the feed. If nil, there is none.
	Newest *recipe.Release
	// Note is a sentence that explains a plan without anything to add, propose or hold.
	Note string
}

// A Step is a version that is added to a title.
type Step struct {
	Release recipe.Release
	// Patch is the version as it is added, at the place of version order.
	Patch patch.Patch
	// Reasons are sentences about what speaks for and against the version.
	Reasons []string
	// Until is when a held version is due. If zero, no time is known.
	Until time.Time
}

// A Mark is what a watch remembers of a version, and since when.
type Mark struct {
	Memory recipe.Memory `json:"memory"`
	At     time.Time     `json:"at"`
}

// Seen is what a watch remembers of the versions of its feed.
type Seen map[string]Mark

// A sortedSeen finds marks by version order, so that another spelling of a version has the same mark.
type sortedSeen struct {
	versions []patch.Version
	marks    []Mark
}

// sorted returns the marks in version order.
func (s Seen) sorted() sortedSeen {
	out := sortedSeen{}
	for v := range s {
		out.versions = append(out.versions, patch.ParseVersion(v))
	}
	slices.SortFunc(out.versions, patch.Version.Order)
	for _, v := range out.versions {
		out.marks = append(out.marks, s[v.String()])
	}
	return out
}

// find returns the mark of a version, or of another spelling of it. A rejection, and a removal by a person, precede
// other marks of several spellings.
func (s sortedSeen) find(v patch.Version) (m Mark, ok bool) {
	i, _ := slices.BinarySearchFunc(s.versions, v, patch.Version.Compare)
	for ; i < len(s.versions) && s.versions[i].Compare(v) == 0; i++ {
		if !ok || weight(s.marks[i].Memory) > weight(m.Memory) {
			m, ok = s.marks[i], true
		}
	}
	return m, ok
}

// weight orders the memories of several spellings of a version.
func weight(m recipe.Memory) int {
	return slices.Index([]recipe.Memory{recipe.Listed, recipe.Adding, recipe.Added, recipe.Rejected}, m)
}
