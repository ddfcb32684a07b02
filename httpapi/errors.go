package httpapi

import (
	"errors"
	"fmt"

	"github.com/patchsource/patchsource/patch"
)

var (
	// errSwitchedOff is returned for a call that the server offers to no client.
	errSwitchedOff = errors.New("this server does not offer this")
	// errCrossSite is returned for a change that a page of another site asks for.
	errCrossSite = errors.New("a page of another site may not change anything here: use this server's own page, " +
		"or a script")
)

// confirmLastAdministrator is the confirmation that revokes the last administrator's token.
const confirmLastAdministrator = "last-administrator"

// A bodyTooLarge is returned for a body of more bytes than its client may send. It is patch.ErrTooLarge.
type bodyTooLarge struct {
	limit     int
	anonymous bool
}

func (e *bodyTooLarge) Error() string {
	s := "the body is too large: at most " + byteCount(e.limit) + " are read"
	if e.anonymous {
		s += " without a token; send one as 'Authorization: Bearer pst_…' for larger ones"
	}
	return s
}

// Is makes a bodyTooLarge a patch.ErrTooLarge.
func (e *bodyTooLarge) Is(target error) bool { return target == patch.ErrTooLarge }

// byteCount returns a number of bytes in words.
func byteCount(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// A restoreError is returned for an archive that cannot be restored.
type restoreError struct {
	message string
	members []patch.Failure // the members that are wrong
	err     error
}

func (e *restoreError) Error() string { return e.message }
func (e *restoreError) Unwrap() error { return e.err }

// A faultsError is returned if the store has faults, such as records that cannot be read.
type faultsError struct{ records int }

func (e *faultsError) Error() string {
	return fmt.Sprintf("the store has faults: %d; the log names their files: restore or remove them, or start the "+
		"server with TolerateFaults (--tolerate-faults)", e.records)
}

// failure returns the error of a body with one wrong value.
func failure(path, message string) error {
	return &patch.ValidationError{Failures: []patch.Failure{{Path: path, Message: message}}}
}
