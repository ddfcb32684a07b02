package webui

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// A refusal is an error as the page shows it: one of the API's, or one that the page found itself.
type refusal struct {
	Status     int
	Message    string
	Errors     []patch.Failure
	RetryAfter time.Duration // 0: not said
	Taken      string        // the id that is taken, for a conflict
}

// Error implements error.
func (r *refusal) Error() string { return r.Message }

// refusalOf returns an error of a call as the page shows it.
func (v *visit) refusalOf(err error) *refusal {
	var own *refusal
	if errors.As(err, &own) {
		return own
	}
	var answered *client.Error
	switch {
	case errors.As(err, &answered):
	case errors.Is(err, client.ErrInvalid):
		reason := strings.TrimPrefix(err.Error(), client.ErrInvalid.Error()+": ")
		return &refusal{Status: http.StatusBadRequest, Message: sentence("The request is invalid: " + reason)}
	default:
		if !errors.Is(err, context.Canceled) {
			v.h.log.Error("calling the API for the page failed", "path", v.r.URL.Path, "error", err)
		}
		return &refusal{
			Status:  http.StatusBadGateway,
			Message: "The answer of the API cannot be read. Try again later.",
		}
	}
	r := &refusal{
		Status:     answered.Status,
		Message:    answered.Message,
		Errors:     answered.Failures,
		RetryAfter: answered.RetryAfter,
	}
	detail, _ := answered.Detail.(string)
	switch answered.Code {
	case wire.CodeDatabaseConflict:
		r.Taken = detail
	case wire.CodeInternal:
		if detail != "" { // the id of the line in the log
			r.Message += " (" + detail + ")"
		}
	}
	if r.Message == "" {
		r.Message = http.StatusText(r.Status) + "."
	}
	return r
}

// statusOf returns the HTTP status of an error of a call.
func (v *visit) statusOf(err error) int { return v.refusalOf(err).Status }

// A complaint is what a page shows above a form that was refused.
type complaint struct {
	Message string
	Errors  []patch.Failure
}

func (r *refusal) complaint() complaint { return complaint{r.Message, r.Errors} }

// fail shows an error that the page found itself.
func (v *visit) fail(status int, message string) {
	v.refused(&refusal{Status: status, Message: message})
}

// busy shows that the budget has no room for the visit.
func (v *visit) busy() {
	v.refused(&refusal{
		Status:     http.StatusServiceUnavailable,
		Message:    "The server is busy. Try again in a few seconds.",
		RetryAfter: 5 * time.Second,
	})
}

// refused shows an error.
func (v *visit) refused(err error) {
	r := v.refusalOf(err)
	title := "Error"
	switch r.Status {
	case http.StatusNotFound:
		title = "Not found"
	case http.StatusServiceUnavailable:
		title = "Temporarily unavailable"
	}
	v.again(r, "error", title, r.complaint())
}

// again shows a form again, with the error that it was refused with. If the visitor's token has ended, it asks for
// another.
func (v *visit) again(err error, page, title string, data any) {
	r := v.refusalOf(err)
	if r.Status == http.StatusUnauthorized {
		v.askToSignIn()
		return
	}
	v.retryAfter(r)
	v.show(r.Status, page, title, data)
}

// retryAfter sets the header Retry-After to the time of the API.
func (v *visit) retryAfter(r *refusal) {
	if r.RetryAfter > 0 {
		v.w.Header().Set("Retry-After", strconv.Itoa(int(r.RetryAfter/time.Second)))
	}
}
