package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// askFor signs the visitor in if need be and reads something of the API into value; if
// it cannot, it says so.
func (v *visit) askFor(target string, value any) bool {
	if !v.signedIn() {
		return false
	}
	a := v.ask("GET", target, nil)
	if !a.ok() || !a.into(value) {
		if a.status == http.StatusNotFound {
			a.Message = "This server does not offer this."
		}
		v.refused(a)
		return false
	}
	return true
}

// split returns the words of a list that people type.
func split(list string) []string {
	return strings.FieldsFunc(
		list,
		func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\n' || r == '\r' || r == '\t' },
	)
}

// A source is one that is followed.
type source struct {
	Title       string            `json:"title"`
	Mirror      string            `json:"mirror"`
	URL         string            `json:"url"`
	LastAttempt *time.Time        `json:"last_attempt"`
	LastSuccess *time.Time        `json:"last_success"`
	LastChange  *time.Time        `json:"last_change"`
	NextAttempt *time.Time        `json:"next_attempt"`
	Failures    int               `json:"failures"`
	LastError   string            `json:"last_error"`
	Titles      int               `json:"titles"`
	Refused     map[string]string `json:"refused"`
	// MayAsk says that the visitor may have it asked now.
	MayAsk bool `json:"-"`
}

// A sourcesPage lists what is followed, and has more followed.
type sourcesPage struct {
	Sources []source `json:"sources"`
	ID, URL string
	complaint
}

func (v *visit) sources() { v.showSources(http.StatusOK, sourcesPage{}) }

func (v *visit) showSources(status int, p sourcesPage) {
	if v.askFor("/api/v1/sync", &p) {
		mine := map[string]bool{}
		for t := range v.h.cat.Titles() {
			mine[t.ID] = v.who.MayChange(t)
		}
		for i, s := range p.Sources {
			p.Sources[i].MayAsk = v.who.Administrator() || mine[s.Title]
		}
		// What fails first.
		slices.SortStableFunc(p.Sources, func(a, b source) int { return trouble(b) - trouble(a) })
		v.show(status, "sources", "Sources", p)
	}
}

// trouble is how much is wrong with a source: it fails, or not all of it is taken.
func trouble(s source) int {
	switch {
	case s.LastError == "":
		return 0
	case s.Mirror != "" && s.Failures == 0:
		return 1
	}
	return 2
}

// follow has a title follow an address.
func (v *visit) follow() {
	if !v.signedIn() || !v.form() {
		return
	}
	p := sourcesPage{ID: v.value("id"), URL: v.value("json_url")}
	a := v.askJSON("POST", "/api/v1/subscribe", map[string]string{"id": p.ID, "json_url": p.URL})
	if a.ok() {
		v.done(a, "/titles/"+url.PathEscape(a.ID))
		return
	}
	p.complaint = complaint{a.Message, a.Errors}
	v.retryAfter(a)
	v.showSources(a.status, p)
}

// syncSource asks a source now.
func (v *visit) syncSource() {
	if !v.signedIn() || !v.form() {
		return
	}
	var a *answer
	if mirror := v.r.PostFormValue("mirror"); mirror != "" {
		a = v.askJSON("POST", "/api/v1/sync", map[string]string{"mirror": mirror})
	} else {
		a = v.ask("POST", titlePath(v.value("title"), "/sync"), nil)
	}
	if a.ok() {
		a.Message = "It will be asked in a moment. Open this page again to see how it went."
	}
	v.done(a, "/sources")
}

// A webhook is one in the list.
type webhook struct {
	ID          string     `json:"id"`
	URL         string     `json:"url"`
	Enabled     bool       `json:"enabled"`
	VerifySSL   bool       `json:"verify_ssl"`
	Definition  bool       `json:"send_definition"`
	Format      string     `json:"format"`
	Signed      bool       `json:"signed"`
	Events      []string   `json:"events"`
	Titles      []string   `json:"titles"`
	Pending     int        `json:"pending"`
	Dropped     int        `json:"dropped"`
	Failures    int        `json:"failures"`
	LastAttempt *time.Time `json:"last_attempt"`
	LastSuccess *time.Time `json:"last_success"`
	NextAttempt *time.Time `json:"next_attempt"`
	LastError   string     `json:"last_error"`
}

// A webhooksPage lists webhooks and makes them.
type webhooksPage struct {
	Webhooks    []webhook
	URL, Format string
	Titles      string
	Events      []string
	Definition  bool
	Verify      bool
	complaint
}

// Tells reports whether the form has an event chosen.
func (p webhooksPage) Tells(event string) bool { return slices.Contains(p.Events, event) }

func (v *visit) webhooks() {
	v.showWebhooks(
		http.StatusOK,
		webhooksPage{Verify: true, Events: []string{"new_title", "title_updated", "title_deleted"}},
	)
}

func (v *visit) showWebhooks(status int, p webhooksPage) {
	if v.askFor("/api/v1/webhooks", &p.Webhooks) {
		v.show(status, "webhooks", "Webhooks", p)
	}
}

func (v *visit) addWebhook() {
	if !v.signedIn() || !v.form() {
		return
	}
	p := webhooksPage{
		URL:        v.value("url"),
		Format:     v.value("format"),
		Titles:     v.value("titles"),
		Events:     v.r.PostForm["event"],
		Definition: v.value("send_definition") != "",
		Verify:     v.value("verify_ssl") != "",
	}
	if len(p.Events) == 0 { // which the API takes for all
		p.Message = "No webhook was made: choose what it is told of."
		v.showWebhooks(http.StatusBadRequest, p)
		return
	}
	body := map[string]any{
		"url":             p.URL,
		"format":          p.Format,
		"secret":          v.value("secret"),
		"send_definition": p.Definition,
		"verify_ssl":      p.Verify,
		"events":          p.Events,
	}
	if titles := split(p.Titles); len(titles) > 0 {
		body["titles"] = titles
	}
	a := v.askJSON("POST", "/api/v1/webhooks", body)
	if a.ok() {
		v.done(a, "/webhooks")
		return
	}
	p.complaint = complaint{a.Message, a.Errors}
	v.retryAfter(a)
	v.showWebhooks(a.status, p)
}

func (v *visit) testWebhook() {
	if !v.signedIn() {
		return
	}
	a := v.ask("POST", "/api/v1/webhooks/"+url.PathEscape(v.r.PathValue("id"))+"/test", nil)
	if a.ok() {
		a.Message = "A test event is on its way. Open this page again to see how it went."
	}
	v.done(a, "/webhooks")
}

// deleteWebhookForm asks before a webhook is deleted.
func (v *visit) deleteWebhookForm() {
	var all []webhook
	if !v.askFor("/api/v1/webhooks", &all) {
		return
	}
	id := v.r.PathValue("id")
	i := slices.IndexFunc(all, func(w webhook) bool { return w.ID == id })
	if i < 0 {
		v.fail(http.StatusNotFound, "There is no such webhook. It may have been deleted.")
		return
	}
	v.show(http.StatusOK, "deletewebhook", "Delete a webhook", all[i])
}

func (v *visit) deleteWebhook() {
	if !v.signedIn() {
		return
	}
	a := v.ask("DELETE", "/api/v1/webhooks/"+url.PathEscape(v.r.PathValue("id")), nil)
	if a.ok() {
		a.Message = "The webhook was deleted."
	}
	v.done(a, "/webhooks")
}
