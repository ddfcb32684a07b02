package patch

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/patch/internal/regex"
)

// A factKind tells where the value of a criterion comes from.
type factKind uint8

const (
	factComputer  factKind = iota // a fact of the computer
	factOS                        // its version of macOS
	factAttribute                 // an extension attribute
	factTitle                     // the name of an application
	factBundle                    // its bundle identifier
	factVersion                   // its version
)

// ofApplication reports whether the fact is one of an application.
func (k factKind) ofApplication() bool { return k >= factTitle }

// A ruleComparison is an operator without its negation.
type ruleComparison uint8

const (
	compareIs ruleComparison = iota
	compareNumeric
	compareLike
	compareRegex
	compareAbove
	compareAtLeast
	compareBelow
	compareAtMost
	compareMore
	compareLess
)

// operatorRules maps operators to what they compare and whether they negate it.
var operatorRules = map[string]struct {
	comparison ruleComparison
	negated    bool
}{
	"is":                    {compareIs, false},
	"is not":                {compareIs, true},
	"has":                   {compareIs, false},
	"does not have":         {compareIs, true},
	"like":                  {compareLike, false},
	"not like":              {compareLike, true},
	"matches regex":         {compareRegex, false},
	"does not match regex":  {compareRegex, true},
	"greater than":          {compareAbove, false},
	"greater than or equal": {compareAtLeast, false},
	"less than":             {compareBelow, false},
	"less than or equal":    {compareAtMost, false},
	"more than":             {compareMore, false},
}

// A rule is a criterion that is prepared for evaluation.
type rule struct {
	*Criterion
	or         bool // joined to those before it by OR
	fact       factKind
	comparison ruleComparison
	negated    bool
	// wholeList means that all applications of the computer are asked at once.
	wholeList bool
	number    float64
	regex     *regexp.Regexp
	regexSize int
	// cannot is the reason for which the criterion cannot be evaluated. If empty, it can.
	cannot string
}

// A ruleList is a list of criteria.
type ruleList struct {
	rules []rule
	// applications reports whether any rule is about one application at a time, and or whether any is joined by OR.
	applications, or bool
	// mixed reports whether an AND follows an OR, so that their precedence matters.
	mixed bool
}

// A rulePatch is an enabled patch.
type rulePatch struct {
	version      string
	components   []ruleList
	capabilities ruleList
}

// A ruleCompiler prepares the criteria of a definition.
type ruleCompiler struct {
	*steps
	keys    map[string]bool // of the extension attributes
	regexes map[string]compiledRegex
}

// A compiledRegex is a regular expression, or the reason for which there is none.
type compiledRegex struct {
	regex  *regexp.Regexp
	size   int
	cannot string
}

func newRuleCompiler(d *Definition, s *steps) *ruleCompiler {
	c := &ruleCompiler{steps: s, keys: map[string]bool{}, regexes: map[string]compiledRegex{}}
	for i := range d.ExtensionAttributes {
		c.keys[d.ExtensionAttributes[i].Key] = true
	}
	return c
}

// patch prepares a patch.
func (c *ruleCompiler) patch(p *Patch) rulePatch {
	r := rulePatch{version: p.Version, capabilities: c.list(p.Capabilities)}
	for i := range p.Components {
		r.components = append(r.components, c.list(p.Components[i].Criteria))
	}
	return r
}

// list prepares a list of criteria.
func (c *ruleCompiler) list(criteria []Criterion) ruleList {
	l := ruleList{rules: make([]rule, 0, len(criteria))}
	for i := range criteria {
		r := c.rule(&criteria[i])
		r.or = i > 0 && r.And != nil && !*r.And
		l.applications = l.applications || r.fact.ofApplication() && !r.wholeList
		l.mixed = l.mixed || l.or && !r.or
		l.or = l.or || r.or
		l.rules = append(l.rules, r)
	}
	return l
}

