package wire

import "time"

// A SyncState is the state of following one upstream. A time is null if the event has not happened yet.
type SyncState struct {
	// URL is the address of the upstream, without credentials and query.
	URL         string     `json:"url"`
	LastAttempt *time.Time `json:"last_attempt"`
	LastSuccess *time.Time `json:"last_success"`
	LastChange  *time.Time `json:"last_change"`
	NextAttempt *time.Time `json:"next_attempt"`
	// Failures counts the failed attempts since the last success.
	Failures int `json:"failures"`
	// LastError is null while the upstream is followed without an error.
	LastError *string `json:"last_error"`
	// Status is the HTTP status that the upstream answered with, if that was the error.
	Status int `json:"upstream_status,omitempty"`
	// Signer is the subject of the certificate that signed the definition.
	Signer string `json:"signer,omitempty"`
}

// A Source is an upstream in a [SourceList].
type Source struct {
	// Title is the id of the title that follows the upstream; null for a mirror.
	Title *string `json:"title"`
	// Mirror is the name of the mirror; null for a single title.
	Mirror *string `json:"mirror"`
	SyncState
	// Titles counts the titles that came from the upstream.
	Titles int `json:"titles"`
	// Refused has the ids of the titles of a mirror that could not be taken over, with the reasons.
	Refused map[string]string `json:"refused,omitempty"`
}

// A SourceList is the body that answers GET /api/v1/sync.
type SourceList struct {
	Sources []Source `json:"sources"`
}

// A SyncRequest is the body of a request to synchronize a mirror now.
type SyncRequest struct {
	Mirror string `json:"mirror"`
}

// A Subscription is the body of a request for a title that follows the definition at a URL.
type Subscription struct {
	// ID is the id of the title. The definition at URL must have the same one.
	ID  string `json:"id"`
	URL string `json:"json_url"`
}
