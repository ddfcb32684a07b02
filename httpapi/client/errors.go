package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// The errors of the calls, as targets of errors.Is.
var (
	// ErrInvalid means that the request was rejected because of what is in it (400, 415), or was not sent because it
	// has an empty id.
	ErrInvalid = errors.New("invalid request")
	// ErrUnauthorized means that the token is missing, unknown, expired or revoked (401).
	ErrUnauthorized = errors.New("the token is missing or no longer valid")
	// ErrForbidden means that the token does not allow the call, or that no token does, as for a change of a title that
	// follows an upstream (403).
	ErrForbidden = errors.New("forbidden")
	// ErrNotFound means that the title, version, token, webhook, delivery or job does not exist (404).
	ErrNotFound = errors.New("not found")
	// ErrConflict means that the title or version exists already, or that it has another id (409).
	ErrConflict = errors.New("conflict")
	// ErrPrecondition means that the title has changed since it was read (412).
	ErrPrecondition = errors.New("the title has changed")
	// ErrTooLarge means that the body is larger than the server accepts (413).
	ErrTooLarge = errors.New("too large")
	// ErrLimited means that there were too many requests (429).
	ErrLimited = errors.New("too many requests")
	// ErrUnavailable means that the server or its storage fails (5xx).
	ErrUnavailable = errors.New("the server is unavailable")
	// ErrNotModified means that a list has not changed since it was read (304).
	ErrNotModified = errors.New("not modified")
	// ErrUnexpectedAnswer means that the answer is not one of the API: the server is probably not a patch source, or a
	// proxy in front of it has answered.
	ErrUnexpectedAnswer = errors.New("unexpected answer")
)

// errorsByStatus are the errors below 500 by their HTTP status.
var errorsByStatus = map[int]error{
	http.StatusNotModified:           ErrNotModified,
	http.StatusBadRequest:            ErrInvalid,
	http.StatusUnauthorized:          ErrUnauthorized,
	http.StatusForbidden:             ErrForbidden,
	http.StatusNotFound:              ErrNotFound,
	http.StatusConflict:              ErrConflict,
	http.StatusPreconditionFailed:    ErrPrecondition,
	http.StatusRequestEntityTooLarge: ErrTooLarge,
	http.StatusUnsupportedMediaType:  ErrInvalid,
	http.StatusTooManyRequests:       ErrLimited,
}

// maxShownFailures limits how many failures the text of an Error lists.
const maxShownFailures = 20

// maxErrorBytes limits how much of an error's body is read.
const maxErrorBytes = 1 << 20

// An Error is an answer that is not a success. errors.Is matches it to one of the errors of this package.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code names the kind of the error, such as [wire.CodeDatabaseConflict]. It is empty if the body has none.
	Code string
	// Detail belongs to the code, as in [wire.Error].
	Detail any
	// Message says what failed and how to correct it. It is empty if the body has none.
	Message string
	// Failures are the failures of a validation, each with its place in the request's body.
	Failures []patch.Failure
	// RetryAfter is the time that the server asks to wait, or 0.
	RetryAfter time.Duration
}

// Error returns the status, the message and the first failures.
func (e *Error) Error() string {
	s := cmp.Or(e.Message, http.StatusText(e.Status))
	for i, f := range e.Failures {
		if i == maxShownFailures {
			s += fmt.Sprintf("\n  and %d more", len(e.Failures)-i)
			break
		}
		s += "\n  " + f.Path + ": " + f.Message
	}
	return fmt.Sprintf("the server answered %d: %s", e.Status, s)
}

// Is reports whether target is the error of this package for the status.
func (e *Error) Is(target error) bool {
	if e.Status >= http.StatusInternalServerError {
		return target == ErrUnavailable
	}
	return target == errorsByStatus[e.Status]
}

// IsTransient reports whether the call that returned err may succeed if it is made again later, unchanged: the server
// limits requests (429), is unavailable (5xx other than 501, 505 and 507) or could not be reached, or the connection
// broke. It reports false for nil, for a rejected request and for a call that its caller canceled.
func IsTransient(err error) bool {
	var answered *Error
	if errors.As(err, &answered) {
		switch answered.Status {
		case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusInsufficientStorage:
			return false
		}
		return answered.Status == http.StatusTooManyRequests || answered.Status >= http.StatusInternalServerError
	}
	var name *net.DNSError
	var address *net.AddrError
	var network *net.OpError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &name):
		return !name.IsNotFound
	case errors.As(err, &address): // such as a port that is too large
		return false
	case errors.As(err, &network):
		return network.Op != opTLSAlert
	case errors.As(err, &timeout) && timeout.Timeout():
		return true
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) ||
		isBrokenHTTP2(err)
}

// opTLSAlert is the Op of the net.OpError for a TLS alert of the server, such as for a missing client certificate.
const opTLSAlert = "remote error"

// A streamError has the fields of the error of net/http for an HTTP/2 stream that the server has reset. That type is
// not exported; its method As sets every struct with these fields.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

// Error implements error.
func (e streamError) Error() string { return fmt.Sprintf("the server reset the stream (%d)", e.Code) }

// isBrokenHTTP2 reports whether err is that of an HTTP/2 connection or stream that ended before the answer did.
func isBrokenHTTP2(err error) bool {
	var stream streamError
	if errors.As(err, &stream) {
		return true
	}
	for ; err != nil; err = errors.Unwrap(err) { // net/http exports neither type nor value for these
		if text := err.Error(); strings.HasPrefix(text, "http2: server sent GOAWAY") ||
			strings.HasPrefix(text, "http2: client connection lost") {
			return true
		}
	}
	return false
}

// readError reads the error that an answer is.
func readError(res *http.Response) error {
	e := &Error{Status: res.StatusCode}
	if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n > 0 {
		e.RetryAfter = time.Duration(min(n, 1<<30)) * time.Second
	}
	data, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBytes)) // the status matters more than a broken connection
	e.decode(data)
	return e
}

// errorOf returns the error of an answer with a status and a body.
func errorOf(status int, body []byte) error {
	e := &Error{Status: status}
	e.decode(body)
	return e
}

// decode sets the fields that are in the body of an answer.
func (e *Error) decode(data []byte) {
	var body wire.Error
	if json.Unmarshal(data, &body) == nil {
		e.Code, e.Detail, e.Message, e.Failures = body.Code, body.Detail, body.Message, body.Failures
	}
}
