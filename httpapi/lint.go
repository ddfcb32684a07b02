package httpapi

import (
	"errors"
	"net/http"

	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/limit"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// lintCalls are the calls that check and evaluate definitions and store nothing.
type lintCalls struct {
	*titleService
	rate *limit.Rate
}

// lint answers with the failures and warnings of a definition.
func (c *lintCalls) lint(w http.ResponseWriter, r *http.Request) error {
	if _, err := c.access.anyone(r, c.rate); err != nil {
		return err
	}
	body, err := c.bodies.read(w, r)
	if err != nil {
		return err
	}
	result := wire.LintResult{Errors: []patch.Failure{}, Warnings: []patch.Warning{}}
	def, err := patch.Parse(body, c.bodies.parseOptions())
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
		warnings, err := patch.LintContext(r.Context(), def, &patch.LintOptions{Now: c.now()})
		if err != nil {
			return err
		}
		result.Warnings = append(result.Warnings, warnings...)
	}
	answer.WriteJSON(w, http.StatusOK, result)
	return nil
}
