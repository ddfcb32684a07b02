package patch

import (
	"errors"
	"fmt"
)

var (
	// ErrInvalid is the kind of every error about bytes or a definition that is refused. With errors.As, a
	// *[SyntaxError] or *[ValidationError] has the places.
	ErrInvalid = errors.New("invalid patch definition")
	// ErrTooLarge means that a text has more bytes than allowed. It is not ErrInvalid: the text was not examined.
	ErrTooLarge = errors.New("too large")
	// ErrVersionExists means that an edit would give a title the same version twice.
	ErrVersionExists = errors.New("version exists already")
	// ErrVersionNotFound means that the version to edit does not exist.
	ErrVersionNotFound = errors.New("version not found")
	// ErrPosition means that a position is next to a version that does not exist.
	ErrPosition = errors.New("no such position")
	// ErrLastVersion means that the only version left cannot be removed: a title without versions cannot be served.
	ErrLastVersion = errors.New("the last version cannot be removed")
	// ErrAuthor means that an author cannot have this name.
	ErrAuthor = errors.New("unusable author name")
	// ErrConstraint means that a constraint cannot be parsed.
	ErrConstraint = errors.New("invalid version constraint")
)

// errNilDefinition is the error of an edit of a nil definition.
var errNilDefinition = fmt.Errorf("%w: the definition is nil", ErrInvalid)

// A SyntaxError is the place at which a text stops being acceptable JSON. It is an [ErrInvalid].
type SyntaxError struct {
	// Offset is the place in bytes from the start of the text, counted from 0.
	Offset int64
	// Line and Column are the same place counted from 1, the column in bytes.
	Line, Column int
	// Pointer is the JSON Pointer (RFC 6901) of the innermost value around the place. If empty, it is the whole text.
	Pointer string
	// Reason describes the mistake.
	Reason string
}

// Error returns the place and the reason.
func (e *SyntaxError) Error() string {
	where := fmt.Sprintf("line %d, column %d", e.Line, e.Column)
	if e.Pointer != "" {
		where += " (in " + e.Pointer + ")"
	}
	return where + ": " + e.Reason
}

// Is reports whether target is [ErrInvalid].
func (e *SyntaxError) Is(target error) bool { return target == ErrInvalid }

// A Failure is one reason for which a definition is refused.
type Failure struct {
	// Path is the JSON Pointer (RFC 6901) of the member that is wrong or missing. If empty, it is the whole text.
	Path string `json:"path"`
	// Message describes the failure and its remedy.
	Message string `json:"message"`
}

// String returns the failure as one line.
func (f Failure) String() string {
	if f.Path == "" {
		return f.Message
	}
	return f.Path + ": " + f.Message
}

// A ValidationError lists the failures of a definition. It is an [ErrInvalid].
type ValidationError struct {
	// Failures are the failures, at least one and at most [MaxFailures].
	Failures []Failure
	// Truncated reports whether there are more failures than are listed.
	Truncated bool
}

// Error returns the first failure and the number of further ones.
func (e *ValidationError) Error() string {
	if len(e.Failures) == 0 {
		return ErrInvalid.Error()
	}
	s := e.Failures[0].String()
	if n := len(e.Failures) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// Is reports whether target is [ErrInvalid].
func (e *ValidationError) Is(target error) bool { return target == ErrInvalid }

// A VersionError is the failure of an edit because of one version. It unwraps to [ErrVersionExists],
// [ErrVersionNotFound], [ErrPosition] or [ErrLastVersion].
type VersionError struct {
	Version string
	Err     error
}

// Error returns the version and the kind of the error.
func (e *VersionError) Error() string { return fmt.Sprintf("version %q: %v", e.Version, e.Err) }

// Unwrap returns the kind of the error.
func (e *VersionError) Unwrap() error { return e.Err }

// A Warning is a finding of [Lint]: something in a definition that is allowed but probably a mistake.
type Warning struct {
	// Code identifies the rule; see [Rules].
	Code string `json:"code"`
	// Path is the JSON Pointer (RFC 6901) of the place.
	Path string `json:"path"`
	// Message describes the effect in Jamf Pro and the remedy.
	Message string `json:"message"`
	// Fix describes what [Fix] does or has done about it. If empty, it does nothing.
	Fix string `json:"fix,omitempty"`
	// Error reports whether [LintOptions] make the rule an error.
	Error bool `json:"error,omitempty"`
}
