package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/archive"
	"github.com/patchsource/patchsource/patch/catalog"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/webhook"
)

// Errors that only HTTP knows.
var (
	// errSwitchedOff is what nobody may do here, whatever the token.
	errSwitchedOff = errors.New("this server does not offer this")
	errMediaType   = errors.New("the body is of a type that is not understood")
	// errCrossSite is a change that a page of another site asks for.
	errCrossSite = errors.New("a page of another site may not change anything here: open this server's own page, " +
		"or call it from a script")
)

// A requestError is a request that cannot be understood.
type requestError struct{ message string }

func (e *requestError) Error() string { return e.message }

// A methodError is a method that a path does not have.
type methodError struct{ method, allow string }

func (e *methodError) Error() string {
	return fmt.Sprintf("%s is not possible here: use one of %s", e.method, e.allow)
}

// A pathError is a path that no call has.
type pathError struct{ path string }

func (e *pathError) Error() string {
	return "there is no such call; the source's list of titles is at …/jamf/v1/software"
}

type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// A problem is what a client is told of an error.
type problem struct {
	status  int
	code    string // the member of the body that names the kind
	detail  any    // its value
	message string
	errors  []patch.Failure
}

// problemOf is the one table from errors to answers. What it does not know is an
// internal error.
func problemOf(err error) problem {
	var invalid *patch.ValidationError
	var syntax *patch.SyntaxError
	var title *catalog.TitleError
	var version *patch.VersionError
	var tooLarge *http.MaxBytesError
	var restoring *restoreError
	var hook *webhook.InvalidError
	var faults *faultsError
	var method *methodError
	var path *pathError
	var request *requestError
	var failed *uploadError
	_ = errors.As(err, &title)
	_ = errors.As(err, &version)
	p := problem{message: sentence(err.Error())}
	switch {
	case errors.As(err, &failed) && failed.full():
		p.status, p.code = http.StatusInsufficientStorage, "insufficient_storage"
		p.message = "The server has no room for what was sent: its administrator has to make room on its disk."
	case errors.As(err, &failed):
		p.status, p.code = http.StatusServiceUnavailable, "internal"
		p.message = "The server cannot keep what was sent: try again later. Its log says why, under the id in this answer."
	// What is wrong elsewhere, whatever it is, is nothing that is wrong here.
	case errors.Is(err, patchsync.ErrUpstream) && !errors.Is(err, catalog.ErrUnavailable):
		p.status, p.code, p.detail = http.StatusBadRequest, "upstream_failure", err.Error()
		p.message = "The definition could not be taken from there, and nothing was changed: " + err.Error() + "."
		if errors.As(err, &invalid) {
			p.errors = invalid.Failures
		}
	case errors.Is(err, auth.ErrUnauthorized) && !errors.Is(err, catalog.ErrUnavailable):
		p.status, p.code, p.detail = http.StatusUnauthorized, "unauthorized", err.Error()
	case errors.Is(err, community.ErrMail):
		p.status, p.code, p.detail = http.StatusBadGateway, "mail_failure", "the mail could not be sent"
		p.message = "The mail could not be sent, so nothing was made: check the address, or try again later."
	// Before the rest: what the store has wrapped in it is nobody's business.
	case errors.Is(err, catalog.ErrUnavailable),
		errors.Is(err, auth.ErrUnavailable),
		errors.Is(err, webhook.ErrUnavailable),
		errors.Is(err, context.Canceled),
		errors.Is(err, context.DeadlineExceeded):
		p.status, p.code = http.StatusServiceUnavailable, "internal"
		p.message = "The server cannot reach its storage at the moment: try again in a while."
	case errors.As(err, &faults):
		p.status, p.code, p.detail = http.StatusServiceUnavailable, "damaged", faults.Error()
	case errors.Is(err, errBusy):
		p.status, p.code, p.detail = http.StatusServiceUnavailable, "busy", err.Error()
		p.message = sentence(err.Error() + ": try again in a few seconds")
	case errors.As(err, &restoring):
		p.status, p.code, p.detail, p.errors, p.message = http.StatusBadRequest, "restore_failure", "nothing was restored", restoring.members, restoring.message
	case errors.As(err, &hook):
		p.status, p.code, p.detail, p.errors = http.StatusBadRequest, "invalid_json", "validation failed", []patch.Failure{
			{Path: "/" + hook.Field, Message: hook.Message},
		}
		p.message = "The webhook was not created: " + hook.Error() + "."
	case errors.Is(err, archive.ErrNoArchive):
		p.status, p.code, p.detail = http.StatusBadRequest, "bad_request", err.Error()
	case errors.Is(err, webhook.ErrNotFound):
		p.status, p.code, p.detail = http.StatusNotFound, "webhook_id_not_found", err.Error()
	case errors.Is(err, catalog.ErrNoRevision):
		p.status, p.code, p.detail = http.StatusNotFound, "version_not_found", err.Error()
		p.message = "There is no such edition of this title, or no more: see its history."
	case errors.As(err, &invalid):
		p.status, p.code, p.detail, p.errors = http.StatusBadRequest, "invalid_json", "validation failed", invalid.Failures
		p.message = "Refused, and nothing was changed: " + invalid.Error() + "."
		if invalid.Truncated {
			p.message += fmt.Sprintf(" More failures than the first %d are not listed.", len(invalid.Failures))
		}
	case errors.As(err, &syntax):
		p.status, p.code, p.detail = http.StatusBadRequest, "invalid_json", syntax.Error()
		p.message = "The JSON cannot be read: " + syntax.Error() + "."
	case errors.Is(err, patch.ErrInvalid):
		p.status, p.code, p.detail = http.StatusBadRequest, "invalid_json", err.Error()
	case errors.Is(err, patch.ErrTooLarge), errors.As(err, &tooLarge):
		p.status, p.code, p.detail = http.StatusRequestEntityTooLarge, "too_large", err.Error()
	case errors.Is(err, errMediaType):
		p.status, p.code, p.detail = http.StatusUnsupportedMediaType, "unsupported_media_type", err.Error()
	case errors.As(err, &request):
		p.status, p.code, p.detail = http.StatusBadRequest, "bad_request", err.Error()
	case errors.Is(err, patch.ErrPosition) && version != nil:
		p.status, p.code, p.detail = http.StatusBadRequest, "bad_request", err.Error()
		p.message = fmt.Sprintf(
			"There is no version '%s' of this title to insert beside; nothing was added.",
			shorten(version.Version),
		)
	case errors.Is(err, patch.ErrLastVersion) && version != nil:
		p.status, p.code, p.detail = http.StatusBadRequest, "bad_request", err.Error()
		p.message = fmt.Sprintf(
			"Version '%s' is the only one left, and a title must have one: delete the title instead.",
			shorten(version.Version),
		)
	case errors.Is(err, auth.ErrLastAdministrator):
		p.status, p.code, p.detail = http.StatusConflict, "last_administrator", err.Error()
		p.message = "This is the last administrator's token, and without one this server cannot be administered until it is " +
			"started again. Tokens that were made with it end with it, and do not count. To replace it, delete the file " +
			"of the server's first token and start the server again: it makes another one, with which you end this one. Or add ?confirm=" + confirmLastAdministrator + "."
	case errors.Is(err, community.ErrLimited), errors.Is(err, auth.ErrTooMany):
		p.status, p.code, p.detail = http.StatusTooManyRequests, "rate_limited", err.Error()
	case errors.Is(err, community.ErrNameTaken):
		p.status, p.code, p.detail = http.StatusConflict, "database_conflict", err.Error()
	case errors.Is(err, auth.ErrGrant):
		p.status, p.code, p.detail = http.StatusBadRequest, "bad_request", err.Error()
	case errors.Is(err, auth.ErrNotFound):
		p.status, p.code, p.detail = http.StatusNotFound, "token_not_found", err.Error()
	case errors.Is(err, auth.ErrDenied),
		errors.Is(err, errCrossSite),
		errors.Is(err, errSwitchedOff),
		errors.Is(err, auth.ErrClaimed),
		errors.Is(err, community.ErrTooMany),
		errors.Is(err, community.ErrCode):
		p.status, p.code, p.detail = http.StatusForbidden, "forbidden", err.Error()
	case errors.Is(err, catalog.ErrSynced) && title != nil:
		source := patchsync.RedactURL(title.Follows)
		p.status, p.code, p.detail = http.StatusForbidden, "forbidden", source
		p.message = fmt.Sprintf(
			"Title '%s' is kept in step with %s and cannot be changed here: change it there, or delete it here.",
			title.ID,
			source,
		)
	case errors.Is(err, archive.ErrMember): // and none of the kinds above
		p.status, p.code, p.detail = http.StatusBadRequest, "bad_request", err.Error()
	case errors.Is(err, patchsync.ErrNotFollowed):
		p.status, p.code, p.detail = http.StatusNotFound, "title_not_found", err.Error()
		p.message = "There is nothing to take this title from, or to end: " + err.Error() + "."
		if title == nil {
			p.status, p.code = http.StatusBadRequest, "bad_request"
		}
	case errors.Is(err, catalog.ErrNotFound) && title != nil:
		p.status, p.code, p.detail = http.StatusNotFound, "title_not_found", shorten(title.ID)
		p.message = fmt.Sprintf("There is no title '%s'.", shorten(title.ID))
	case errors.Is(err, patch.ErrVersionNotFound) && version != nil:
		p.status, p.code, p.detail = http.StatusNotFound, "version_not_found", shorten(version.Version)
		p.message = fmt.Sprintf("There is no version '%s' of this title.", shorten(version.Version))
	case errors.Is(err, patch.ErrVersionExists) && version != nil:
		p.status, p.code, p.detail = http.StatusConflict, "database_conflict", shorten(version.Version)
		p.message = fmt.Sprintf(
			"Version '%s' is there already; nothing was added. Remove it first to replace it.",
			shorten(version.Version),
		)
	case errors.Is(err, community.ErrIDTaken) && title != nil:
		p.status, p.code, p.detail = http.StatusConflict, "database_conflict", title.ID
		p.message = fmt.Sprintf("Another author's title has the id '%s'; nothing was created. "+
			"Use another id, or ask an administrator of this server.", title.ID)
	case errors.Is(err, catalog.ErrExists) && title != nil:
		p.status, p.code, p.detail = http.StatusConflict, "database_conflict", title.ID
		p.message = fmt.Sprintf(
			"There is a title '%s' already (in any case of its letters); nothing was created. Change it with PUT, or use another id.",
			title.ID,
		)
	case errors.Is(err, catalog.ErrIDDiffers):
		p.status, p.code, p.detail = http.StatusConflict, "database_conflict", err.Error()
		p.message += " A title cannot be renamed: create another, or send the id that it has."
	case errors.Is(err, catalog.ErrPrecondition):
		p.status, p.code, p.detail = http.StatusPreconditionFailed, "precondition_failed", err.Error()
		p.message = "If-Match is not the ETag that the title has now: it has changed since it was read. Read it again, and send its ETag as it is, with its quotes."
	case errors.As(err, &method):
		p.status, p.code, p.detail = http.StatusMethodNotAllowed, "method_not_allowed", method.method
	case errors.As(err, &path):
		p.status, p.code, p.detail = http.StatusNotFound, "not_found", shorten(path.path)
	default:
		p.status, p.code = http.StatusInternalServerError, "internal"
		p.message = "Something went wrong within the server. Its log says what, under the id in this answer."
	}
	if s, ok := p.detail.(string); ok {
		p.detail = shorten(s)
	}
	return p
}

