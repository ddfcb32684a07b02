package webui

import (
	"net/http"
	"path"
	"strings"
)

// verifyPath is the path of the link in the mail to a new contributor. It belongs to the API; browsers get a page.
const verifyPath = "/api/v1/contributors/verify"

// rootSegments are the first segments of the paths of the page.
var rootSegments = map[string]bool{
	"titles":       true,
	"publish":      true,
	"contributors": true,
	"ui":           true,
	"signin":       true,
	"signout":      true,
	"upload":       true,
	"tokens":       true,
	"sources":      true,
	"feeds":        true,
	"proposals":    true,
	"webhooks":     true,
	"backup":       true,
	"jobs":         true,
	"drafts":       true,
	"new":          true,
	"overview":     true,
	"audit":        true,
	"bulk":         true,
	"setup":        true,
}

// Serves reports whether a request is for the page. The root belongs to the page unless the client accepts JSON and not
// HTML.
func Serves(r *http.Request) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	accept := r.Header.Get("Accept")
	switch {
	case r.URL.Path == "/":
		return strings.Contains(accept, "text/html") || !strings.Contains(accept, "json")
	case r.URL.Path == verifyPath:
		return r.Method == http.MethodGet && strings.Contains(accept, "text/html")
	}
	return rootSegments[first]
}

// A room is the type of the pages of one subject. Its methods answer requests.
type room interface{ ~struct{ *visit } }

// on routes a pattern to a page of a room.
func on[R room](h *handler, pattern string, page func(R)) {
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		v := h.begin(w, r)
		defer v.end()
		page(R{v})
	})
}

// routes registers the pages. Every request that changes something is a POST.
func (h *handler) routes() {
	on(h, "GET /{$}", titlePages.table)
	on(h, "GET /titles/{id}", titlePages.title)
	on(h, "GET /titles/{id}/history/{n}", titlePages.revision)
	on(h, "GET /publish", publishPages.form)
	h.mux.HandleFunc("GET /ui/{file}", h.serveAsset)
	on(h, "/", errorPages.unknown)
	if h.api == nil {
		return
	}
	on(h, "POST /publish", publishPages.publish)
	on(h, "GET /contributors", contributorPages.list)
	on(h, "POST /contributors", contributorPages.register)
	on(h, "GET /contributors/token", contributorPages.lostForm)
	on(h, "POST /contributors/token", contributorPages.lost)
	on(h, "GET "+verifyPath, contributorPages.verify)
	if h.session == nil {
		on(h, "GET /signin", signInPages.form)
		on(h, "POST /signin", signInPages.signIn)
		on(h, "POST /signout", signInPages.signOut)
	} else if h.session.SignInURL != "" {
		on(h, "GET /signin", signInPages.elsewhere)
	}
	h.routeTitles()
	h.routeDrafts()

	on(h, "GET /overview", overviewPages.get)
	on(h, "POST /bulk", bulkPages.choose)
	on(h, "GET /audit", auditPages.list)
	on(h, "GET /tokens", tokenPages.list)
	on(h, "POST /tokens", tokenPages.create)
	on(h, "GET /tokens/{id}/invalidate", tokenPages.revokeForm)
	on(h, "POST /tokens/{id}/invalidate", tokenPages.revoke)
	on(h, "GET /sources", sourcePages.list)
	on(h, "POST /sources", sourcePages.follow)
	on(h, "POST /sources/now", sourcePages.syncNow)
	h.routeFeeds()
	on(h, "GET /webhooks", webhookPages.list)
	on(h, "POST /webhooks", webhookPages.create)
	on(h, "POST /webhooks/{id}/test", webhookPages.test)
	on(h, "GET /webhooks/{id}/delete", webhookPages.deleteForm)
	on(h, "POST /webhooks/{id}/delete", webhookPages.delete)
	on(h, "GET /webhooks/{id}/deliveries", webhookPages.deliveries)
	on(h, "POST /webhooks/{id}/deliveries/{delivery}/retry", webhookPages.retry)
	on(h, "GET /backup", backupPages.forms)
	on(h, "GET /backup/full", backupPages.full)
	on(h, "POST /backup/restore", backupPages.restore)
	on(h, "POST /backup/import", backupPages.importTitles)
	on(h, "GET /jobs", jobPages.list)
	on(h, "GET /jobs/{id}", jobPages.job)
	h.routeSetup()
}

