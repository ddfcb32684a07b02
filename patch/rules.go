package patch

// The codes of lint's rules. They are stable: scripts may name them.
const (
	// CodeCurrentVersion is a currentVersion that is not the first patch's version.
	CodeCurrentVersion = "current-version"
	// CodeLastModified is a lastModified without room for later changes; see
	// [Definition.Complete].
	CodeLastModified = "last-modified"
	// CodeOrder is a patch that stands behind an older one.
	CodeOrder = "order"
	// CodeSameVersion is a version that stands twice in two notations (1.0, 1.0.0).
	CodeSameVersion = "same-version"
	// CodeDates is a version released before the older one beside it.
	CodeDates = "dates"
	// CodeFutureDate is a release date that is yet to come.
	CodeFutureDate = "future-date"
	// CodeComponents is a patch without a component, or with more than one.
	CodeComponents = "components"
	// CodeComponentCriteria is a component without criteria.
	CodeComponentCriteria = "component-criteria"
	// CodeComponentVersion is a component with another version than its patch.
	CodeComponentVersion = "component-version"
	// CodeCriterionVersion is a criterion on another version than its patch's.
	CodeCriterionVersion = "criterion-version"
	// CodeCapabilities is a patch without a capability.
	CodeCapabilities = "capabilities"
	// CodeMinimumOS is a minimumOperatingSystem that no capability agrees with.
	CodeMinimumOS = "minimum-os"
	// CodeUnknownAttribute is a criterion on an extension attribute that the title
	// does not have.
	CodeUnknownAttribute = "unknown-attribute"
	// CodeUnusedAttribute is an extension attribute that no criterion names.
	CodeUnusedAttribute = "unused-attribute"
	// CodeScriptResult is a script that never prints <result>.
	CodeScriptResult = "script-result"
	// CodeScriptInterpreter is a script without a #! line.
	CodeScriptInterpreter = "script-interpreter"
	// CodeCriterionType is a criterion of a type that Jamf Pro does not have.
	CodeCriterionType = "criterion-type"
	// CodeCriterionName is a recon criterion that Jamf Pro does not have.
	CodeCriterionName = "criterion-name"
	// CodeOperator is an operator that Jamf Pro does not offer for the criterion.
	CodeOperator = "operator"
	// CodeRegex is a regular expression that cannot be one.
	CodeRegex = "regex"
	// CodeBundleID is a bundleId that neither requirements nor killApps mention.
	CodeBundleID = "bundle-id"
	// CodePublisher is an empty publisher.
	CodePublisher = "publisher"
	// CodeUnsafeText is a name, publisher or version that [CheckText] refuses. Only
	// a definition that was stored before has one.
	CodeUnsafeText = "unsafe-text"
	// CodeListLength is a list that is longer than [Definition.Validate] allows.
	// Only a definition that was stored before has one.
	CodeListLength = "list-length"
	// CodeRegexTooLong is a regular expression of more than [maxRegexLength] bytes,
	// which is not looked at.
	CodeRegexTooLong = "regex-too-long"
	// CodeEnabledIgnored is a title or a patch that says that it is not enabled: it
	// is served all the same.
	CodeEnabledIgnored = "enabled-ignored"
	// CodeCriterionAnd is a criterion of a component or a capability that does not
	// say how it is joined, beside one that is joined by OR.
	CodeCriterionAnd = "criterion-and"
)

// The codes of warnings that other functions than [Lint] give. They are none of
// [Rules].
const (
	// CodeCurrentVersionOlder is an edit that made currentVersion older than it
	// was. A catalog warns of it: a definition alone does not show it.
	CodeCurrentVersionOlder = "current-version-older"
	// CodeMissingAttributes is a definition without extensionAttributes that
	// [ParseRepair] has given an empty array.
	CodeMissingAttributes = "missing-attributes"
	// CodeRepeatedAttribute is an extension attribute's key that [ParseRepair] has
	// numbered because it stood twice.
	CodeRepeatedAttribute = "repeated-attribute"
)

// A Rule is one of lint's rules.
type Rule struct {
	// Code names it in warnings and options.
	Code string
	// Summary says what it warns about.
	Summary string
	// Fixable says whether [Fix] can mend what it finds.
	Fixable bool
}

// Rules returns lint's rules.
func Rules() []Rule {
	return []Rule{
		{CodeCurrentVersion, "currentVersion is not the first patch's version", true},
		{CodeLastModified, "lastModified has no room for later changes", false},
		{CodeOrder, "a patch stands behind an older one", true},
		{CodeSameVersion, "a version stands twice in two notations", true},
		{CodeDates, "a version was released before the older one beside it", false},
		{CodeFutureDate, "a release date is yet to come", false},
		{CodeComponents, "a patch has no component, or more than one", false},
		{CodeComponentCriteria, "a component has no criteria", false},
		{CodeComponentVersion, "a component has another version than its patch", true},
		{CodeCriterionVersion, "a component's Application Version is not its patch's version", false},
		{CodeCapabilities, "a patch has no capability", false},
		{CodeMinimumOS, "minimumOperatingSystem and capabilities disagree", false},
		{CodeUnknownAttribute, "a criterion names an extension attribute that the title does not have", false},
		{CodeUnusedAttribute, "no criterion names an extension attribute", false},
		{CodeScriptResult, "an extension attribute's script never prints <result>", false},
		{CodeScriptInterpreter, "an extension attribute's script has no #! line", false},
		{CodeCriterionType, "a criterion has a type that Jamf Pro does not have", false},
		{CodeCriterionName, "a recon criterion is none of Jamf Pro's", false},
		{CodeOperator, "Jamf Pro does not offer the operator for the criterion", false},
		{CodeRegex, "a regular expression is broken", false},
		{CodeBundleID, "neither requirements nor killApps mention the bundleId", false},
		{CodePublisher, "the publisher is empty", false},
		{CodeUnsafeText, "a name, the publisher or a version has characters that cannot be seen", false},
		{CodeListLength, "a list is longer than a new definition may have it", false},
		{CodeRegexTooLong, "a regular expression is too long to be looked at", false},
		{CodeEnabledIgnored, "a title or patch that is not enabled is served all the same", false},
		{CodeCriterionAnd, "a criterion beside an OR does not say how it is joined", false},
	}
}
