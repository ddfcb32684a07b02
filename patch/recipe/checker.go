package recipe

import (
	"errors"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// A checker collects failures.
type checker struct {
	failed   map[string]bool // the paths of the failures
	failures []patch.Failure
	full     bool // there are more than patch.MaxFailures failures
}

// fail records a failure at a JSON Pointer. A failure at or below a path that has failed before is ignored: a member
// of the wrong type is not also an empty one.
func (c *checker) fail(path, message string) {
	for p := path; ; p = p[:strings.LastIndexByte(p, '/')] {
		if c.failed[p] {
			return
		}
		if p == "" {
			break
		}
	}
	if len(c.failures) == patch.MaxFailures {
		c.full = true
		return
	}
	if c.failed == nil {
		c.failed = map[string]bool{}
	}
	c.failed[path] = true
	c.failures = append(c.failures, patch.Failure{Path: path, Message: message})
}

// failAll records the failures of an error about a part of a recipe. rename returns where a failure of the part is in
// the recipe.
func (c *checker) failAll(err error, rename func(path string) string) {
	var invalid *patch.ValidationError
	switch {
	case err == nil:
	case errors.As(err, &invalid):
		for _, f := range invalid.Failures {
			c.fail(rename(f.Path), f.Message)
		}
		c.full = c.full || invalid.Truncated
	default:
		c.fail(rename(""), err.Error())
	}
}

// result returns the failures as an error, or nil if there are none.
func (c *checker) result() error {
	if len(c.failures) == 0 {
		return nil
	}
	return &patch.ValidationError{Failures: c.failures, Truncated: c.full}
}

// below returns a function that puts a path in front of another.
func below(parent string) func(string) string {
	return func(path string) string { return parent + path }
}

// shorten limits the length of untrusted text in a message.
func shorten(s string) string {
	const maxLength = 100
	if len(s) <= maxLength {
		return s
	}
	return strings.ToValidUTF8(s[:maxLength], "") + "…"
}
