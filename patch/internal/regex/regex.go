// Package regex estimates the cost of untrusted regular expressions before they are parsed and compiled.
package regex

import (
	"math"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

const (
	// StepsPerByte is the cost of parsing a byte.
	StepsPerByte = 100
	// stepsPerClass is the additional cost of expanding a Unicode class such as \pL.
	stepsPerClass = 10_000
	// stepsPerFold is the maximum cost of a character range if case is ignored: each of its characters is looked up.
	stepsPerFold = 500_000
)

// foldCase matches the flag for ignoring case.
var foldCase = regexp.MustCompile(`\(\?[A-Za-z]*i`)

// ParseSteps returns an upper bound of the cost of parsing an expression. A hundred million steps take about a second.
func ParseSteps(expr string) int {
	classes := strings.Count(expr, `\p`) + strings.Count(expr, `\P`)
	steps := len(expr)*StepsPerByte + classes*stepsPerClass
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

// ProgramSize estimates the number of instructions of an expression. Repetitions are expanded, so that nested ones
// multiply.
func ProgramSize(re *syntax.Regexp) int {
	size := 2 // for the operator itself
	switch re.Op {
	case syntax.OpLiteral:
		size += len(re.Rune)
	case syntax.OpCharClass:
		size += len(re.Rune) / 2
	}
	for _, sub := range re.Sub {
		size = min(size+ProgramSize(sub), math.MaxInt32)
	}
	if re.Op == syntax.OpRepeat {
		size = min(size*max(re.Min, re.Max, 1), math.MaxInt32)
	}
	return size
}
