package feed

import (
	"net/http"

	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/patch/catalog"
)

// A handler serves the feed and passes every other request on.
//
// It has no router: a router takes a path apart by regular expressions and copies the request, which costs more than
// the whole answer. The feed has three paths, and nearly all requests are for them.
type handler struct {
	catalog      *catalog.Catalog
	root         bool
	contributors Contributors // nil: there are none
	sealer       *sealer      // nil: definitions are not signed
	answers      *answer.Server
	observe      trace.ObserveFunc // nil: nothing is observed
	listed       func(r *http.Request)
	next         http.Handler
	fail         func(w http.ResponseWriter, r *http.Request, err error)
}

var nosniff = []string{"nosniff"}

// ServeHTTP implements http.Handler. It answers for a handler that panics, and sets the header that every answer has.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if v := recover(); v != nil {
			h.fail(w, r, problem.Recovered(v))
		}
	}()
	w.Header()["X-Content-Type-Options"] = nosniff
	p := h.match(r.URL.Path)
	switch {
	case p.call == notFeed:
		h.next.ServeHTTP(w, r)
	case h.observe == nil:
		h.serve(w, r, p)
	default:
		h.observed(trace.NewRecorder(w), r, p)
	}
}

// ServeRecorded implements trace.Handler.
func (h *handler) ServeRecorded(rec *trace.Recorder, r *http.Request) {
	p := h.match(r.URL.Path)
	if p.call == notFeed {
		h.ServeHTTP(rec, rec.Request(r))
		return
	}
	defer func() {
		if v := recover(); v != nil {
			h.failed(rec, r, problem.Recovered(v))
		}
	}()
	rec.Header()["X-Content-Type-Options"] = nosniff
	if h.observe == nil {
		h.serve(rec, r, p)
		return
	}
	h.observed(rec, r, p)
}

// observed answers a call of the feed and observes the outcome.
func (h *handler) observed(rec *trace.Recorder, r *http.Request, p path) {
	defer rec.Report(h.observe, p.route(), r.Method)
	h.serve(rec, r, p)
	rec.End()
}

// failed answers with an error. The log has the request's id.
func (h *handler) failed(w http.ResponseWriter, r *http.Request, err error) {
	if rec, ok := w.(*trace.Recorder); ok {
		r = rec.Request(r)
	}
	h.fail(w, r, err)
}

// notFound answers the requests that are not for the feed.
func (h *handler) notFound(w http.ResponseWriter, r *http.Request) {
	h.fail(w, r, &problem.PathError{Path: r.URL.Path})
}

// serve answers a call of the feed.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, p path) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.failed(w, r, &problem.MethodError{Method: r.Method, Allow: "GET, HEAD"})
		return
	}
	doc, err := h.read(r, p)
	contentType := answer.JSON
	if err == nil && h.sealer != nil && p.call == definition {
		doc, err = h.sealer.seal(doc)
		contentType = contentCMS
	}
	if err == nil {
		err = h.answers.Serve(w, r, doc, contentType)
	}
	switch {
	case err != nil:
		h.failed(w, r, err)
	case h.listed != nil && p.call != definition:
		h.listed(r)
	}
}

// read returns the document that a call asks for.
func (h *handler) read(r *http.Request, p path) (answer.Document, error) {
	if p.contributor != "" {
		return h.readContributor(r, p)
	}
	switch p.call {
	case software:
		return h.list(answer.Of(h.catalog.Software())), nil
	case selection:
		return h.list(answer.Of(h.catalog.Select(p.arg))), nil
	}
	return documentOf(h.catalog.Definition(r.Context(), p.arg))
}

// readContributor returns the document that a call of a contributor's own feed asks for.
func (h *handler) readContributor(r *http.Request, p path) (answer.Document, error) {
	id, ok := h.contributors.ContributorID(p.contributor)
	if !ok {
		return nil, &problem.PathError{Path: r.URL.Path}
	}
	switch p.call {
	case software:
		if r.URL.RawQuery != "" && r.URL.Query().Has("extend") {
			list, err := h.contributors.ExtendedList(id)
			if err != nil {
				return nil, err
			}
			return h.list(answer.New(list, h.answers.Now())), nil
		}
		return h.listOf(h.catalog.SoftwareOf(id))
	case selection:
		return h.listOf(h.catalog.SelectOf(id, p.arg))
	}
	return documentOf(h.catalog.DefinitionOf(r.Context(), id, p.arg))
}

// list returns a list, without its time if other servers may have the same list with another time.
func (h *handler) list(doc answer.Document) answer.Document {
	if h.catalog.Shared() {
		return answer.Undated(doc)
	}
	return doc
}

// listOf returns what the catalog has returned as a list.
func (h *handler) listOf(d *catalog.Document, err error) (answer.Document, error) {
	doc, err := documentOf(d, err)
	if err != nil {
		return nil, err
	}
	return h.list(doc), nil
}

// documentOf returns a document of the catalog, or the error that the catalog returned with it.
func documentOf(d *catalog.Document, err error) (answer.Document, error) {
	if err != nil {
		return nil, err
	}
	return answer.Of(d), nil
}
