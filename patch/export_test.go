package patch

// The limits, for tests of package patch_test.
const (
	MaxAuthorLength = maxAuthorLength
	MaxAttributes   = maxAttributes
	MaxComponents   = maxComponents
	MaxCriteria     = maxCriteria
	MaxKillApps     = maxKillApps
	MaxNameLength   = maxNameLength
	MaxPatches      = maxPatches
	MaxRegexLength  = maxRegexLength
)

// UnsafeText is unsafeText, for tests of package patch_test.
var UnsafeText = unsafeText
