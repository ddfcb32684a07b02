package patch

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

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
	// CodeRegexTooLong is a regular expression of more than [MaxRegexLength] bytes,
	// which is not looked at.
	CodeRegexTooLong = "regex-too-long"
	// CodeEnabledIgnored is a title or a patch that says that it is not enabled: it
	// is served all the same.
	CodeEnabledIgnored = "enabled-ignored"
	// CodeCriterionAnd is a criterion of a component or a capability that does not
	// say how it is joined.
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
		{CodeCriterionAnd, "a component's or capability's criterion does not say how it is joined", false},
	}
}

// LintOptions are options of [Lint] and [Fix]. Nil means the zero value.
type LintOptions struct {
	// Now is the time that release dates are held against. The zero time leaves
	// that rule out.
	Now time.Time
	// Off are the codes of rules that are not applied.
	Off []string
	// Errors are the codes of rules whose warnings are marked as errors.
	Errors []string
	// About, if not nil, leaves out the warnings for which it is false.
	About func(code, path string) bool
}

// Lint returns what in a definition is allowed and probably not meant: what Jamf
// Pro takes without a word and then does something unexpected with. d has to be
// valid. At most [MaxFailures] warnings are returned, and as many errors.
//
// The rules are those of Jamf's article on external patch sources and of its
// tables of criteria and operators; see [Rules].
func Lint(d *Definition, opts *LintOptions) []Warning { return lint(d, opts, MaxFailures) }

func lint(d *Definition, opts *LintOptions, most int) []Warning {
	l := &linter{d: d, most: most}
	if opts != nil {
		l.opts = *opts
	}
	l.title()
	for i := range d.Patches {
		l.patch(i)
	}
	l.attributes()
	return l.warnings
}

type linter struct {
	d        *Definition
	opts     LintOptions
	most     int
	counts   [2]int // of warnings, and of errors
	warnings []Warning
}

// warn adds a warning. fix says what Fix would do; empty: nothing.
func (l *linter) warn(code, path, fix, format string, args ...any) {
	isError := slices.Contains(l.opts.Errors, code)
	count := &l.counts[0]
	if isError {
		count = &l.counts[1] // no number of warnings hides an error
	}
	if *count == l.most || slices.Contains(l.opts.Off, code) || l.opts.About != nil && !l.opts.About(code, path) {
		return
	}
	*count++
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = shorten(s)
		}
	}
	l.warnings = append(l.warnings, Warning{Code: code, Path: path, Message: fmt.Sprintf(format, args...), Fix: shorten(fix), Error: isError})
}

func (l *linter) title() {
	d := l.d
	if first := d.Patches[0].Version; d.CurrentVersion != "" && d.CurrentVersion != first {
		l.warn(CodeCurrentVersion, "/currentVersion", fmt.Sprintf("replaced by %q", first),
			"currentVersion is %q, but the first patch is %q: Jamf Pro reports the one and installs the other. Make them the same, with the newest patch first", d.CurrentVersion, first)
	}
	if t, err := ParseTime(d.LastModified); err == nil && t.Year() > lastYear {
		l.warn(CodeLastModified, "/lastModified", "", "lastModified is %s: it moves forward with every change, and has no room to. A source replaces it by the time of the change", d.LastModified)
	}
	if d.Publisher == "" {
		l.warn(CodePublisher, "/publisher", "", "the publisher is empty: Jamf Pro sorts and shows titles by it. Name the vendor")
	}
	if id := d.BundleID; id != nil && *id != "" && !d.mentions(*id) {
		l.warn(CodeBundleID, "/bundleId", "", "neither a requirement nor a killApp mentions the bundleId %q: Jamf Pro looks for the title by its requirements alone. One of them is probably of another application", *id)
	}
	for i := range d.Requirements {
		l.criterion(&d.Requirements[i], fmt.Sprintf("/requirements/%d", i))
	}
}

