// Package wire declares the JSON of the API: the bodies that httpapi writes and that its clients read. The names of
// the members, their order, and whether a member without a value is null or absent are part of the contract, so each
// body is declared once, here, and golden tests hold it.
//
// Three conventions run through the contract:
//
//   - A time is in UTC and whole seconds. [Time] makes one.
//   - A pointer without omitempty is a member that is always present; nil is written as null. The comment of the
//     member says what null means.
//   - A member with omitempty is absent if it is empty.
//
// Package wire holds no behavior beyond the encoding. Definitions, failures and warnings are those of package patch.
package wire

import (
	"time"

	"github.com/patchsource/patchsource/patch"
)

// Time returns t in the form that bodies have it: in UTC and whole seconds. It returns nil for the zero time, which
// bodies write as null.
func Time(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// String returns a pointer to s, or nil if s is empty, which bodies write as null.
func String(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// An Answer is the body that answers a change.
type Answer struct {
	// Message says what happened, in a sentence.
	Message string `json:"message"`
	// Success repeats Message for clients of Stupid Simple Patch Server. It is present under that server's paths only.
	Success string `json:"success,omitempty"`
	// ID and Name are those of the title, contributor or webhook that was changed.
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	// Changes are the differences that a replacement made, a sentence each.
	Changes []string `json:"changes,omitempty"`
	// Warnings are lint's warnings about the definition that was stored.
	Warnings []patch.Warning `json:"warnings,omitempty"`
}

// A Subscribed is the body that answers a new subscription. Its Success is always present.
type Subscribed struct {
	Success string `json:"success"`
	Answer
}

// A LintResult is the body that answers a request to lint a definition. Both lists are present, and [] if empty.
type LintResult struct {
	Errors   []patch.Failure `json:"errors"`
	Warnings []patch.Warning `json:"warnings"`
}
