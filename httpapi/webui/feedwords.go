package webui

import "slices"

// A feedKind is a kind of release feeds in the form.
type feedKind struct {
	Name, Label, Help string
	// Wide says that the kind can read any page, so that the API accepts it only from clients that may create titles
	// for everybody.
	Wide bool
}

// feedKinds are the kinds that the form offers. A program that embeds the page may have others: the form then shows
// all fields.
var feedKinds = []feedKind{
	{
		Name:  "github",
		Label: "GitHub releases",
		Help: "The releases or tags of a repository at GitHub, or at the GitHub Enterprise server whose address you " +
			"enter.",
	},
	{
		Name:  "gitlab",
		Label: "GitLab releases",
		Help:  "The releases or tags of a project at gitlab.com, or at the server whose address you enter.",
	},
	{
		Name:  "gitea",
		Label: "Gitea or Forgejo releases",
		Help:  "The releases or tags of a repository at gitea.com, or at the server whose address you enter.",
	},
	{
		Name:  "sparkle",
		Label: "Sparkle appcast",
		Help: "The updates of an application that uses Sparkle. The address is SUFeedURL in the application’s " +
			"Info.plist.",
	},
	{
		Name:  "electron",
		Label: "Electron update file",
		Help: "The latest-mac.yml of an application that is made with Electron. The address is often in the " +
			"application’s Contents/Resources/app-update.yml.",
	},
	{
		Name:  "preset",
		Label: "Preset",
		Help:  "A vendor whose feed this server knows. Its name is enough.",
	},
	{
		Name:  "json",
		Label: "JSON document",
		Help:  "A JSON document, with JSONPath (RFC 9535) expressions that say where the versions are.",
		Wide:  true,
	},
	{
		Name:  "plist",
		Label: "Property list",
		Help:  "A property list in XML, with JSONPath (RFC 9535) expressions that say where the versions are.",
		Wide:  true,
	},
	{
		Name:  "xml",
		Label: "XML document",
		Help:  "An XML document, with XPath expressions that say where the versions are.",
		Wide:  true,
	},
	{
		Name:  "text",
		Label: "Text or web page",
		Help: "Any text, such as a download page, with a regular expression that finds the versions. The newest " +
			"by version order counts, not the first in the text.",
		Wide: true,
	},
	{
		Name:  "redirect",
		Label: "Redirect",
		Help: "A download address that leads to the newest version, with a regular expression that finds the " +
			"version in the new address.",
		Wide: true,
	},
}

// kindByName returns the kind with a name, or nil if the form does not offer it.
func kindByName(name string) *feedKind {
	if i := slices.IndexFunc(feedKinds, func(k feedKind) bool { return k.Name == name }); i >= 0 {
		return &feedKinds[i]
	}
	return nil
}

// A feedWord is a member of a recipe, as a field of the form.
type feedWord struct {
	Name, Label, Hint, Placeholder string
	// Kinds are the kinds of feeds that use the member. If nil, it does not depend on the kind.
	Kinds []string
	// Choices are the values to choose from. If nil, the field is a text.
	Choices []choice
	// Number and Check say that the value is a number, or true or false. Lines says that it has several lines, and
	// Whole that the field is as wide as the form.
	Number, Check, Lines, Whole bool
}

// A choice is a value to choose from.
type choice struct{ Value, Label string }

// usedBy reports whether feeds of a kind use the member. A kind that the form does not offer uses all.
func (w *feedWord) usedBy(kind string) bool {
	return w.Kinds == nil || slices.Contains(w.Kinds, kind) || kindByName(kind) == nil
}

// A feedGroup is a group of fields with a heading.
type feedGroup struct {
	Legend, Hint string
	// Prefix begins the JSON Pointers of the members, and the names of their fields.
	Prefix string
	// Folded says that the group is folded unless one of its fields is filled in.
	Folded bool
	Words  []feedWord
}

var (
	forgeKinds    = []string{"github", "gitlab", "gitea"}
	documentKinds = []string{"json", "plist", "xml"}
	mappedKinds   = slices.Concat(forgeKinds, documentKinds, []string{"sparkle", "electron", "text", "redirect"})
	allKinds      = append([]string{"preset"}, mappedKinds...)
)

