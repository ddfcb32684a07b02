package patch

import (
	"fmt"
	"slices"
	"strings"
)

// A Constraint is a condition on versions, such as ">= 1.2, < 2" or "~1.4 || ^2.1". [ParseConstraint] makes one. The
// zero Constraint, and a nil one, allow every version. A Constraint is immutable and safe for concurrent use.
//
// The notation is that of github.com/Masterminds/semver; the order is that of [CompareVersions], so that a constraint
// applies to every version that this package orders, such as 149.0.7827.54, 8u171 and 2024-01-15.
//
// A constraint is one or more groups, separated by ||, of which one must allow the version. A group is one or more
// comparisons, separated by commas or spaces, which must all allow it:
//
//	= 1.2.3, 1.2.3   the same version
//	!= 1.2.3         another version
//	> 1.2.3          newer; likewise >=, < and <=
//	1.2, 1.2.x       any version that begins with these numbers, from 1.2 on; likewise 1, 1.x and *
//	~1.2.3           from 1.2.3 on, with the same first two numbers; ~1 fixes one
//	^1.2.3           from 1.2.3 on, with the same numbers up to the first that is not zero
//	1.2 - 1.4.5      from 1.2 up to 1.4.5
//
// A version of one or two numbers, or with x or * for a number, stands for all versions that begin with its numbers:
// "<= 1.2" allows 1.2.5, "> 1.2" does not, and "!= 1.2" allows neither 1.2 nor 1.2.5.
//
// A pre-release is allowed only by a group that names one: ">= 1.2" does not allow 1.3b1, ">= 1.2b1" and ">= 1.2-0"
// do. The suffix -0 stands for the lowest pre-release, so that "< 2-0" excludes those of 2.
type Constraint struct {
	text   string
	groups []constraintGroup
}

// A constraintGroup is a list of comparisons that must all allow a version.
type constraintGroup struct {
	comparisons []comparison
	preReleases bool // one of the versions compared with is a pre-release
}

// A comparison is an operator and the version that it compares with.
type comparison struct {
	operator string // =, !=, <, <=, > or >=
	version  Version
	// width is the number of version's first numbers that a version in its range must have. If negative, the range is
	// version alone.
	width int
}

// maxConstraintLength is the maximum length of a constraint in bytes.
const maxConstraintLength = 512

// ParseConstraint parses a constraint of at most 512 bytes. The error is [ErrConstraint].
func ParseConstraint(s string) (*Constraint, error) {
	if len(s) > maxConstraintLength {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are allowed",
			ErrConstraint, len(s), maxConstraintLength)
	}
	c := &Constraint{text: s}
	for text := range strings.SplitSeq(s, "||") {
		group, err := parseGroup(text)
		if err != nil {
			return nil, fmt.Errorf("%w: %q: %w", ErrConstraint, shorten(s), err)
		}
		c.groups = append(c.groups, group)
	}
	return c, nil
}

// String returns the text that c was parsed from.
func (c *Constraint) String() string {
	if c == nil {
		return ""
	}
	return c.text
}

// Check reports whether c allows a version, which may be any string.
func (c *Constraint) Check(version string) bool {
	if c == nil || len(c.groups) == 0 {
		return true
	}
	v := ParseVersion(version)
	preRelease := v.preRelease()
	return slices.ContainsFunc(c.groups, func(g constraintGroup) bool {
		return (g.preReleases || !preRelease) &&
			!slices.ContainsFunc(g.comparisons, func(c comparison) bool { return !c.allows(&v) })
	})
}

// allows reports whether the comparison holds for a version.
func (c *comparison) allows(v *Version) bool {
	switch c.operator {
	case "=":
		return c.contains(v)
	case "!=":
		return !c.contains(v)
	case "<":
		return v.compare(&c.version) < 0
	case ">=":
		return v.compare(&c.version) >= 0
	case "<=":
		return c.compareRange(v) <= 0
	default: // >
		return c.compareRange(v) > 0
	}
}

// contains reports whether v is in the range of the comparison's version.
func (c *comparison) contains(v *Version) bool {
	return v.compare(&c.version) >= 0 && c.compareRange(v) == 0
}

// compareRange compares v with the range of the comparison's version: the result is positive if v is above it. Below
// the range, it may be 0 for a version that begins with the same numbers.
func (c *comparison) compareRange(v *Version) int {
	if c.width < 0 {
		return v.compare(&c.version)
	}
	if v.written == 0 && c.width > 0 {
		return -1 // versions without a digit are below all others
	}
	for i := range c.width {
		if order := compareNumber(v.number(i), c.version.number(i)); order != 0 {
			return order
		}
	}
	return 0
}

// number returns the number of the release at an index, which is zero beyond its end.
func (v *Version) number(i int) string {
	if i < len(v.release) {
		return v.release[i]
	}
	return ""
}

// preRelease reports whether v is below its own release.
func (v *Version) preRelease() bool {
	return slices.ContainsFunc(v.suffix, func(t token) bool { return t.class == pre })
}
