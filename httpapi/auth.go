package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/limit"
	"github.com/patchsource/patchsource/patch/catalog"
)

// An Authenticator returns the principal that a request comes from. An embedder brings its own authentication with one;
// [AnyOf] combines several. It must be safe for concurrent use.
//
// An error that is auth.ErrUnauthorized, as errors.Is sees it, is answered with status 401 and a Bearer challenge, or
// with the challenge of another scheme that the error's method Challenge() string returns (RFC 9110, section 11.6.1).
// An error of a store or of a context is answered with 503, any other with 500. The zero Principal counts as
// auth.ErrUnauthorized, and so does a principal that has expired.
type Authenticator func(*http.Request) (auth.Principal, error)

// An Authorizer decides whether a principal may perform an action on a title. It returns nil if it may, and an error
// that is auth.ErrDenied if it may not, which is answered with status 403. Other errors are answered as those of an
// [Authenticator] are. It must be safe for concurrent use and quick: lists ask it for each title. It is never asked
// about an anonymous client.
//
// For auth.ActionCreate, the title has the id that is about to be created and no UID. For auth.ActionTokens, the zero
// Title asks for the calls about tokens as such. For auth.ActionChange, the zero Title asks for every title: a
// principal that may change every title is exempt from the limits of the [Budget] and sees the state of every source.
type Authorizer func(ctx context.Context, p auth.Principal, a auth.Action, t auth.Title) error

// BearerTokens returns an Authenticator that accepts the tokens of an auth.Service, sent as
// "Authorization: Bearer pst_…" (RFC 6750; the scheme in any case).
func BearerTokens(s *auth.Service) Authenticator {
	return func(r *http.Request) (auth.Principal, error) {
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
		return s.Authenticate(r.Context(), strings.Trim(token, " "))
	}
}

// AnyOf returns an Authenticator that asks several in order. The first one that returns a principal, or an error other
// than auth.ErrUnauthorized, decides. If there is none, the error is that of the last one that returned more than
// auth.ErrUnauthorized itself, such as a message or a challenge. Nil ones are left out.
func AnyOf(authenticators ...Authenticator) Authenticator {
	authenticators = slices.DeleteFunc(slices.Clone(authenticators), func(a Authenticator) bool { return a == nil })
	return func(r *http.Request) (auth.Principal, error) {
		unauthorized := auth.ErrUnauthorized
		for _, authenticate := range authenticators {
			p, err := authenticated(authenticate, r)
			if !errors.Is(err, auth.ErrUnauthorized) {
				return p, err
			}
			if err != auth.ErrUnauthorized { // the error itself says less than one that wraps it
				unauthorized = err
			}
		}
		return auth.Principal{}, unauthorized
	}
}

// authenticated returns what an Authenticator returns, and auth.ErrUnauthorized for the zero Principal.
func authenticated(authenticate Authenticator, r *http.Request) (auth.Principal, error) {
	p, err := authenticate(r)
	if err == nil && p.Anonymous() {
		err = auth.ErrUnauthorized
	}
	if err != nil {
		return auth.Principal{}, err
	}
	return p, nil
}

// A tokenError says why a request has no token. It is auth.ErrUnauthorized.
type tokenError struct{ message string }

func (e *tokenError) Error() string { return e.message }

func (e *tokenError) Is(target error) bool { return target == auth.ErrUnauthorized }

// An access identifies principals and decides about their actions. Every decision of this package is made here.
type access struct {
	authenticate Authenticator
	authorize    Authorizer
	standard     bool // authorize is auth.Authorize
	catalog      *catalog.Catalog
	now          func() time.Time
	// sessions is true if requests may be authenticated by other means than the header Authorization.
	sessions bool
}

// newAccess returns an access that accepts the tokens of a service, which may be nil, if authenticate is nil, and
// decides by auth.Authorize if authorize is nil.
func newAccess(
	c *catalog.Catalog, authenticate Authenticator, authorize Authorizer, tokens *auth.Service, now func() time.Time,
) access {
	a := access{authenticate: authenticate, authorize: authorize, catalog: c, now: now, sessions: authenticate != nil}
	if a.authenticate == nil && tokens != nil {
		a.authenticate = BearerTokens(tokens)
	}
	if a.authenticate == nil {
		a.authenticate = AnyOf()
	}
	if a.authorize == nil {
		a.authorize, a.standard = auth.Authorize, true
	}
	return a
}

// principal returns the principal that a request comes from and notes it in the call. A title's token whose titles are
// all gone is not valid, even if their ids were taken again.
func (a access) principal(r *http.Request) (auth.Principal, error) {
	p, err := authenticated(a.authenticate, r)
	if err == nil {
		err = p.CheckExpiry(a.now())
	}
	if err == nil && p.HasToken() && p.Kind == auth.TitleToken && !slices.ContainsFunc(p.Titles, a.exists) {
		err = auth.ErrUnauthorized
	}
	if err != nil {
		return auth.Principal{}, err
	}
	c := callOf(r)
	c.principal, c.trusted = p, a.may(r.Context(), p, auth.ActionChange, auth.Title{})
	return p, nil
}

