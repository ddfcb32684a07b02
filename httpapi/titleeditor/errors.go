package titleeditor

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/limit"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// Codes of errors. Clients know the first two.
const (
	codeDuplicate    = "DUPLICATE_RECORD"
	codeCriteria     = "INVALID_CRITERIA"
	codeInvalid      = "INVALID_FIELD"
	codeJSON         = "INVALID_JSON"
	codeBody         = "INVALID_BODY"
	codeLimit        = "LIMIT_EXCEEDED"
	codeIncomplete   = "INCOMPLETE"
	codeConflict     = "CONFLICT"
	codeUnauthorized = "UNAUTHORIZED"
	codeForbidden    = "FORBIDDEN"
	codeNotFound     = "NOT_FOUND"
	codeMethod       = "METHOD_NOT_ALLOWED"
	codeTooLarge     = "TOO_LARGE"
	codeMediaType    = "UNSUPPORTED_MEDIA_TYPE"
	codeRate         = "TOO_MANY_REQUESTS"
	codeUnavailable  = "UNAVAILABLE"
	codeInternal     = "INTERNAL_ERROR"
)

// An apiError is an error with a code and a status of its own.
type apiError struct {
	status  int
	code    string
	message string
	field   string // the member of the body; empty: none
}

func (e *apiError) Error() string { return e.message }

// Clients look for the words "token not found" and "expired token" in the description of an error with status 401.
var (
	errNoSession = &apiError{http.StatusUnauthorized, codeUnauthorized, "Token not found", ""}
	errExpired   = &apiError{http.StatusUnauthorized, codeUnauthorized, "Expired token", ""}
	errLogin     = &apiError{
		http.StatusUnauthorized, codeUnauthorized,
		"The login has failed: the password is one of this server's tokens, pst_…; the user name can be anything.",
		"",
	}
	errCrossSite = &apiError{
		http.StatusForbidden, codeForbidden, "A page of another site may not change anything here.", "",
	}
	errNotFound   = &apiError{http.StatusNotFound, codeNotFound, "There is no such object.", ""}
	errIncomplete = &apiError{
		http.StatusBadRequest, codeIncomplete,
		"A patch can be enabled once it has a capability, and a component with a criterion.", "enabled",
	}
	errTitleIncomplete = &apiError{
		http.StatusBadRequest, codeIncomplete,
		"A title can be enabled once it has a requirement and an enabled patch.", "enabled",
	}
	errWrongTypes = &apiError{
		http.StatusConflict,
		codeConflict,
		"The draft of the title has values of a wrong type and cannot be shown here: " +
			"correct it in the server's own API.",
		"",
	}
	errRenameEnables = &apiError{
		http.StatusBadRequest, codeInvalid, "Change the id first, and enable the title by another request.", "id",
	}
	errRename = &apiError{
		http.StatusBadRequest, codeInvalid, "The id of a title that has been enabled cannot be changed: " +
			"create another title.", "id",
	}
)

// duplicate returns the error of a value that must be unique.
func duplicate(field, message string) error {
	return &apiError{http.StatusBadRequest, codeDuplicate, message, field}
}

// A limitedError is returned for too many failed logins.
type limitedError struct{ after time.Duration }

func (e *limitedError) Error() string {
	return fmt.Sprintf("too many logins from this address have failed: try again in %v", e.after.Round(time.Second))
}

var unavailable = problem.Is(catalog.ErrUnavailable, auth.ErrUnavailable)