// feedGroups are the fields of a feed.
var feedGroups = []feedGroup{
	{
		Prefix: "/feed/",
		Legend: "Location",
		Words: []feedWord{
			{
				Name:        "name",
				Label:       "Preset",
				Kinds:       []string{"preset"},
				Placeholder: "firefox",
				Hint:        "chrome, firefox, firefox-esr, edge, jetbrains:CODE, office:APP, appstore:ID or macos.",
			},
			{
				Name:        "repo",
				Label:       "Repository",
				Kinds:       forgeKinds,
				Placeholder: "owner/name",
			},
			{
				Name:        "url",
				Label:       "Address",
				Kinds:       mappedKinds,
				Placeholder: "https://vendor.example/feed",
				Whole:       true,
				Hint: "Values of parameters that look like secrets, such as token, are shown as REDACTED once they " +
					"are stored.",
			},
		},
	},
	{
		Prefix: "/feed/",
		Legend: "Repository",
		Words: []feedWord{
			{
				Name:  "source",
				Label: "Read",
				Kinds: forgeKinds,
				Choices: []choice{
					{"", "the latest release"}, {"releases", "all releases"}, {"tags", "tags"},
				},
			},
			{
				Name:        "tag",
				Label:       "Tag matches",
				Kinds:       forgeKinds,
				Placeholder: `^v(?P<version>[0-9.]+)$`,
				Hint:        "A regular expression, for tags that are more than the version.",
			},
			{
				Name:        "asset",
				Label:       "Wait for an asset",
				Kinds:       forgeKinds,
				Placeholder: `\.dmg$`,
				Hint:        "A release counts once it has a file whose name matches this regular expression.",
			},
			{
				Name:        "assetMatch",
				Label:       "Version in an asset’s name",
				Kinds:       forgeKinds,
				Placeholder: `App-(?P<version>[0-9.]+)\.dmg`,
				Hint:        "A regular expression, if the tag does not have the version.",
			},
		},
	},
	{
		Prefix: "/feed/",
		Legend: "Places in the document",
		Words: []feedWord{
			{
				Name:        "items",
				Label:       "List of releases",
				Kinds:       documentKinds,
				Placeholder: "$.releases[*]",
				Hint: "The paths below are relative to each of its items. Leave it empty if the document is one " +
					"release.",
			},
			{
				Name:        "version",
				Label:       "Version",
				Kinds:       documentKinds,
				Placeholder: "$.version",
			},
			{
				Name:  "build",
				Label: "Build",
				Kinds: documentKinds,
			},
			{
				Name:  "date",
				Label: "Release date",
				Kinds: documentKinds,
			},
			{
				Name:  "minOS",
				Label: "Minimum operating system",
				Kinds: documentKinds,
			},
			{
				Name:  "rollout",
				Label: "Rollout",
				Kinds: documentKinds,
				Hint:  "The fraction of users, from 0 to 1.",
			},
			{
				Name:        "fields",
				Label:       "Further values",
				Kinds:       documentKinds,
				Lines:       true,
				Whole:       true,
				Placeholder: "patch = $.patch",
				Hint:        "One per line, as name = path. “Form in the inventory” can use them.",
			},
		},
	},
	{
		Prefix: "/feed/",
		Legend: "From the feed’s version to the inventory’s",
		Words: []feedWord{
			{
				Name:  "from",
				Label: "Look in",
				Kinds: []string{"sparkle"},
				Choices: []choice{
					{"", "the version"}, {"short", "the short version"}, {"url", "the address of the installer"},
				},
			},
			{
				Name:        "match",
				Label:       "Regular expression",
				Kinds:       mappedKinds,
				Placeholder: `(?P<version>[0-9.]+)`,
				Hint: "RE2. The group named version is the version. Other groups, such as build, can be used in the " +
					"next field.",
			},
			{
				Name:        "as",
				Label:       "Form in the inventory",
				Kinds:       mappedKinds,
				Placeholder: "{version} ({build})",
				Hint:        "The form that Jamf Pro’s inventory reports, if it is not the version alone.",
			},
			{
				Name:   "parts",
				Label:  "Keep this many numbers",
				Kinds:  allKinds,
				Number: true,
				Hint:   "3 makes 1.2.3 of 1.2.3.4.",
			},
			{
				Name:        "header",
				Label:       "Header",
				Kinds:       []string{"redirect"},
				Placeholder: "Location",
				Hint:        "The header of the answer that the regular expression is matched with.",
			},
		},
	},
	{
		Prefix: "/feed/",
		Legend: "Which releases count",
		Folded: true,
		Words: []feedWord{
			{
				Name:  "channel",
				Label: "Channel",
				Kinds: []string{"sparkle", "electron"},
				Hint:  "If empty, only releases without a channel count.",
			},
			{
				Name:   "major",
				Label:  "Major version",
				Kinds:  allKinds,
				Number: true,
				Hint:   "Only versions that begin with it.",
			},
			{
				Name:  "include",
				Label: "Only versions that match",
				Kinds: allKinds,
				Hint:  "A regular expression.",
			},
			{
				Name:  "exclude",
				Label: "No versions that match",
				Kinds: allKinds,
				Hint:  "A regular expression.",
			},
			{
				Name:  "pick",
				Label: "Newest is",
				Kinds: mappedKinds,
				Choices: []choice{
					{"", "the highest version"}, {"lowest", "the lowest version"},
				},
			},
			{
				Name:  "prereleases",
				Label: "Include pre-releases",
				Kinds: allKinds,
				Check: true,
			},
		},
	},
	{
		Prefix: "/feed/",
		Legend: "Request",
		Folded: true,
		Words: []feedWord{
			{
				Name:  "method",
				Label: "Method",
				Kinds: mappedKinds,
				Choices: []choice{
					{"", "GET"}, {"HEAD", "HEAD"}, {"POST", "POST"},
				},
			},
			{
				Name:  "userAgent",
				Label: "User-Agent",
				Kinds: allKinds,
				Hint:  "browser, curl, or any text, for servers that refuse this one’s.",
			},
			{
				Name:  "referer",
				Label: "Referer",
				Kinds: mappedKinds,
			},
		},
	},
}