// mentions reports whether a requirement or a killApp names a bundle id.
func (d *Definition) mentions(bundleID string) bool {
	for _, r := range d.Requirements {
		if r.mentions(bundleID) {
			return true
		}
	}
	for _, p := range d.Patches {
		for _, k := range p.KillApps {
			if k.BundleID == bundleID {
				return true
			}
		}
	}
	return false
}

// mentions reports whether a criterion asks for a value.
func (c *Criterion) mentions(value string) bool {
	switch c.Operator {
	case "is", "has":
		return c.Value == value
	case "like":
		return strings.Contains(value, c.Value)
	case "matches regex":
		expr, err := regexp.Compile(c.Value)
		return err != nil || expr.MatchString(value) // of what Go does not know, the best
	}
	return false
}

func (l *linter) patch(i int) {
	p := &l.d.Patches[i]
	at := fmt.Sprintf("/patches/%d", i)
	if i > 0 {
		l.neighbours(i)
	}
	if released, err := ParseTime(p.ReleaseDate); err == nil && !l.opts.Now.IsZero() && released.After(l.opts.Now) {
		l.warn(CodeFutureDate, at+"/releaseDate", "", "version %q is released at %s, which is yet to come: Jamf Pro offers it at once all the same. Correct the date", p.Version, p.ReleaseDate)
	}
	if n := len(p.Components); n != 1 {
		l.warn(CodeComponents, at+"/components", "", "version %q has %d components: Jamf Pro supports exactly one, and does not recognise the version by any other number. Put all criteria into one", p.Version, n)
	}
	for j := range p.Components {
		l.component(p, &p.Components[j], fmt.Sprintf("%s/components/%d", at, j))
	}
	if len(p.Capabilities) == 0 {
		l.warn(CodeCapabilities, at+"/capabilities", "", "version %q has no capability: Jamf Pro takes every computer for able to run it. Add one, such as Operating System Version greater than or equal %s", p.Version, p.MinimumOperatingSystem)
	}
	l.minimumOS(p, at)
	for j := range p.Capabilities {
		l.criterion(&p.Capabilities[j], fmt.Sprintf("%s/capabilities/%d", at, j))
	}
}

// neighbours looks at how a patch stands to the one in front of it.
func (l *linter) neighbours(i int) {
	front, back := &l.d.Patches[i-1], &l.d.Patches[i]
	order := CompareVersions(front.Version, back.Version)
	switch {
	case order < 0:
		l.warn(CodeOrder, fmt.Sprintf("/patches/%d/version", i), "patches sorted, newest first",
			"version %q stands behind %q, which is older: Jamf Pro takes the first patch for the newest, and what is behind a version for older than it. Put the newest first", back.Version, front.Version)
	case order == 0:
		l.warn(CodeSameVersion, fmt.Sprintf("/patches/%d/version", i), sameVersionFix(front, back),
			"%q and %q are the same version, written in two ways: Jamf Pro shows both. Keep one, unless the vendor did release both", back.Version, front.Version)
		return
	}
	newer, older, at := front, back, i-1
	if order < 0 {
		newer, older, at = back, front, i
	}
	n, errN := ParseTime(newer.ReleaseDate)
	o, errO := ParseTime(older.ReleaseDate)
	if errN == nil && errO == nil && n.Before(o) {
		l.warn(CodeDates, fmt.Sprintf("/patches/%d/releaseDate", at), "",
			"version %q was released at %s, before the older version %q (%s): Jamf Pro's reports by date come out wrong. Check both dates; a vendor that maintains two branches at once is a good reason", newer.Version, newer.ReleaseDate, older.Version, older.ReleaseDate)
	}
}

