package webui

import (
	"net/http"
	"slices"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// webhookPages are the pages about webhooks.
type webhookPages struct{ *visit }

// A webhooksPage lists the webhooks, and has the form to create one.
type webhooksPage struct {
	Webhooks    []wire.Webhook
	URL, Format string
	Titles      string
	Events      []string
	Definition  bool
	Verify      bool
	complaint
}

// Sends reports whether the form has an event chosen.
func (p webhooksPage) Sends(event string) bool { return slices.Contains(p.Events, event) }

func (p webhookPages) list() {
	p.showList(http.StatusOK, webhooksPage{
		Verify: true,
		Events: []string{wire.EventNewTitle, wire.EventTitleUpdated, wire.EventTitleDeleted},
	})
}

func (p webhookPages) showList(status int, page webhooksPage) {
	if all, ok := p.webhooks(); ok {
		page.Webhooks = all
		p.show(status, "webhooks", "Webhooks", page)
	}
}

// webhooks returns all webhooks. If it cannot, it shows an error and returns false.
func (p webhookPages) webhooks() ([]wire.Webhook, bool) {
	if !p.signedIn() {
		return nil, false
	}
	all, err := p.api.Webhooks(p.r.Context())
	return all, p.offered(err)
}

func (p webhookPages) create() {
	if !p.signedIn() || !p.readForm() {
		return
	}
	page := webhooksPage{
		URL:        p.value("url"),
		Format:     p.value("format"),
		Titles:     p.value("titles"),
		Events:     p.r.PostForm["event"],
		Definition: p.value("send_definition") != "",
		Verify:     p.value("verify_ssl") != "",
	}
	if len(page.Events) == 0 { // for the API, no events are all
		page.Message = "No webhook was created: choose at least one event."
		p.showList(http.StatusBadRequest, page)
		return
	}
	answer, err := p.api.CreateWebhook(p.r.Context(), wire.WebhookRequest{
		URL:            page.URL,
		Format:         page.Format,
		Secret:         p.value("secret"),
		SendDefinition: page.Definition,
		VerifySSL:      &page.Verify,
		Events:         page.Events,
		Titles:         splitList(page.Titles),
	})
	if err == nil {
		p.redirect("/webhooks", sentence(answer.Message))
		return
	}
	r := p.refusalOf(err)
	page.complaint = r.complaint()
	p.retryAfter(r)
	p.showList(r.Status, page)
}

func (p webhookPages) test() {
	if !p.signedIn() {
		return
	}
	_, err := p.api.TestWebhook(p.r.Context(), p.r.PathValue("id"))
	p.done(err, "/webhooks", "A test event is being delivered. Reload this page to see the result.")
}

// deleteForm asks for confirmation before a webhook is deleted.
func (p webhookPages) deleteForm() {
	if hook, ok := p.webhook(); ok {
		p.show(http.StatusOK, "deletewebhook", "Delete a webhook", hook)
	}
}

// webhook returns the webhook in the path. If it cannot, it shows an error and returns false.
func (p webhookPages) webhook() (wire.Webhook, bool) {
	all, ok := p.webhooks()
	if !ok {
		return wire.Webhook{}, false
	}
	id := p.r.PathValue("id")
	i := slices.IndexFunc(all, func(w wire.Webhook) bool { return w.ID == id })
	if i < 0 {
		p.fail(http.StatusNotFound, "This webhook does not exist. It may have been deleted.")
		return wire.Webhook{}, false
	}
	return all[i], true
}

func (p webhookPages) delete() {
	if !p.signedIn() {
		return
	}
	err := p.api.DeleteWebhook(p.r.Context(), p.r.PathValue("id"))
	p.done(err, "/webhooks", "The webhook was deleted.")
}