// problems says how the errors of other packages are answered. The first row that matches an error decides.
var problems = problem.Table{
	{
		Match:   unavailable,
		Status:  http.StatusServiceUnavailable,
		Code:    codeUnavailable,
		Message: problem.Text("The server cannot reach its storage at the moment: try again later."),
	},
	{
		Match:   problem.Ended,
		Status:  http.StatusServiceUnavailable,
		Code:    codeUnavailable,
		Message: problem.Text("The request was not answered in time: try again later."),
	},
	{Match: problem.Is(catalog.ErrNumbering), Status: http.StatusServiceUnavailable, Code: codeUnavailable},
	{Match: problem.Is(limit.ErrBusy), Status: http.StatusServiceUnavailable, Code: codeUnavailable},
	{Match: problem.Is(catalog.ErrClosed), Status: http.StatusServiceUnavailable, Code: codeUnavailable},
	{Match: problem.As[*limitedError](), Status: http.StatusTooManyRequests, Code: codeRate},
	{Match: problem.Is(auth.ErrUnauthorized), Status: http.StatusUnauthorized, Code: codeUnauthorized},
	{
		Match:   problem.Is(catalog.ErrSynced),
		Status:  http.StatusForbidden,
		Code:    codeForbidden,
		Message: problem.Text("The title follows another source and cannot be changed here: change it there."),
	},
	{Match: problem.Is(auth.ErrDenied), Status: http.StatusForbidden, Code: codeForbidden},
	{
		Match:   problem.Is(catalog.ErrExists),
		Status:  http.StatusBadRequest,
		Code:    codeDuplicate,
		Message: problem.Text("There is a title with this id already (upper and lower case are the same)."),
	},
	{Match: problem.Is(patch.ErrVersionExists), Status: http.StatusBadRequest, Code: codeDuplicate},
	{
		Match:   problem.Is(catalog.ErrNotFound),
		Status:  http.StatusNotFound,
		Code:    codeNotFound,
		Message: problem.Text(errNotFound.message),
	},
	{
		Match:   problem.Is(catalog.ErrDraft),
		Status:  http.StatusConflict,
		Code:    codeConflict,
		Message: problem.Text("The title has a draft, which disabling it would lose: publish or discard it first."),
	},
	{Match: problem.Is(catalog.ErrTooMuch), Status: http.StatusForbidden, Code: codeLimit},
	{Match: problem.Is(patch.ErrTooLarge), Status: http.StatusRequestEntityTooLarge, Code: codeTooLarge},
	{
		Match:    problem.As[*patch.ValidationError](),
		Status:   http.StatusBadRequest,
		Code:     codeInvalid,
		Failures: problem.With(func(e *patch.ValidationError) []patch.Failure { return e.Failures }),
	},
	{Match: problem.As[*patch.SyntaxError](), Status: http.StatusBadRequest, Code: codeJSON},
	{Match: problem.Is(patch.ErrInvalid, patch.ErrAuthor), Status: http.StatusBadRequest, Code: codeInvalid},
	{Match: problem.As[*problem.RequestError](), Status: http.StatusBadRequest, Code: codeBody},
	{Match: problem.Is(problem.ErrMediaType), Status: http.StatusUnsupportedMediaType, Code: codeMediaType},
	{Match: problem.As[*problem.MethodError](), Status: http.StatusMethodNotAllowed, Code: codeMethod},
	{
		Match:   problem.As[*problem.PathError](),
		Status:  http.StatusNotFound,
		Code:    codeNotFound,
		Message: problem.Text("There is no such call in Title Editor's API, or this server does not have it."),
	},
	{
		Match:   problem.Is(store.ErrFormat),
		Status:  http.StatusServiceUnavailable,
		Code:    codeUnavailable,
		Message: problem.Text("Another server over the same storage is of an earlier version: update it first."),
	},
}

// errorsAnswer is the body of every error. Clients need the array even if there is nothing to say.
type errorsAnswer struct {
	Errors []errorAnswer `json:"errors"`
}

type errorAnswer struct {
	Code        string `json:"code"`
	Description string `json:"description"`
	Field       string `json:"field,omitempty"`
}

// fail answers with an error.
func (h *handler) fail(r *request, err error) {
	r.end()
	status, list := answerTo(err)
	header := r.w.Header()
	switch status {
	case http.StatusUnauthorized:
		challenge := `Bearer realm="patchsource"`
		if err == errLogin {
			challenge = `Basic realm="patchsource", charset="UTF-8"`
		}
		header.Set("WWW-Authenticate", challenge)
	case http.StatusMethodNotAllowed:
		var method *problem.MethodError
		if errors.As(err, &method) {
			header.Set("Allow", method.Allow)
		}
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", "5")
	case http.StatusTooManyRequests:
		var limited *limitedError
		if errors.As(err, &limited) {
			header.Set("Retry-After", strconv.Itoa(int(limited.after/time.Second)+1))
		}
	}
	if status == http.StatusInternalServerError || unavailable(err) {
		h.logFailure(r, status, err)
	}
	body, err := encode(errorsAnswer{list})
	if err != nil {
		panic("titleeditor: an error cannot be encoded: " + err.Error())
	}
	r.write(status, body)
}

// answerTo returns the status and the content of the answer to an error.
func answerTo(err error) (status int, list []errorAnswer) {
	var own *apiError
	var several *fieldErrors
	switch {
	case errors.As(err, &own):
		return own.status, []errorAnswer{{own.code, own.message, own.field}}
	case errors.As(err, &several):
		return http.StatusBadRequest, several.list
	}
	p := problems.Of(err)
	if p.Status == http.StatusInternalServerError {
		p.Code = codeInternal
	}
	for _, f := range p.Failures {
		list = append(list, errorAnswer{p.Code, f.Message, f.Path})
	}
	if list == nil {
		list = []errorAnswer{{Code: p.Code, Description: p.Message}}
	}
	return p.Status, list
}

// logFailure logs the cause of an error that is not the client's. If the client is gone, only panics are logged.
func (h *handler) logFailure(r *request, status int, err error) {
	var panicked *problem.PanicError
	isPanic := errors.As(err, &panicked)
	if r.Context().Err() != nil && !isPanic {
		return
	}
	id := trace.ID(r.Request)
	r.w.Header().Set(trace.IDHeader, id)
	attrs := []any{"method", r.Method, "path", trace.Path(r.Request), "status", status, "error", err}
	if isPanic {
		attrs = append(attrs, "stack", string(panicked.Stack))
	}
	h.log.ErrorContext(trace.WithID(r.Context(), id), "a request failed", attrs...)
}
