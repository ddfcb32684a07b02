package httpapi

import (
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/auth"
)

// BearerTokens authenticates by the tokens of an auth.Service, sent as
// "Authorization: Bearer pst_…" (RFC 6750; the word in any case).
func BearerTokens(s *auth.Service) Authenticator { return bearer{s} }

type bearer struct{ service *auth.Service }

func (b bearer) Authenticate(r *http.Request) (auth.Principal, error) {
	lines := r.Header["Authorization"]
	if len(lines) == 0 {
		return auth.Principal{}, &tokenError{"no token was sent: send one as 'Authorization: Bearer pst_…'"}
	}
	scheme, token, ok := strings.Cut(lines[0], " ")
	if len(lines) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") {
		return auth.Principal{}, &tokenError{
			"the Authorization cannot be read: send the token as 'Authorization: Bearer pst_…'",
		}
	}
	return b.service.Authenticate(r.Context(), strings.Trim(token, " "))
}

// A tokenError says why a request has no token. It is auth.ErrUnauthorized.
type tokenError struct{ message string }

func (e *tokenError) Error() string { return e.message }

func (e *tokenError) Is(target error) bool { return target == auth.ErrUnauthorized }
