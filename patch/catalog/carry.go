package catalog

import (
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/numbered"
)

// describe sets what lists of numbered titles show of a title. It does nothing if n is nil.
func (n *titleNumbers) describe(t *Title) {
	if n == nil {
		return
	}
	t.Number, t.PatchCount, t.RequirementCount = n.Title, n.Patches, n.Requirements
	t.AppName, t.BundleID = n.AppName, n.BundleID
}

// count sets the counts to those of a definition with a number of patches that are served.
func (n *titleNumbers) count(d *patch.Definition, patches int) {
	n.Patches, n.Requirements, n.AppName, n.BundleID = patches, len(d.Requirements), "", ""
	if d.AppName != nil {
		n.AppName = *d.AppName
	}
	if d.BundleID != nil {
		n.BundleID = *d.BundleID
	}
}

// carryNumbers carries the numbers of a title's parts over an edit at the time now, if the title has numbers. was is
// the record before it. The error says that a record is corrupt.
func (r *record) carryNumbers(was *record, made *edited, now time.Time) error {
	if r.Numbers == nil {
		return nil
	}
	n := *r.Numbers
	if !made.numbered && !sameSlice(was.Disabled, r.Disabled) {
		last, err := r.modified()
		if err != nil {
			return unavailable(err)
		}
		n.Modified = later(last, now).Truncate(time.Second)
	}
	// If the disabled patches stay, versions were added, which have no numbers yet, or one was removed; see
	// forgetVersion.
	if made.outline != nil && sameSlice(was.Disabled, r.Disabled) {
		d := made.outline.definition
		n.count(d, len(d.Patches))
		r.Numbers = &n
		return nil
	}
	d, err := r.parse()
	if err != nil {
		return unavailable(err)
	}
	n.count(d, len(d.Patches))
	if n.Parts != nil && !made.numbered {
		before, err := was.whole()
		if err != nil {
			return unavailable(err)
		}
		after, err := r.whole()
		if err != nil {
			return unavailable(err)
		}
		if err := n.carry(before, after); err != nil {
			return unavailable(err)
		}
	}
	r.Numbers = &n
	return nil
}

// carry carries the numbers of parts over an edit of the whole definition. The error says that they are corrupt.
func (n *titleNumbers) carry(before, after *patch.Definition) error {
	if n.Parts == nil {
		return nil
	}
	old, err := numbered.Decode(n.Parts, n.Title, before)
	if err != nil {
		return err
	}
	next := old.Carry(before, after)
	n.Parts, err = next.Encode(after)
	return err
}

// forgetNumbers forgets the numbers of a version that is removed. The error says that they are corrupt.
func (r *record) forgetNumbers(version string) error {
	if r.Numbers == nil || r.Numbers.Parts == nil {
		return nil
	}
	parts, err := numbered.Forget(r.Numbers.Parts, version)
	if err != nil {
		return unavailable(err)
	}
	n := *r.Numbers
	n.Parts = parts
	r.Numbers = &n
	return nil
}
