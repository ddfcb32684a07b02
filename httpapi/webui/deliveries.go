package webui

import (
	"cmp"
	"net/http"
	"net/url"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// A deliveriesPage lists the deliveries of a webhook.
type deliveriesPage struct {
	Webhook    wire.Webhook
	Deliveries []delivery
}

// A delivery is the delivery of an event as the page shows it.
type delivery struct {
	wire.Delivery
	// RetryURL is the path of the form that retries it.
	RetryURL string
}

// eventNames are the names of events on the page.
var eventNames = map[string]string{
	wire.EventNewTitle:        "New title",
	wire.EventTitleUpdated:    "Changed title",
	wire.EventTitleDeleted:    "Deleted title",
	wire.EventWatchFailed:     "Release feed fails",
	wire.EventWatchRecovered:  "Release feed recovers",
	wire.EventVersionProposed: "Version proposed",
	"test":                    "Test",
}

// Name returns the name of the event.
func (d delivery) Name() string { return cmp.Or(eventNames[d.Event], d.Event) }

// Badge returns the class of the badge of the state.
func (d delivery) Badge() string {
	switch {
	case d.State == wire.DeliveryDelivered:
		return "good"
	case d.State == wire.DeliveryDropped:
		return "bad"
	case d.Error != "":
		return "warn"
	}
	return ""
}

// deliveriesPath returns the path of the page of a webhook's deliveries.
func deliveriesPath(hook string) string { return "/webhooks/" + url.PathEscape(hook) + "/deliveries" }

func (p webhookPages) deliveries() {
	hook, ok := p.webhook()
	if !ok {
		return
	}
	all, err := p.api.Deliveries(p.r.Context(), hook.ID)
	if err != nil {
		p.refused(err)
		return
	}
	page := deliveriesPage{Webhook: hook}
	for _, d := range all {
		page.Deliveries = append(page.Deliveries, delivery{
			Delivery: d,
			RetryURL: deliveriesPath(hook.ID) + "/" + url.PathEscape(d.ID) + "/retry",
		})
	}
	p.show(http.StatusOK, "deliveries", "Deliveries", page)
}

func (p webhookPages) retry() {
	if !p.signedIn() {
		return
	}
	hook := p.r.PathValue("id")
	_, err := p.api.RetryDelivery(p.r.Context(), hook, p.r.PathValue("delivery"))
	p.done(err, deliveriesPath(hook), "The event is being delivered. Reload this page to see the result.")
}