// rule prepares a criterion.
func (c *ruleCompiler) rule(criterion *Criterion) rule {
	c.spend(1)
	r := rule{Criterion: criterion}
	operators := stringOperators
	switch criterion.Type {
	case "recon":
		known := false
		if operators, known = reconCriteria[criterion.Name]; !known {
			r.cannot = fmt.Sprintf("Jamf Pro's inventory has no %s", shortQuote(criterion.Name))
			return r
		}
		r.fact = reconFact(criterion.Name)
	case "extensionAttribute":
		r.fact = factAttribute
		if !c.keys[criterion.Name] {
			r.cannot = fmt.Sprintf("the title has no extension attribute %s", shortQuote(criterion.Name))
			return r
		}
	default:
		r.cannot = fmt.Sprintf("Jamf Pro has no criteria of type %s", shortQuote(criterion.Type))
		return r
	}
	if !slices.Contains(operators, criterion.Operator) {
		r.cannot = fmt.Sprintf("Jamf Pro does not offer the operator %s for %s",
			shortQuote(criterion.Operator), shortQuote(criterion.Name))
		return r
	}
	c.operator(&r)
	return r
}

// reconFact returns the kind of a fact of the inventory.
func reconFact(name string) factKind {
	switch name {
	case "Application Title":
		return factTitle
	case "Application Bundle ID":
		return factBundle
	case "Application Version":
		return factVersion
	case "Operating System Version":
		return factOS
	}
	return factComputer
}

// operator prepares the comparison of a rule.
func (c *ruleCompiler) operator(r *rule) {
	known := operatorRules[r.Operator]
	r.comparison, r.negated = known.comparison, known.negated
	r.wholeList = r.Operator == "does not have"
	if slices.Equal(reconCriteria[r.Name], numberOperators) && r.fact == factComputer {
		c.numeric(r)
		return
	}
	if r.comparison == compareRegex {
		compiled := c.regex(r.Value)
		r.regex, r.regexSize, r.cannot = compiled.regex, compiled.size, compiled.cannot
	}
}

// numeric prepares the comparison of a fact that is a number.
func (c *ruleCompiler) numeric(r *rule) {
	var ok bool
	if r.number, ok = parseNumber(r.Value); !ok {
		r.cannot = fmt.Sprintf("the value %s of the criterion is not a number", shortQuote(r.Value))
	}
	switch r.Operator {
	case "more than":
		r.comparison = compareMore
	case "less than":
		r.comparison = compareLess
	default:
		r.comparison = compareNumeric
	}
}

// parseNumber parses a finite decimal number.
func parseNumber(s string) (float64, bool) {
	if s = strings.TrimSpace(s); s == "" || strings.Trim(s, "+-.0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

// regex compiles a regular expression, each one once.
func (c *ruleCompiler) regex(expr string) compiledRegex {
	if len(expr) > maxRegexLength {
		return compiledRegex{cannot: fmt.Sprintf("its regular expression is longer than %d bytes", maxRegexLength)}
	}
	if r, ok := c.regexes[expr]; ok {
		return r
	}
	r := c.compileRegex(expr)
	c.regexes[expr] = r
	return r
}

func (c *ruleCompiler) compileRegex(expr string) compiledRegex {
	parse := regex.ParseSteps(expr)
	if parse > maxRegexSteps {
		return compiledRegex{cannot: "its regular expression is too expensive"}
	}
	if !c.spend(2 * parse) { // it is parsed again when it is compiled
		return compiledRegex{cannot: "its regular expression is too expensive"}
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return compiledRegex{cannot: "Go's engine cannot compile its regular expression"}
	}
	size := regex.ProgramSize(tree)
	if size > maxRegexSteps/stepsPerInstruction || !c.spend(size*stepsPerInstruction) {
		return compiledRegex{cannot: "its regular expression is too expensive"}
	}
	compiled, err := regexp.Compile(expr)
	if err != nil {
		return compiledRegex{cannot: "Go's engine cannot compile its regular expression"}
	}
	return compiledRegex{regex: compiled, size: size}
}