// routeTitles registers the pages that change titles.
func (h *handler) routeTitles() {
	on(h, "GET /upload", uploadPages.form)
	on(h, "POST /upload", uploadPages.upload)
	on(h, "GET /titles/{id}/edit", editPages.form)
	on(h, "POST /titles/{id}/edit", editPages.save)
	on(h, "GET /titles/{id}/version", versionPages.form)
	on(h, "POST /titles/{id}/version", versionPages.add)
	on(h, "GET /titles/{id}/remove", editPages.removeForm)
	on(h, "POST /titles/{id}/remove", editPages.remove)
	on(h, "GET /titles/{id}/delete", editPages.deleteForm)
	on(h, "POST /titles/{id}/delete", editPages.delete)
	on(h, "POST /titles/{id}/history/{n}/restore", editPages.restore)
	on(h, "POST /titles/{id}/sync", editPages.syncNow)
	on(h, "GET /titles/{id}/token", titleTokenPages.form)
	on(h, "POST /titles/{id}/token", titleTokenPages.renew)
}

// routeDrafts registers the pages that begin and edit drafts.
func (h *handler) routeDrafts() {
	on(h, "GET /new", newPages.form)
	on(h, "POST /new", newPages.create)
	on(h, "GET /drafts", editorPages.list)
	on(h, "GET /titles/{id}/draft", editorPages.form)
	on(h, "POST /titles/{id}/draft", editorPages.change)
	on(h, "GET /titles/{id}/draft/versions/{n}", editorPages.versionForm)
	on(h, "POST /titles/{id}/draft/versions/{n}", editorPages.saveVersion)
	on(h, "GET /titles/{id}/draft/json", editorPages.textForm)
	on(h, "POST /titles/{id}/draft/json", editorPages.saveText)
	on(h, "GET /titles/{id}/draft/publish", editorPages.publishForm)
	on(h, "POST /titles/{id}/draft/publish", editorPages.publish)
	on(h, "POST /titles/{id}/draft/merge", editorPages.mergeDraft)
	on(h, "GET /titles/{id}/draft/discard", editorPages.discardForm)
	on(h, "POST /titles/{id}/draft/discard", editorPages.discard)
	on(h, "GET /titles/{id}/try", editorPages.tryForm)
	on(h, "POST /titles/{id}/try", editorPages.try)
}

// routeFeeds registers the pages about release feeds.
func (h *handler) routeFeeds() {
	on(h, "GET /titles/{id}/watch", watchPages.form)
	on(h, "POST /titles/{id}/watch", watchPages.save)
	on(h, "POST /titles/{id}/watch/check", watchPages.check)
	on(h, "POST /titles/{id}/watch/pause", watchPages.pause)
	on(h, "POST /titles/{id}/watch/resume", watchPages.resume)
	on(h, "GET /titles/{id}/watch/end", watchPages.endForm)
	on(h, "POST /titles/{id}/watch/end", watchPages.end)
	on(h, "GET /feeds", feedPages.list)
	on(h, "GET /feeds/new", feedPages.form)
	on(h, "POST /feeds/new", feedPages.create)
	on(h, "POST /feeds/draft", feedPages.draft)
	on(h, "GET /proposals", proposalPages.list)
	on(h, "POST /proposals/{id}/approve", proposalPages.approve)
	on(h, "GET /proposals/{id}/reject", proposalPages.rejectForm)
	on(h, "POST /proposals/{id}/reject", proposalPages.reject)
}

// policy is the Content-Security-Policy: pages load their own files only, and are in no frame.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	// With no-referrer, browsers would send forms with the origin null.
	header.Set("Referrer-Policy", "same-origin")
	if h.secure || r.TLS != nil { // without TLS, browsers warn that they ignore it
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	if err := h.cross.Check(r); err != nil {
		errorPages{h.begin(w, r)}.foreign()
		return
	}
	if p := r.URL.Path; p != "/" && path.Clean(p) != p { // the mux would redirect
		errorPages{h.begin(w, r)}.notFound()
		return
	}
	h.mux.ServeHTTP(w, r)
}

// errorPages are the pages of requests that no other page answers.
type errorPages struct{ *visit }

// unknown answers a request for a path or a method that does not exist.
func (p errorPages) unknown() {
	var allow []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := *p.r
		other.Method = method
		if _, pattern := p.h.mux.Handler(&other); pattern != "/" {
			allow = append(allow, method)
			if method == http.MethodGet {
				allow = append(allow, http.MethodHead)
			}
		}
	}
	if len(allow) > 0 {
		p.w.Header().Set("Allow", strings.Join(allow, ", "))
		p.fail(http.StatusMethodNotAllowed,
			"This page does not support the method "+p.r.Method+": use "+strings.Join(allow, " or ")+".")
		return
	}
	p.notFound()
}

func (p errorPages) notFound() { p.fail(http.StatusNotFound, "This page does not exist.") }

// foreign answers a change that a page of another site asked for.
func (p errorPages) foreign() {
	p.fail(http.StatusForbidden,
		"This request came from another site, so nothing was changed. Open the page here and try again.")
}
