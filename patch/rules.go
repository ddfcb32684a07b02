package patch

// The codes of lint's rules. They are stable, so that scripts can use them.
const (
	// CodeCurrentVersion means that currentVersion is not the version of the first patch.
	CodeCurrentVersion = "current-version"
	// CodeLastModified means that lastModified leaves no room for later changes; see [Definition.Complete].
	CodeLastModified = "last-modified"
	// CodeOrder means that a patch comes after an older one.
	CodeOrder = "order"
	// CodeSameVersion means that a version is there twice, in two notations (1.0 and 1.0.0).
	CodeSameVersion = "same-version"
	// CodeDates means that a version was released before the older one next to it.
	CodeDates = "dates"
	// CodeFutureDate means that a release date is in the future.
	CodeFutureDate = "future-date"
	// CodeComponents means that a patch has no component or more than one.
	CodeComponents = "components"
	// CodeComponentCriteria means that a component has no criteria.
	CodeComponentCriteria = "component-criteria"
	// CodeComponentVersion means that a component has another version than its patch.
	CodeComponentVersion = "component-version"
	// CodeCriterionVersion means that the criterion on Application Version has another version than the patch.
	CodeCriterionVersion = "criterion-version"
	// CodeCapabilities means that a patch has no capability.
	CodeCapabilities = "capabilities"
	// CodeMinimumOS means that no capability agrees with minimumOperatingSystem.
	CodeMinimumOS = "minimum-os"
	// CodeUnknownAttribute means that a criterion uses an extension attribute that the title does not have.
	CodeUnknownAttribute = "unknown-attribute"
	// CodeUnusedAttribute means that no criterion uses an extension attribute.
	CodeUnusedAttribute = "unused-attribute"
	// CodeScriptResult means that a script never prints <result>.
	CodeScriptResult = "script-result"
	// CodeScriptInterpreter means that a script has no #! line.
	CodeScriptInterpreter = "script-interpreter"
	// CodeCriterionType means that Jamf Pro has no criteria of this type.
	CodeCriterionType = "criterion-type"
	// CodeCriterionName means that Jamf Pro has no such recon criterion.
	CodeCriterionName = "criterion-name"
	// CodeOperator means that Jamf Pro does not offer the operator for the criterion.
	CodeOperator = "operator"
	// CodeRegex means that a regular expression is broken.
	CodeRegex = "regex"
	// CodeBundleID means that neither requirements nor kill apps mention the bundleId.
	CodeBundleID = "bundle-id"
	// CodePublisher means that the publisher is empty.
	CodePublisher = "publisher"
	// CodeUnsafeText means that a name, the publisher or a version has invisible characters. Only definitions that
	// were stored before this was a failure have them.
	CodeUnsafeText = "unsafe-text"
	// CodeListLength means that a list is longer than [Definition.Validate] allows. Only definitions that were
	// stored before this was a failure have one.
	CodeListLength = "list-length"
	// CodeRegexTooLong means that a regular expression has more than 1,024 bytes and is not checked.
	CodeRegexTooLong = "regex-too-long"
	// CodeEnabledIgnored means that a title or a patch is marked as not enabled, but is served nevertheless.
	CodeEnabledIgnored = "enabled-ignored"
	// CodeCriterionAnd means that a criterion of a component or a capability does not say how it is joined, although
	// another one of the list is joined by OR.
	CodeCriterionAnd = "criterion-and"
)

// The codes of warnings that come from elsewhere than [Lint]. They are not among [Rules].
const (
	// CodeCurrentVersionOlder means that an edit has made currentVersion older than before. A catalog warns about
	// it, because a definition alone does not show it.
	CodeCurrentVersionOlder = "current-version-older"
	// CodeMissingAttributes means that [ParseRepair] has given the definition an empty list of extension attributes.
	CodeMissingAttributes = "missing-attributes"
	// CodeRepeatedAttribute means that [ParseRepair] has numbered a duplicate key of an extension attribute.
	CodeRepeatedAttribute = "repeated-attribute"
)

// A Rule is a rule of [Lint].
type Rule struct {
	// Code identifies the rule in warnings and options.
	Code string `json:"code"`
	// Summary describes what the rule warns about.
	Summary string `json:"summary"`
	// Fixable reports whether [Fix] can repair what the rule finds.
	Fixable bool `json:"fixable"`
}

// Rules returns the rules of [Lint].
func Rules() []Rule {
	return []Rule{
		{CodeCurrentVersion, "currentVersion is not the version of the first patch", true},
		{CodeLastModified, "lastModified leaves no room for later changes", false},
		{CodeOrder, "a patch comes after an older one", true},
		{CodeSameVersion, "a version is there twice, in two notations", true},
		{CodeDates, "a version was released before the older one next to it", false},
		{CodeFutureDate, "a release date is in the future", false},
		{CodeComponents, "a patch has no component or more than one", false},
		{CodeComponentCriteria, "a component has no criteria", false},
		{CodeComponentVersion, "a component has another version than its patch", true},
		{CodeCriterionVersion, "the criterion on Application Version has another version than the patch", false},
		{CodeCapabilities, "a patch has no capability", false},
		{CodeMinimumOS, "no capability agrees with minimumOperatingSystem", false},
		{CodeUnknownAttribute, "a criterion uses an extension attribute that the title does not have", false},
		{CodeUnusedAttribute, "no criterion uses an extension attribute", false},
		{CodeScriptResult, "the script of an extension attribute never prints <result>", false},
		{CodeScriptInterpreter, "the script of an extension attribute has no #! line", false},
		{CodeCriterionType, "Jamf Pro has no criteria of this type", false},
		{CodeCriterionName, "Jamf Pro has no such recon criterion", false},
		{CodeOperator, "Jamf Pro does not offer the operator for the criterion", false},
		{CodeRegex, "a regular expression is broken", false},
		{CodeBundleID, "neither requirements nor kill apps mention the bundleId", false},
		{CodePublisher, "the publisher is empty", false},
		{CodeUnsafeText, "a name, the publisher or a version has invisible characters", false},
		{CodeListLength, "a list is longer than a new definition may have it", false},
		{CodeRegexTooLong, "a regular expression is too long to be checked", false},
		{CodeEnabledIgnored, "a title or patch is marked as not enabled, but is served nevertheless", false},
		{CodeCriterionAnd, "a criterion does not say how it is joined, although another one is joined by OR", false},
	}
}
