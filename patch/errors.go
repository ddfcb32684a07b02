package patch

import (
	"errors"
	"fmt"
)

var (
	// ErrInvalid is what every refusal of bytes or of a definition is, as seen
	// by errors.Is; errors.As finds the *[SyntaxError] or *[ValidationError]
	// with the places.
	ErrInvalid = errors.New("invalid patch definition")
	// ErrTooLarge is a text of more bytes than allowed. It is not ErrInvalid:
	// nothing of the text was looked at.
	ErrTooLarge = errors.New("too large")
	// ErrVersionExists is an edit that would make a version stand twice.
	ErrVersionExists = errors.New("version exists already")
	// ErrVersionNotFound is an edit of a version that is not there.
	ErrVersionNotFound = errors.New("version not found")
	// ErrPosition is a position beside a version that is not there.
	ErrPosition = errors.New("no such position")
	// ErrLastVersion is the removal of the only version left: a title without
	// one cannot be served.
	ErrLastVersion = errors.New("the last version cannot be removed")
	// ErrAuthor is an author's name that no id can be made of.
	ErrAuthor = errors.New("unusable author name")
)

// A SyntaxError says where a text stops being acceptable JSON. It is
// [ErrInvalid].
type SyntaxError struct {
	// Offset is the place in bytes from the start of the text, counted from 0.
	Offset int64
	// Line and Column are the same place counted from 1, the column in bytes.
	Line, Column int
	// Pointer is the JSON Pointer (RFC 6901) of the innermost value around the
	// place; empty is the whole text.
	Pointer string
	// Reason says what is wrong.
	Reason string
}

// Error says what is wrong, and where.
func (e *SyntaxError) Error() string {
	where := fmt.Sprintf("line %d, column %d", e.Line, e.Column)
	if e.Pointer != "" {
		where += " (in " + e.Pointer + ")"
	}
	return where + ": " + e.Reason
}

// Is makes a SyntaxError an ErrInvalid.
func (e *SyntaxError) Is(target error) bool { return target == ErrInvalid }

// A Failure is one thing that is wrong with a definition.
type Failure struct {
	// Path is the JSON Pointer (RFC 6901) of the member that is wrong or
	// missing; empty is the whole text.
	Path string `json:"path"`
	// Message says what is wrong and how to mend it.
	Message string `json:"message"`
}

// String returns the failure as one line.
func (f Failure) String() string {
	if f.Path == "" {
		return f.Message
	}
	return f.Path + ": " + f.Message
}

// A ValidationError holds everything that is wrong with a definition. It is
// [ErrInvalid].
type ValidationError struct {
	// Failures are the failures, at least one, at most [MaxFailures].
	Failures []Failure
	// Truncated says that there are more failures than are kept.
	Truncated bool
}

// Error says what is wrong, and where.
func (e *ValidationError) Error() string {
	s := e.Failures[0].String()
	if n := len(e.Failures) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// Is makes a ValidationError an ErrInvalid.
func (e *ValidationError) Is(target error) bool { return target == ErrInvalid }

// A VersionError says which version an edit failed on. It unwraps to
// [ErrVersionExists], [ErrVersionNotFound], [ErrPosition] or [ErrLastVersion].
type VersionError struct {
	Version string
	Err     error
}

// Error says what is wrong, and where.
func (e *VersionError) Error() string { return fmt.Sprintf("version %q: %v", e.Version, e.Err) }

// Unwrap returns the kind of the error.
func (e *VersionError) Unwrap() error { return e.Err }

// A Warning is something in a definition that is allowed and probably not
// meant.
type Warning struct {
	// Code names the rule; codes are stable, see [Rules].
	Code string `json:"code"`
	// Path is the JSON Pointer (RFC 6901) of the place.
	Path string `json:"path"`
	// Message says what Jamf Pro makes of it and how to mend it.
	Message string `json:"message"`
	// Fix says what was done, or could be done, about it; may be empty.
	Fix string `json:"fix,omitempty"`
	// Error says that the rule was made an error; see [LintOptions].
	Error bool `json:"error,omitempty"`
}
