package httpapi

import (
	"errors"
	"net/http"

	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/wire"
)

var (
	// errSwitchedOff is returned for a call that the server does not offer to anyone.
	errSwitchedOff = errors.New("this server does not offer this")
	errMediaType   = errors.New("the body has an unsupported type")
	// errCrossSite is returned for a change that a page of another site asks for.
	errCrossSite = errors.New("a page of another site may not change anything here: open this server's own page, " +
		"or call it from a script")
)

// A requestError is returned for a request that cannot be understood.
type requestError struct{ message string }

func (e *requestError) Error() string { return e.message }

// uploadFailed reports whether there is an uploadError of a kind in err's chain.
func uploadFailed(err error, kind func(*uploadError) bool) bool {
	var failed *uploadError
	return errors.As(err, &failed) && kind(failed)
}

// writeError answers with an error.
func (a *api) writeError(w http.ResponseWriter, r *http.Request, err error) {
	errs := problem.Writer{Table: problems, Log: a.log}
	if p := problems.Of(err); p.Code == wire.CodeMailFailure {
		a.log.ErrorContext(r.Context(), "a mail could not be sent", "error", err)
	}
	errs.Write(w, r, err, callOf(r).simple)
}
