package webui

// identityGroup has the fields of a new title.
var identityGroup = feedGroup{
	Legend: "Software title",
	Prefix: "/",
	Words: []feedWord{
		{
			Name:        "name",
			Label:       "Name",
			Placeholder: "Rectangle",
		},
		{
			Name:  "id",
			Label: "ID",
			Hint:  "If empty, it is made from the name. It cannot be changed later.",
		},
		{
			Name:  "publisher",
			Label: "Publisher",
			Hint:  "If empty, it is the name.",
		},
		{
			Name:        "bundleId",
			Label:       "Bundle ID",
			Placeholder: "com.knollsoft.Rectangle",
			Hint:        "CFBundleIdentifier in the application’s Info.plist.",
		},
		{
			Name:        "appName",
			Label:       "Application",
			Placeholder: "Rectangle.app",
			Hint:        "If empty, it is the name with .app. It is also the kill app.",
		},
		{
			Name:        "minimumOperatingSystem",
			Label:       "Minimum operating system",
			Placeholder: "10.15",
			Hint:        "For releases whose feed does not say. If empty, it is 10.13.",
		},
	},
}

// holdHint says what it costs to hold versions back.
const holdHint = "How old a release must be before it is added, such as 48h or 2d. Holding has a cost: about " +
	"71 % of the applications in the example recipes update themselves, and while a version is held back, Jamf Pro " +
	"reports the computers that have it as “unknown” and patch policies skip them."

// policyGroups are the fields of a policy.
var policyGroups = []feedGroup{
	{
		Legend: "Policy",
		Prefix: "/policy/",
		Words: []feedWord{
			{
				Name:  "mode",
				Label: "New versions",
				Whole: true,
				Choices: []choice{
					{"add", "are added if all checks pass, and proposed if not"},
					{"propose", "are proposed, and a person approves them"},
					{"off", "are not looked for (paused)"},
				},
			},
			{
				Name:        "hold",
				Label:       "Hold back",
				Placeholder: "0h",
				Whole:       true,
				Hint:        holdHint,
			},
			{
				Name:        "expect",
				Label:       "Expected form",
				Placeholder: `^\d+\.\d+\.\d+$`,
				Hint: "A regular expression that matches whole versions, which are then added without a person. If " +
					"empty, a version must have the form of the title’s earlier ones.",
			},
			{
				Name:        "interval",
				Label:       "Check every",
				Placeholder: "1h",
				Hint:        "At least 5m.",
			},
		},
	},
	{
		Legend: "More of the policy",
		Prefix: "/policy/",
		Folded: true,
		Words: []feedWord{
			{
				Name:        "minRollout",
				Label:       "Minimum rollout",
				Placeholder: "1",
				Hint: "The fraction of users that a release must have reached, from 0 to 1, for feeds that say. If " +
					"empty, it is 1: everybody.",
			},
			{
				Name:  "patch",
				Label: "Template of a version, as JSON",
				Lines: true,
				Whole: true,
				Hint: "Only for titles whose new version cannot be made from the one before. {version}, {build}, " +
					"{date} and {minimumOS} are replaced.",
			},
		},
	},
}

// backfillWord is the field of the policy that only a new title has.
var backfillWord = feedWord{
	Name:        "backfill",
	Label:       "Versions to begin with",
	Placeholder: "1",
	Number:      true,
	Hint:        "The number of releases that the new title has, at most 50. If empty, it is the newest only.",
}
