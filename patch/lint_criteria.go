package patch

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Groups of operators, from Jamf Pro's table of criteria.
var (
	titleOperators   = []string{"is", "is not", "has", "does not have"}
	osOperators      = []string{"is", "is not", "like", "not like", "greater than", "less than", "greater than or equal", "less than or equal"}
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
	var operators []string
	switch c.Type {
	case "recon":
		var known bool
		if operators, known = reconCriteria[c.Name]; !known {
			l.warn(CodeCriterionName, at+"/name", "", "Jamf Pro's inventory has no %q: the criterion finds nothing. Names are exact, as in Application Bundle ID; what the inventory does not know is for an extension attribute", c.Name)
			return
		}
	case "extensionAttribute":
		operators = stringOperators
		if !slices.ContainsFunc(l.d.ExtensionAttributes, func(a ExtensionAttribute) bool { return a.Key == c.Name }) {
			l.warn(CodeUnknownAttribute, at+"/name", "", "the title has no extension attribute with the key %q: Jamf Pro has nothing to compare. Add it, or correct the name", c.Name)
		}
	default:
		l.warn(CodeCriterionType, at+"/type", "", "Jamf Pro has no criteria of type %q: it takes recon and extensionAttribute", c.Type)
		return
	}
	if !slices.Contains(operators, c.Operator) {
		l.warn(CodeOperator, at+"/operator", "", "Jamf Pro does not offer the operator %q for %q: use one of %s", c.Operator, c.Name, strings.Join(operators, ", "))
		return
	}
	if slices.Contains(regularOperators, c.Operator) {
		if reason := brokenRegex(c.Value); reason != "" {
			l.warn(CodeRegex, at+"/value", "", "the regular expression %q is broken (%s): Jamf Pro matches nothing with it", c.Value, reason)
		}
	}
}

// What the engines behind Jamf Pro know and Go's does not. Each is replaced by
// something that Go knows and that is well formed where it was.
var foreignRegex = []struct {
	expr    *regexp.Regexp
	replace string
}{
	{regexp.MustCompile(`^(\(\*[A-Z0-9_=]+\))+`), ``},                // PCRE's options in front
	{regexp.MustCompile(`\\\\`), `_`},                                // first, so that what follows is not taken for an escape
	{regexp.MustCompile(`\(\?(=|!|<=|<!|>)`), `(?:`},                 // lookahead, lookbehind, atomic groups
	{regexp.MustCompile(`\\k(<\w+>|\{\w+\}|'\w+')|\\[1-9]\d?`), `_`}, // back-references
	{regexp.MustCompile(`([*+?}])\+`), `$1`},                         // possessive repetition
}

var repeatRange = regexp.MustCompile(`\{(\d+),(\d+)\}`)

// brokenRegex says why an expression cannot be a regular expression of any
// engine, or returns nothing. Go's engine is too narrow a judge: what it only
// does not support is no fault.
func brokenRegex(expr string) string {
	_, err := syntax.Parse(expr, syntax.Perl)
	if err == nil {
		return ""
	}
	for _, f := range foreignRegex {
		expr = f.expr.ReplaceAllString(expr, f.replace)
	}
	for _, m := range repeatRange.FindAllStringSubmatch(expr, -1) {
		if compareNumber(trimZeros(m[1]), trimZeros(m[2])) > 0 {
			return "a repetition from more to less: " + m[0]
		}
	}
	_, err = syntax.Parse(expr, syntax.Perl)
	var se *syntax.Error
	if !errors.As(err, &se) {
		return ""
	}
	switch se.Code {
	case syntax.ErrMissingParen, syntax.ErrUnexpectedParen, syntax.ErrMissingBracket, syntax.ErrMissingRepeatArgument, syntax.ErrTrailingBackslash:
		return se.Code.String()
	case syntax.ErrInvalidRepeatOp:
		if !strings.Contains(se.Expr, "{") { // others take a{2}{3}
			return se.Code.String()
		}
	case syntax.ErrInvalidCharRange:
		if !strings.HasPrefix(se.Expr, `\`) { // \p{…} of another engine
			return se.Code.String()
		}
	}
	return ""
}
