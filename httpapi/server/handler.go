package server

import (
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/openapi"
	"github.com/patchsource/patchsource/httpapi/titleeditor"
	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/store"
)

// compressed are the types of answers that are compressed here. The feed compresses its own, once for all clients.
var compressed = gzhttp.ContentTypes([]string{
	"text/html",
	"text/css",
	"text/javascript",
	"text/markdown",
	"image/svg+xml",
	"application/yaml",
})

// newHandler returns the handler of everything that the server answers.
func (s *Server) newHandler(c *Config, records store.Store) (http.Handler, error) {
	compress, err := gzhttp.NewWrapper(compressed, gzhttp.EnableZstd(false))
	if err != nil {
		return nil, err
	}
	budget, err := httpapi.NewBudget(c.TrustedProxies)
	if err != nil {
		return nil, err
	}
	if s.reads, err = newReads(c); err != nil {
		return nil, err
	}
	opts := s.apiOptions(c, records)
	opts.Budget = budget
	var page http.Handler // set below: the page calls the API
	opts.NotFound = func(w http.ResponseWriter, r *http.Request) bool {
		if !browsing(r) {
			return false
		}
		page.ServeHTTP(w, r)
		return true
	}
	api, err := httpapi.New(s.Catalog, opts)
	if err != nil {
		return nil, err
	}
	pageHandler, err := webui.New(pages{s}, &webui.Options{
		API:        api,
		Session:    s.session(c, opts.Authenticate),
		Budget:     budget,
		Site:       c.Site,
		SignInHint: c.SignInHint,
		NoWebhooks: s.Webhooks == nil,
		Setup:      c.Setup,
		Publishing: s.Community != nil,
		Help:       help(c.Docs),
		Now:        c.Now,
		Logger:     c.Logger,
	})
	if err != nil {
		return nil, err
	}
	page = compress(pageHandler)
	editor, err := s.titleEditor(c, opts.Community, budget)
	if err != nil {
		return nil, err
	}
	all := &router{api: api, editor: editor, page: s.metrics.Wrap(page), docs: compress(newDocs(c.Docs))}
	if c.Registerer == nil {
		all.metrics = s.metrics
	}
	if !c.AccessLog {
		return all, nil
	}
	logged, err := httpapi.AccessLog(all, c.Logger, c.TrustedProxies)
	if err != nil {
		return nil, err
	}
	return unlessPolled(all, logged), nil
}

// apiOptions returns the options of the API.
func (s *Server) apiOptions(c *Config, records store.Store) *httpapi.Options {
	var authenticate httpapi.Authenticator // nil: tokens alone, so that reads without a token depend on no credentials
	if c.Authenticate != nil {
		authenticate = httpapi.AnyOf(httpapi.BearerTokens(s.Tokens), c.Authenticate)
	}
	return &httpapi.Options{
		Authenticate:    authenticate,
		Authorize:       c.Authorize,
		Tokens:          s.Tokens,
		Community:       services.Community(s.Community),
		Sync:            services.Sync(s.Sync),
		Watches:         services.Watches(s.Sync.Watches()),
		Webhooks:        services.Webhooks(s.Webhooks),
		Survey:          s.Survey,
		Audit:           s.Audit,
		Jobs:            services.Jobs(s.jobs),
		Store:           records,
		MaxArchiveBytes: c.Limits.ArchiveBytes,
		UploadDir:       c.UploadDir,
		Signer:          c.Signer,
		Site:            c.Site,
		RateLimit:       c.Limits.Requests,
		LintLimit:       c.Limits.Lints,
		TrustedProxies:  c.TrustedProxies,
		Logger:          c.Logger,
		MaxBodyBytes:    c.Limits.BodyBytes,
		RootFeed:        c.RootFeed,
		WebPage:         true,
		TolerateFaults:  c.TolerateFaults,
		Observe:         s.metrics.Observe,
		FullBackup:      s.recordFullBackup,
		Listed:          s.reads.note,
		Now:             c.Now,
	}
}

// titleEditor returns the handler of Title Editor's API, and nil if it is switched off.
func (s *Server) titleEditor(c *Config, people httpapi.Community, budget *httpapi.Budget) (http.Handler, error) {
	if c.NoTitleEditor {
		return nil, nil
	}
	var key []byte // nil: random, so that sessions end with the process
	if !c.Secret.IsZero() {
		key = c.Secret.Key("title-editor-sessions")
	}
	return titleeditor.New(&titleeditor.Config{
		Catalog:        s.Catalog,
		Tokens:         s.Tokens,
		Audit:          s.Audit,
		Key:            key,
		Authorize:      c.Authorize,
		Own:            httpapi.Owner(people, s.Tokens),
		Site:           c.Site,
		TrustedProxies: c.TrustedProxies,
		LoginLimit:     c.Limits.Requests,
		MaxBodyBytes:   c.Limits.BodyBytes,
		Budget:         budget,
		Observe:        s.metrics.Observe,
		Logger:         c.Logger,
		Now:            c.Now,
	})
}

// A router passes each request to the part that serves its path.
type router struct {
	api, page, docs http.Handler
	metrics         http.Handler // nil: it has no path
	editor          http.Handler // nil: Title Editor's API is switched off
}

// ServeHTTP implements http.Handler.
func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) { rt.part(r).ServeHTTP(w, r) }

// ServeRecorded implements trace.Handler.
func (rt *router) ServeRecorded(rec *trace.Recorder, r *http.Request) {
	trace.Serve(rt.part(r), rec, r)
}

// part returns the part that serves a request.
func (rt *router) part(r *http.Request) http.Handler {
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/jamf/"): // nearly every request
		return rt.api
	case path == "/metrics" && rt.metrics != nil:
		return rt.metrics
	case rt.editor != nil && titleeditor.Serves(path):
		return rt.editor
	case openapi.Serves(path):
		return rt.docs
	case webui.Serves(r):
		return rt.page
	}
	return rt.api
}

// unlessPolled returns a handler that calls quiet for the paths that machines poll every few seconds, and logged for
// all others.
func unlessPolled(quiet, logged http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz", "/readyz", "/metrics":
			quiet.ServeHTTP(w, r)
		default:
			logged.ServeHTTP(w, r)
		}
	})
}

// browsing reports whether a request for an unknown path is answered with a page: it comes from a browser, and is not
// for the API or the feed, whose answers are JSON for every client.
func browsing(r *http.Request) bool {
	first, _, _ := strings.Cut(strings.TrimLeft(r.URL.Path, "/"), "/")
	return first != "api" && first != "jamf" &&
		(r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		strings.Contains(r.Header.Get("Accept"), "text/html")
}
