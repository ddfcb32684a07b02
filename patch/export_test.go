package patch

import "context"

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

// EvaluateExhaustively is Evaluate without the index of patches.
func EvaluateExhaustively(d *Definition, computers []Computer) ([]Evaluation, error) {
	return EvaluateContext(context.Background(), d, computers, &EvaluateOptions{exhaustive: true})
}
