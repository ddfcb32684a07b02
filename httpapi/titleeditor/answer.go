package titleeditor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gorilla/mux"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// An apiError is an error in the form of Title Editor.
type apiError struct {
	Code        string `json:"code"`
	Description string `json:"description"`
	Field       string `json:"field,omitempty"`
}

// errorBody is the body that answers a request that failed.
type errorBody struct {
	Errors []apiError `json:"errors"`
}

// A refusal is an error with its status and all failures.
type refusal struct {
	status int
	errors []apiError
}

func (e *refusal) Error() string {
	var all []string
	for _, one := range e.errors {
		all = append(all, one.Description)
	}
	return strings.Join(all, "; ")
}

// refuse returns a refusal with one failure.
func refuse(status int, code, description string) *refusal {
	return &refusal{status, []apiError{{Code: code, Description: description}}}
}

// The codes of errors. Clients know DUPLICATE_RECORD and INVALID_CRITERIA.
const (
	codeDuplicate       = "DUPLICATE_RECORD"
	codeInvalidCriteria = "INVALID_CRITERIA"
	codeInvalid         = "INVALID_FIELD"
	codeInvalidBody     = "INVALID_BODY"
	codeTooLarge        = "TOO_LARGE"
	codeConflict        = "CONFLICT"
	codeUnauthorized    = "UNAUTHORIZED"
	codeForbidden       = "FORBIDDEN"
	codeNotFound        = "NOT_FOUND"
	codeMethod          = "METHOD_NOT_ALLOWED"
	codeUnavailable     = "UNAVAILABLE"
	codeInternal        = "INTERNAL_ERROR"
)

var (
	errNoPath   = refuse(http.StatusNotFound, codeNotFound, "There is no such path.")
	errNotFound = refuse(http.StatusNotFound, codeNotFound, "There is no object with this number.")
	// errNoSession and errExpired have the words that clients look for in a description.
	errNoSession = refuse(http.StatusUnauthorized, codeUnauthorized,
		"Token not found: log in with POST /v2/auth/tokens, any user name, and a token of this server as the password.")
	errExpired = refuse(http.StatusUnauthorized, codeUnauthorized, "Expired token: log in again.")
	errLogin   = refuse(http.StatusUnauthorized, codeUnauthorized,
		"Not authorized: the password must be a token of this server.")
)

// refusalOf returns an error as a refusal. An internal error shows no cause.
func refusalOf(err error) *refusal {
	var known *refusal
	var invalid *patch.ValidationError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, catalog.ErrNumbering):
		return refuse(http.StatusServiceUnavailable, codeUnavailable, sentence(err))
	case errors.Is(err, catalog.ErrUnavailable), errors.Is(err, auth.ErrUnavailable):
		return refuse(http.StatusServiceUnavailable, codeUnavailable,
			"The server cannot reach its storage at the moment: try again later.")
	case errors.Is(err, auth.ErrUnauthorized):
		return errNoSession
	case errors.Is(err, auth.ErrDenied):
		return refuse(http.StatusForbidden, codeForbidden, "The token may not do this.")
	case errors.Is(err, catalog.ErrSynced):
		return refuse(http.StatusForbidden, codeForbidden, "The title follows a source, and can be changed only there.")
	case errors.Is(err, catalog.ErrExists), errors.Is(err, patch.ErrVersionExists):
		return refuse(http.StatusBadRequest, codeDuplicate, sentence(err))
	case errors.Is(err, catalog.ErrNotFound):
		return errNotFound
	case errors.As(err, &invalid):
		e := &refusal{status: http.StatusBadRequest}
		for _, f := range invalid.Failures {
			e.errors = append(e.errors, apiError{codeInvalid, strings.TrimPrefix(f.Path+" "+f.Message, " "), f.Path})
		}
		return e
	case errors.As(err, &tooLarge), errors.Is(err, patch.ErrTooLarge):
		return refuse(http.StatusRequestEntityTooLarge, codeTooLarge, "The request is too large, or the title would be.")
	case errors.Is(err, catalog.ErrDraft), errors.Is(err, catalog.ErrIDDiffers):
		return refuse(http.StatusBadRequest, codeConflict, sentence(err))
	case errors.Is(err, patch.ErrInvalid):
		return refuse(http.StatusBadRequest, codeInvalid, sentence(err))
	}
	return refuse(http.StatusInternalServerError, codeInternal, "Something went wrong within the server: its log says what.")
}

