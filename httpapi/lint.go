package httpapi

import (
	"errors"
	"net/http"

	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/patch"
)

// lint says what is wrong with a definition, and what is probably not meant, and
// keeps nothing.
func (a *api) lint(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.access.caller(r, a.lints); err != nil {
		return err
	}
	body, err := a.readJSON(w, r)
	if err != nil {
		return err
	}
	result := struct {
		Errors   []patch.Failure `json:"errors"`
		Warnings []patch.Warning `json:"warnings"`
	}{[]patch.Failure{}, []patch.Warning{}}
	def, err := patch.Parse(body, &patch.ParseOptions{MaxBytes: a.max})
	var invalid *patch.ValidationError
	var syntax *patch.SyntaxError
	switch {
	case errors.As(err, &invalid):
		result.Errors = invalid.Failures
	case errors.As(err, &syntax):
		result.Errors = append(result.Errors, patch.Failure{Path: syntax.Pointer, Message: syntax.Error()})
	case err != nil:
		return err
	default:
		warnings, err := patch.LintContext(r.Context(), def, &patch.LintOptions{Now: a.now()})
		if err != nil {
			return err
		}
		result.Warnings = append(result.Warnings, warnings...)
	}
	answer.WriteJSON(w, http.StatusOK, result)
	return nil
}