// retryAfter is in how many seconds to try again what is not available.
const retryAfter = "5"

// writeError answers with an error.
func (a *api) writeError(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	h := w.Header()
	for _, name := range []string{"Etag", "Last-Modified", "Content-Encoding", "Content-Length", "Vary"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	switch p.status {
	case http.StatusUnauthorized:
		challenge := `Bearer realm="patchsource"`
		var own interface{ Challenge() string }
		if errors.As(err, &own) {
			challenge = own.Challenge()
		}
		h.Set("WWW-Authenticate", challenge)
	case http.StatusMethodNotAllowed:
		var method *methodError
		if errors.As(err, &method) {
			h.Set("Allow", method.allow)
		}
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfter)
	case http.StatusTooManyRequests:
		after := time.Minute
		var limited *community.LimitedError
		if errors.As(err, &limited) {
			after = limited.After
		}
		h.Set("Retry-After", strconv.Itoa(int(after/time.Second)+1))
	}
	if p.code == "mail_failure" {
		a.log.ErrorContext(r.Context(), "a mail could not be sent", "error", err)
	}
	if (p.code == "internal" || p.code == "insufficient_storage") && r.Context().Err() == nil {
		id := requestID(r)
		p.detail = id
		h.Set(requestIDHeader, id)
		attrs := []any{"method", r.Method, "path", loggedPath(r), "status", p.status, "error", err}
		var panicked *panicError
		if errors.As(err, &panicked) {
			attrs = append(attrs, "stack", string(debug.Stack()))
		}
		a.log.ErrorContext(context.WithValue(r.Context(), idKey{}, id), "a request failed", attrs...)
	}
	body := map[string]any{"message": p.message, p.code: p.detail}
	if callOf(r).simple {
		body["error"] = p.message
	}
	if p.errors != nil {
		body["errors"] = p.errors
	}
	writeJSON(w, p.status, body)
}

// writeJSON answers with JSON.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := encodeJSON(v)
	if err != nil {
		panic("httpapi: an answer that is no JSON: " + err.Error())
	}
	h := w.Header()
	h["Content-Type"] = contentJSON
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error is the client's who has gone
}

func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// sentence makes a message of an error: a capital letter and a full stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// shorten bounds what an answer repeats of a request.
func shorten(s string) string {
	const most = 255
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
