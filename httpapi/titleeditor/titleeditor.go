// Package titleeditor serves the REST API v2 of Jamf's Title Editor over a catalog, so that the programs which automate
// patch definitions through that API work with a server of one's own: Windoo, Xolo, the scripts of the Marriott Library
// and the processors of AutoPkg.
//
// # Sessions
//
// A client logs in with Basic authentication at /v2/auth/tokens. The password is a bearer token of package auth; the
// user name can be anything, and is part of the session. The answer has a session: a JWT that is valid for 15 minutes.
// A session may do what its token may do, and ends with the token. A bearer token itself is accepted in place of a
// session.
//
// # Titles and patches
//
// A title or a patch can be disabled: it is kept and not served. What is made through this API is disabled until it is
// complete and enabled, so that a version that is put together by ten calls is served as a whole by the last of them. A
// change that makes a patch incomplete disables it, and its title if it was the last one that was enabled. A disabled
// title or patch is only shown to clients that may change it.
//
// The current version of a title that is served is always that of its first enabled patch. A client may set it, and a
// disabled title keeps what was set.
//
// Titles that follow an upstream are shown with a sourceId other than 0, and cannot be changed. The id of a title
// cannot be changed either: other records of the server refer to it.
package titleeditor

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/audit"
	"github.com/patchsource/patchsource/httpapi/internal/limit"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

const (
	defaultLoginLimit = 60
	// minKey is the minimum length of Config.Key in bytes.
	minKey = 32
)

// A Config describes a handler of the API. Catalog and Tokens are required.
type Config struct {
	// Catalog holds the titles.
	Catalog *catalog.Catalog
	// Tokens checks the tokens that clients log in with.
	Tokens *auth.Service
	// Audit is the audit log of changes. If nil, there is none.
	Audit *audit.Log
	// Key signs the sessions: at least 32 bytes, such as auth.Secret.Key("title-editor-sessions"). Servers over one
	// store need the same Key. If nil, it is random: the sessions end with the process, and hold on this server only.
	Key []byte
	// Authorize decides what a principal may do, as httpapi.Options.Authorize does. If nil, it is auth.Authorize.
	Authorize func(ctx context.Context, p auth.Principal, a auth.Action, t auth.Title) error
	// Own calls create, which makes a title for a principal and returns its id, with options that say who owns the
	// title; httpapi.Owner returns one. If nil, the titles of a contributor get the contributor's id as the author, and
	// other titles have no owner.
	Own OwnFunc

	// Site is the URL at which clients reach the server. Pages of that origin may make changes.
	Site string
	// TrustedProxies are the networks, such as 10.0.0.0/8, of the reverse proxies in front of the server, whose
	// X-Forwarded-For header names the client. If empty, the client address is that of the connection.
	TrustedProxies []string
	// LoginLimit bounds the failed logins per hour of a client address. Logins that succeed are not counted, and not
	// refused. The default is 60; a negative number means no limit.
	LoginLimit int
	// MaxBodyBytes bounds the body of a request. The default is 10 MiB; a negative number means no limit.
	MaxBodyBytes int
	// Budget limits the work and the memory that clients which may not change every title cause. If nil, they are not
	// limited.
	Budget Budget

	// Observe, if not nil, is called with the outcome of each request, as httpapi.Options.Observe is.
	Observe func(route, method string, status int, bytes int64, took time.Duration)
	// Logger receives changes, and the causes of internal errors. If nil, nothing is logged.
	Logger *slog.Logger
	// Now is the clock. If nil, it is time.Now.
	Now func() time.Time
}

// An OwnFunc calls create with the options of a title that a principal makes: Author, Contributor, Mailbox and Account.
// A title with an Author has the author in its id and its name; create returns the id.
type OwnFunc = func(
	ctx context.Context, p auth.Principal, create func(owner catalog.CreateOptions) (id string, err error),
) error

