package client

import (
	"context"
	"iter"
	"net/url"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// An AuditFilter selects entries of the audit log: those to which all of its fields that are set apply. A nil
// *AuditFilter selects all.
type AuditFilter struct {
	// Title is the id of a title, without regard to case, and Token the id of a token.
	Title, Token string
}

// Audit yields the entries of the audit log that f selects, the newest first. It requests a page at a time. An error
// ends the sequence: it is ErrForbidden unless the token is an administrator's.
func (c *Client) Audit(ctx context.Context, f *AuditFilter) iter.Seq2[wire.AuditEntry, error] {
	return func(yield func(wire.AuditEntry, error) bool) {
		query := url.Values{}
		if f != nil {
			for name, value := range map[string]string{"title": f.Title, "token": f.Token} {
				if value != "" {
					query.Set(name, value)
				}
			}
		}
		for {
			page, err := c.AuditPage(ctx, query)
			if err != nil {
				yield(wire.AuditEntry{}, err)
				return
			}
			for _, e := range page.Entries {
				if !yield(e, nil) {
					return
				}
			}
			if page.Next == nil {
				return
			}
			query.Set("cursor", *page.Next)
		}
	}
}

// AuditPage returns one page of the audit log. query has the parameters of GET /api/v1/audit: title, token, limit and
// cursor.
func (c *Client) AuditPage(ctx context.Context, query url.Values) (wire.AuditPage, error) {
	var page wire.AuditPage
	return page, c.get(ctx, api("audit"), query, &page)
}
