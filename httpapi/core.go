package httpapi

import (
	"cmp"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/audit"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/limit"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/catalog"
)

// A core holds the parts that all calls share. The calls of one kind are methods of a type that adds the parts of their
// own.
type core struct {
	catalog *catalog.Catalog
	access  access
	bodies  bodies
	budget  *Budget
	rate    *limit.Rate // of anonymous clients
	answers *answer.Server
	log     *slog.Logger
	audit   *audit.Log // may be nil
	now     func() time.Time

	site    string // the beginning of links; empty: the host that the client asked for
	webPage bool
}

// reply answers a change.
func (c *core) reply(w http.ResponseWriter, r *http.Request, status int, body wire.Answer) error {
	if callOf(r).simple {
		body.Success = body.Message
	}
	answer.WriteJSON(w, status, body)
	return nil
}

// replyUncached answers with JSON that no cache may keep.
func replyUncached(w http.ResponseWriter, status int, body any) error {
	w.Header().Set("Cache-Control", "no-store")
	answer.WriteJSON(w, status, body)
	return nil
}

// serve answers a read with a document of JSON.
func (c *core) serve(w http.ResponseWriter, r *http.Request, doc answer.Document) error {
	return c.answers.Serve(w, r, doc, answer.JSON)
}

// serveJSON answers a read with v as JSON, which last changed at a time.
func (c *core) serveJSON(w http.ResponseWriter, r *http.Request, v any, changed time.Time) error {
	doc, err := answer.NewJSON(v, changed)
	if err != nil {
		return err
	}
	return c.serve(w, r, doc)
}

// serveList answers a read with a list of titles as JSON, which last changed at a time. The time is left out if other
// servers may have the same list with another time.
func (c *core) serveList(w http.ResponseWriter, r *http.Request, v any, changed time.Time) error {
	doc, err := answer.NewJSON(v, changed)
	if err != nil {
		return err
	}
	if c.catalog.Shared() {
		doc = answer.Undated(doc)
	}
	return c.serve(w, r, doc)
}

// logChange logs a change and the token that it was made with, or the name of a principal without a token, and adds it
// to the audit log.
func (c *core) logChange(r *http.Request, message string, principal auth.Principal, attrs ...any) {
	c.audit.Change(principal, message, attrs...)
	attrs = append(attrs, "token", principal.TokenID)
	if principal.TokenID == "" {
		attrs = append(attrs, "principal", principal.Name)
	}
	c.log.InfoContext(r.Context(), message, attrs...)
}

// makerOf returns how a principal is named in the history of the changes that it makes: by the id of its token, or by
// its name if it has none.
func makerOf(p auth.Principal) string { return cmp.Or(p.TokenID, p.Name) }

// address returns the beginning of links: the site, or the address that the client asked for.
func (c *core) address(r *http.Request) string {
	if c.site != "" {
		return c.site
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + strings.ToLower(r.Host)
}