// A Budget limits the work and the memory that clients cause. An httpapi.Budget implements it.
type Budget interface {
	// Enter waits until a request may process so many bytes. The caller calls leave afterward.
	Enter(r *http.Request, bytes int64) (within *http.Request, leave func(), err error)
	// EnterBody waits for room for the body of a request, of at most maxBytes. member is true for a client that has a
	// session. The caller calls leave when the body is no longer in memory.
	EnterBody(w http.ResponseWriter, r *http.Request, maxBytes int64, member bool) (
		within *http.Request, leave func(), err error,
	)
	// EnterAnswer waits for room for an answer of so many bytes. The caller calls leave when it was sent.
	EnterAnswer(w http.ResponseWriter, r *http.Request, bytes int) (leave func(), err error)
}

// A handler is the handler of New.
type handler struct {
	catalog   *catalog.Catalog
	sessions  *sessions
	authorize func(ctx context.Context, p auth.Principal, a auth.Action, t auth.Title) error
	own       OwnFunc
	tokens    *auth.Service
	cross     *http.CrossOriginProtection
	logins    *limit.Rate // of those that fail
	maxBytes  int
	budget    Budget // nil: there is none
	log       *slog.Logger
	audit     *audit.Log // may be nil
	now       func() time.Time
	routes    []*route
	none      http.Handler // answers unknown paths
}

// New returns a handler of the paths for which [Serves] reports true. It is safe for concurrent use. It returns an
// error that names the field of cfg that cannot be used.
func New(cfg *Config) (http.Handler, error) {
	if cfg == nil || cfg.Catalog == nil || cfg.Tokens == nil {
		return nil, errors.New("titleeditor: Config.Catalog and Config.Tokens are required")
	}
	key := cfg.Key
	if key == nil {
		key = make([]byte, minKey)
		_, _ = rand.Read(key) // never fails
	}
	if len(key) < minKey {
		return nil, fmt.Errorf("titleeditor: Config.Key has %d bytes: it needs at least %d", len(key), minKey)
	}
	address, err := limit.Address(cfg.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("titleeditor: Config.TrustedProxies: %w", err)
	}
	h := &handler{
		catalog:   cfg.Catalog,
		authorize: cfg.Authorize,
		own:       cfg.Own,
		tokens:    cfg.Tokens,
		cross:     http.NewCrossOriginProtection(),
		logins:    limit.NewRate(cmp.Or(cfg.LoginLimit, defaultLoginLimit), address),
		maxBytes:  cmp.Or(cfg.MaxBodyBytes, patch.DefaultMaxBytes),
		budget:    cfg.Budget,
		log:       trace.Logger(cfg.Logger),
		audit:     cfg.Audit,
		now:       cfg.Now,
	}
	if h.maxBytes < 0 {
		h.maxBytes = math.MaxInt
	}
	if h.authorize == nil {
		h.authorize = auth.Authorize
	}
	if h.own == nil {
		h.own = ownByID
	}
	if h.now == nil {
		h.now = time.Now
	}
	if cfg.Site != "" {
		site, err := url.Parse(cfg.Site)
		if err != nil {
			return nil, fmt.Errorf("titleeditor: Config.Site: %w", err)
		}
		if err := h.cross.AddTrustedOrigin(site.Scheme + "://" + site.Host); err != nil {
			return nil, fmt.Errorf("titleeditor: Config.Site: %w", err)
		}
	}
	h.sessions = &sessions{tokens: cfg.Tokens, catalog: cfg.Catalog, key: key, now: h.now}
	h.addRoutes(cfg.Observe)
	return h, nil
}

// Serves reports whether a path belongs to the API: it is /v2, or below it. Slashes at the beginning may be doubled, as
// they are if the address that a client was given ends with one.
func Serves(path string) bool {
	first, _, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	return first == "v2" && strings.HasPrefix(path, "/")
}

// ownByID is the OwnFunc of a Config without one.
func ownByID(
	_ context.Context, p auth.Principal, create func(owner catalog.CreateOptions) (id string, err error),
) error {
	var owner catalog.CreateOptions
	if p.Kind == auth.Contributor {
		owner.Author, owner.Contributor = p.Contributor, p.Contributor
	}
	_, err := create(owner)
	return err
}
