// Package problem answers errors: tables say which status, code and message an error gets, and a Writer writes it.
package problem

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// A Problem is the answer to an error.
type Problem struct {
	Status   int
	Code     string // one of package wire
	Detail   any    // the value of the member that Code names
	Message  string
	Failures []patch.Failure
}

// Body returns the body of the answer.
func (p Problem) Body() wire.Error {
	return wire.Error{Message: p.Message, Code: p.Code, Detail: p.Detail, Failures: p.Failures}
}

// A Row says how the errors that it matches are answered.
type Row struct {
	Match func(err error) bool
	Code  string // one of package wire
	// Status is the status. If 0, it is the one that the code has as a rule.
	Status int
	// Message returns the message. If nil, it is the error's text as a sentence.
	Message func(err error) string
	// Detail returns the value of the member that Code names. If nil, it is the error's text.
	Detail func(err error) any
	// Failures returns the failures of a validation. If nil, there are none.
	Failures func(err error) []patch.Failure
}

// statuses are the statuses of the codes.
var statuses = map[string]int{
	wire.CodeBadRequest:           http.StatusBadRequest,
	wire.CodeBusy:                 http.StatusServiceUnavailable,
	wire.CodeDamaged:              http.StatusServiceUnavailable,
	wire.CodeDatabaseConflict:     http.StatusConflict,
	wire.CodeDraftConflict:        http.StatusConflict,
	wire.CodeDraftNotFound:        http.StatusNotFound,
	wire.CodeForbidden:            http.StatusForbidden,
	wire.CodeInsufficientStorage:  http.StatusInsufficientStorage,
	wire.CodeInternal:             http.StatusInternalServerError,
	wire.CodeInvalidJSON:          http.StatusBadRequest,
	wire.CodeLastAdministrator:    http.StatusConflict,
	wire.CodeMailFailure:          http.StatusBadGateway,
	wire.CodeMethodNotAllowed:     http.StatusMethodNotAllowed,
	wire.CodeNotFound:             http.StatusNotFound,
	wire.CodePreconditionFailed:   http.StatusPreconditionFailed,
	wire.CodeRateLimited:          http.StatusTooManyRequests,
	wire.CodeRestoreFailure:       http.StatusBadRequest,
	wire.CodeTitleNotFound:        http.StatusNotFound,
	wire.CodeTokenNotFound:        http.StatusNotFound,
	wire.CodeTooLarge:             http.StatusRequestEntityTooLarge,
	wire.CodeUnauthorized:         http.StatusUnauthorized,
	wire.CodeUnsupportedMediaType: http.StatusUnsupportedMediaType,
	wire.CodeUpstreamFailure:      http.StatusBadRequest,
	wire.CodeVersionNotFound:      http.StatusNotFound,
	wire.CodeWebhookNotFound:      http.StatusNotFound,
}

// A Table is a list of rows, of which the first that matches an error decides. An error that none matches is internal.
type Table []Row

// internal is the row of unexpected errors. They never show their text.
var internal = Row{
	Code:    wire.CodeInternal,
	Message: Text("Something went wrong within the server. Its log says what, under the id in this answer."),
	Detail:  Nothing,
}

// Of returns the answer to an error.
func (t Table) Of(err error) Problem {
	row := internal
	for _, r := range t {
		if r.Match(err) {
			row = r
			break
		}
	}
	p := Problem{
		Status:  cmp.Or(row.Status, statuses[row.Code]),
		Code:    row.Code,
		Detail:  trace.Shorten(err.Error()),
		Message: Sentence(err.Error()),
	}
	if row.Message != nil {
		p.Message = row.Message(err)
	}
	if row.Detail != nil {
		p.Detail = row.Detail(err)
	}
	if row.Failures != nil {
		p.Failures = row.Failures(err)
	}
	return p
}

// Is returns a Match of the errors that are one of targets.
func Is(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
}

// As returns a Match of the errors that have a T in their chain.
func As[T error]() func(error) bool {
	return func(err error) bool {
		var target T
		return errors.As(err, &target)
	}
}

// Both returns a Match of the errors that two others match.
func Both(a, b func(error) bool) func(error) bool {
	return func(err error) bool { return a(err) && b(err) }
}

// But returns a Match of the errors that one matches and another does not.
func But(a, not func(error) bool) func(error) bool {
	return func(err error) bool { return a(err) && !not(err) }
}

// Text returns a Message that is always the same.
func Text(message string) func(error) string { return func(error) string { return message } }

// With returns a Message or Detail that is made of the T in an error's chain.
func With[T error, V any](f func(T) V) func(error) V {
	return func(err error) V {
		var target T
		_ = errors.As(err, &target) // Match has found it
		return f(target)
	}
}

// Nothing is a Detail that is null.
func Nothing(error) any { return nil }

// Ended matches the errors of a context.
var Ended = Is(context.Canceled, context.DeadlineExceeded)

// Sentence returns an error's text with a capital letter and a full stop.
func Sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
