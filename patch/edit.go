package patch

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// A Position is a place among the patches of a title for a new version. The zero Position is the front, where the
// newest version is.
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

// Before returns the position directly before an existing version.
func Before(version string) Position { return Position{before, version} }

// After returns the position directly after an existing version.
func After(version string) Position { return Position{after, version} }

// Ordered returns the position that follows from version order (see [CompareVersions]): before the first patch that is
// older.
func Ordered() Position { return Position{place: ordered} }

// index returns the index in patches at which new ones are inserted. p is not Ordered.
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

// AddPatches inserts new versions at a position, all or none. At the front, before or after a version they keep the
// order given; [Ordered] places each by itself. Without patches, d does not change. The patches are not validated.
//
// The error is a *[VersionError]: [ErrVersionExists] if a version exists already or is given twice, [ErrPosition] if
// the position is next to a version that does not exist.
func (d *Definition) AddPatches(at Position, now time.Time, patches ...Patch) error {
	if d == nil {
		return errNilDefinition
	}
	seen := make(map[string]bool, len(patches)) // small, because there may be thousands of earlier versions
	for i := range patches {
		seen[patches[i].Version] = false
	}
	for i := range d.Patches {
		if _, ok := seen[d.Patches[i].Version]; ok {
			seen[d.Patches[i].Version] = true
		}
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
	d.setPatches(slices.Concat(d.Patches[:i], patches, d.Patches[i:]), now)
	return nil
}

// insertOrdered returns patches with each of more before the first patch that is older. patches may be in any order,
// and keep it.
func insertOrdered(patches, more []Patch) []Patch {
	more = slices.Clone(more)
	SortPatches(more)
	// oldest[i] is the oldest version up to i. It decreases, which allows a binary search for the first older patch.
	oldest := make([]Version, len(patches))
	for i := range patches {
		oldest[i] = ParseVersion(patches[i].Version)
		if i > 0 && oldest[i-1].Order(oldest[i]) < 0 {
			oldest[i] = oldest[i-1]
		}
	}
	all := make([]Patch, 0, len(patches)+len(more))
	taken := 0
	for _, p := range more { // the newest first, so that at never decreases
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
// The error is a *[VersionError]: [ErrVersionNotFound], or [ErrLastVersion] if d has no other version that is not
// disabled.
func (d *Definition) RemovePatch(version string, now time.Time) error {
	i := d.FindPatch(version)
	if i < 0 {
		return &VersionError{version, ErrVersionNotFound}
	}
	rest := slices.Concat(d.Patches[:i], d.Patches[i+1:])
	if firstEnabled(rest) < 0 {
		return &VersionError{version, ErrLastVersion}
	}
	d.setPatches(rest, now)
	return nil
}

// ReplacePatch replaces a version by p, which may have another version string. If p equals the version, d does not
// change. p is not validated.
//
// The error is a *[VersionError]: [ErrVersionNotFound], or [ErrVersionExists] if another patch has p's version.
func (d *Definition) ReplacePatch(version string, p Patch, now time.Time) error {
	i := d.FindPatch(version)
	if i < 0 {
		return &VersionError{version, ErrVersionNotFound}
	}
	if other := d.FindPatch(p.Version); other >= 0 && other != i {
		return &VersionError{p.Version, ErrVersionExists}
	}
	if sameJSON(p, d.Patches[i]) {
		return nil
	}
	all := slices.Clone(d.Patches)
	all[i] = p
	d.setPatches(all, now)
	return nil
}

// Complete prepares a definition to be served. It converts lastModified to UTC and whole seconds, or sets it to now
// if it is empty or so far in the future that later changes could not advance it. It sets currentVersion to the
// version of the first patch that is not disabled, or to nothing if there is none. It does nothing to a nil definition.
// [Lint] warns if currentVersion was something else.
func (d *Definition) Complete(now time.Time) {
	if d == nil {
		return
	}
	t, err := ParseTime(d.LastModified)
	if err != nil || t.Year() > lastYear {
		t = now
	}
	d.LastModified = FormatTime(t)
	d.CurrentVersion = d.newest()
}

// newest returns the version of the first patch that is not disabled, and an empty string if there is none.
func (d *Definition) newest() string {
	if i := firstEnabled(d.Patches); i >= 0 {
		return d.Patches[i].Version
	}
	return ""
}

// Supersede turns d, a whole new definition, into the successor of old: d keeps old's id as it is written there, its
// currentVersion is set as by [Definition.Complete], and its lastModified is later than old's. It reports whether d
// differs from old; if not, d has old's lastModified. The lastModified that d had is ignored.
//
// d must be valid, and old complete. If old is nil, d is only completed and the result is true; if d is nil, the
// result is false.
func (d *Definition) Supersede(old *Definition, now time.Time) (changed bool) {
	if d == nil {
		return false
	}
	d.Complete(now)
	if old == nil {
		return true
	}
	d.ID = old.ID
	d.LastModified = old.LastModified
	if sameJSON(d, old) {
		return false
	}
	d.touch(now)
	return true
}

// sameJSON reports whether two values are written alike. Nil and empty slices are.
func sameJSON(a, b json.Marshaler) bool {
	x, errX := a.MarshalJSON()
	y, errY := b.MarshalJSON()
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// lastYear is the last year of a lastModified that is accepted from outside.
const lastYear = 9000

func (d *Definition) setPatches(patches []Patch, now time.Time) {
	d.Patches = patches
	d.CurrentVersion = d.newest()
	d.touch(now)
}

// touch advances lastModified to now, or by one second if now is not later. Jamf Pro detects a change by lastModified
// alone.
func (d *Definition) touch(now time.Time) {
	now = now.UTC().Truncate(time.Second)
	if last, err := ParseTime(d.LastModified); err == nil {
		if last = last.Truncate(time.Second); !now.After(last) {
			if next := last.Add(time.Second); next.Year() <= 9999 { // no later year can be written
				now = next
			}
		}
	}
	d.LastModified = FormatTime(now)
}
