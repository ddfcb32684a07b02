package httpapi

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
)

// calls are the calls beside the feed, by kind. Those whose service is missing are nil.
type calls struct {
	titles    *titleCalls
	overview  *overviewCalls
	drafts    *draftCalls
	versions  *versionCalls
	history   *historyCalls
	tokens    *tokenCalls
	community *communityCalls
	sync      *syncCalls
	watches   *watchCalls
	webhooks  *webhookCalls
	audit     *auditCalls
	backup    *backupCalls
	restore   *restoreCalls
	imports   *importCalls
	jobs      *jobCalls
	atom      *atomCalls
	lint      *lintCalls
	health    *healthCalls
}

// A route is a path and its handlers.
type route struct {
	path    string
	methods methods
}

// always are the routes of the calls that every server has. One call has several paths, of the systems that it comes
// from.
func (c *calls) always() []route {
	put, deleteOld, deleteNew := c.titles.replace, c.titles.delete(http.StatusNoContent), c.titles.delete(http.StatusOK)
	return []route{
		{"/api/v1/title", methods{"POST": c.titles.create}},
		{"/api/title", methods{"POST": c.titles.create}},
		{"/api/v1/titles", methods{"GET": c.titles.list, "POST": c.titles.create}},
		{"/api/v1/title/{id}", methods{"PUT": put, "DELETE": deleteOld}},
		{"/api/title/{id}", methods{"PUT": put, "DELETE": deleteOld}},
		{"/api/v1/titles/{id}", methods{"GET": c.titles.get, "PUT": put, "DELETE": deleteNew}},
		{"/api/v1/title/{id}/version", methods{"POST": c.versions.add}},
		{"/api/v1/title/{id}/version/{version}", methods{"DELETE": c.versions.remove}},
		{"/api/v1/titles/{id}/version", methods{"POST": c.versions.add}},
		{"/api/v1/titles/{id}/version/{version}", methods{"DELETE": c.versions.remove}},
		{"/api/v1/titles/{id}/versions", methods{"POST": c.versions.add}},
		{"/api/v1/titles/{id}/versions/{version}", methods{"DELETE": c.versions.remove}},
		{"/api/title/{id}/version", methods{"POST": c.versions.add}},
		{"/api/title/{id}/version/{version}", methods{"DELETE": c.versions.remove}},
		{"/api/v1/titles/{id}/versions/{version}/clone", methods{"POST": c.versions.clone}},
		{"/api/v1/titles/{id}/order", methods{"POST": c.versions.order}},
		{"/api/v1/titles/{id}/disable", methods{"POST": c.drafts.disable}},
		{"/api/v1/titles/{id}/draft", methods{"GET": c.drafts.get, "PUT": c.drafts.save, "DELETE": c.drafts.discard}},
		{"/api/v1/titles/{id}/draft/publish", methods{"POST": c.drafts.publish}},
		{"/api/v1/drafts", methods{"GET": c.drafts.list}},
		{"/api/v1/overview", methods{"GET": c.overview.get}},
		{"/api/v1/titles/{id}/history", methods{"GET": c.history.list}},
		{"/api/v1/titles/{id}/history/{n}", methods{"GET": c.history.get}},
		{"/api/v1/titles/{id}/history/{n}/diff", methods{"GET": c.history.diff}},
		{"/api/v1/titles/{id}/history/{n}/restore", methods{"POST": c.history.restore}},
		{"/api/v1/title/{id}/token", methods{"POST": c.tokens.forTitle}},
		{"/api/v1/backup", methods{"GET": c.backup.backup}},
		{"/api/v1/restore", methods{"POST": c.restore.restore}},
		{"/api/v1/definitions/from-application", methods{"POST": c.lint.fromApplication}},
		{"/api/v1/lint", methods{"POST": c.lint.lint}},
		{"/api/v1/evaluate", methods{"POST": c.lint.evaluate}},
		{"/feed.atom", methods{"GET": c.atom.all}},
		{"/api/v1/titles/{id}/feed.atom", methods{"GET": c.atom.title}},
		{"/healthz", methods{"GET": c.health.alive}},
		{"/readyz", methods{"GET": c.health.ready}},
	}
}

// ofTokens are the routes of the calls about tokens. A server that issues none only identifies the client.
func (c *calls) ofTokens() []route {
	if c.tokens.tokens == nil {
		return []route{{"/api/v1/token", methods{"GET": c.tokens.self}}}
	}
	return []route{
		{"/api/v1/token", methods{"GET": c.tokens.self, "POST": c.tokens.claim}},
		{"/api/v1/tokens", methods{"GET": c.tokens.list, "POST": c.tokens.create}},
		{"/api/v1/tokens/{id}/invalidate", methods{"POST": c.tokens.invalidate}},
	}
}

func (c *calls) ofCommunity() []route {
	if c.community == nil {
		return nil
	}
	return []route{
		{"/api/v1/contributors", methods{"GET": c.community.list}},
		{"/api/v1/contributors/register", methods{"POST": c.community.register}},
		{"/api/v1/contributors/verify", methods{"GET": c.community.verify}},
		{"/api/v1/contributors/token", methods{"POST": c.community.resetToken}},
		{"/api/v1/contributors/{name}/release", methods{"POST": c.community.release}},
	}
}

