package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// disabledPatches returns the disabled patches of a record. The error says that the record is corrupt.
func (r *record) disabledPatches() ([]patch.Placed, error) {
	all := make([]patch.Placed, len(r.Disabled))
	for i, p := range r.Disabled {
		all[i].After = p.After
		if err := json.Unmarshal(p.Patch, &all[i].Patch); err != nil {
			return nil, fmt.Errorf("a disabled patch is corrupt: %w", err)
		}
	}
	return all, nil
}

// whole returns the definition of a record with its disabled patches. It must not be changed. The error says that the
// record is corrupt.
func (r *record) whole() (*patch.Definition, error) {
	d, err := r.parse()
	if err != nil || len(r.Disabled) == 0 {
		return d, err
	}
	disabled, err := r.disabledPatches()
	if err != nil {
		return nil, err
	}
	return d.Whole(disabled), nil
}

// setDisabled sets the disabled patches of a record. The error is patch.ErrInvalid or patch.ErrTooLarge.
func (r *rules) setDisabled(rec *record, disabled []patch.Placed) error {
	var all []disabledPatch
	n := 0
	for _, p := range disabled {
		data, err := json.Marshal(p.Patch)
		if err != nil {
			return fmt.Errorf("%w: %w", patch.ErrInvalid, err)
		}
		if n += len(data); n > r.maxBytes {
			return fmt.Errorf("%w: the disabled patches have more than %d bytes", patch.ErrTooLarge, r.maxBytes)
		}
		all = append(all, disabledPatch{p.After, data})
	}
	if !slices.EqualFunc(all, rec.Disabled, func(a, b disabledPatch) bool {
		return a.After == b.After && bytes.Equal(a.Patch, b.Patch)
	}) {
		rec.Disabled = all
	}
	return nil
}

// split sets the disabled patches of a record to those of a successor, and returns the rest of it, which is served. The
// error is patch.ErrInvalid or patch.ErrTooLarge.
func (r *rules) split(rec *record, s successor) (*patch.Definition, error) {
	served, disabled := s.next.Split()
	if s.keep && len(rec.Disabled) > 0 {
		had, err := rec.disabledPatches()
		if err != nil {
			return nil, unreadableDefinition(s.next.ID, err)
		}
		given := make(map[string]bool, len(disabled))
		for _, p := range disabled {
			given[p.Patch.Version] = true
		}
		for _, p := range patch.KeepDisabled(had, s.old.Versions(), served.Versions()) {
			if !given[p.Patch.Version] {
				disabled = append(disabled, p)
			}
		}
	}
	return served, r.setDisabled(rec, disabled)
}

// addDisabled adds those of some new versions that are disabled to a record, and returns the others and their position
// among the patches that are served. A disabled patch of the record goes if its version is one of the new ones. d is
// the definition, of which only the versions are needed.
//
// The error is patch.ErrInvalid, patch.ErrVersionExists, patch.ErrPosition or patch.ErrTooLarge.
func (r *rules) addDisabled(
	rec *record, d *patch.Definition, at patch.Position, versions []patch.Patch,
) ([]patch.Patch, patch.Position, error) {
	isDisabled := func(p patch.Patch) bool { return p.Disabled }
	if len(rec.Disabled) == 0 && !slices.ContainsFunc(versions, isDisabled) {
		return versions, at, nil
	}
	had, err := rec.disabledPatches()
	if err != nil {
		return nil, at, unreadableDefinition(d.ID, err)
	}
	added := slices.DeleteFunc(slices.Clone(versions), isDisabled)
	given := make(map[string]bool, len(versions))
	for i := range versions {
		given[versions[i].Version] = true
	}
	kept := slices.DeleteFunc(had, func(p patch.Placed) bool { return given[p.Patch.Version] })
	whole := d.Whole(kept)
	for i := range versions {
		if versions[i].Disabled {
			if err := versions[i].Validate(); err != nil {
				return nil, at, err
			}
		}
	}
	if err := whole.AddPatches(at, r.options.Now, versions...); err != nil {
		return nil, at, err
	}
	next, disabled := whole.Split()
	return added, placeAdded(d, next, at, added), r.setDisabled(rec, disabled)
}

// placeAdded returns the position among the patches that are served of some new ones: at, or if that is next to a
// disabled patch, the position that they have in next. Of both definitions only the versions are needed.
func placeAdded(served, next *patch.Definition, at patch.Position, added []patch.Patch) patch.Position {
	probe := *served
	probe.Patches = slices.Clone(served.Patches)
	if len(added) == 0 || !errors.Is(probe.AddPatches(at, time.Time{}, added...), patch.ErrPosition) {
		return at // another error is that of the edit
	}
	if i := next.FindPatch(added[0].Version); i > 0 {
		return patch.After(next.Patches[i-1].Version)
	}
	return patch.Position{}
}

// removeDisabled removes a version from the disabled patches of a record, and reports whether it was one of them. The
// error says that the record is corrupt.
func (r *record) removeDisabled(version string) (bool, error) {
	if len(r.Disabled) == 0 {
		return false, nil
	}
	all, err := r.disabledPatches()
	if err != nil {
		return false, unavailable(err)
	}
	i := slices.IndexFunc(all, func(p patch.Placed) bool { return p.Patch.Version == version })
	if i < 0 {
		return false, nil
	}
	r.Disabled = slices.Concat(r.Disabled[:i], r.Disabled[i+1:])
	return true, r.forgetNumbers(version)
}

// forgetVersion prepares a record for the removal of a version that is served: disabled patches behind it move, and its
// numbers are not used again. d is the definition before, of which only the versions are needed. The error says that
// the record is corrupt.
func (r *record) forgetVersion(d *patch.Definition, version string) error {
	if slices.ContainsFunc(r.Disabled, func(p disabledPatch) bool { return p.After == version }) {
		before := ""
		if i := d.FindPatch(version); i > 0 {
			before = d.Patches[i-1].Version
		}
		r.Disabled = slices.Clone(r.Disabled)
		for i := range r.Disabled {
			if r.Disabled[i].After == version {
				r.Disabled[i].After = before
			}
		}
	}
	return r.forgetNumbers(version)
}

// sameSlice reports whether two slices are the same in memory, or both empty.
func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
