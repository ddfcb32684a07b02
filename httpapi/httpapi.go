// Package httpapi serves a catalog over HTTP: the feed that Jamf Pro reads, and
// the calls by which people and scripts manage titles. The calls are those of the
// systems in this field (CommunityPatch, Patch Server, Stupid Simple Patch
// Server), so that their clients go on working.
//
// [New] makes one http.Handler of everything; [NewFeed] one of the feed alone,
// for a server that only reads. Either is mounted anywhere in a tree of handlers,
// under a prefix with http.StripPrefix:
//
//	root.Handle("/patch/", http.StripPrefix("/patch", httpapi.New(cat, opts)))
//
// No call ever answers with a redirect: Jamf Pro takes one for a broken source.
// So a path may have slashes doubled or at its end. (http.ServeMux cleans such
// paths by redirect before any handler sees them; a server to which admins type
// the address mounts the handler at its root, or on a router that does not.)
//
// Every error is a JSON object with "message", which says what went wrong and
// how to mend it, and a member named by the kind of error. The cause of an
// internal error goes to the log, under the request id that the answer has too.
package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/feed"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// Options are options of [New] and [NewFeed]. Nil means the zero value.
type Options struct {
	// Authenticate returns the principal of a request. If nil, the bearer tokens issued by Tokens are accepted.
	Authenticate Authenticator
	// Authorize decides what a principal may do. If nil, auth.Authorize does.
	Authorize Authorizer
	// Tokens makes and revokes tokens for those who ask by HTTP. Nil: nobody
	// can, and if Auth is nil too, nobody can change anything.
	Tokens *auth.Service
	// Community publishes titles for those who have no account. Nil: nobody
	// without a token can create anything, and there are no contributors.
	Community Community
	// Sync keeps titles in step with sources elsewhere; somebody else has it run.
	// Nil: titles that follow something stay as they are, and nobody can have one
	// follow anything.
	Sync Sync
	// Webhooks keeps and tells webhooks; somebody else has it run, and made it the
	// catalog's courier. Nil: there are none.
	Webhooks Webhooks
	// Store is what everything is kept in, for full backups. Nil: none are made.
	Store store.Store
	// MaxArchiveBytes bounds the body of a restore or an import. 0: 512 MiB.
	MaxArchiveBytes int64
	// UploadDir is the folder for temporary files, into which the body of a restore
	// or an import is written. It must exist; see [SweepUploads]. If empty, it is
	// os.TempDir().
	UploadDir string
	// Signer, if not nil, signs the definitions of the feed: they are served in
	// CMS envelopes, as those of the vendor's own feed are.
	Signer feed.Signer
	// Site is where the handler is found from outside, such as
	// https://patches.example.com, with the prefix that it is mounted under, for
	// links. Empty: as each client has found it, without a prefix.
	Site string
	// RateLimit is how many requests a client address may make in an hour of
	// those that send mail, or make something without a token. 0:
	// DefaultRateLimit; negative: any number.
	RateLimit int
	// LintLimit is how many definitions a client address may have checked in an hour without a token. 0:
	// DefaultLintLimit; negative: any number.
	LintLimit int
	// Budget bounds what callers cost together who are neither administrators nor editors. If nil, the handler has
	// one of its own.
	Budget *Budget
	// TrustedProxies are the networks (such as 10.0.0.0/8) of the reverse proxies
	// in front, whose X-Forwarded-For says who the client is. Nil: who connects.
	TrustedProxies []string
	// Logger is told of changes, and of the causes of internal errors. Nil:
	// silent.
	Logger *slog.Logger
	// MaxBodyBytes bounds the body of a request. 0: 10 MiB.
	MaxBodyBytes int
	// RootFeed serves the feed at the root too (/software, /patch/{id}), as
	// Stupid Simple Patch Server did, for sources that were added without a path.
	RootFeed bool
	// WebPage says that the page of package httpapi/webui is served beside this
	// handler: links for people lead there. Otherwise they lead to definitions.
	WebPage bool
	// TolerateFaults has /readyz answer 200 although some records cannot be read; see [store.Faults].
	TolerateFaults bool
	// Observe, if not nil, is told of every request when it is answered: its route,
	// which is one of a bounded number (such as /jamf/v1/patch/{id}), its method, the
	// status, the bytes of the body, and how long it took. Package httpapi/metrics
	// has one.
	Observe func(route, method string, status int, bytes int64, took time.Duration)
	// NotFound, if not nil, may answer a request for a path that no call has, such as a
	// browser's, and reports whether it did. Otherwise the answer is a 404 of JSON.
	NotFound func(w http.ResponseWriter, r *http.Request) bool
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// defaultMaxArchive bounds the body of a restore when Options says nothing else.
const defaultMaxArchive = 512 << 20

// An api is all that handlers share.
type api struct {
	cat    *catalog.Catalog
	access access
	toks   *auth.Service // nil: no calls about tokens
	comm   Community     // nil: no public service
	sync   Sync          // nil: nothing is followed

	hooks      Webhooks    // nil: there are none
	store      store.Store // nil: no full backups
	maxArchive int64
	uploadDir  string
	newUpload  func(dir string) (*upload, error)
	tolerant   bool          // readyz says nothing of records that cannot be read
	ownBackups chan struct{} // a place for each backup of administrators and editors

	site    string
	rate    *limiter
	lints   *limiter // of calls that only check a definition
	answers *answer.Server
	signer  feed.Signer // nil: definitions are not signed
	budget  *Budget
	cross   *http.CrossOriginProtection
	log     *slog.Logger
	max     int
	root    bool
	page    bool
	now     func() time.Time

	observe func(route, method string, status int, bytes int64, took time.Duration) // nil: nobody wants to know

	notFound func(w http.ResponseWriter, r *http.Request) bool // nil: unknown paths are answered with JSON
}

func newAPI(cat *catalog.Catalog, opts *Options) (*api, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if cat == nil {
		return nil, errors.New("httpapi: a handler needs a catalog")
	}
	site, err := checkSite(o.Site)
	if err != nil {
		return nil, err
	}
	client, err := clientAddress(o.TrustedProxies)
	if err != nil {
		return nil, err
	}
	a := &api{
		cat:     cat,
		access:  newAccess(cat, &o),
		toks:    o.Tokens,
		comm:    o.Community,
		sync:    o.Sync,
		site:    strings.TrimRight(o.Site, "/"),
		log:     o.Logger,
		max:     o.MaxBodyBytes,
		root:    o.RootFeed,
		page:    o.WebPage,
		now:     o.Now,
		observe: o.Observe,
	}
	a.hooks, a.store, a.maxArchive = o.Webhooks, o.Store, o.MaxArchiveBytes
	a.notFound = o.NotFound
	a.ownBackups = make(chan struct{}, maxOwnBackups)
	a.uploadDir, a.newUpload, a.tolerant = o.UploadDir, newUpload, o.TolerateFaults
	a.rate = newLimiter(cmp.Or(o.RateLimit, DefaultRateLimit), client)
	a.lints = newLimiter(cmp.Or(o.LintLimit, DefaultLintLimit), client)
	if a.budget = o.Budget; a.budget == nil {
		a.budget = newBudget(client)
	}
	a.cross = http.NewCrossOriginProtection()
	if site != nil {
		if err := a.cross.AddTrustedOrigin(site.Scheme + "://" + site.Host); err != nil {
			return nil, fmt.Errorf("httpapi: Site %q: %w", o.Site, err)
		}
	}
	if a.maxArchive == 0 {
		a.maxArchive = defaultMaxArchive
	}
	a.signer = o.Signer
	a.log = trace.Logger(a.log)
	if a.max == 0 {
		a.max = patch.DefaultMaxBytes
	}
	if a.now == nil {
		a.now = time.Now
	}
	a.answers = &answer.Server{Now: a.now, Send: a.send, Indent: a.indent}
	return a, nil
}

// checkSite parses the address that links begin with. It returns nil if there is none.
func checkSite(site string) (*url.URL, error) {
	if site == "" {
		return nil, nil
	}
	u, err := url.Parse(site)
	if err != nil {
		return nil, fmt.Errorf("httpapi: Site: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("httpapi: Site %q must be an address such as https://patches.example.com", u.Redacted())
	}
	return u, nil
}

// New returns a handler of every call. It is safe for concurrent use. It returns an error if c is nil, or if the options
// cannot be used: a Site that is no absolute URL, TrustedProxies that are no networks, or a Signer that cannot sign.
func New(c *catalog.Catalog, opts *Options) (http.Handler, error) {
	a, err := newAPI(c, opts)
	if err != nil {
		return nil, err
	}
	return a.feed(a.routes())
}

// NewFeed returns a handler of the feed that Jamf Pro reads, and of nothing
// else. It is safe for concurrent use. Its errors are those of [New].
func NewFeed(c *catalog.Catalog, opts *Options) (http.Handler, error) {
	a, err := newAPI(c, opts)
	if err != nil {
		return nil, err
	}
	return a.feed(a.handle(a.noSuchCall))
}

// methods are the handlers of one path by method.
type methods map[string]func(http.ResponseWriter, *http.Request) error

// routes returns a handler of the calls beside the feed.
func (a *api) routes() http.Handler { return cleanPath(a.router()) }

// router returns the calls beside the feed, by their paths.
func (a *api) router() *mux.Router {
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	on := func(path string, m methods) {
		answer := a.byMethod(m)
		if strings.HasPrefix(path, "/api/title") || path == "/subscribe" || path == "/unsubscribe/{id}" {
			answer = simple(answer)
		}
		r.Handle(path, a.observed(path, a.handle(answer)))
	}

	// One call has several names, of the systems it comes from.
	on("/api/v1/title", methods{"POST": a.createTitle})
	on("/api/title", methods{"POST": a.createTitle})
	on("/api/v1/titles", methods{"GET": a.listTitles, "POST": a.createTitle})
	// By its method alone: a title may be called import.
	r.Handle("/api/v1/titles/import", a.observed("/api/v1/titles/import", a.handle(a.importTitles))).Methods("POST")
	on("/api/v1/title/{id}", methods{"PUT": a.replaceTitle, "DELETE": a.deleteTitle(http.StatusNoContent)})
	on("/api/title/{id}", methods{"PUT": a.replaceTitle, "DELETE": a.deleteTitle(http.StatusNoContent)})
	on("/api/v1/titles/{id}", methods{"GET": a.getTitle, "PUT": a.replaceTitle, "DELETE": a.deleteTitle(http.StatusOK)})
	for _, path := range []string{"/api/v1/title/{id}/version", "/api/v1/titles/{id}/version", "/api/v1/titles/{id}/versions", "/api/title/{id}/version"} {
		on(path, methods{"POST": a.addVersions})
		on(path+"/{version}", methods{"DELETE": a.removeVersion})
	}
	on("/api/v1/backup", methods{"GET": a.backup})
	on("/api/v1/restore", methods{"POST": a.restore})
	on("/api/v1/titles/{id}/history", methods{"GET": a.history})
	on("/api/v1/titles/{id}/history/{n}", methods{"GET": a.getEdition})
	on("/api/v1/titles/{id}/history/{n}/diff", methods{"GET": a.diffEdition})
	on("/api/v1/titles/{id}/history/{n}/restore", methods{"POST": a.restoreEdition})
	if a.hooks != nil {
		on("/api/v1/webhooks", methods{"GET": a.listHooks, "POST": a.createHook})
		on("/api/v1/webhooks/{id}", methods{"DELETE": a.deleteHook})
		on("/api/v1/webhooks/{id}/test", methods{"POST": a.testHook})
	}
	on("/api/v1/lint", methods{"POST": a.lint})
	on("/api/v1/title/{id}/token", methods{"POST": a.titleToken})
	if a.comm != nil {
		on("/api/v1/contributors", methods{"GET": a.listContributors})
		on("/api/v1/contributors/register", methods{"POST": a.registerContributor})
		on("/api/v1/contributors/verify", methods{"GET": a.verifyContributor})
		on("/api/v1/contributors/token", methods{"POST": a.contributorToken})
		on("/api/v1/contributors/{name}/release", methods{"POST": a.releaseName})
	}
	if a.sync != nil {
		on("/api/v1/sync", methods{"GET": a.listSync, "POST": a.syncMirror})
		on("/api/v1/title/{id}/sync", methods{"POST": a.syncNow})
		on("/api/v1/titles/{id}/sync", methods{"POST": a.syncNow})
		prefixes := []string{"/api/v1"}
		if a.root {
			prefixes = append(prefixes, "")
		}
		for _, prefix := range prefixes {
			on(prefix+"/subscribe", methods{"POST": a.subscribe})
			on(prefix+"/unsubscribe/{id}", methods{"POST": a.unsubscribe})
		}
	}
	token := methods{"GET": a.self}
	if a.toks != nil {
		token["POST"] = a.claim
	}
	on("/api/v1/token", token)
	if a.toks != nil {
		on("/api/v1/tokens", methods{"GET": a.listTokens, "POST": a.makeToken})
		on("/api/v1/tokens/{id}/invalidate", methods{"POST": a.invalidateToken})
	}
	on("/feed.atom", methods{"GET": a.atom})
	on("/api/v1/titles/{id}/feed.atom", methods{"GET": a.titleAtom})
	on("/healthz", methods{"GET": a.alive})
	on("/readyz", methods{"GET": a.ready})
	r.NotFoundHandler = a.observed("none", a.handle(a.noSuchCall))
	return r
}

// handle makes a handler of one that returns its error.
func (a *api) handle(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, end := withCall(r)
		defer end()
		w = &answering{w, callOf(r)}
		err := a.sameSite(r)
		if err == nil {
			err = f(w, r)
		}
		if err != nil {
			a.writeError(w, r, err)
		}
	})
}