// sentence returns the text of an error with a capital letter and a full stop.
func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// write writes v as JSON that scripts can read by line: one member a line, one space after a colon. If v is nil, there is
// no body.
func write(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if v == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		http.Error(w, `{"errors":[]}`, http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// answering returns a handler that answers with what f returns.
func (a *api) answering(f func(r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		write(w, http.StatusOK, v)
	})
}

// fail answers with an error.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := refusalOf(err)
	if e.status == http.StatusInternalServerError && r.Context().Err() == nil {
		a.Logger.ErrorContext(r.Context(), "a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	switch e.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "3")
	}
	write(w, e.status, errorBody{e.errors})
}

// handle returns the handler of a path.
func (a *api) handle(all methods) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := all[r.Method]
		if f == nil && r.Method == http.MethodHead {
			f = all[http.MethodGet]
		}
		if f == nil {
			w.Header().Set("Allow", allowed(all))
			a.fail(w, r, refuse(http.StatusMethodNotAllowed, codeMethod, "The path has no such method."))
			return
		}
		v, err := a.call(f, w, r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		write(w, http.StatusOK, v)
	})
}

// allowed returns the methods of a path.
func allowed(all methods) string {
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// call authenticates the client and calls f.
func (a *api) call(f handlerFunc, w http.ResponseWriter, r *http.Request) (any, error) {
	principal, err := a.authenticate(r)
	if err != nil {
		return nil, err
	}
	c := &call{api: a, r: r, w: w, principal: principal}
	if text, ok := mux.Vars(r)["number"]; ok {
		if c.number, err = strconv.ParseUint(text, 10, 53); err != nil || c.number == 0 {
			return nil, errNotFound
		}
	}
	return f(c)
}

// body reads the body of a request into v. Members that v does not have are ignored, and null means that a member is not
// given. The error is a refusal.
func (c *call) body(v any) error {
	reader := c.r.Body
	size := int64(maxBodies)
	if c.MaxBodyBytes >= 0 {
		reader = http.MaxBytesReader(c.w, reader, int64(c.MaxBodyBytes))
		size = min(size, int64(c.MaxBodyBytes))
	}
	if n := c.r.ContentLength; n >= 0 {
		size = min(size, n)
	}
	if err := c.bodies.Acquire(c.r.Context(), size); err != nil {
		return err
	}
	defer c.bodies.Release(size)
	var b bytes.Buffer
	if _, err := b.ReadFrom(reader); err != nil {
		return fmt.Errorf("read the body: %w", bodyError(err))
	}
	if err := patch.CheckSyntax(b.Bytes(), &patch.ParseOptions{MaxBytes: -1}); err != nil {
		return refuse(http.StatusBadRequest, codeInvalidBody, "The body is no JSON: "+err.Error())
	}
	if trimmed := bytes.TrimLeft(b.Bytes(), " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return refuse(http.StatusBadRequest, codeInvalidBody, "The body must be a JSON object.")
	}
	err := jsonv2.Unmarshal(b.Bytes(), v)
	var wrong *jsonv2.SemanticError
	if errors.As(err, &wrong) {
		field := string(wrong.JSONPointer)
		return &refusal{http.StatusBadRequest, []apiError{{codeInvalid, fmt.Sprintf(
			"%s must have another type than %s.", field, kindName(wrong.JSONKind)), field}}}
	}
	if err != nil {
		return refuse(http.StatusBadRequest, codeInvalidBody, "The body cannot be read: "+err.Error())
	}
	return nil
}

// bodyError returns the error of reading a body: only one of the size is the client's.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return refuse(http.StatusBadRequest, codeInvalidBody, "The body ended too early.")
}

// kindName names a kind of JSON value.
func kindName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "true or false"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return "this value"
}

// nothing answers with an empty array: no client reads what Title Editor suggests here.
func (c *call) nothing() (any, error) { return []any{}, nil }
