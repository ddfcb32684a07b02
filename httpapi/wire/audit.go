package wire

import "time"

// An AuditPage is the body that answers GET /api/v1/audit, with the newest entry first.
type AuditPage struct {
	Entries []AuditEntry `json:"entries"`
	// Next is the cursor of the next page; null on the last one.
	Next *string `json:"next"`
}

// An AuditEntry is a change in an [AuditPage].
type AuditEntry struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
	// Action says what was done, such as "title replaced".
	Action string `json:"action"`
	// Token is the token that the change was made with; null if the caller had none.
	Token *AuditToken `json:"token"`
	// Principal is the name of a caller that was authenticated by other means; null for one with a token, and for
	// authors who published without an account.
	Principal *string `json:"principal"`
	// Details say what was changed, by name, such as the title and the version.
	Details map[string]string `json:"details"`
}

// An AuditToken is the token of an [AuditEntry], with the name that it had then.
type AuditToken struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}
