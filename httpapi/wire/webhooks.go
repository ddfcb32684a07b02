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
