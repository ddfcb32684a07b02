package patch

import (
	"fmt"
	"slices"
	"strings"
)

// Groups of operators, from Jamf Pro's table of criteria.
var (
	titleOperators = []string{"is", "is not", "has", "does not have"}
	osOperators    = []string{
		"is",
		"is not",
		"like",
		"not like",
		"greater than",
		"less than",
		"greater than or equal",
		"less than or equal",
	}
	numberOperators  = []string{"is", "is not", "more than", "less than"}
	stringOperators  = []string{"is", "is not", "like", "not like", "matches regex", "does not match regex"}
	reconCriteria    = reconTable()
	regularOperators = []string{"matches regex", "does not match regex"}
)

// reconTable is what Jamf Pro's inventory knows, and how it can be asked.
func reconTable() map[string][]string {
	t := map[string][]string{"Application Title": titleOperators, "Operating System Version": osOperators}
	for _, name := range []string{"Boot Drive Available MB", "Drive Capacity MB", "Number of Processors", "Processor Speed MHz", "Total Number of Cores", "Total RAM MB"} {
		t[name] = numberOperators
	}
	for _, name := range []string{"Application Bundle ID", "Application Version", "Architecture Type", "Make", "Model", "Model Identifier", "Operating System", "Operating System Build",
		"Operating System Name", "Optical Drive", "Platform", "Processor Type", "SMC Version"} {
		t[name] = stringOperators
	}
	return t
}

// criterion looks at one criterion by itself.
func (l *linter) criterion(c *Criterion, at string) {
	if !l.goOn() {
		return
	}
	var operators []string
	switch c.Type {
	case "recon":
		var known bool
		if operators, known = reconCriteria[c.Name]; !known {
			l.warn(
				CodeCriterionName,
				at+"/name",
				"",
				"Jamf Pro's inventory has no %q: the criterion finds nothing. Names are exact, as in Application Bundle ID; what the inventory does not know is for an extension attribute",
				c.Name,
			)
			return
		}
	case "extensionAttribute":
		operators = stringOperators
		if !l.keys[c.Name] {
			l.warn(
				CodeUnknownAttribute,
				at+"/name",
				"",
				"the title has no extension attribute with the key %q: Jamf Pro has nothing to compare. Add it, or correct the name",
				c.Name,
			)
		}
	default:
		l.warn(
			CodeCriterionType,
			at+"/type",
			"",
			"Jamf Pro has no criteria of type %q: it takes recon and extensionAttribute",
			c.Type,
		)
		return
	}
	if !slices.Contains(operators, c.Operator) {
		l.warn(
			CodeOperator,
			at+"/operator",
			"",
			"Jamf Pro does not offer the operator %q for %q: use one of %s",
			c.Operator,
			c.Name,
			strings.Join(operators, ", "),
		)
		return
	}
	if slices.Contains(regularOperators, c.Operator) {
		if n := len(c.Value); n > MaxRegexLength {
			l.warn(
				CodeRegexTooLong,
				at+"/value",
				"",
				"the regular expression has %d bytes, and those of up to %d are looked at: shorten it, or try it out in Jamf Pro",
				n,
				MaxRegexLength,
			)
		} else if reason := l.regexes.judge(c.Value).broken; reason != "" {
			l.warn(CodeRegex, at+"/value", "", "the regular expression %q is broken (%s): Jamf Pro matches nothing with it", c.Value, reason)
		}
	}
}

// joined looks at how the criteria of a component or a capability are joined. Many
// definitions leave "and" out where it is true everywhere, and Jamf Pro takes that
// as it is meant. Beside an OR it is a guess.
func (l *linter) joined(cs []Criterion, at string) {
	unsaid, or := -1, false
	for i := range cs {
		switch {
		case cs[i].And == nil && unsaid < 0:
			unsaid = i
		case cs[i].And != nil && !*cs[i].And:
			or = true
		}
	}
	if or && unsaid >= 0 {
		l.warn(
			CodeCriterionAnd,
			fmt.Sprintf("%s/%d/and", at, unsaid),
			"",
			"criteria here are joined by OR (\"and\": false), and this one does not say how it is joined: it is taken for AND. "+
				"Jamf's own feed says so in each criterion: add \"and\": true or false",
		)
	}
}
