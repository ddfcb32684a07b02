package patch

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// A Position says where among the patches of a title a new version goes. The
// zero Position is the front, where the newest stands.
type Position struct {
	place   place
	version string
}

type place int

const (
	front place = iota
	before
	after
	ordered
)

// Before is the position directly in front of an existing version.
func Before(version string) Position { return Position{before, version} }

// After is the position directly behind an existing version.
func After(version string) Position { return Position{after, version} }

// Ordered is the position at which version order (see [CompareVersions]) says
// that the version belongs: in front of the first patch that is older.
func Ordered() Position { return Position{place: ordered} }

// index returns where in patches new ones go, unless they are ordered.
func (p Position) index(patches []Patch) (int, error) {
	if p.place == front {
		return 0, nil
	}
	i := slices.IndexFunc(patches, func(q Patch) bool { return q.Version == p.version })
	if i < 0 {
		return 0, &VersionError{p.version, ErrPosition}
	}
	if p.place == after {
		i++
	}
	return i, nil
}

// AddPatches puts new versions at a position, all or none. At the front, before
// or after a version they stand as one block in the order given; [Ordered]
// places each by itself.
//
// The error is a *[VersionError]: [ErrVersionExists] when a version is there
// already or given twice, [ErrPosition] when the version beside which they go is
// not there. It is not checked whether the patches are valid.
func (d *Definition) AddPatches(at Position, now time.Time, patches ...Patch) error {
	seen := make(map[string]bool, len(d.Patches)+len(patches))
	for i := range d.Patches {
		seen[d.Patches[i].Version] = true
	}
	for i := range patches {
		if seen[patches[i].Version] {
			return &VersionError{patches[i].Version, ErrVersionExists}
		}
		seen[patches[i].Version] = true
	}
	if len(patches) == 0 {
		return nil
	}
	if at.place == ordered {
		d.setPatches(insertOrdered(d.Patches, patches), now)
		return nil
	}
	i, err := at.index(d.Patches)
	if err != nil {
		return err
	}
	d.setPatches(slices.Insert(slices.Clone(d.Patches), i, patches...), now)
	return nil
}

// insertOrdered puts each new patch in front of the first one that is older. The
// patches there may be in any order, and keep it.
func insertOrdered(patches, more []Patch) []Patch {
	more = slices.Clone(more)
	SortPatches(more)
	// The oldest up to each patch: from the first that is older than a version
	// on, all of these are.
	oldest := make([]Version, len(patches))
	for i := range patches {
		oldest[i] = ParseVersion(patches[i].Version)
		if i > 0 && oldest[i-1].Order(oldest[i]) < 0 {
			oldest[i] = oldest[i-1]
		}
	}
	all := make([]Patch, 0, len(patches)+len(more))
	taken := 0
	for _, p := range more { // the newest first, so that places only grow
		v := ParseVersion(p.Version)
		at, _ := slices.BinarySearchFunc(oldest, v, func(o, v Version) int {
			if o.Order(v) < 0 {
				return 1
			}
			return -1
		})
		all = append(all, patches[taken:at]...)
		all = append(all, p)
		taken = at
	}
	return append(all, patches[taken:]...)
}

// RemovePatch removes a version.
//
// The error is a *[VersionError]: [ErrVersionNotFound], or [ErrLastVersion] when
// it is the only one.
func (d *Definition) RemovePatch(version string, now time.Time) error {
	i := d.FindPatch(version)
	if i < 0 {
		return &VersionError{version, ErrVersionNotFound}
	}
	if len(d.Patches) == 1 {
		return &VersionError{version, ErrLastVersion}
	}
	d.setPatches(slices.Delete(slices.Clone(d.Patches), i, i+1), now)
	return nil
}

// ReplacePatch puts p in the place of a version; it may have another version
// string. Replacing a patch by an equal one changes nothing.
//
// The error is a *[VersionError]: [ErrVersionNotFound], or [ErrVersionExists]
// when p's version stands elsewhere in the title. It is not checked whether p is
// valid.
func (d *Definition) ReplacePatch(version string, p Patch, now time.Time) error {
	i := d.FindPatch(version)
	if i < 0 {
		return &VersionError{version, ErrVersionNotFound}
	}
	if j := d.FindPatch(p.Version); j >= 0 && j != i {
		return &VersionError{p.Version, ErrVersionExists}
	}
	if sameJSON(d.Patches[i], p) {
		return nil
	}
	all := slices.Clone(d.Patches)
	all[i] = p
	d.setPatches(all, now)
	return nil
}

// Complete makes a definition ready to be served: lastModified is brought to
// UTC and whole seconds, or set to now where it is empty, or so far ahead that
// later changes would have no room; currentVersion is set to the first patch's
// version, or emptied if there is no patch. [Lint] warns of what said something
// else.
func (d *Definition) Complete(now time.Time) {
	t, err := ParseTime(d.LastModified)
	if err != nil || t.Year() > lastYear {
		t = now
	}
	d.LastModified = FormatTime(t)
	d.CurrentVersion = ""
	if len(d.Patches) > 0 {
		d.CurrentVersion = d.Patches[0].Version
	}
}

// Supersede makes d, a whole new definition, the successor of old: the id stays
// as it was first written, currentVersion is completed as [Definition.Complete]
// does, and lastModified moves on from old's. It reports whether d says anything
// else than old; if not, d keeps old's lastModified. What d says of lastModified
// does not count.
//
// d has to be valid, old complete.
func (d *Definition) Supersede(old *Definition, now time.Time) (changed bool) {
	d.Complete(now)
	d.ID = old.ID
	d.LastModified = old.LastModified
	if sameJSON(d, old) {
		return false
	}
	d.touch(now)
	return true
}

// sameJSON reports whether two values are written alike; nil and empty slices
// are.
func sameJSON(a, b json.Marshaler) bool {
	x, errX := a.MarshalJSON()
	y, errY := b.MarshalJSON()
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// lastYear is the last year of a lastModified that is taken from outside.
const lastYear = 9000

func (d *Definition) setPatches(patches []Patch, now time.Time) {
	d.Patches = patches
	d.CurrentVersion = patches[0].Version
	d.touch(now)
}

// touch moves lastModified forward: to now, or to one second past what it was if
// now is not later. Jamf Pro sees a change by lastModified alone.
func (d *Definition) touch(now time.Time) {
	now = now.UTC().Truncate(time.Second)
	if last, err := ParseTime(d.LastModified); err == nil {
		if last = last.Truncate(time.Second); !now.After(last) {
			if next := last.Add(time.Second); next.Year() <= 9999 { // later ones cannot be written
				now = next
			}
		}
	}
	d.LastModified = FormatTime(now)
}
