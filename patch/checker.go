package patch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxFailures is the maximum number of failures that a [ValidationError] lists, and of warnings and errors that [Lint]
// returns. It limits the size of the answer to a hostile text.
const MaxFailures = 1000

// A checker collects failures and keeps the path of the value that is being checked.
type checker struct {
	at       string // in front of every path
	path     []string
	failed   map[string]bool // the paths of the failures
	failures []Failure
	full     bool // there are more than MaxFailures failures

	policy  *policy // if nil, no policy is applied
	checked []bool  // the patches that need no check, by index; if nil, there are none
}

// newChecker returns a checker for a text that is parsed with opts.
func newChecker(opts *ParseOptions) *checker {
	c := &checker{}
	if opts == nil {
		opts = &ParseOptions{}
	}
	c.at = opts.At
	if !opts.Stored {
		c.policy = &policy{old: opts.Over, report: func(_, message string, path []string) {
			c.path = append(c.path, path...)
			c.fail(message)
			c.path = c.path[:len(c.path)-len(path)]
		}}
	}
	return c
}

func (c *checker) push(name string) { c.path = append(c.path, name) }

func (c *checker) pop() { c.path = c.path[:len(c.path)-1] }

// pointerEscaper escapes a member's name as RFC 6901 requires.
var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

// fail records a failure at the current path. A failure at or below a path that has failed before is ignored: an
// element of the wrong type is not also an element without a name.
func (c *checker) fail(message string) {
	var b strings.Builder
	b.WriteString(c.at)
	known := c.failed[c.at]
	for _, name := range c.path {
		b.WriteByte('/')
		_, _ = pointerEscaper.WriteString(&b, name)
		known = known || c.failed[b.String()]
	}
	if known {
		return
	}
	if len(c.failures) == MaxFailures {
		c.full = true
		return
	}
	path := b.String()
	if c.failed == nil {
		c.failed = map[string]bool{}
	}
	c.failed[path] = true
	c.failures = append(c.failures, Failure{Path: path, Message: message})
}

// failAt records a failure at a member of the current value.
func (c *checker) failAt(name, message string) {
	c.push(name)
	c.fail(message)
	c.pop()
}

// restart discards the failures.
func (c *checker) restart() { c.failed, c.failures, c.full = nil, nil, false }

// result returns the failures as an error, or nil if there are none.
func (c *checker) result() error {
	if len(c.failures) == 0 {
		return nil
	}
	return &ValidationError{Failures: c.failures, Truncated: c.full}
}

// each calls check for each element of the list that is the member called name.
func each[T any](c *checker, name string, values []T, check func(i int, value *T)) {
	if len(values) == 0 {
		return
	}
	c.push(name)
	for i := range values {
		c.push(strconv.Itoa(i))
		check(i, &values[i])
		c.pop()
	}
	c.pop()
}

func (c *checker) text(name, s string) {
	if !utf8.ValidString(s) {
		c.failAt(name, "must be valid UTF-8")
	}
}

// short checks text of at most maxLength bytes.
func (c *checker) short(name, s string, maxLength int) {
	c.text(name, s)
	if len(s) > maxLength {
		c.failAt(name, fmt.Sprintf("must have at most %d bytes, not %d", maxLength, len(s)))
	}
}

func (c *checker) time(name, s string) {
	if _, err := ParseTime(s); err != nil {
		c.failAt(name, notATime(s))
	}
}

// unique records a failure if value is in first, the index of each earlier value, and adds it otherwise. Empty values
// are ignored.
func (c *checker) unique(name, value string, i int, first map[string]int, fix string) {
	if value == "" {
		return
	}
	if earlier, ok := first[value]; ok {
		c.failAt(name, fmt.Sprintf("%q is used before, at index %d: %s", shorten(value), earlier, fix))
		return
	}
	first[value] = i
}

// extra checks unknown members. The names in known belong to fields, and would be written twice.
func (c *checker) extra(fields []Field, known []string) {
	if len(fields) == 0 {
		return
	}
	seen := make(map[string]bool, len(fields))
	for _, f := range fields {
		c.push(f.Name)
		if slices.Contains(known, f.Name) {
			c.fail("is in Extra but has a field of its own: set that field instead")
		}
		if seen[f.Name] {
			c.fail("is in Extra twice")
		}
		seen[f.Name] = true
		if !utf8.ValidString(f.Name) {
			c.fail("must have a name in valid UTF-8")
		}
		c.json(f.Value)
		c.pop()
	}
}

// json checks JSON that is kept unparsed. Parse has checked it already, but a second check is cheap compared with
// reading.
func (c *checker) json(v json.RawMessage) {
	if !jsontext.Value(v).IsValid() {
		c.fail("must be one valid JSON value")
	} else if tooDeep(v, maxDepth-len(c.path)) >= 0 {
		c.fail(fmt.Sprintf("is nested deeper than %d levels", maxDepth))
	}
}
