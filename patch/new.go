package patch

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// An Application describes one version of a macOS application, from which [NewDefinition] and [NewPatch] make theirs.
// Name, BundleID, Version, MinimumOS and Released are required.
type Application struct {
	// Name is the application's name, such as "Some App".
	Name string
	// BundleID is the bundle's identifier, such as "com.example.some".
	BundleID string
	// Version is the version as the application's Info.plist has it (CFBundleShortVersionString).
	Version string
	// MinimumOS is the lowest macOS version that can run the application, such as "10.13".
	MinimumOS string
	// Released is when the version was released.
	Released time.Time
	// FileName is the bundle's file name. The default is Name with ".app".
	FileName string
	// ID is the title's id. The default is Name without spaces, and without what an id cannot have.
	ID string
	// Publisher is the vendor. The default is Name.
	Publisher string
}

// NewDefinition returns the definition of a title whose only version is that of an application. Jamf Pro finds the
// title by its bundle id and the version by its version string. The definition is valid, and [Lint] warns about
// it only if Released is in the future. Its lastModified is empty; see [Definition.Complete].
//
// The error is a *[ValidationError] if a required field is empty or the definition would be invalid.
func NewDefinition(a Application) (*Definition, error) {
	p, err := NewPatch(a)
	if err != nil {
		return nil, err
	}
	a.setDefaults()
	d := &Definition{
		ID:                  a.ID,
		Name:                a.Name,
		Publisher:           a.Publisher,
		AppName:             &a.FileName,
		BundleID:            &a.BundleID,
		CurrentVersion:      a.Version,
		Requirements:        []Criterion{a.hasBundleID()},
		Patches:             []Patch{p},
		ExtensionAttributes: []ExtensionAttribute{},
	}
	if err := d.Validate(); err != nil {
		return nil, err
	}
	return d, nil
}

// NewPatch returns a version of a title as [NewDefinition] makes it. See [Patch.NextVersion] for one that is made
// from an earlier version.
//
// The error is a *[ValidationError] if a required field is empty or the patch would be invalid. Its paths are those
// of the definition that NewDefinition makes.
func NewPatch(a Application) (Patch, error) {
	c := newChecker(nil)
	for _, required := range []struct{ path, value string }{
		{"name", a.Name},
		{"bundleId", a.BundleID},
	} {
		if required.value == "" {
			c.failAt(required.path, "must not be empty")
		}
	}
	a.setDefaults()
	p := Patch{
		Version:                a.Version,
		ReleaseDate:            FormatTime(a.Released),
		Standalone:             true,
		MinimumOperatingSystem: a.MinimumOS,
		KillApps:               []KillApp{{BundleID: a.BundleID, AppName: a.FileName}},
		Components: []Component{{Name: a.Name, Version: a.Version, Criteria: []Criterion{
			a.hasBundleID(),
			{Name: "Application Version", Operator: "is", Value: a.Version, Type: "recon"},
		}}},
		Capabilities: []Criterion{
			{Name: "Operating System Version", Operator: "greater than or equal", Value: a.MinimumOS, Type: "recon"},
		},
		Dependencies: json.RawMessage("[]"),
	}
	c.path = append(c.path, "patches", "0")
	if a.MinimumOS == "" {
		c.failAt("minimumOperatingSystem", "must not be empty")
	}
	if a.Released.IsZero() {
		c.failAt("releaseDate", "is missing: set Released")
	}
	checkOnePatch(c, &p)
	if err := c.result(); err != nil {
		return Patch{}, err
	}
	return p, nil
}

func (a *Application) setDefaults() {
	if a.FileName == "" {
		a.FileName = a.Name + ".app"
	}
	if a.ID == "" {
		a.ID = titleID(a.Name)
	}
	if a.Publisher == "" {
		a.Publisher = a.Name
	}
}

// hasBundleID returns the criterion that matches the computers that have the application.
func (a *Application) hasBundleID() Criterion {
	yes := true
	return Criterion{Name: "Application Bundle ID", Operator: "is", Value: a.BundleID, Type: "recon", And: &yes}
}

// titleID returns the id of a title with this name: without spaces, with letters stripped of their marks, and without
// characters that an id cannot have. If no character is left, it is empty.
func titleID(name string) string {
	id, err := AuthorID(strings.ReplaceAll(name, " ", ""))
	if err != nil {
		return ""
	}
	return id
}

// NextVersion returns the patch of a later version, made from that of an earlier one: a deep copy of p with this
// version and release date. Where p names its own version as a whole value, the result names the new one: in the
// components, in their criteria, in capabilities on the application's version or an extension attribute, and in
// unknown members. MinimumOperatingSystem and the other capabilities are kept even if they equal the version: they
// are about the computer. Regular expressions and parts of a version are kept too. If released is zero, the release
// date is empty, which is invalid.
//
// The result is not validated.
func (p *Patch) NextVersion(version string, released time.Time) Patch {
	next := p.Clone()
	old := next.Version
	next.Version = version
	next.ReleaseDate = ""
	if !released.IsZero() {
		next.ReleaseDate = FormatTime(released)
	}
	if old == "" {
		return next
	}
	rename := func(s *string) {
		if *s == old {
			*s = version
		}
	}
	for i := range next.Components {
		c := &next.Components[i]
		rename(&c.Name)
		rename(&c.Version)
		for j := range c.Criteria {
			rename(&c.Criteria[j].Value)
			renameFields(c.Criteria[j].Extra, old, version)
		}
		renameFields(c.Extra, old, version)
	}
	for i := range next.Capabilities {
		c := &next.Capabilities[i]
		if c.Name == "Application Version" || c.Type == "extensionAttribute" {
			rename(&c.Value)
		}
		renameFields(c.Extra, old, version)
	}
	for i := range next.KillApps {
		renameFields(next.KillApps[i].Extra, old, version)
	}
	renameFields(next.Extra, old, version)
	return next
}

// renameFields replaces the JSON strings that equal old.
func renameFields(fields []Field, old, version string) {
	quoted, err := jsontext.AppendQuote(nil, version)
	if err != nil { // it is not UTF-8, and invalid
		return
	}
	for i := range fields {
		var s string
		if json.Unmarshal(fields[i].Value, &s) == nil && s == old {
			fields[i].Value = slices.Clone(json.RawMessage(quoted))
		}
	}
}
