// Package titleeditor serves the REST API of Jamf's Title Editor (version 2) over a catalog, so that scripts and tools
// that were written for Title Editor work against a server of one's own: Windoo, Xolo, AutoPkg processors and others.
//
// Jamf documents the paths, methods and statuses of the API, at https://developer.jamf.com, and hardly the objects. What
// is not documented here follows from what these clients send and expect.
//
// # Sessions
//
// A client logs in with HTTP Basic authentication: any user name, and one of the server's tokens as the password. It
// gets a session, a JSON Web Token that is valid for 15 minutes and ends when the token does. A token of the server is
// accepted in place of a session, too.
//
// # What is different here
//
// The currentVersion of a title that is served is always that of its first enabled patch: a client may set it, and the
// answer has the derived one. A title's id cannot be changed. Titles that follow a source are read-only. There are
// neither sources, nor users, preferences or code signing.
package titleeditor

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"
	"golang.org/x/sync/semaphore"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/patch/catalog"
)

// Config configures the handler that [New] returns.
type Config struct {
	// Catalog has the titles. It is required.
	Catalog *catalog.Catalog
	// Tokens checks the passwords, and the tokens that sessions were begun with. It is required.
	Tokens *auth.Service
	// Key signs the sessions. All servers over one store need the same: derive it from their secret. It has at least 32
	// bytes.
	Key []byte
	// Owner makes contributors the owners of the titles that they create. If nil, contributors cannot create titles.
	Owner Owner
	// Authorize decides what a principal may do. If nil, it is auth.Authorize.
	Authorize func(ctx context.Context, p auth.Principal, a auth.Action, t auth.Title) error
	// MaxBodyBytes bounds the body of a request. The default is 10 MiB; a negative number means no limit.
	MaxBodyBytes int
	// Logger receives changes and the causes of internal errors. If nil, nothing is logged.
	Logger *slog.Logger
	// Now is the clock. If nil, it is time.Now.
	Now func() time.Time
}

// An Owner calls create, which makes a title and returns its id, with options that say that a contributor owns the
// title. The community service of this module is one. It must be safe for concurrent use.
type Owner interface {
	Own(ctx context.Context, contributor string, create func(owner catalog.CreateOptions) (id string, err error)) error
}

const (
	defaultMaxBody = 10 << 20
	// maxBodies bounds the bytes of all bodies that are worked on at once.
	maxBodies = 64 << 20
	// minKey is the minimum length of Config.Key.
	minKey = 32
)

// Serves reports whether the handler is for a path.
func Serves(path string) bool { return path == "/v2" || strings.HasPrefix(path, "/v2/") }

// New returns a handler of the paths below /v2. The caller must not change config afterwards.
func New(config *Config) (http.Handler, error) {
	switch {
	case config == nil || config.Catalog == nil || config.Tokens == nil:
		return nil, errors.New("titleeditor: Config.Catalog and Config.Tokens are required")
	case len(config.Key) < minKey:
		return nil, errors.New("titleeditor: Config.Key has fewer than 32 bytes: derive it with auth.Secret.Key")
	}
	a := &api{Config: *config, bodies: semaphore.NewWeighted(maxBodies)}
	if a.Authorize == nil {
		a.Authorize = auth.Authorize
	}
	if a.Logger == nil {
		a.Logger = slog.New(slog.DiscardHandler)
	}
	if a.Now == nil {
		a.Now = time.Now
	}
	if a.MaxBodyBytes == 0 {
		a.MaxBodyBytes = defaultMaxBody
	}
	return a.router(), nil
}

// An api answers requests. It is safe for concurrent use.
type api struct {
	Config
	bodies *semaphore.Weighted
}

// A call is a request of a principal.
type call struct {
	*api
	r         *http.Request
	w         http.ResponseWriter
	principal auth.Principal
	number    uint64 // in the path
}

// A handlerFunc answers a request: it returns what is written as JSON, nil for no body.
type handlerFunc func(c *call) (any, error)

// methods are the handlers of a path by method.
type methods map[string]handlerFunc

// routes are the handlers by path.
func routes() map[string]methods {
	get := func(k *kind) handlerFunc { return k.get }
	part := func(k *kind) methods { return methods{"GET": get(k), "PUT": k.put, "DELETE": k.delete} }
	return map[string]methods{
		"/v2/softwaretitles":                                {"GET": (*call).listTitles, "POST": (*call).createTitle},
		"/v2/softwaretitles/{number}":                       {"GET": (*call).getTitle, "PUT": (*call).putTitle, "DELETE": (*call).deleteTitle},
		"/v2/softwaretitles/{number}/patches":               {"GET": (*call).listPatches, "POST": (*call).addPatch},
		"/v2/softwaretitles/{number}/patches/autofill":      {"GET": (*call).nothing},
		"/v2/softwaretitles/{number}/requirements":          {"POST": requirements.add},
		"/v2/softwaretitles/{number}/requirements/autofill": {"GET": (*call).nothing},
		"/v2/softwaretitles/{number}/extensionattributes":   {"POST": attributes.add},
		"/v2/patches/{number}":                              part(patches),
		"/v2/patches/{number}/clone":                        {"POST": (*call).clonePatch},
		"/v2/patches/{number}/killapps":                     {"POST": killApps.add},
		"/v2/patches/{number}/components":                   {"POST": components.add},
		"/v2/patches/{number}/components/autofill":          {"GET": (*call).nothing},
		"/v2/patches/{number}/capabilities":                 {"POST": capabilities.add},
		"/v2/patches/{number}/capabilities/autofill":        {"GET": (*call).nothing},
		"/v2/components/{number}":                           part(components),
		"/v2/components/{number}/criteria":                  {"POST": criteria.add},
		"/v2/components/{number}/criteria/autofill":         {"GET": (*call).nothing},
		"/v2/components/{number}/navigation":                {"GET": (*call).nothing},
		"/v2/components/{number}/criteria/navigation":       {"GET": (*call).nothing},
		"/v2/criteria/{number}":                             part(criteria),
		"/v2/capabilities/{number}":                         part(capabilities),
		"/v2/requirements/{number}":                         part(requirements),
		"/v2/killapps/{number}":                             part(killApps),
		"/v2/extensionattributes/{number}":                  part(attributes),
		"/v2/extensionattributes/{number}/navigation":       {"GET": (*call).nothing},
		"/v2/valuelists/criteria/names":                     {"GET": (*call).criterionNames},
		"/v2/valuelists/criteria/types":                     {"GET": (*call).criterionTypes},
		"/v2/valuelists/criteria/operators":                 {"POST": (*call).criterionOperators},
		"/v2/available":                                     {"GET": (*call).nothing},
		"/v2/sources":                                       {"GET": (*call).nothing},
		"/v2/auth/current":                                  {"POST": (*call).currentSession},
		"/v2/auth/keepalive":                                {"POST": (*call).renewSession},
	}
}

// router returns the handler of all paths.
func (a *api) router() http.Handler {
	m := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for path, all := range routes() {
		m.Handle(path, a.handle(all))
	}
	for _, path := range []string{"/v2/auth/tokens", "/v2/auth/token"} {
		m.Handle(path, a.login())
	}
	m.NotFoundHandler = a.answering(func(*http.Request) (any, error) { return nil, errNoPath })
	return m
}
