package patch

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/patchsource/patchsource/patch/internal/regex"
)

// maxRegexLength is the maximum length in bytes of a regular expression that Lint checks.
const maxRegexLength = 1024

const (
	// maxRegexes is the maximum number of different expressions of a definition that are checked.
	maxRegexes = 200
	// maxRegexSteps limits their cost in steps. All steps together take about a tenth of a second.
	maxRegexSteps = 10_000_000
	// stepsPerInstruction is the cost of compiling an instruction.
	stepsPerInstruction = 64
)

// regexes checks the regular expressions of one definition, each once. Their cost is limited: expressions beyond the
// limit are not checked.
type regexes struct {
	left   int // steps that may still be taken
	judged map[string]*regexVerdict
}

// A regexVerdict is the result of a check of an expression. The zero verdict is that of an expression that was not
// checked.
type regexVerdict struct {
	// broken is the reason for which no engine can parse the expression. If empty, there is none that is known.
	broken string
	// tree is the syntax tree, if Go's engine can parse the expression.
	tree *syntax.Regexp
	// compiled is the compiled expression, once a value has been matched, and size its estimated number of
	// instructions.
	compiled *regexp.Regexp
	size     int
}

func newRegexes() *regexes {
	return &regexes{left: maxRegexSteps, judged: map[string]*regexVerdict{}}
}

// spend takes steps, and reports whether that many were left.
func (r *regexes) spend(steps int) bool {
	if steps > r.left {
		return false
	}
	r.left -= steps
	return true
}

// judge parses an expression and returns its verdict.
func (r *regexes) judge(expr string) *regexVerdict {
	if len(expr) > maxRegexLength {
		return &regexVerdict{}
	}
	if v, ok := r.judged[expr]; ok {
		return v
	}
	if len(r.judged) == maxRegexes || !r.spend(regex.ParseSteps(expr)) {
		return &regexVerdict{}
	}
	v := r.parse(expr)
	r.judged[expr] = &v
	return &v
}

// mayMatch reports whether an expression matches a value. It returns true for an expression that is not checked.
func (r *regexes) mayMatch(expr, value string) bool {
	v := r.judge(expr)
	if v.tree == nil {
		return true
	}
	if v.compiled == nil {
		// Compiling parses the expression again.
		v.size = regex.ProgramSize(v.tree)
		if v.size > maxRegexSteps || !r.spend(regex.ParseSteps(expr)+v.size*stepsPerInstruction) {
			v.tree = nil
			return true
		}
		var err error
		if v.compiled, err = regexp.Compile(expr); err != nil {
			v.tree = nil
			return true
		}
	}
	// In the worst case, matching executes the program once for each byte.
	return !r.spend(v.size*(1+len(value))) || v.compiled.MatchString(value)
}

// foreignRegex lists syntax that the engines behind Jamf Pro support and Go's does not, with a well-formed
// replacement that Go supports.
var foreignRegex = []struct {
	expr    *regexp.Regexp
	replace string
}{
	{regexp.MustCompile(`^(\(\*[A-Z0-9_=]+\))+`), ``},                // PCRE's options at the start
	{regexp.MustCompile(`\\\\`), `_`},                                // escaped backslashes, before other escapes
	{regexp.MustCompile(`\(\?(=|!|<=|<!|>)`), `(?:`},                 // lookahead, lookbehind, atomic groups
	{regexp.MustCompile(`\\k(<\w+>|\{\w+\}|'\w+')|\\[1-9]\d?`), `_`}, // back-references
	{regexp.MustCompile(`([*+?}])\+`), `$1`},                         // possessive repetition
}

var repeatRange = regexp.MustCompile(`\{(\d+),(\d+)\}`)

// parse returns the reason for which no engine can parse an expression, or its syntax tree if Go's engine can parse it.
// The verdict is neither if only Go's engine lacks support for the syntax.
func (r *regexes) parse(expr string) regexVerdict {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err == nil {
		return regexVerdict{tree: tree}
	}
	if !r.spend(len(expr) * regex.StepsPerByte * len(foreignRegex)) {
		return regexVerdict{}
	}
	for _, f := range foreignRegex {
		expr = f.expr.ReplaceAllString(expr, f.replace)
	}
	for _, m := range repeatRange.FindAllStringSubmatch(expr, -1) {
		if compareNumber(strings.TrimLeft(m[1], "0"), strings.TrimLeft(m[2], "0")) > 0 {
			return regexVerdict{broken: "the repetition " + m[0] + " has its maximum below its minimum"}
		}
	}
	if !r.spend(regex.ParseSteps(expr)) { // the replacements may have added flags
		return regexVerdict{}
	}
	_, err = syntax.Parse(expr, syntax.Perl)
	return regexVerdict{broken: brokenReason(err)}
}

// brokenReason returns the reason for which no engine can parse an expression, given the error of Go's engine.
func brokenReason(err error) string {
	var se *syntax.Error
	if !errors.As(err, &se) {
		return ""
	}
	switch se.Code {
	case syntax.ErrMissingParen,
		syntax.ErrUnexpectedParen,
		syntax.ErrMissingBracket,
		syntax.ErrMissingRepeatArgument,
		syntax.ErrTrailingBackslash:
		return se.Code.String()
	case syntax.ErrInvalidRepeatOp:
		if !strings.Contains(se.Expr, "{") { // other engines accept a{2}{3}
			return se.Code.String()
		}
	case syntax.ErrInvalidCharRange:
		if !strings.HasPrefix(se.Expr, `\`) { // \p{…} of another engine
			return se.Code.String()
		}
	}
	return ""
}
