package titleeditor

import (
	"cmp"
	"context"
	"errors"
	"hash/crc32"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/patchsource/patchsource/auth"
)

// sessionTime is how long a session is valid.
const sessionTime = 15 * time.Minute

// claims are what a session says. Clients read exp, user, domain and tenantId.
type claims struct {
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	User     string   `json:"user"`
	ID       uint32   `json:"id"` // of the token, as a number
	Scope    []string `json:"scope"`
	Domain   string   `json:"domain"`
	TenantID string   `json:"tenantId"`
	TokenID  string   `json:"tid,omitempty"`
}

// The methods of jwt.Claims.

func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return date(c.Expires), nil }
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)       { return date(c.IssuedAt), nil }
func (c *claims) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (c *claims) GetIssuer() (string, error)                   { return "", nil }
func (c *claims) GetSubject() (string, error)                  { return c.User, nil }
func (c *claims) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }

func date(seconds int64) *jwt.NumericDate { return jwt.NewNumericDate(time.Unix(seconds, 0)) }

// A session is the body that answers a login.
type session struct {
	Token   string `json:"token"`
	Expires string `json:"expires"`
}

// The privileges of Title Editor that a session has.
var (
	scopeRead  = []string{"read:patch definitions"}
	scopeWrite = []string{"read:patch definitions", "write:patch definitions"}
)

// newSession returns a session that begins now.
func (a *api) newSession(ctx context.Context, p auth.Principal, user, domain string) (*session, error) {
	now := a.Now()
	c := &claims{
		IssuedAt: now.Unix(),
		Expires:  now.Add(sessionTime).Unix(),
		User:     user,
		ID:       crc32.ChecksumIEEE([]byte(p.TokenID)) >> 1,
		Scope:    scopeRead,
		Domain:   domain,
		TenantID: "patchsource",
		TokenID:  p.TokenID,
	}
	if a.Authorize(ctx, p, auth.ActionCreate, auth.Title{Contributor: p.Contributor}) == nil ||
		p.Kind == auth.TitleToken {
		c.Scope = scopeWrite
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(a.Key)
	if err != nil {
		return nil, err
	}
	return &session{token, time.Unix(c.Expires, 0).UTC().Format(time.RFC3339)}, nil
}

// login answers a login with a session. It does not read the body.
func (a *api) login() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			a.fail(w, r, refuse(http.StatusMethodNotAllowed, codeMethod, "The path has no such method."))
			return
		}
		user, password, ok := r.BasicAuth()
		if !ok {
			a.fail(w, r, errLogin)
			return
		}
		p, err := a.Tokens.Authenticate(r.Context(), password)
		if errors.Is(err, auth.ErrUnauthorized) {
			err = errLogin
		}
		if err != nil {
			a.fail(w, r, err)
			return
		}
		const maxUser = 200
		s, err := a.newSession(r.Context(), p, user[:min(len(user), maxUser)], r.Host)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		write(w, http.StatusOK, s)
	})
}

// authenticate returns the principal of a session, or of a token in its place. The error is a refusal, or that of the
// store.
func (a *api) authenticate(r *http.Request) (auth.Principal, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return auth.Principal{}, errNoSession
	}
	if strings.HasPrefix(token, "pst_") {
		return a.Tokens.Authenticate(r.Context(), token)
	}
	c, err := a.session(token)
	if err != nil {
		return auth.Principal{}, err
	}
	p, err := a.Tokens.Principal(r.Context(), c.TokenID)
	if err != nil {
		return auth.Principal{}, err
	}
	return p, nil
}

// session returns the claims of a session that is valid. The error is a refusal.
func (a *api) session(token string) (*claims, error) {
	c := &claims{}
	_, err := jwt.ParseWithClaims(token, c, func(*jwt.Token) (any, error) { return a.Key, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithTimeFunc(a.Now),
		jwt.WithExpirationRequired())
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, errExpired
	case err != nil:
		return nil, errNoSession
	}
	return c, nil
}

// claims returns the claims of the session of a request. A token in its place has some that are made up.
func (c *call) claims() *claims {
	_, token, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if s, err := c.session(strings.TrimSpace(token)); err == nil {
		return s
	}
	return &claims{User: cmp.Or(c.principal.Name, c.principal.TokenID), Domain: c.r.Host}
}

// currentSession answers with the claims of the session.
func (c *call) currentSession() (any, error) {
	s := *c.claims()
	s.TokenID = ""
	return &s, nil
}

// renewSession answers with a new session of the same user. The old one stays valid until it expires.
func (c *call) renewSession() (any, error) {
	s := c.claims()
	return c.newSession(c.r.Context(), c.principal, s.User, s.Domain)
}
