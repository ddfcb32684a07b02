// Package httpapi serves a catalog over HTTP: the feed that Jamf Pro reads, and the calls with which people and scripts
// manage titles. The calls are those of the systems in this field (CommunityPatch, Patch Server, Stupid Simple Patch
// Server), so that their clients keep working.
//
// [New] returns one http.Handler of everything. It can be mounted anywhere, under a prefix with http.StripPrefix.
// Programs that only serve the feed use package httpapi/feed instead, which has fewer dependencies; a [Budget] bounds
// what its clients cost. Package httpapi/server assembles a whole patch source.
//
// No call ever answers with a redirect, since Jamf Pro takes one for a broken source. A path may have slashes doubled
// or at its end. http.ServeMux redirects such paths before any handler sees them: if administrators type the address,
// mount the handler at the root of a server, or behind a router that does not clean paths.
//
// # People
//
// An [Authenticator] identifies the principal of a request, and an [Authorizer] decides about the principal's actions.
// The defaults are the bearer tokens of package auth and its policy. A program with users of its own sets both; [AnyOf]
// accepts its sessions beside the tokens. Browsers attach cookies and Basic credentials to requests that other sites
// cause. Therefore every change is subject to http.CrossOriginProtection.
//
// # Errors
//
// Every error is a JSON object with the member message, which says what failed and how to correct it, and a member that
// is named by the kind of error; see package httpapi/wire. The cause of an internal error is logged under the request
// id in the answer. An X-Request-Id of the request is used if it is valid.
package httpapi

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/patchsource/patchsource/httpapi/feed"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/limit"
	"github.com/patchsource/patchsource/httpapi/internal/listing"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/upload"
	"github.com/patchsource/patchsource/patch/catalog"
)

// New returns a handler of every call. It is safe for concurrent use. It returns an error if c is nil or an option
// cannot be used: a Site that is no absolute URL, TrustedProxies that are no networks, or a Signer that cannot sign.
func New(c *catalog.Catalog, opts *Options) (http.Handler, error) {
	a, err := newAPI(c, opts)
	if err != nil {
		return nil, err
	}
	return a.withFeed(a.router.handler())
}

// An api holds the parts of a handler.
type api struct {
	titles titleService
	router router
	feed   feed.Options
}

func newAPI(c *catalog.Catalog, opts *Options) (*api, error) {
	if c == nil {
		return nil, errors.New("httpapi: New needs a catalog")
	}
	o, site, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	address, err := limit.Address(o.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("httpapi: TrustedProxies: %w", err)
	}
	wrap, err := newWrapper(site, o.Logger)
	if err != nil {
		return nil, fmt.Errorf("httpapi: Site: %w", err)
	}
	a := &api{}
	a.titles = titleService{
		core:      newCore(c, &o, address),
		community: o.Community,
		tokens:    o.Tokens,
		sync:      o.Sync,
	}
	a.router = router{
		wrapper: wrap,
		calls:   newCalls(&a.titles, &o, address),
		root:    o.RootFeed,
		observe: o.Observe,
		other:   o.NotFound,
	}
	a.feed = feed.Options{
		Signer:   o.Signer,
		RootFeed: o.RootFeed,
		Budget:   a.titles.budget,
		Error:    wrap.fail,
		Observe:  o.Observe,
		Listed:   o.Listed,
		Now:      o.Now,
	}
	if o.Community != nil {
		a.feed.Contributors = contributorFeeds{&a.titles}
	}
	return a, nil
}

func newCore(c *catalog.Catalog, o *Options, address limit.AddressFunc) *core {
	budget := o.Budget
	if budget == nil {
		budget = newBudget(address)
	}
	return &core{
		catalog: c,
		access:  newAccess(c, o.Authenticate, o.Authorize, o.Tokens, o.Now),
		bodies:  bodies{budget, o.MaxBodyBytes},
		budget:  budget,
		rate:    limit.NewRate(o.RateLimit, address),
		answers: &answer.Server{Now: o.Now, Send: budget.send, Indent: budget.indent},
		log:     o.Logger,
		audit:   o.Audit,
		now:     o.Now,
		site:    o.Site,
		webPage: o.WebPage,
	}
}

// newCalls returns the calls that the options offer.
func newCalls(titles *titleService, o *Options, address limit.AddressFunc) *calls {
	base := titles.core
	selector := listing.New(base.catalog, o.Survey, o.Sync, o.Watches, o.Now)
	files := uploads{o.UploadDir, o.MaxArchiveBytes, upload.Create}
	inBackground := background{base, o.Jobs, problem.Writer{Table: problems, Log: o.Logger}}
	all := &calls{
		titles:   &titleCalls{titles, publisher{base, o.Community, o.Sync != nil}, selector},
		drafts:   &draftCalls{titles},
		versions: &versionCalls{titles},
		history:  &historyCalls{titles},
		tokens:   &tokenCalls{titles},
		backup:   &backupCalls{base, o.Store, make(chan struct{}, maxTrustedBackups), o.FullBackup},
		restore:  &restoreCalls{base, files, inBackground},
		imports:  &importCalls{base, files, inBackground},
		atom:     &atomCalls{titles},
		lint:     &lintCalls{titles, limit.NewRate(o.LintLimit, address)},
		health:   &healthCalls{base, o.Store, o.TolerateFaults},
	}
	if o.Community != nil {
		all.community = &communityCalls{base, o.Community}
	}
	if o.Sync != nil {
		all.sync = &syncCalls{titles}
	}
	if o.Watches != nil {
		all.watches = &watchCalls{titles, o.Watches}
	}
	if o.Jobs != nil {
		all.jobs = &jobCalls{base, o.Jobs}
	}
	if o.Webhooks != nil {
		all.webhooks = &webhookCalls{base, o.Webhooks}
	}
	if o.Audit != nil {
		all.audit = &auditCalls{base}
	}
	all.overview = &overviewCalls{core: base, selector: selector, all: all}
	return all
}

// withFeed returns a handler of the feed, which passes every other request to next.
func (a *api) withFeed(next http.Handler) (http.Handler, error) {
	opts := a.feed
	opts.Next = next
	return feed.New(a.titles.catalog, &opts)
}
