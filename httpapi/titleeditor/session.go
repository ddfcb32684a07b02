package titleeditor

import (
	"errors"
	"hash/fnv"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/patch/catalog"
)

const (
	// sessionLifetime is how long a session is valid, as Title Editor's are.
	sessionLifetime = 15 * time.Minute
	// maxUser bounds the length of a user name in bytes.
	maxUser = 255
	// tenant is the tenantId of every session.
	tenant = "patchsource"
)

// scope are the privileges in Title Editor's terms that a session names. What it may change is decided by its token.
var scope = []string{"read:patch definitions", "write:patch definitions"}

// sessions begins and checks sessions. A session is a JWT, and nothing about it is stored.
type sessions struct {
	tokens  *auth.Service
	catalog *catalog.Catalog
	key     []byte
	now     func() time.Time
}

// claims are the content of a session. Clients read some of them.
type claims struct {
	jwt.RegisteredClaims
	User     string   `json:"user"`
	ID       uint32   `json:"id"`
	Scope    []string `json:"scope"`
	Domain   string   `json:"domain"`
	TenantID string   `json:"tenantId"`
	// TokenID is the public id of the token that the session was begun with, and ends with.
	TokenID string `json:"tid"`
}

// begin returns a new session for the user of a token.
func (s *sessions) begin(r *http.Request, user, tokenID string) (session string, expires time.Time, err error) {
	now := s.now().Truncate(time.Second)
	expires = now.Add(sessionLifetime)
	domain := r.Host
	if host, _, err := net.SplitHostPort(domain); err == nil {
		domain = host
	}
	session, err = jwt.NewWithClaims(jwt.SigningMethodHS256, &claims{
		RegisteredClaims: jwt.RegisteredClaims{
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(expires),
		},
		User:     user,
		ID:       userID(tokenID),
		Scope:    scope,
		Domain:   domain,
		TenantID: tenant,
		TokenID:  tokenID,
	}).SignedString(s.key)
	return session, expires, err
}

// userID returns the number of the user of a token: one of 31 bits that is not 0.
func userID(tokenID string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(tokenID)) // never fails
	return max(1, h.Sum32()>>1)
}

// authenticate returns the principal of a request and its session, which is nil if the request has a bearer token.
func (s *sessions) authenticate(r *http.Request) (auth.Principal, *claims, error) {
	lines := r.Header["Authorization"]
	if len(lines) != 1 {
		return auth.Principal{}, nil, errNoSession
	}
	scheme, session, _ := strings.Cut(lines[0], " ")
	session = strings.Trim(session, " ")
	if !strings.EqualFold(scheme, "Bearer") || session == "" {
		return auth.Principal{}, nil, errNoSession
	}
	if !strings.Contains(session, ".") {
		p, err := s.tokens.Authenticate(r.Context(), session)
		return p, nil, s.checked(p, err)
	}
	var c claims
	_, err := jwt.ParseWithClaims(session, &c, func(*jwt.Token) (any, error) { return s.key, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(s.now))
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return auth.Principal{}, nil, errExpired
	case err != nil:
		return auth.Principal{}, nil, errNoSession
	}
	p, err := s.tokens.Principal(r.Context(), c.TokenID)
	return p, &c, s.checked(p, err)
}

// checked returns err, or an error for a principal that is not valid. A title's token whose titles are all gone is not,
// even if their ids were taken again.
func (s *sessions) checked(p auth.Principal, err error) error {
	if errors.Is(err, auth.ErrUnauthorized) {
		return errNoSession
	}
	if err == nil && p.Kind == auth.TitleToken && !slices.ContainsFunc(p.Titles, s.exists) {
		return errNoSession
	}
	return err
}

// exists reports whether there is a title with this UID, or there may be one because the catalog is closed.
func (s *sessions) exists(uid string) bool {
	_, err := s.catalog.ByUID(uid)
	return !errors.Is(err, catalog.ErrNotFound)
}

// A sessionAnswer is the answer to a login.
type sessionAnswer struct {
	Token   string `json:"token"`
	Expires string `json:"expires"`
}

// login begins a session. Its body does not count, and is not read.
func (h *handler) login(r *request) error {
	user, password, ok := r.BasicAuth()
	if !ok || len(user) > maxUser {
		return h.failedLogin(r)
	}
	p, err := h.tokens.Authenticate(r.Context(), strings.TrimSpace(password))
	if err := h.sessions.checked(p, err); errors.Is(err, errNoSession) {
		return h.failedLogin(r)
	} else if err != nil {
		return err
	}
	return h.replySession(r, user, p.TokenID)
}

// failedLogin counts a login that has failed, and returns its error.
func (h *handler) failedLogin(r *request) error {
	if after := h.logins.Take(r.Request); after > 0 {
		return &limitedError{after}
	}
	return errLogin
}

// keepAlive begins another session. The old one stays valid until it expires.
func (h *handler) keepAlive(r *request) error {
	if err := r.authenticate(); err != nil {
		return err
	}
	user := r.principal.Name
	if r.session != nil {
		user = r.session.User
	}
	return h.replySession(r, user, r.principal.TokenID)
}

// replySession answers with a new session.
func (h *handler) replySession(r *request, user, tokenID string) error {
	session, expires, err := h.sessions.begin(r.Request, user, tokenID)
	if err != nil {
		return err
	}
	return r.reply(sessionAnswer{Token: session, Expires: formatTime(expires)})
}

// currentAnswer is the answer about a session.
type currentAnswer struct {
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	User     string   `json:"user"`
	ID       uint32   `json:"id"`
	Scope    []string `json:"scope"`
	Domain   string   `json:"domain"`
	TenantID string   `json:"tenantId"`
}

// current answers with the content of the session.
func (h *handler) current(r *request) error {
	if err := r.authenticate(); err != nil {
		return err
	}
	c := r.session
	if c == nil {
		return errNoSession // a bearer token is none
	}
	return r.reply(currentAnswer{
		IssuedAt: c.IssuedAt.Unix(),
		Expires:  c.ExpiresAt.Unix(),
		User:     c.User,
		ID:       c.ID,
		Scope:    c.Scope,
		Domain:   c.Domain,
		TenantID: c.TenantID,
	})
}
