package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/audit"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/catalog"
)

const (
	// defaultAuditLimit and maxAuditLimit are the numbers of entries in an answer.
	defaultAuditLimit = 100
	maxAuditLimit     = 1000
)

// auditCalls are the calls about the audit log.
type auditCalls struct{ *core }

// list answers with the newest entries, page by page.
func (c *auditCalls) list(w http.ResponseWriter, r *http.Request) error {
	if _, err := c.access.permitted(r, auth.ActionAdminister); err != nil {
		return err
	}
	q := r.URL.Query()
	limit, err := strconv.Atoi(cmp.Or(q.Get("limit"), strconv.Itoa(defaultAuditLimit)))
	if err != nil || limit < 1 || limit > maxAuditLimit {
		return &problem.RequestError{Message: fmt.Sprintf("limit must be a number from 1 to %d", maxAuditLimit)}
	}
	title, token := q.Get("title"), q.Get("token")
	found, more, err := c.audit.Entries(r.Context(), q.Get("cursor"), limit, func(e audit.Entry) bool {
		return (token == "" || e.Token == token) && (title == "" || strings.EqualFold(detail(e, "title"), title))
	})
	switch {
	case errors.Is(err, audit.ErrNoEntry):
		return &problem.RequestError{Message: "cursor must be the next of an earlier answer, and its entry still kept"}
	case err != nil:
		return fmt.Errorf("%w: %w", catalog.ErrUnavailable, err)
	}
	page := wire.AuditPage{Entries: []wire.AuditEntry{}}
	for _, e := range found {
		page.Entries = append(page.Entries, describeEntry(e))
	}
	if more {
		page.Next = &found[len(found)-1].ID
	}
	return replyUncached(w, http.StatusOK, page)
}

// detail returns a detail of an entry.
func detail(e audit.Entry, name string) string {
	for _, d := range e.Details {
		if d.Name == name {
			return d.Value
		}
	}
	return ""
}

func describeEntry(e audit.Entry) wire.AuditEntry {
	out := wire.AuditEntry{
		ID:        e.ID,
		At:        e.At,
		Action:    e.Action,
		Principal: wire.String(e.Principal),
		Details:   map[string]string{},
	}
	if e.Token != "" {
		out.Token = &wire.AuditToken{ID: e.Token, Name: e.TokenName}
	}
	for _, d := range e.Details {
		out.Details[d.Name] = d.Value
	}
	return out
}