// exists reports whether there is a title with this UID, or there may be one because the catalog is closed.
func (a access) exists(uid string) bool {
	_, err := a.catalog.ByUID(uid)
	return !errors.Is(err, catalog.ErrNotFound)
}

// may reports whether a principal may perform an action. It is for decisions about the content of an answer and the
// cost of a call: an error of the Authorizer counts as a no. An anonymous client may do nothing; the Authorizer is not
// asked.
func (a access) may(ctx context.Context, p auth.Principal, action auth.Action, t auth.Title) bool {
	return !p.Anonymous() && a.authorize(ctx, p, action, t) == nil
}

// mayChange reports whether a principal may change a title.
func (a access) mayChange(ctx context.Context, p auth.Principal, t catalog.Title) bool {
	return a.may(ctx, p, auth.ActionChange, titleOf(t))
}

// titleOf returns a title in the form that an Authorizer receives.
func titleOf(t catalog.Title) auth.Title {
	return auth.Title{ID: t.ID, UID: t.UID, Contributor: t.Contributor}
}

// permitted returns the principal that a request comes from if it may perform an action that is about no particular
// title.
func (a access) permitted(r *http.Request, action auth.Action) (auth.Principal, error) {
	p, err := a.principal(r)
	if err == nil {
		err = a.authorize(r.Context(), p, action, auth.Title{})
	}
	return p, err
}

// anyone returns the principal of a call that is open to anonymous clients, for whom it is the zero Principal. These
// are counted by rate before anything of their body is read. A token that was sent has to be valid.
func (a access) anyone(r *http.Request, rate *limit.Rate) (auth.Principal, error) {
	p, err := a.principal(r)
	if err == nil {
		return p, nil
	}
	if !errors.Is(err, auth.ErrUnauthorized) || r.Header.Get("Authorization") != "" {
		return auth.Principal{}, err
	}
	callOf(r).unknown = err
	return auth.Principal{}, allow(rate, r)
}

// reader returns the principal of a read that is open to anonymous clients, for whom it is the zero Principal. A reader
// with invalid credentials reads what anonymous clients read. The header Vary names the credentials.
func (a access) reader(w http.ResponseWriter, r *http.Request) auth.Principal {
	token := r.Header.Get("Authorization") != ""
	if !token && !a.sessions {
		return auth.Principal{}
	}
	p, err := a.principal(r)
	switch {
	case token && a.sessions: // a session may count if the token is not valid
		w.Header().Set("Vary", "Authorization, Cookie")
	case token:
		w.Header().Set("Vary", "Authorization")
	case err == nil:
		w.Header().Set("Vary", "Cookie")
	}
	return p
}

// mayManage reports whether a principal may see and revoke a token: its own, and those that neither reach further nor
// last longer. Those of an editor are the ones that were made with its token.
func (a access) mayManage(ctx context.Context, p auth.Principal, t auth.Info) bool {
	switch {
	case p.TokenID == t.ID:
		return true
	case a.may(ctx, p, auth.ActionAdminister, auth.Title{}):
		// A token that is valid for a day does not revoke an administrator's that never expires.
		return t.Kind != auth.Administrator || p.Expires.IsZero() || !outlives(t, p)
	case t.Recovery:
		return false // it was mailed to the owner, whose other tokens may be in the wrong hands
	case !p.Expires.IsZero() && outlives(t, p):
		return false
	case p.Kind == auth.Editor:
		return slices.Contains(t.Chain, p.TokenID) // it changes every title, but the tokens of others are not its own
	case t.Kind == auth.Contributor:
		return p.Kind == auth.Contributor && p.Contributor == t.Contributor
	case t.Kind == auth.TitleToken:
		return !slices.ContainsFunc(t.Titles, func(uid string) bool { return !a.mayGrant(ctx, p, uid) })
	}
	return false
}

// outlives reports whether a token expires after a principal that expires.
func outlives(t auth.Info, p auth.Principal) bool {
	return t.Expires.IsZero() || t.Expires.After(p.Expires)
}

// mayGrant reports whether a principal may make a token for the title with this UID.
func (a access) mayGrant(ctx context.Context, p auth.Principal, uid string) bool {
	t, err := a.catalog.ByUID(uid)
	return err == nil && a.may(ctx, p, auth.ActionTokens, titleOf(t))
}

// covers reports whether a principal may do all that a grant allows, so that a token never grants more than the
// Authorizer allows its creator.
func (a access) covers(ctx context.Context, p auth.Principal, g auth.Grant) bool {
	switch g.Kind {
	case auth.Administrator:
		return a.may(ctx, p, auth.ActionAdminister, auth.Title{})
	case auth.Editor:
		return a.may(ctx, p, auth.ActionCreate, auth.Title{}) && a.may(ctx, p, auth.ActionChange, auth.Title{})
	case auth.TitleToken:
		return !slices.ContainsFunc(g.Titles, func(uid string) bool { return !a.mayGrant(ctx, p, uid) })
	}
	return true // a contributor's, which auth.Service compares with the maker
}
