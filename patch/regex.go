package patch

import (
	"errors"
	"math"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// maxRegexLength is the longest regular expression, in bytes, that [Lint] looks
// at.
const maxRegexLength = 1024

const (
	// maxRegexes is how many different expressions of a definition are looked at.
	maxRegexes = 200
	// maxRegexSteps bounds what they may cost together: about a tenth of a second.
	maxRegexSteps = 10_000_000
	// stepsPerByte is what parsing a byte costs, stepsPerClass what it costs in
	// addition to expand a class of Unicode such as \pL, and stepsPerInstruction
	// what it costs to make an instruction of a program.
	stepsPerByte        = 100
	stepsPerClass       = 10_000
	stepsPerInstruction = 64
	// stepsPerFold is what a range of characters costs at the most when case does not count: each of its characters is
	// looked up.
	stepsPerFold = 500_000
)

// regexes judges the regular expressions of one definition, each once. What they
// may cost is bounded: an expression beyond that is not judged.
type regexes struct {
	left   int // steps
	judged map[string]*regexVerdict
}

// A regexVerdict is what is known of an expression.
type regexVerdict struct {
	// broken says why no engine can read it; empty: one can, or it is not known.
	broken string
	// tree is the expression, if Go's engine can read it.
	tree *syntax.Regexp
	// compiled is the expression, once a value was compared with it, and size is how many instructions it has.
	compiled *regexp.Regexp
	size     int
}

func newRegexes() *regexes {
	return &regexes{left: maxRegexSteps, judged: map[string]*regexVerdict{}}
}

// spend takes steps from what is left, if there are as many.
func (r *regexes) spend(steps int) bool {
	if steps > r.left {
		return false
	}
	r.left -= steps
	return true
}

// judge parses an expression. The zero verdict is that of one that is not judged.
func (r *regexes) judge(expr string) *regexVerdict {
	if len(expr) > maxRegexLength {
		return &regexVerdict{}
	}
	if v, ok := r.judged[expr]; ok {
		return v
	}
	if len(r.judged) == maxRegexes || !r.spend(parseSteps(expr)) {
		return &regexVerdict{}
	}
	v := r.parse(expr)
	r.judged[expr] = &v
	return &v
}

// foldCase finds the flag by which case does not count.
var foldCase = regexp.MustCompile(`\(\?[A-Za-z]*i`)

// parseSteps bounds what it costs to parse an expression.
func parseSteps(expr string) int {
	classes := strings.Count(expr, `\p`) + strings.Count(expr, `\P`)
	steps := len(expr)*stepsPerByte + classes*stepsPerClass
	if foldCase.MatchString(expr) {
		wide := strings.Contains(expr, `\x`) ||
			strings.ContainsFunc(expr, func(r rune) bool { return r >= utf8.RuneSelf })
		if ranges := strings.Count(expr, "-"); wide {
			steps += ranges * stepsPerFold
		}
		steps += classes * stepsPerFold
	}
	return steps
}

// mayMatch reports whether an expression matches a value, or is not judged: of
// what is not known, the best is assumed.
func (r *regexes) mayMatch(expr, value string) bool {
	v := r.judge(expr)
	if v.tree == nil {
		return true
	}
	if v.compiled == nil {
		// It is parsed once more.
		v.size = programSize(v.tree)
		if v.size > maxRegexSteps || !r.spend(parseSteps(expr)+v.size*stepsPerInstruction) {
			v.tree = nil
			return true
		}
		var err error
		if v.compiled, err = regexp.Compile(expr); err != nil {
			v.tree = nil
			return true
		}
	}
	// Matching runs through the program once for each byte at the worst.
	return !r.spend(v.size*(1+len(value))) || v.compiled.MatchString(value)
}

// programSize estimates how many instructions an expression makes. Repetitions
// are written out, so that those within others multiply.
func programSize(re *syntax.Regexp) int {
	size := 2 // for what the operator itself takes
	switch re.Op {
	case syntax.OpLiteral:
		size += len(re.Rune)
	case syntax.OpCharClass:
		size += len(re.Rune) / 2
	}
	for _, sub := range re.Sub {
		size = min(size+programSize(sub), math.MaxInt32)
	}
	if re.Op == syntax.OpRepeat {
		size = min(size*max(re.Min, re.Max, 1), math.MaxInt32)
	}
	return size
}

// What the engines behind Jamf Pro know and Go's does not. Each is replaced by
// something that Go knows and that is well formed where it was.
var foreignRegex = []struct {
	expr    *regexp.Regexp
	replace string
}{
	{regexp.MustCompile(`^(\(\*[A-Z0-9_=]+\))+`), ``}, // PCRE's options in front
	{
		regexp.MustCompile(`\\\\`),
		`_`,
	}, // first, so that what follows is not taken for an escape
	{regexp.MustCompile(`\(\?(=|!|<=|<!|>)`), `(?:`},                 // lookahead, lookbehind, atomic groups
	{regexp.MustCompile(`\\k(<\w+>|\{\w+\}|'\w+')|\\[1-9]\d?`), `_`}, // back-references
	{regexp.MustCompile(`([*+?}])\+`), `$1`},                         // possessive repetition
}

var repeatRange = regexp.MustCompile(`\{(\d+),(\d+)\}`)

// parse says why an expression cannot be a regular expression of any engine, or
// returns it as Go's engine reads it, or neither. Go's engine is too narrow a judge:
// what it only does not support is no fault.
func (r *regexes) parse(expr string) regexVerdict {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err == nil {
		return regexVerdict{tree: tree}
	}
	if !r.spend(len(expr) * stepsPerByte * len(foreignRegex)) {
		return regexVerdict{}
	}
	for _, f := range foreignRegex {
		expr = f.expr.ReplaceAllString(expr, f.replace)
	}
	for _, m := range repeatRange.FindAllStringSubmatch(expr, -1) {
		if compareNumber(trimZeros(m[1]), trimZeros(m[2])) > 0 {
			return regexVerdict{broken: "a repetition from more to less: " + m[0]}
		}
	}
	if !r.spend(parseSteps(expr)) { // what was rewritten may have flags that it did not have
		return regexVerdict{}
	}
	_, err = syntax.Parse(expr, syntax.Perl)
	var se *syntax.Error
	if !errors.As(err, &se) {
		return regexVerdict{}
	}
	switch se.Code {
	case syntax.ErrMissingParen,
		syntax.ErrUnexpectedParen,
		syntax.ErrMissingBracket,
		syntax.ErrMissingRepeatArgument,
		syntax.ErrTrailingBackslash:
		return regexVerdict{broken: se.Code.String()}
	case syntax.ErrInvalidRepeatOp:
		if !strings.Contains(se.Expr, "{") { // others take a{2}{3}
			return regexVerdict{broken: se.Code.String()}
		}
	case syntax.ErrInvalidCharRange:
		if !strings.HasPrefix(se.Expr, `\`) { // \p{…} of another engine
			return regexVerdict{broken: se.Code.String()}
		}
	}
	return regexVerdict{}
}