// ofSync are the routes of the calls about upstreams. If root is true, subscriptions have paths at the root as well.
func (c *calls) ofSync(root bool) []route {
	if c.sync == nil {
		return nil
	}
	all := []route{
		{"/api/v1/sync", methods{"GET": c.sync.list, "POST": c.sync.mirror}},
		{"/api/v1/title/{id}/sync", methods{"POST": c.sync.title}},
		{"/api/v1/titles/{id}/sync", methods{"POST": c.sync.title}},
		{"/api/v1/subscribe", methods{"POST": c.sync.subscribe}},
		{"/api/v1/unsubscribe/{id}", methods{"POST": c.sync.unsubscribe}},
	}
	if root {
		all = append(all,
			route{"/subscribe", methods{"POST": c.sync.subscribe}},
			route{"/unsubscribe/{id}", methods{"POST": c.sync.unsubscribe}})
	}
	return all
}

func (c *calls) ofWatches() []route {
	if c.watches == nil {
		return nil
	}
	return []route{
		{"/api/v1/titles/{id}/watch", methods{"GET": c.watches.get, "PUT": c.watches.set, "DELETE": c.watches.end}},
		{"/api/v1/titles/{id}/watch/check", methods{"POST": c.watches.check}},
		{"/api/v1/watches", methods{"GET": c.watches.list}},
		{"/api/v1/proposals", methods{"GET": c.watches.proposals}},
		{"/api/v1/proposals/{id}/approve", methods{"POST": c.watches.approve}},
		{"/api/v1/proposals/{id}/reject", methods{"POST": c.watches.reject}},
		{"/api/v1/recipes", methods{"POST": c.watches.create}},
		{"/api/v1/recipes/test", methods{"POST": c.watches.try}},
		{"/api/v1/recipes/draft", methods{"POST": c.watches.draft}},
	}
}

func (c *calls) ofWebhooks() []route {
	if c.webhooks == nil {
		return nil
	}
	return []route{
		{"/api/v1/webhooks", methods{"GET": c.webhooks.list, "POST": c.webhooks.create}},
		{"/api/v1/webhooks/{id}", methods{"DELETE": c.webhooks.delete}},
		{"/api/v1/webhooks/{id}/test", methods{"POST": c.webhooks.test}},
		{"/api/v1/webhooks/{id}/deliveries", methods{"GET": c.webhooks.deliveries}},
		{"/api/v1/webhooks/{id}/deliveries/{delivery}/retry", methods{"POST": c.webhooks.retry}},
	}
}

func (c *calls) ofAudit() []route {
	if c.audit == nil {
		return nil
	}
	return []route{{"/api/v1/audit", methods{"GET": c.audit.list}}}
}

func (c *calls) ofJobs() []route {
	if c.jobs == nil {
		return nil
	}
	return []route{
		{"/api/v1/jobs", methods{"GET": c.jobs.list}},
		{"/api/v1/jobs/{id}", methods{"GET": c.jobs.get}},
	}
}

// isSimple reports whether a path is one of Stupid Simple Patch Server's.
func isSimple(path string) bool {
	return strings.HasPrefix(path, "/api/title") || path == "/subscribe" || path == "/unsubscribe/{id}"
}

// A router routes the requests that are not for the feed.
type router struct {
	*wrapper
	calls   *calls
	root    bool                                              // Stupid Simple Patch Server's paths at the root
	observe trace.ObserveFunc                                 // nil: nothing is observed
	other   func(w http.ResponseWriter, r *http.Request) bool // answers unknown paths; nil: nothing does
}

// handler returns a handler of all routes.
func (rt *router) handler() http.Handler { return cleanPath(rt.mux()) }

func (rt *router) mux() *mux.Router {
	m := mux.NewRouter().SkipClean(true).UseEncodedPath()
	handle := func(path string, f handlerFunc) *mux.Route {
		if isSimple(path) {
			f = simple(f)
		}
		return m.Handle(path, trace.Observe(rt.observe, path, rt.wrap(f)))
	}
	// By its method alone and before /titles/{id}: a title may be called import.
	handle("/api/v1/titles/import", rt.calls.imports.importTitles).Methods("POST")
	for _, routes := range [][]route{
		rt.calls.always(), rt.calls.ofTokens(), rt.calls.ofCommunity(), rt.calls.ofSync(rt.root), rt.calls.ofWatches(),
		rt.calls.ofWebhooks(), rt.calls.ofAudit(), rt.calls.ofJobs(),
	} {
		for _, one := range routes {
			handle(one.path, one.methods.choose())
		}
	}
	m.NotFoundHandler = trace.Observe(rt.observe, "none", rt.wrap(rt.notFound))
	return m
}

// notFound answers a request for a path that no call has.
func (rt *router) notFound(w http.ResponseWriter, r *http.Request) error {
	if rt.other != nil && rt.other(w, r) {
		return nil
	}
	return &problem.PathError{Path: r.URL.Path}
}
