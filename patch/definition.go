// Package patch is the patch definition of Jamf Pro: the document by which an
// external patch source tells Jamf Pro how to see that an application is
// installed, which versions of it exist, and how to recognise each.
//
// The package is pure. It reads and writes no file, opens no connection and
// has no clock: where an edit needs the time, it is handed in.
//
// # From bytes to a definition and back
//
// [Parse] reads bytes from outside and accepts them whole or not at all: what
// it returns has passed every check of [Definition.Validate]. A refusal names
// all that is wrong at once, each failure with its place ([ValidationError]),
// or the one place at which the text stops being JSON ([SyntaxError]).
// [ParseRepair] mends what exports of other systems lack, and [ParseOptions] has
// what is needed for a text that was accepted earlier, by rules that were fewer.
// [Definition.MarshalJSON] writes the canonical form: Jamf's keys in Jamf's
// order, without white space. Keys that this package does not know are kept at
// every level and written back behind the known ones, so that a definition that
// is read and written again loses nothing.
//
// # Changing a definition
//
// The edits ([Definition.AddPatches], [Definition.RemovePatch],
// [Definition.ReplacePatch], [Definition.Supersede], [Definition.Namespace])
// keep the two derived fields right: currentVersion is always the version of
// the first patch, and lastModified moves forward with every change, because
// Jamf Pro sees a change by it alone. An edit that fails changes nothing. A new
// version that begins as a copy of another one is a [Patch.Clone].
//
// # Version order
//
// [CompareVersions] says which of two version strings is the newer one,
// whatever the vendor writes; see its comment for the rules.
//
// Values of this package are plain data: they are safe for concurrent reading,
// and a value that is being edited belongs to one goroutine.
package patch

import "encoding/json"

// A Definition is a patch definition: one software title, with everything that
// Jamf Pro needs to know about it.
type Definition struct {
	// ID names the title in the source: 1 to 255 of A-Z a-z 0-9 . _ - , and not
	// "." or "..". Ids that differ only in case name the same title.
	ID string
	// Name is what an admin sees in Jamf Pro. Not empty.
	Name string
	// Publisher is the vendor. It may be empty, which lint warns about.
	Publisher string
	// AppName is the bundle's file name, such as "Composer.app"; nil is JSON's null.
	AppName *string
	// BundleID is the bundle's identifier, such as "com.jamfsoftware.Composer";
	// nil is JSON's null.
	BundleID *string
	// LastModified is the time of the last change, ISO 8601 (see [ParseTime]).
	// Empty: not yet set, [Definition.Complete] fills it in.
	LastModified string
	// CurrentVersion is the version of the first patch. Empty: not yet set,
	// [Definition.Complete] fills it in.
	CurrentVersion string
	// Requirements find the computers that have the title, whatever its
	// version. At least one.
	Requirements []Criterion
	// Patches are the versions, newest first. At least one.
	Patches []Patch
	// ExtensionAttributes are scripts that find the version where the inventory
	// does not know it. Their keys are unique within the title.
	ExtensionAttributes []ExtensionAttribute
	// Extra holds the members that are none of the above, in the order read.
	Extra []Field
}

// A Patch is one version of a title.
type Patch struct {
	// Version is the version string. Not empty, and unique within the title.
	Version string
	// ReleaseDate is ISO 8601 (see [ParseTime]), kept as written.
	ReleaseDate string
	// Standalone says that the version can be installed without an earlier one.
	// Jamf Pro uses it in reports only.
	Standalone bool
	// MinimumOperatingSystem is the lowest macOS version, such as "10.13".
	// Jamf Pro uses it in reports only; Capabilities decide.
	MinimumOperatingSystem string
	// Reboot says that the computer has to restart after the installation.
	Reboot bool
	// KillApps are the applications that a patch policy has to quit first.
	KillApps []KillApp
	// Components recognise the version on a computer. Jamf Pro supports exactly
	// one.
	Components []Component
	// Capabilities find the computers that may run the version.
	Capabilities []Criterion
	// Dependencies is a JSON array that Jamf Pro does not use. Nil leaves the
	// member out.
	Dependencies json.RawMessage
	// Extra holds the members that are none of the above, in the order read.
	Extra []Field
}

// A KillApp is an application that must not run while a patch is installed.
type KillApp struct {
	BundleID string
	AppName  string
	// Extra holds the members that are none of the above, in the order read.
	Extra []Field
}

// A Component is what recognises one version of a title on a computer.
type Component struct {
	Name     string
	Version  string
	Criteria []Criterion
	// Extra holds the members that are none of the above, in the order read.
	Extra []Field
}

// A Criterion is one row of a smart group: it compares a fact that Jamf Pro's
// inventory holds with a value.
type Criterion struct {
	// Name is the fact, such as "Application Bundle ID", or the key of one of
	// the title's extension attributes.
	Name string
	// Operator is how to compare, such as "is" or "greater than or equal".
	Operator string
	// Value is what to compare with.
	Value string
	// Type is "recon" for a fact of the inventory, "extensionAttribute" for an
	// extension attribute.
	Type string
	// And joins the row to the one before: true (all must hold) or false (it
	// begins an OR group). Nil leaves the member out, which means true; a
	// requirement must have it.
	And *bool
	// Extra holds the members that are none of the above, in the order read.
	Extra []Field
}

// An ExtensionAttribute is a script that a computer runs to tell its inventory
// what that does not know by itself.
type ExtensionAttribute struct {
	// Key names the attribute in criteria. Unique within the title.
	Key string
	// Value is the script, in base64.
	Value string
	// DisplayName is what an admin sees, who has to accept the script.
	DisplayName string
	// Extra holds the members that are none of the above, in the order read.
	Extra []Field
}

// A Field is a member of a JSON object that this package has no name for: one
// of Jamf's own feed (patchId, absoluteOrderId) or a vendor's.
type Field struct {
	Name string
	// Value is the member's JSON. What [Parse] returns is without white space.
	Value json.RawMessage
}

// A Summary is what a patch source lists of a title. Its five members always
// equal the definition's own. Marshalled, they stand in the order in which
// Jamf's own feed lists them.
type Summary struct {
	Name           string `json:"name"`
	Publisher      string `json:"publisher"`
	LastModified   string `json:"lastModified"`
	CurrentVersion string `json:"currentVersion"`
	ID             string `json:"id"`
}

// Summary returns what a patch source lists of d.
func (d *Definition) Summary() Summary {
	return Summary{
		Name:           d.Name,
		Publisher:      d.Publisher,
		LastModified:   d.LastModified,
		CurrentVersion: d.CurrentVersion,
		ID:             d.ID,
	}
}

// FindPatch returns the index in d.Patches of the patch with exactly this
// version string, or -1.
func (d *Definition) FindPatch(version string) int {
	for i := range d.Patches {
		if d.Patches[i].Version == version {
			return i
		}
	}
	return -1
}
