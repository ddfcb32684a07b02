package webui

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// auditPages are the pages of the audit log.
type auditPages struct{ *visit }

// An auditPage is one page of the audit log.
type auditPage struct {
	Entries      []auditRow
	Title, Token string // the filters
	Next         string // the address of the next page; empty: there is none
}

// An auditRow is an entry of the audit log.
type auditRow struct {
	At      time.Time
	Action  string
	Title   string // the id; empty: the change is about no title
	Details []string
	By      string // the name of the token or of the caller
	Token   string // the id of the token
}

// list shows the audit log.
func (p auditPages) list() {
	if !p.signedIn() {
		return
	}
	q := p.r.URL.Query()
	page := auditPage{Title: q.Get("title"), Token: q.Get("token")}
	query := url.Values{}
	for _, name := range []string{"title", "token", "cursor"} {
		if value := q.Get(name); value != "" {
			query.Set(name, value)
		}
	}
	found, err := p.api.AuditPage(p.r.Context(), query)
	if err != nil {
		p.refused(err)
		return
	}
	for _, e := range found.Entries {
		row := auditRow{
			At:     e.At,
			Action: capital(e.Action),
			Title:  e.Details["title"],
			By:     "an author without an account",
		}
		for _, name := range slices.Sorted(maps.Keys(e.Details)) {
			if value := e.Details[name]; name != "title" && value != "0" && value != "false" {
				row.Details = append(row.Details, name+" "+e.Details[name])
			}
		}
		switch {
		case e.Token != nil:
			row.Token, row.By = e.Token.ID, e.Token.Name
			if row.By == "" {
				row.By = "token " + e.Token.ID
			}
		case e.Principal != nil:
			row.By = *e.Principal
		}
		page.Entries = append(page.Entries, row)
	}
	if found.Next != nil {
		query.Set("cursor", *found.Next)
		page.Next = p.h.base + "/audit?" + query.Encode()
	}
	p.show(http.StatusOK, "audit", "Audit log", page)
}
