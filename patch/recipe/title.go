package recipe

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// TitleID returns the id of the title: ID, or one that is made from Name as [patch.NewDefinition] does. It is empty if
// the name has no character that an id can have.
func (r *Recipe) TitleID() string {
	if r.ID != "" {
		return r.ID
	}
	id, err := patch.AuthorID(strings.ReplaceAll(r.Name, " ", ""))
	if err != nil {
		return ""
	}
	return id
}

// application returns the application with one version.
func (r *Recipe) application(v Release, now time.Time) patch.Application {
	return patch.Application{
		Name:      r.Name,
		BundleID:  r.BundleID,
		Version:   v.Version,
		MinimumOS: cmp.Or(v.MinOS, r.MinimumOperatingSystem, DefaultMinimumOS),
		Released:  released(v, now),
		FileName:  cmp.Or(r.AppName, r.Name+".app"),
		ID:        r.TitleID(),
		Publisher: cmp.Or(r.Publisher, r.Name),
	}
}

// released returns the date of a release, or now if the feed does not say.
func released(v Release, now time.Time) time.Time {
	if v.Date.IsZero() {
		return now
	}
	return v.Date
}

// frame returns the definition of the title without its versions.
func (r *Recipe) frame() *patch.Definition {
	app := r.application(Release{}, time.Time{})
	yes := true
	d := &patch.Definition{
		ID:        app.ID,
		Name:      app.Name,
		Publisher: app.Publisher,
		AppName:   &app.FileName,
		BundleID:  &app.BundleID,
		Requirements: []patch.Criterion{
			{Name: "Application Bundle ID", Operator: "is", Value: r.BundleID, Type: "recon", And: &yes},
		},
		ExtensionAttributes: []patch.ExtensionAttribute{},
	}
	if len(r.Requirements) > 0 {
		d.Requirements = r.Requirements
	}
	if len(r.ExtensionAttributes) > 0 {
		d.ExtensionAttributes = r.ExtensionAttributes
	}
	return d
}

// Definition returns the definition of a new title with these releases of its feed, at least one. A release without a
// date has that of now, and one without a minimum macOS version that of the recipe or [DefaultMinimumOS]. The
// definition is valid, its versions are ordered newest first, and it shares no memory with r. Releases that the title
// cannot have are left out, as long as one remains.
//
// r must be valid. If no release can be used, the error is that of the first one: a *[patch.ValidationError] if it has
// something that a title cannot have, such as a version of a thousand characters, or [ErrForm] if the recipe's template
// needs what it does not have.
func (r *Recipe) Definition(newestFirst []Release, now time.Time) (*patch.Definition, error) {
	if len(newestFirst) == 0 {
		return nil, errors.New("a title needs at least one release")
	}
	d := r.frame()
	var failed error // the first one
	for _, v := range newestFirst {
		p, err := r.firstPatch(v, now)
		if err == nil {
			d.Patches = append(d.Patches, p)
		} else if failed == nil {
			failed = fmt.Errorf("release %q of the feed: %w", shorten(v.Version), err)
		}
	}
	for len(d.Patches) > 0 {
		patch.SortPatches(d.Patches)
		d.Complete(now)
		err := d.Validate()
		if err == nil {
			return d.Clone(), nil
		}
		failed = cmp.Or(failed, err)
		if !removeInvalid(d, err) {
			return nil, err
		}
	}
	return nil, failed
}

// removeInvalid removes the patches of a definition that have failures. It returns false if none has one.
func removeInvalid(d *patch.Definition, err error) bool {
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) {
		return false
	}
	wrong := map[int]bool{}
	for _, f := range invalid.Failures {
		rest, ok := strings.CutPrefix(f.Path, "/patches/")
		index, _, _ := strings.Cut(rest, "/")
		if i, err := strconv.Atoi(index); ok && err == nil && i < len(d.Patches) {
			wrong[i] = true
		}
	}
	var kept []patch.Patch
	for i := range d.Patches {
		if !wrong[i] {
			kept = append(kept, d.Patches[i])
		}
	}
	d.Patches = kept
	return len(wrong) > 0
}

// firstPatch returns the patch of a release, made without an earlier one.
func (r *Recipe) firstPatch(v Release, now time.Time) (patch.Patch, error) {
	if r.Policy.Patch != nil {
		v.MinOS = cmp.Or(v.MinOS, r.MinimumOperatingSystem, DefaultMinimumOS)
		return r.Policy.patch(v, now)
	}
	p, err := patch.NewPatch(r.application(v, now))
	if err == nil && len(r.KillApps) > 0 {
		p.KillApps = slices.Clone(r.KillApps)
	}
	return p, err
}
