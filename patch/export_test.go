package patch

// What tests of package patch_test need of the package's internals.
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

var UnsafeText = unsafeText
