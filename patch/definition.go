// Package patch reads, checks, changes and writes the patch definitions of Jamf Pro. A patch definition describes one
// software title: how Jamf Pro finds the computers that have it, which versions exist, and how it recognizes each.
//
// The package is pure: it reads and writes no files, opens no connections and has no clock. An edit that needs the time
// has it as a parameter.
//
// # Reading and writing
//
// [Parse] reads untrusted bytes and accepts or refuses them as a whole. The result has passed every check of
// [Definition.Validate]. The error lists all failures at once, each with its place ([ValidationError]), or the one
// place at which the text stops being JSON ([SyntaxError]). [ParseRepair] repairs faults of other systems' exports,
// and [ParseOptions.Stored] reads what was accepted earlier, under fewer rules.
//
// Every type of the model implements [encoding/json.Marshaler] and [encoding/json.Unmarshaler]. They write Jamf's
// members in Jamf's order, without white space. Members that the package does not know are kept at every level and
// written after the known ones, so that nothing is lost when a definition is read and written again.
//
// # Making and changing definitions
//
// [NewDefinition] makes a definition from the description of an application, and [Patch.NextVersion] the next version
// from an earlier one. The edits ([Definition.AddPatches], [Definition.RemovePatch], [Definition.ReplacePatch],
// [Definition.Supersede], [Definition.Namespace]) maintain the two derived fields: currentVersion is always the
// version of the first patch, and lastModified advances with every change, because Jamf Pro detects a change by it
// alone. An edit that fails changes nothing.
//
// # Version order
//
// [CompareVersions] orders any two version strings, in whatever form vendors write them; see [Version] for the rules.
// [Constraint] is a condition on versions in that order, such as ">= 1.2, < 2".
//
// # Concurrency
//
// The types are plain data: they may be read concurrently, but not while they are changed. No function keeps a
// reference to its arguments after it returns, other than the edits, which keep the patches that they are given.
package patch

import "encoding/json"

// A Definition is a patch definition: one software title, with everything that Jamf Pro needs to know about it.
type Definition struct {
	// ID identifies the title in the source: 1 to 255 of A-Z a-z 0-9 . _ - , and not "." or "..". Ids that differ only
	// in case identify the same title.
	ID string
	// Name is the name shown in Jamf Pro. It must not be empty.
	Name string
	// Publisher is the vendor. Lint warns if it is empty.
	Publisher string
	// AppName is the bundle's file name, such as "Composer.app". Nil is written as null.
	AppName *string
	// BundleID is the bundle's identifier, such as "com.jamfsoftware.Composer". Nil is written as null.
	BundleID *string
	// LastModified is the time of the last change in ISO 8601 (see [ParseTime]). If empty, it is not written;
	// [Definition.Complete] sets it.
	LastModified string
	// CurrentVersion is the version of the first patch. If empty, it is not written; [Definition.Complete] sets it.
	CurrentVersion string
	// Requirements match the computers that have any version of the title. At least one is required.
	Requirements []Criterion
	// Patches are the versions, newest first. At least one is required.
	Patches []Patch
	// ExtensionAttributes are scripts that determine the version where the inventory does not have it. Their keys are
	// unique within the title.
	ExtensionAttributes []ExtensionAttribute
	// Extra are the members without a field of their own, in the order read.
	Extra []Field
}

// A Patch is one version of a title.
type Patch struct {
	// Version is the version string. It must not be empty, and is unique within the title.
	Version string
	// Disabled reports that the version is kept and not served, as in Jamf's Title Editor. It may be incomplete. In
	// JSON it is the member enabled, which is written only as false.
	Disabled bool
	// ReleaseDate is a time in ISO 8601 (see [ParseTime]), kept as written.
	ReleaseDate string
	// Standalone reports whether the version can be installed without an earlier one. Jamf Pro uses it in reports only.
	Standalone bool
	// MinimumOperatingSystem is the lowest macOS version, such as "10.13". Jamf Pro uses it in reports only;
	// Capabilities decide.
	MinimumOperatingSystem string
	// Reboot reports whether the computer must restart after the installation.
	Reboot bool
	// KillApps are the applications that a patch policy quits first.
	KillApps []KillApp
	// Components recognize the version on a computer. Jamf Pro supports exactly one.
	Components []Component
	// Capabilities match the computers that can run the version.
	Capabilities []Criterion
	// Dependencies is a JSON array that Jamf Pro does not use. If nil, it is not written.
	Dependencies json.RawMessage
	// Extra are the members without a field of their own, in the order read.
	Extra []Field
}

// A KillApp is an application that must not run while a patch is installed.
type KillApp struct {
	BundleID string // such as "com.jamfsoftware.Composer"
	AppName  string // the bundle's file name, such as "Composer.app"
	// Extra are the members without a field of their own, in the order read.
	Extra []Field
}

// A Component recognizes one version of a title on a computer.
type Component struct {
	Name     string // usually the title's
	Version  string // the patch's
	Criteria []Criterion
	// Extra are the members without a field of their own, in the order read.
	Extra []Field
}

// A Criterion is one row of a smart group: it compares a fact of Jamf Pro's inventory with a value.
type Criterion struct {
	// Name is the fact, such as "Application Bundle ID", or the key of one of the title's extension attributes.
	Name string
	// Operator is the comparison, such as "is" or "greater than or equal".
	Operator string
	// Value is the value to compare with.
	Value string
	// Type is "recon" for a fact of the inventory, "extensionAttribute" for an extension attribute.
	Type string
	// And joins the row to the previous one: true means that both must match, false begins an OR group. Nil is not
	// written and means true; a requirement must have it.
	And *bool
	// Extra are the members without a field of their own, in the order read.
	Extra []Field
}

// An ExtensionAttribute is a script that adds a value to the inventory of the computer that runs it.
type ExtensionAttribute struct {
	// Key is the name of the attribute in criteria. It is unique within the title.
	Key string
	// Value is the script in base64.
	Value string
	// DisplayName is the name shown to the administrator, who must accept the script.
	DisplayName string
	// Extra are the members without a field of their own, in the order read.
	Extra []Field
}

// A Field is a member of a JSON object that has no field of its own: one of Jamf's own feed (patchId,
// absoluteOrderId) or a vendor's.
type Field struct {
	Name string
	// Value is the member's JSON. [Parse] removes its white space.
	Value json.RawMessage
}

// A Summary is the entry of a title in the list that a patch source serves. Its members equal those of the
// definition. As JSON, they are in the order of Jamf's own feed.
type Summary struct {
	Name           string `json:"name"`
	Publisher      string `json:"publisher"`
	LastModified   string `json:"lastModified"`
	CurrentVersion string `json:"currentVersion"`
	ID             string `json:"id"`
}

// Summary returns the entry of d in a source's list. That of a nil definition is empty.
func (d *Definition) Summary() Summary {
	if d == nil {
		return Summary{}
	}
	return Summary{
		Name:           d.Name,
		Publisher:      d.Publisher,
		LastModified:   d.LastModified,
		CurrentVersion: d.CurrentVersion,
		ID:             d.ID,
	}
}

// FindPatch returns the index in d.Patches of the patch with exactly this version string, or -1.
func (d *Definition) FindPatch(version string) int {
	if d == nil {
		return -1
	}
	for i := range d.Patches {
		if d.Patches[i].Version == version {
			return i
		}
	}
	return -1
}
