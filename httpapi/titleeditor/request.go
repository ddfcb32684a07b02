package titleeditor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// A request is a request and the state of its answer. It belongs to the request's goroutine.
type request struct {
	*http.Request
	w http.ResponseWriter
	h *handler

	principal auth.Principal
	session   *claims // nil: the client sent a bearer token
	trusted   bool    // the principal may change every title: its work is not counted
	leave     []func()
}

// wrap returns an http.Handler of a handlerFunc. It refuses changes that a page of another site has its visitor's
// browser request, and answers a panic with status 500.
func (h *handler) wrap(f handlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, httpRequest *http.Request) {
		r := &request{Request: httpRequest, w: w, h: h}
		defer r.end()
		defer func() {
			if v := recover(); v != nil {
				h.fail(r, problem.Recovered(v))
			}
		}()
		err := error(errCrossSite)
		if h.cross.Check(httpRequest) == nil {
			err = f(r)
		}
		if err != nil {
			h.fail(r, err)
		}
	})
}

// end gives back what the request holds of the budget.
func (r *request) end() {
	for _, leave := range r.leave {
		leave()
	}
	r.leave = nil
}

// authenticate sets the principal of the request.
func (r *request) authenticate() error {
	p, session, err := r.h.sessions.authenticate(r.Request)
	if err != nil {
		return err
	}
	r.principal, r.session = p, session
	r.trusted = r.may(auth.ActionChange, auth.Title{})
	return nil
}

// may reports whether the principal may perform an action. An error of the Authorizer counts as a no.
func (r *request) may(a auth.Action, t auth.Title) bool {
	return r.h.authorize(r.Context(), r.principal, a, t) == nil
}

// mayChange reports whether the principal may change a title.
func (r *request) mayChange(t catalog.Title) bool { return r.may(auth.ActionChange, titleOf(t)) }

// titleOf returns a title in the form that an Authorizer receives.
func titleOf(t catalog.Title) auth.Title {
	return auth.Title{ID: t.ID, UID: t.UID, Contributor: t.Contributor}
}

// maker returns how the principal is named in the history of the changes that it makes.
func (r *request) maker() string {
	if r.principal.TokenID != "" {
		return r.principal.TokenID
	}
	return r.principal.Name
}

// turn waits for the client's turn to have so many bytes of definitions worked on.
func (r *request) turn(bytes int64) error {
	if r.trusted || r.h.budget == nil {
		return nil
	}
	within, leave, err := r.h.budget.Enter(r.Request, bytes)
	if err != nil {
		return err
	}
	r.Request, r.leave = within, append(r.leave, leave)
	return nil
}

// object reads the body, which must be a JSON object.
func (r *request) object() (object, error) {
	body, err := r.body()
	if err != nil {
		return object{}, err
	}
	if err := r.turn(int64(len(body))); err != nil {
		return object{}, err
	}
	if err := patch.CheckSyntax(body, &patch.ParseOptions{MaxBytes: r.h.maxBytes}); err != nil {
		return object{}, err
	}
	return newObject(body)
}

// body reads the body.
func (r *request) body() ([]byte, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, fmt.Errorf("%w: send it without Content-Encoding", problem.ErrMediaType)
	}
	limit := int64(r.h.maxBytes)
	if r.ContentLength > limit {
		return nil, fmt.Errorf("the body is %w: at most %d bytes are read", patch.ErrTooLarge, limit)
	}
	if !r.trusted && r.h.budget != nil {
		within, leave, err := r.h.budget.EnterBody(r.w, r.Request, limit, true)
		if err != nil {
			return nil, err
		}
		r.Request, r.leave = within, append(r.leave, leave)
	}
	var body bytes.Buffer
	_, err := io.Copy(&body, http.MaxBytesReader(r.w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fmt.Errorf("the body is %w: at most %d bytes are read", patch.ErrTooLarge, limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &problem.RequestError{Message: "the body arrives too slowly"}
	case err != nil:
		return nil, &problem.RequestError{Message: "the body cannot be read: " + err.Error()}
	}
	if !r.trusted && r.h.budget != nil {
		_ = http.NewResponseController(r.w).SetReadDeadline(time.Time{})
	}
	return body.Bytes(), nil
}

// reply answers with status 200 and a value as JSON: one member a line, since scripts read it by lines.
func (r *request) reply(v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	if !r.trusted && r.h.budget != nil {
		r.end() // the client may take long to read the answer
		leave, err := r.h.budget.EnterAnswer(r.w, r.Request, len(body))
		if err != nil {
			return err
		}
		defer leave()
	}
	r.write(http.StatusOK, body)
	return nil
}

// write writes an answer of JSON, which no cache may keep.
func (r *request) write(status int, body []byte) {
	r.w.Header().Set("Cache-Control", "no-store")
	r.w.Header()["Content-Type"] = answer.JSON
	r.w.WriteHeader(status)
	_, _ = r.w.Write(body) // it fails if the client is gone
}

// deleted answers that something was deleted.
func (r *request) deleted() error {
	r.w.Header().Set("Cache-Control", "no-store")
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}

// encode returns v as indented JSON.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

// logChange logs a change with the token and the user name that it was made with, and adds it to the audit log.
func (r *request) logChange(ctx context.Context, message string, attrs ...any) {
	r.h.audit.Change(r.principal, message, attrs...)
	attrs = append(attrs, "token", r.principal.TokenID)
	if r.session != nil {
		attrs = append(attrs, "user", r.session.User)
	}
	r.h.log.InfoContext(ctx, message, attrs...)
}
