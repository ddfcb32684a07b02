package wire

import (
	"time"

	"github.com/patchsource/patchsource/patch"
)

// A Title is a title in a [TitlePage].
type Title struct {
	patch.Summary
	// Author is the name that the title was published under; null if it was published without one.
	Author *string `json:"author"`
	// Sync is the state of the source that the title follows; null if it follows none.
	Sync *SyncState `json:"sync"`
	// Updated is when the definition last changed on this server.
	Updated time.Time `json:"updated"`
	// Released is when the newest version was released; null if the definition does not say so, and for some seconds
	// after the title was created or the server started.
	Released *time.Time `json:"released"`
	// Warnings is the number of warnings that lint has; null for some seconds after a start.
	Warnings *int `json:"warnings"`
}

// A TitlePage is the body that answers GET /api/v1/titles.
type TitlePage struct {
	Titles []Title `json:"titles"`
	// Next is the cursor of the next page; null on the last one.
	Next *string `json:"next"`
}

// A Revision is one revision in the history of a title's definition.
type Revision struct {
	// Number identifies the revision within its title. Later revisions have larger numbers.
	Number uint64 `json:"number"`
	// At is when the revision was stored; null if that is not known.
	At *time.Time `json:"at"`
	// Token is the id of the token that stored it; null if none did.
	Token *string `json:"token"`
	// TokenName is the name of that token. It is there only for callers who may revoke the token, while it is kept.
	TokenName string `json:"token_name,omitempty"`
	// Version is the definition's current version in this revision.
	Version string `json:"version"`
	// Current is true for the revision that is served.
	Current bool `json:"current"`
}

// A History is the body that answers GET /api/v1/titles/{id}/history, with the newest revision first.
type History struct {
	Revisions []Revision `json:"editions"`
}

// A Difference is the body that answers a request for what changed from one revision to another, a sentence each.
type Difference struct {
	Changes []string `json:"changes"`
}
