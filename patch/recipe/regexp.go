package recipe

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch/internal/regex"
)

const (
	// maxRegexp is the maximum length in bytes of a regular expression.
	maxRegexp = 1024
	// maxParseSteps is the maximum cost of parsing an expression, which takes less than a tenth of a second.
	maxParseSteps = 3_000_000
	// maxProgram is the maximum size of an expression in instructions, repetitions expanded. In the worst case,
	// matching executes all of them for each byte of the feed: 500 for 2 MiB take about ten seconds. The largest of
	// 190 expressions for real feeds has 120.
	maxProgram = 500
)

// checkRegexp checks a regular expression, which may be empty.
func checkRegexp(c *checker, path, expr string) {
	if len(expr) > maxRegexp {
		c.fail(path, fmt.Sprintf("must have at most %d bytes, not %d", maxRegexp, len(expr)))
		return
	}
	if regex.ParseSteps(expr) > maxParseSteps {
		c.fail(path, `is too costly: use fewer Unicode classes such as \p{L}, or do not ignore case`)
		return
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		c.fail(path, regexpReason(err))
		return
	}
	if size := regex.ProgramSize(tree); size > maxProgram {
		c.fail(path, fmt.Sprintf("is too large: it has %d steps, repetitions such as x{1,100} multiplied, and the "+
			"limit is %d: shorten it", size, maxProgram))
		return
	}
	if _, err := regexp.Compile(expr); err != nil {
		c.fail(path, regexpReason(err))
	}
}

// regexpReason returns the message for an expression that cannot be parsed.
func regexpReason(err error) string {
	var se *syntax.Error
	if !errors.As(err, &se) {
		return "is not a regular expression: " + err.Error()
	}
	at := fmt.Sprintf(" (at %q)", shorten(se.Expr))
	switch {
	case lookAround.MatchString(se.Expr):
		return "has a look-ahead or look-behind, which RE2 does not support" + at +
			": match the text around the version too, and put the version into a group (?P<version>…)"
	case se.Code == syntax.ErrInvalidEscape && backReference.MatchString(se.Expr):
		return "has a back reference, which RE2 does not support" + at + ": write the text again"
	case se.Code == syntax.ErrMissingParen:
		return "has a ( without its ): add it, or write \\( for the character itself"
	case se.Code == syntax.ErrUnexpectedParen:
		return "has a ) without its (: add it, or write \\) for the character itself"
	}
	return "is not a regular expression of RE2: " + se.Code.String() + at
}

var (
	lookAround    = regexp.MustCompile(`^\(\?<?[=!]`)
	backReference = regexp.MustCompile(`^\\[1-9k]`)
)

// fieldName matches the name of a value in a form such as "{version} ({build})".
var fieldName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// checkForm checks the form of a version.
func checkForm(c *checker, path, form string) {
	names := 0
	for rest := form; ; names++ {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			break
		}
		name, after, closed := strings.Cut(rest[i+1:], "}")
		if rest[i] == '}' || !closed || !fieldName.MatchString(name) {
			c.fail(path, fmt.Sprintf(`must have names in pairs of braces, such as "{version} ({build})": %q has not`,
				shorten(form)))
			return
		}
		rest = after
	}
	if names == 0 {
		c.fail(path, fmt.Sprintf(`must have a name in braces, such as "{version}": without one, every version is %q`,
			shorten(form)))
	}
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
