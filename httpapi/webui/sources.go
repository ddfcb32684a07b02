package webui

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// sourcePages are the pages about followed sources.
type sourcePages struct{ *visit }

// A source is a source in the list.
type source struct {
	wire.Source
	// MaySync says that the page offers the visitor to have it polled now.
	MaySync bool
}

// rank orders the sources in the list: failing sources come first, then sources with rejected titles.
func (s source) rank() int {
	switch {
	case s.LastError == nil:
		return 2
	case s.Mirror != nil && s.Failures == 0:
		return 1
	}
	return 0
}

// A sourcesPage lists the sources, and has the form to follow another.
type sourcesPage struct {
	Sources []source
	ID, URL string
	complaint
}

func (p sourcePages) list() { p.showList(http.StatusOK, sourcesPage{}) }

func (p sourcePages) showList(status int, page sourcesPage) {
	if !p.signedIn() {
		return
	}
	all, err := p.api.Sources(p.r.Context())
	if !p.offered(err) {
		return
	}
	for _, s := range all {
		maySync := p.visitor.MayAdminister()
		if s.Title != nil && !maySync {
			t, ok := p.h.catalog.Find(*s.Title)
			maySync = ok && p.visitor.MayChange(t)
		}
		page.Sources = append(page.Sources, source{Source: s, MaySync: maySync})
	}
	slices.SortStableFunc(page.Sources, func(a, b source) int { return a.rank() - b.rank() })
	p.show(status, "sources", "Sources", page)
}

// follow creates a title that follows a URL.
func (p sourcePages) follow() {
	if !p.signedIn() || !p.readForm() {
		return
	}
	page := sourcesPage{ID: p.value("id"), URL: p.value("json_url")}
	answer, err := p.api.Subscribe(p.r.Context(), page.ID, page.URL)
	if err == nil {
		p.redirect("/titles/"+url.PathEscape(answer.ID), sentence(answer.Message))
		return
	}
	r := p.refusalOf(err)
	page.complaint = r.complaint()
	p.retryAfter(r)
	p.showList(r.Status, page)
}

// syncNow has a source polled.
func (p sourcePages) syncNow() {
	if !p.signedIn() || !p.readForm() {
		return
	}
	var err error
	if mirror := p.r.PostFormValue("mirror"); mirror != "" {
		_, err = p.api.SyncMirror(p.r.Context(), mirror)
	} else {
		_, err = p.api.Sync(p.r.Context(), p.value("title"))
	}
	p.done(err, "/sources", "The source will be polled in a moment. Reload this page to see the result.")
}
