package patch

import (
	"errors"
	"fmt"

	"github.com/Masterminds/semver/v3"
)

var (
	// ErrConstraint is a constraint that cannot be read.
	ErrConstraint = errors.New("invalid version constraint")
	// ErrNotSemantic is a version that a constraint cannot be held against: it
	// is no semantic version, and what a constraint would mean for it is not
	// defined. [CompareVersions] compares it all the same.
	ErrNotSemantic = errors.New("not a semantic version")
)

// A Constraint is a condition on semantic versions, such as ">= 1.2, < 2" or
// "~1.4 || ^2.1". Make one with [ParseConstraint]. It is immutable and safe for
// concurrent use.
type Constraint struct {
	text        string
	constraints *semver.Constraints
}

// ParseConstraint reads a constraint in the notation of Masterminds/semver:
// comparisons joined by commas (all must hold) and || (one must).
//
// The error is [ErrConstraint].
func ParseConstraint(s string) (*Constraint, error) {
	c, err := semver.NewConstraint(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrConstraint, shorten(s), err)
	}
	return &Constraint{s, c}, nil
}

// String returns what the constraint was read from.
func (c *Constraint) String() string { return c.text }

// Check reports whether a version satisfies the constraint. As semver.org has it,
// a pre-release satisfies only a constraint that names one.
//
// The error is [ErrNotSemantic]. One to three numbers, with a leading v, a
// pre-release and build metadata, are a semantic version; 149.0.7827.54 and 8u171
// are not.
func (c *Constraint) Check(version string) (bool, error) {
	v, err := semver.NewVersion(version)
	if err != nil {
		return false, fmt.Errorf("%w: %q: %w", ErrNotSemantic, shorten(version), err)
	}
	return c.constraints.Check(v), nil
}
