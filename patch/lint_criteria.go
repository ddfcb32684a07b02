package patch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The operators that Jamf Pro offers for each kind of criterion.
var (
	titleOperators  = []string{"is", "is not", "has", "does not have"}
	numberOperators = []string{"is", "is not", "more than", "less than"}
	stringOperators = []string{"is", "is not", "like", "not like", "matches regex", "does not match regex"}
	osOperators     = []string{
		"is", "is not", "like", "not like",
		"greater than", "less than", "greater than or equal", "less than or equal",
	}
)

// reconCriteria maps the facts of Jamf Pro's inventory to the operators that it offers for them.
var reconCriteria = reconTable()

func reconTable() map[string][]string {
	table := map[string][]string{"Application Title": titleOperators, "Operating System Version": osOperators}
	for _, name := range []string{
		"Boot Drive Available MB", "Drive Capacity MB", "Number of Processors", "Processor Speed MHz",
		"Total Number of Cores", "Total RAM MB",
	} {
		table[name] = numberOperators
	}
	for _, name := range []string{
		"Application Bundle ID", "Application Version", "Architecture Type", "Make", "Model", "Model Identifier",
		"Operating System", "Operating System Build", "Operating System Name", "Optical Drive", "Platform",
		"Processor Type", "SMC Version",
	} {
		table[name] = stringOperators
	}
	return table
}

// CriterionNames returns the facts of Jamf Pro's inventory that a criterion of type recon can name, sorted.
func CriterionNames() []string { return slices.Sorted(maps.Keys(reconCriteria)) }

// CriterionOperators returns the operators that Jamf Pro offers for a fact of its inventory. They are those for an
// extension attribute if the inventory has no such fact.
func CriterionOperators(name string) []string {
	if operators, ok := reconCriteria[name]; ok {
		return slices.Clone(operators)
	}
	return slices.Clone(stringOperators)
}

// criterion examines one criterion by itself.
func (l *linter) criterion(c *Criterion) {
	operators, ok := l.operators(c)
	if !ok {
		return
	}
	if !slices.Contains(operators, c.Operator) {
		l.warn(codeOperator, "operator", "Jamf Pro does not offer the operator %q for %q: use one of %s",
			c.Operator, c.Name, strings.Join(operators, ", "))
		return
	}
	if c.Operator == "matches regex" || c.Operator == "does not match regex" {
		l.regex(c.Value)
	}
}

// operators returns the operators that Jamf Pro offers for a criterion. It warns about a criterion that Jamf Pro
// does not know, and returns false if it cannot tell the operators.
func (l *linter) operators(c *Criterion) (operators []string, ok bool) {
	switch c.Type {
	case "recon":
		if operators, ok = reconCriteria[c.Name]; !ok {
			l.warn(codeCriterionName, "name",
				"Jamf Pro's inventory has no %q: the criterion matches nothing. Names are exact, such as Application "+
					"Bundle ID; use an extension attribute for what the inventory does not have", c.Name)
		}
		return operators, ok
	case "extensionAttribute":
		if !l.keys[c.Name] {
			l.warn(codeUnknownAttribute, "name",
				"the title has no extension attribute with the key %q: Jamf Pro has nothing to compare. "+
					"Add it, or correct the name", c.Name)
		}
		return stringOperators, true
	}
	l.warn(codeCriterionType, "type", "Jamf Pro has no criteria of type %q: use recon or extensionAttribute", c.Type)
	return nil, false
}

// regex examines the regular expression that is the value of a criterion.
func (l *linter) regex(expr string) {
	if n := len(expr); n > maxRegexLength {
		l.warn(codeRegexTooLong, "value",
			"the regular expression has %d bytes, and only those of up to %d are checked: "+
				"shorten it, or try it in Jamf Pro",
			n, maxRegexLength)
	} else if reason := l.regexes.judge(expr).broken; reason != "" {
		l.warn(codeRegex, "value",
			"the regular expression %q is broken (%s): Jamf Pro matches nothing with it", expr, reason)
	}
}

// joined examines how the criteria of a list are joined. Many definitions leave "and" out where it is true everywhere,
// and Jamf Pro understands that. In a list with an OR, its absence is ambiguous.
func (l *linter) joined(list string, criteria []Criterion) {
	missing, or := -1, false
	for i := range criteria {
		switch and := criteria[i].And; {
		case and == nil && missing < 0:
			missing = i
		case and != nil && !*and:
			or = true
		}
	}
	if or && missing >= 0 {
		l.warn(codeCriterionAnd, fmt.Sprintf("%s/%d/and", list, missing),
			"criteria here are joined by OR (\"and\": false), and this one does not say how it is joined, which means "+
				"AND. Add \"and\": true or false, as Jamf's own feed does in each criterion")
	}
}
