package wire

import "time"

// The events that webhooks receive.
const (
	EventNewTitle     = "new_title"
	EventTitleUpdated = "title_updated"
	EventTitleDeleted = "title_deleted"
)

// The events about release feeds. Only webhooks that name them receive them.
const (
	EventWatchFailed     = "watch_failed"
	EventWatchRecovered  = "watch_recovered"
	EventVersionProposed = "version_proposed"
)

// A Webhook is a webhook in the answer to GET /api/v1/webhooks. Its secret is in no answer.
type Webhook struct {
	ID             string `json:"id"`
	URL            string `json:"url"`
	Enabled        bool   `json:"enabled"`
	VerifySSL      bool   `json:"verify_ssl"`
	SendDefinition bool   `json:"send_definition"`
	// Format is json, slack or teams.
	Format string `json:"format"`
	// Signed is true if deliveries are signed with a secret.
	Signed bool `json:"signed"`
	// Events are the names of the events that are delivered. If empty, those about titles are, and those about release
	// feeds are not.
	Events []string `json:"events"`
	// Titles are the ids of the titles whose events are delivered. If empty, those of all titles are.
	Titles []string `json:"titles"`
	// Pending is the number of pending deliveries, and Dropped the number of abandoned ones.
	Pending int `json:"pending"`
	Dropped int `json:"dropped"`
	// Failures counts the failed deliveries since the last success.
	Failures    int        `json:"failures"`
	LastAttempt *time.Time `json:"last_attempt"`
	LastSuccess *time.Time `json:"last_success"`
	NextAttempt *time.Time `json:"next_attempt"`
	// LastError is null if the last delivery succeeded, and before the first one.
	LastError *string `json:"last_error"`
	// Status is the HTTP status of the last delivery, if it was answered.
	Status int `json:"last_status,omitempty"`
}

// A WebhookRequest is the body of a request for a new webhook.
type WebhookRequest struct {
	URL string `json:"url"`
	// Enabled and VerifySSL are true if they are absent.
	Enabled        *bool `json:"enabled,omitempty"`
	VerifySSL      *bool `json:"verify_ssl,omitempty"`
	SendDefinition bool  `json:"send_definition,omitempty"`
	// Secret is the key that deliveries are signed with. If empty, they are not signed.
	Secret string `json:"secret,omitempty"`
	// Format is json, slack or teams. If empty, it is json.
	Format string `json:"format,omitempty"`
	// Events are the names of the events to deliver. If empty, those about titles are delivered, and those about
	// release feeds are not.
	Events []string `json:"events,omitempty"`
	// Titles are the ids of the titles whose events are delivered. If empty, those of all titles are.
	Titles []string `json:"titles,omitempty"`
}

// A WebhookCreated is the body that answers a [WebhookRequest].
type WebhookCreated struct {
	ID      string `json:"id"`
	Message string `json:"message"`
}

// The states of a [Delivery].
const (
	DeliveryPending   = "pending"
	DeliveryDelivered = "delivered"
	DeliveryDropped   = "dropped"
)

// A DeliveryList is the body that answers GET /api/v1/webhooks/{id}/deliveries.
type DeliveryList struct {
	// Deliveries are those of the newest events, at most 100, the newest event first.
	Deliveries []Delivery `json:"deliveries"`
}

// A Delivery is the delivery of an event to a webhook.
type Delivery struct {
	// ID is that of the event, which receivers get in the header webhook-id.
	ID string `json:"id"`
	// Event is the name of the event: that of an event that webhooks can name, or test.
	Event string `json:"event"`
	// Title is the id of the title, and Version its current version after the change.
	Title   string `json:"title"`
	Version string `json:"version"`
	// At is the time of the event.
	At *time.Time `json:"at"`
	// Attempts counts the attempts, also those before a retry. LastAttempt is null before the first one.
	Attempts    int        `json:"attempts"`
	LastAttempt *time.Time `json:"last_attempt"`
	// Status is the HTTP status of the last attempt, 0 if it was not answered, and Error the reason of its failure,
	// empty if it has not failed.
	Status int    `json:"status"`
	Error  string `json:"error"`
	// State is one of DeliveryPending, DeliveryDelivered and DeliveryDropped.
	State string `json:"state"`
	// NextAttempt is null for an event that is finished, that is due, or that waits for earlier ones of its title.
	NextAttempt *time.Time `json:"next_attempt"`
}