// sameSite refuses changes that a page of another site has its visitor's browser make: an embedder's cookie or Basic
// authentication would go with them. Clients that are no browsers send neither Sec-Fetch-Site nor Origin.
func (a *api) sameSite(r *http.Request) error {
	if a.cross.Check(r) != nil {
		return errCrossSite
	}
	return nil
}

// simple marks a call whose answers have the members that Stupid Simple Patch Server's clients look for: success, or
// error, beside the message.
func simple(f func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		callOf(r).simple = true
		return f(w, r)
	}
}

// feed returns a handler of the feed, which passes every other request on.
func (a *api) feed(next http.Handler) (http.Handler, error) {
	opts := &feed.Options{
		Signer:   a.signer,
		RootFeed: a.root,
		Budget:   a.budget,
		Next:     next,
		Error:    a.writeError,
		Observe:  a.observe,
		Now:      a.now,
	}
	if a.comm != nil {
		opts.Contributors = contributorFeeds{a}
	}
	return feed.New(a.cat, opts)
}

// serve answers a read with a document of JSON.
func (a *api) serve(w http.ResponseWriter, r *http.Request, doc answer.Document) error {
	return a.answers.Serve(w, r, doc, answer.JSON)
}

// send waits for room to send a large answer to a caller who is not trusted.
func (a *api) send(w http.ResponseWriter, r *http.Request, bytes int) (leave func(), err error) {
	c := callOf(r)
	if bytes <= smallAnswer || c.trusted {
		return nil, nil
	}
	c.rest()
	return a.budget.EnterAnswer(w, r, bytes)
}

// indent waits for the caller's turn to have a large document indented.
func (a *api) indent(r *http.Request, bytes int) (leave func(), err error) {
	c := callOf(r)
	if bytes <= maxFreeIndent || c.trusted {
		return nil, nil
	}
	c.rest()
	_, leave, err = a.budget.Enter(r, indentCost*int64(bytes))
	return leave, err
}

// observed returns a handler of a route whose requests are observed.
func (a *api) observed(route string, next http.Handler) http.Handler {
	return trace.Observe(a.observe, route, next)
}
