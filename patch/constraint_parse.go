package patch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

var errEmptyComparison = errors.New("a comparison is missing: write *, or one such as >= 1.2")

// parseGroup parses comparisons that are separated by commas or spaces.
func parseGroup(s string) (group constraintGroup, err error) {
	for {
		var operator, version string
		operator, s = cutOperator(strings.TrimSpace(s))
		if version, s = cutVersion(s); version == "" {
			return group, errEmptyComparison
		}
		if upper, rest, ok := cutHyphen(s); ok && operator == "" {
			operator, s = ">=", rest
			if err := group.add("<=", upper); err != nil {
				return group, err
			}
		}
		if err := group.add(operator, version); err != nil {
			return group, err
		}
		if s = strings.TrimSpace(s); s == "" {
			return group, nil
		}
		s = strings.TrimPrefix(s, ",")
	}
}

// cutOperator returns the operator at the start of s, which may be empty, and what follows it.
func cutOperator(s string) (operator, rest string) {
	rest = strings.TrimLeft(s, "=!<>~^")
	return s[:len(s)-len(rest)], strings.TrimSpace(rest)
}

// cutVersion returns the text up to the next space or comma, and what follows it.
func cutVersion(s string) (version, rest string) {
	end := strings.IndexFunc(s, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}

// cutHyphen returns the upper end of a range whose lower end was before s, and what follows it.
func cutHyphen(s string) (upper, rest string, ok bool) {
	after, ok := strings.CutPrefix(strings.TrimSpace(s), "-")
	trimmed := strings.TrimSpace(after)
	if !ok || trimmed == "" || trimmed == after {
		return "", "", false
	}
	upper, rest = cutVersion(trimmed)
	return upper, rest, true
}

// add adds a comparison with the version that text describes.
func (g *constraintGroup) add(operator, text string) error {
	c, err := parseComparison(operator, text)
	if err != nil {
		return err
	}
	g.comparisons = append(g.comparisons, c)
	g.preReleases = g.preReleases || c.version.preRelease()
	return nil
}

// operators maps each operator to that of its comparison.
var operators = map[string]string{
	"": "=", "=": "=", "!=": "!=", "<": "<", "<=": "<=", "=<": "<=", ">": ">", ">=": ">=", "=>": ">=",
	"~": "=", "~>": "=", "^": "=",
}

func parseComparison(operator, text string) (c comparison, err error) {
	if c.operator = operators[operator]; c.operator == "" {
		return c, fmt.Errorf("the operator %q is unknown", operator)
	}
	equality := operator == "" || operator == "=" || operator == "!="
	partial := false
	if c.version, partial, err = parseOperand(text, equality); err != nil {
		return c, err
	}
	c.width = c.version.rangeWidth(operator, partial)
	return c, nil
}

// parseOperand parses the version of a comparison. partial reports whether it stands for all versions that begin
// with its numbers.
func parseOperand(text string, equality bool) (v Version, partial bool, err error) {
	numbers, lowest := cutLowest(text)
	numbers, wild := cutWildcard(numbers)
	if !usableVersion(numbers) && !(wild && numbers == "") {
		return v, false, fmt.Errorf("%q is not a version with a digit", text)
	}
	v = ParseVersion(numbers)
	plain := len(v.suffix) == 0 && len(v.tie) == 0
	if wild && !plain {
		return v, false, fmt.Errorf("%q has something other than numbers before x or *", text)
	}
	partial = wild || plain && v.written < 3
	switch {
	case !lowest:
	case !plain || equality && !partial:
		v = ParseVersion(text) // a version that ends in -0
	default:
		v.suffix = []token{lowestPreRelease}
	}
	return v, partial, nil
}

// cutLowest returns a version without -0 at its end, and whether -0 may mean the lowest pre-release there. In
// 2024-01-0 it does not.
func cutLowest(s string) (version string, ok bool) {
	version, ok = strings.CutSuffix(s, "-0")
	if !ok || strings.Contains(version, "-") {
		return s, false
	}
	return version, true
}

// lowestPreRelease is below the token of every pre-release word.
var lowestPreRelease = token{class: pre, rank: -1}

// rangeWidth returns the width of a comparison with v.
func (v *Version) rangeWidth(operator string, partial bool) int {
	switch {
	case operator == "~", operator == "~>":
		return min(v.written, 2)
	case operator == "^":
		if i := slices.IndexFunc(v.release, func(number string) bool { return number != "" }); i >= 0 {
			return i + 1
		}
		return v.written
	case partial:
		return v.written
	}
	return -1
}

// cutWildcard returns the numbers before the first x or * of a version, and whether there is one.
func cutWildcard(s string) (numbers string, ok bool) {
	parts := strings.Split(s, ".")
	isWild := func(part string) bool { return part == "x" || part == "X" || part == "*" }
	first := slices.IndexFunc(parts, isWild)
	if first < 0 {
		return s, false
	}
	for _, part := range parts[first:] {
		if !isWild(part) && strings.Trim(part, "0123456789") != "" {
			return s, false
		}
	}
	return strings.Join(parts[:first], "."), true
}

// usableVersion reports whether a comparison may have this version: it has a digit, begins with a letter or digit,
// and has no character with another meaning in constraints.
func usableVersion(s string) bool {
	if strings.ContainsAny(s, "=!<>~^|*") || ParseVersion(s).written == 0 {
		return false
	}
	first := []rune(s)[0]
	return unicode.IsLetter(first) || unicode.IsDigit(first)
}
