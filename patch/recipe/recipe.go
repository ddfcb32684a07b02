// Package recipe defines how a title keeps itself current from its vendor's release feed: recipes, watches, releases
// and proposals.
//
// A [Recipe] describes a title, the feed that lists its versions, and the policy by which new versions are added. A
// [Watch] is the feed and the policy of a title that exists. A [Release] is what a feed says of one version, and a
// [Proposal] is a change of a title that waits for a person.
//
// The package is pure: it reads no files, opens no connections and has no clock. Package sync/releases reads the feeds.
package recipe

import (
	"encoding/json"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// A Recipe describes a title that is created from its release feed and follows it from then on. [Parse] reads one.
type Recipe struct {
	// ID and Name are those of the title. If ID is empty, it is made from Name.
	ID   string `json:"id"`
	Name string `json:"name"`
	// Publisher is the vendor. If empty, it is Name.
	Publisher string `json:"publisher,omitempty"`
	// AppName is the bundle's file name, such as "Rectangle.app". If empty, it is Name with ".app".
	AppName string `json:"appName,omitempty"`
	// BundleID is the bundle's identifier, such as "com.knollsoft.Rectangle".
	BundleID string `json:"bundleId"`
	// MinimumOperatingSystem is the lowest macOS version of releases whose feed does not say. If empty, it is
	// [DefaultMinimumOS].
	MinimumOperatingSystem string `json:"minimumOperatingSystem,omitempty"`
	// KillApps are the applications that a patch policy quits first. If empty, it is the application itself.
	KillApps []patch.KillApp `json:"killApps,omitempty"`
	// Requirements match the computers that have the title. If empty, the bundle id does.
	Requirements []patch.Criterion `json:"requirements,omitempty"`
	// ExtensionAttributes are those of the title.
	ExtensionAttributes []patch.ExtensionAttribute `json:"extensionAttributes,omitempty"`

	Feed   Feed   `json:"feed"`
	Policy Policy `json:"policy,omitzero"`
}

// DefaultMinimumOS is the minimum macOS version of a title for which neither its recipe nor its feed has one.
const DefaultMinimumOS = "10.13"

// A Watch makes a title that exists follow a release feed.
type Watch struct {
	Feed   Feed   `json:"feed"`
	Policy Policy `json:"policy,omitzero"`
}

// Watch returns the watch of the title that the recipe creates.
func (r *Recipe) Watch() Watch { return Watch{r.Feed, r.Policy} }

// A Feed says where the versions of an application are listed, and how to read the list. Its words have a meaning for
// some kinds only; see package sync/releases. Regular expressions are those of package regexp (RE2). JSON paths are
// those of RFC 9535.
type Feed struct {
	// Kind is the kind of the feed: github, gitlab, gitea, sparkle, electron, json, plist, xml, text, redirect, preset,
	// or one that the embedding program adds.
	Kind string `json:"kind"`
	// URL is the address of the feed. For gitlab and gitea, it is the address of the server.
	URL string `json:"url,omitempty"`
	// Name is the name of a preset, such as "chrome" or "jetbrains:CL".
	Name string `json:"name,omitempty"`

	// Repo is the repository, such as "rxhanson/Rectangle", and Source what is read of it: latest (the default),
	// releases or tags.
	Repo   string `json:"repo,omitempty"`
	Source string `json:"source,omitempty"`
	// Tag is a regular expression on the tag. Asset is one that a name of an asset must match before a release counts.
	// AssetMatch is one on the names of assets, whose groups give the version.
	Tag        string `json:"tag,omitempty"`
	Asset      string `json:"asset,omitempty"`
	AssetMatch string `json:"assetMatch,omitempty"`

	// Channel is the channel of the releases that count. If empty, those without a channel count.
	Channel string `json:"channel,omitempty"`
	// From is what Match is run on: short or url, for sparkle.
	From string `json:"from,omitempty"`

	// Items is the path of the list of releases, if the document has several. The other paths are relative to one of
	// its items, or to the document. Fields are the paths of further values for As.
	Items   string            `json:"items,omitempty"`
	Version string            `json:"version,omitempty"`
	Build   string            `json:"build,omitempty"`
	Date    string            `json:"date,omitempty"`
	MinOS   string            `json:"minOS,omitempty"`
	Rollout string            `json:"rollout,omitempty"`
	Fields  map[string]string `json:"fields,omitempty"`

	// Match is a regular expression that finds the version. Its groups, such as (?P<version>…), are the values for As.
	Match string `json:"match,omitempty"`
	// As is the form of the version in the inventory of Jamf Pro, such as "{version} ({build})".
	As string `json:"as,omitempty"`
	// Pick is the version that counts of several matches: highest (the default) or lowest.
	Pick string `json:"pick,omitempty"`
	// Header is the header of the answer that Match is run on, for redirect. If empty, it is Location.
	Header string `json:"header,omitempty"`
	// Parts is the number of dotted parts of the version to keep. If 0, all are kept.
	Parts int `json:"parts,omitempty"`

	// Prereleases includes pre-releases. Include and Exclude are regular expressions on versions. Major is the first
	// number of the versions that count. If 0, all count.
	Prereleases bool   `json:"prereleases,omitempty"`
	Include     string `json:"include,omitempty"`
	Exclude     string `json:"exclude,omitempty"`
	Major       int    `json:"major,omitempty"`

	// Method is GET (the default), HEAD or POST. UserAgent is the User-Agent to send: browser, curl or any other text.
	// Referer is the Referer to send.
	Method    string `json:"method,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
	Referer   string `json:"referer,omitempty"`
}

// A Mode says what happens to a new version.
type Mode string

// The modes of a policy.
const (
	// Add adds a version that passes all checks, and proposes others. It is the default.
	Add Mode = "add"
	// Propose proposes every version.
	Propose Mode = "propose"
	// Off does not ask the feed.
	Off Mode = "off"
)

// A Policy says which new versions of a feed are added, and when. The zero Policy adds every version that passes the
// checks, within the hour.
type Policy struct {
	Mode Mode `json:"mode,omitempty"`
	// Hold is how long a release must be known before it is added: since its date, if that is later than the date of
	// the title's newest version, or else since the feed first listed it. While it is held, Jamf Pro reports computers
	// that have installed it as "unknown".
	Hold Duration `json:"hold,omitzero"`
	// MinRollout is the fraction of users that a release must have reached, from 0 to 1. If nil, it is 1.
	MinRollout *float64 `json:"minRollout,omitempty"`
	// Expect is a regular expression of the versions that are added without a person, whatever their form. If empty, a
	// version must have the form of those before it.
	Expect string `json:"expect,omitempty"`
	// Interval is the time between two checks. The default is 1 h, and the minimum 5 min.
	Interval Duration `json:"interval,omitzero"`
	// Backfill is the number of releases that a title has when its recipe creates it. If 0, it is the newest one only.
	Backfill int `json:"backfill,omitempty"`
	// Patch is the template of a version, for titles whose versions cannot be made from the one before: the JSON of a
	// patch, in whose strings {version}, {build}, {date} and {minimumOS} are replaced.
	Patch json.RawMessage `json:"patch,omitempty"`
}

// A Release is what a feed says of one version.
type Release struct {
	// Version is the version. After releases.Select, it has the form of the inventory of Jamf Pro.
	Version string
	// Build is the build, such as CFBundleVersion, Channel the channel, and MinOS the lowest macOS version. Each is
	// empty if the feed does not say.
	Build, Channel, MinOS string
	// URL is the address of the installer, and Notes that of the release notes. They are for people.
	URL, Notes string
	// Date is when the version was released, zero if the feed does not say.
	Date time.Time
	// Prerelease reports whether the feed, or the version itself, says that it is a pre-release.
	Prerelease bool
	// Rollout is the fraction of users that the release has reached, from 0 to 1. Kinds without one set 1.
	Rollout float64
}

// A Proposal is a set of versions of a title that waits for a person.
type Proposal struct {
	// ID identifies the proposal in its server.
	ID string `json:"id"`
	// Title is the id of the title.
	Title string `json:"title"`
	// Version is the newest of the versions.
	Version string `json:"version"`
	// Versions are the versions to add, the oldest first.
	Versions []string `json:"versions"`
	// Patches are the versions as they would be added, in the order of Versions. It is empty where they are not shown.
	Patches []patch.Patch `json:"patches,omitempty"`
	// Reasons are why the versions were not added, and what speaks for them, as sentences.
	Reasons []string `json:"reasons"`
	// Found is when the feed first listed the newest version.
	Found time.Time `json:"found,omitzero"`
}

// A Memory is what a watch remembers of a version.
type Memory string

// What a watch remembers.
const (
	// Listed says that the feed listed the version, which the title did not have. A policy that holds versions counts
	// from then.
	Listed Memory = "listed"
	// Adding says that a version was about to be added. If the title does not have it, the server was killed.
	Adding Memory = "adding"
	// Added says that the title had the version. If it does not, a person removed it.
	Added Memory = "added"
	// Rejected says that a person rejected the version.
	Rejected Memory = "rejected"
)