func (l *linter) component(p *Patch, c *Component, at string) {
	if len(c.Criteria) == 0 {
		l.warn(CodeComponentCriteria, at+"/criteria", "", "the component of version %q has no criteria: Jamf Pro finds no computer that has the version. Add the bundle id and the version", p.Version)
	}
	if c.Version != p.Version {
		fix := ""
		if len(p.Components) == 1 {
			fix = fmt.Sprintf("replaced by %q", p.Version)
		}
		l.warn(CodeComponentVersion, at+"/version", fix, "the component has version %q, its patch %q: Jamf Pro expects them to be the same", c.Version, p.Version)
	}
	// Alternatives, joined by "and": false, may name other versions beside it.
	wrong := -1
	for i, r := range c.Criteria {
		if r.Type == "recon" && r.Name == "Application Version" && (r.Operator == "is" || r.Operator == "like") {
			if r.Value == p.Version || r.Operator == "like" && r.Value != "" && strings.Contains(p.Version, r.Value) {
				wrong = -1
				break
			}
			if wrong < 0 {
				wrong = i
			}
		}
	}
	if wrong >= 0 {
		l.warn(CodeCriterionVersion, fmt.Sprintf("%s/criteria/%d/value", at, wrong), "", "the criterion looks for version %q, its patch is %q: Jamf Pro takes computers with the one for having the other. Make them the same", c.Criteria[wrong].Value, p.Version)
	}
	for i := range c.Criteria {
		l.criterion(&c.Criteria[i], fmt.Sprintf("%s/criteria/%d", at, i))
	}
}

func (l *linter) minimumOS(p *Patch, at string) {
	var values []string
	for _, r := range p.Capabilities {
		if r.Type != "recon" || r.Name != "Operating System Version" {
			continue
		}
		order := CompareVersions(p.MinimumOperatingSystem, r.Value)
		agrees := false
		switch r.Operator {
		case "greater than or equal", "is":
			agrees = order == 0
		case "greater than":
			agrees = order > 0
		default:
			continue // which says nothing of a minimum
		}
		if agrees {
			return
		}
		values = append(values, r.Operator+" "+r.Value)
	}
	if len(values) > 0 {
		l.warn(CodeMinimumOS, at+"/minimumOperatingSystem", "", "minimumOperatingSystem of version %q is %q, its capability demands %q: Jamf Pro shows the one in reports and goes by the other. Make them the same", p.Version, p.MinimumOperatingSystem, strings.Join(values, ", "))
	}
}

func (l *linter) attributes() {
	for i := range l.d.ExtensionAttributes {
		a := &l.d.ExtensionAttributes[i]
		at := fmt.Sprintf("/extensionAttributes/%d", i)
		if !l.d.uses(a.Key) {
			l.warn(CodeUnusedAttribute, at+"/key", "", "no criterion names the extension attribute %q: every computer runs its script for nothing. Use it in a criterion of type extensionAttribute, or remove it", a.Key)
		}
		script, err := base64.StdEncoding.DecodeString(a.Value)
		if err != nil {
			continue // not valid: not for lint
		}
		if !bytes.Contains(script, []byte("<result>")) {
			l.warn(CodeScriptResult, at+"/value", "", "the script of %q never prints <result>: Jamf Pro stores what stands between <result> and </result>, and so nothing. Print the version there", a.Key)
		}
		if !bytes.HasPrefix(script, []byte("#!")) {
			l.warn(CodeScriptInterpreter, at+"/value", "", "the script of %q does not begin with #!: a computer does not know what to run it with. Begin it with a line such as #!/bin/sh", a.Key)
		}
	}
}

// uses reports whether a criterion names an extension attribute.
func (d *Definition) uses(key string) bool {
	named := func(cs []Criterion) bool {
		return slices.ContainsFunc(cs, func(c Criterion) bool { return c.Type == "extensionAttribute" && c.Name == key })
	}
	if named(d.Requirements) {
		return true
	}
	for i := range d.Patches {
		p := &d.Patches[i]
		if named(p.Capabilities) || slices.ContainsFunc(p.Components, func(c Component) bool { return named(c.Criteria) }) {
			return true
		}
	}
	return false
}
