package patch

// The codes of lint's rules. They are stable, so that scripts can use them.
const (
	// codeCurrentVersion means that currentVersion is not the version of the first patch.
	codeCurrentVersion = "current-version"
	// codeLastModified means that lastModified leaves no room for later changes; see [Definition.Complete].
	codeLastModified = "last-modified"
	// codeOrder means that a patch comes after an older one.
	codeOrder = "order"
	// codeSameVersion means that a version is there twice, in two notations (1.0 and 1.0.0).
	codeSameVersion = "same-version"
	// codeDates means that a version was released before the older one next to it.
	codeDates = "dates"
	// codeFutureDate means that a release date is in the future.
	codeFutureDate = "future-date"
	// codeComponents means that a patch has no component or more than one.
	codeComponents = "components"
	// codeComponentCriteria means that a component has no criteria.
	codeComponentCriteria = "component-criteria"
	// codeComponentVersion means that a component has another version than its patch.
	codeComponentVersion = "component-version"
	// codeCriterionVersion means that the criterion on Application Version has another version than the patch.
	codeCriterionVersion = "criterion-version"
	// codeCapabilities means that a patch has no capability.
	codeCapabilities = "capabilities"
	// codeMinimumOS means that no capability agrees with minimumOperatingSystem.
	codeMinimumOS = "minimum-os"
	// codeUnknownAttribute means that a criterion uses an extension attribute that the title does not have.
	codeUnknownAttribute = "unknown-attribute"
	// codeUnusedAttribute means that no criterion uses an extension attribute.
	codeUnusedAttribute = "unused-attribute"
	// codeScriptResult means that a script never prints <result>.
	codeScriptResult = "script-result"
	// codeScriptInterpreter means that a script has no #! line.
	codeScriptInterpreter = "script-interpreter"
	// codeCriterionType means that Jamf Pro has no criteria of this type.
	codeCriterionType = "criterion-type"
	// codeCriterionName means that Jamf Pro has no such recon criterion.
	codeCriterionName = "criterion-name"
	// codeOperator means that Jamf Pro does not offer the operator for the criterion.
	codeOperator = "operator"
	// codeRegex means that a regular expression is broken.
	codeRegex = "regex"
	// codeBundleID means that neither requirements nor kill apps mention the bundleId.
	codeBundleID = "bundle-id"
	// codePublisher means that the publisher is empty.
	codePublisher = "publisher"
	// codeUnsafeText means that a name, the publisher or a version has invisible characters. Only definitions that
	// were stored before this was a failure have them.
	codeUnsafeText = "unsafe-text"
	// codeListLength means that a list is longer than [Definition.Validate] allows. Only definitions that were
	// stored before this was a failure have one.
	codeListLength = "list-length"
	// codeRegexTooLong means that a regular expression has more than 1,024 bytes and is not checked.
	codeRegexTooLong = "regex-too-long"
	// codeEnabledIgnored means that a title is marked as not enabled, but is served nevertheless.
	codeEnabledIgnored = "enabled-ignored"
	// codeCriterionAnd means that a criterion of a component or a capability does not say how it is joined, although
	// another one of the list is joined by OR.
	codeCriterionAnd = "criterion-and"
)

// The codes of warnings that come from elsewhere than [Lint]. They are not among [Rules].
const (
	// codeMissingAttributes means that [ParseRepair] has given the definition an empty list of extension attributes.
	codeMissingAttributes = "missing-attributes"
	// codeRepeatedAttribute means that [ParseRepair] has numbered a duplicate key of an extension attribute.
	codeRepeatedAttribute = "repeated-attribute"
)

// A Rule is a rule of [Lint].
type Rule struct {
	// Code identifies the rule in warnings and options. Codes are stable, so that programs can rely on them.
	Code string `json:"code"`
	// Summary describes what the rule warns about.
	Summary string `json:"summary"`
	// Fixable reports whether [Fix] can repair what the rule finds.
	Fixable bool `json:"fixable"`
}

// Rules returns the rules of [Lint].
func Rules() []Rule {
	return []Rule{
		{codeCurrentVersion, "currentVersion is not the version of the first patch", true},
		{codeLastModified, "lastModified leaves no room for later changes", false},
		{codeOrder, "a patch comes after an older one", true},
		{codeSameVersion, "a version is there twice, in two notations", true},
		{codeDates, "a version was released before the older one next to it", false},
		{codeFutureDate, "a release date is in the future", false},
		{codeComponents, "a patch has no component or more than one", false},
		{codeComponentCriteria, "a component has no criteria", false},
		{codeComponentVersion, "a component has another version than its patch", true},
		{codeCriterionVersion, "the criterion on Application Version has another version than the patch", false},
		{codeCapabilities, "a patch has no capability", false},
		{codeMinimumOS, "no capability agrees with minimumOperatingSystem", false},
		{codeUnknownAttribute, "a criterion uses an extension attribute that the title does not have", false},
		{codeUnusedAttribute, "no criterion uses an extension attribute", false},
		{codeScriptResult, "the script of an extension attribute never prints <result>", false},
		{codeScriptInterpreter, "the script of an extension attribute has no #! line", false},
		{codeCriterionType, "Jamf Pro has no criteria of this type", false},
		{codeCriterionName, "Jamf Pro has no such recon criterion", false},
		{codeOperator, "Jamf Pro does not offer the operator for the criterion", false},
		{codeRegex, "a regular expression is broken", false},
		{codeBundleID, "neither requirements nor kill apps mention the bundleId", false},
		{codePublisher, "the publisher is empty", false},
		{codeUnsafeText, "a name, the publisher or a version has invisible characters", false},
		{codeListLength, "a list is longer than a new definition may have it", false},
		{codeRegexTooLong, "a regular expression is too long to be checked", false},
		{codeEnabledIgnored, "a title is marked as not enabled, but is served nevertheless", false},
		{codeCriterionAnd, "a criterion does not say how it is joined, although another one is joined by OR", false},
	}
}
