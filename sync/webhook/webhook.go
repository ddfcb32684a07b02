// Package webhook notifies other services of changes to titles: it POSTs each change to the URLs that subscribe to it,
// in the form of Patch Server's webhooks or as a message for Slack or Teams.
//
// A [Service] is a courier of the catalog (catalog.Options.Couriers). It keeps the event of a change in a queue in the
// store before the catalog forgets it, so that each event is delivered at least once, even if the process is killed.
// Each event has an id by which a receiver recognizes a repetition. The events of one title are delivered in order.
// [Service.Announce] queues events about the release feeds of titles likewise.
//
// An event is retried with exponential backoff for a day, until its receiver answers with a 2xx status. A receiver that
// fails delays no other. Deliveries follow the same rules as the requests of package patchsync: only public addresses
// are contacted, unless [Options] says otherwise. With a secret, events are signed as the Standard Webhooks
// specification describes.
//
// # The log
//
// [Service.Deliveries] shows the deliveries of a webhook's newest events, and [Service.Retry] repeats them. A pending
// event is a record of the kind "deliveries". The outcomes of attempts are in one record per webhook of the kind
// "deliverylog", without the definitions. It is written about once a second while there are outcomes, and when Run
// ends: those of the last second before a crash are lost. Nothing but Deliveries and Retry depends on it.
//
// # Several servers
//
// Over a store that several servers share (a store.Watcher), one of them puts the events of all into the queues (see
// [catalog.Courier]), and one delivers them: each holds a lease, and another server takes over when it stops or dies.
// Without such a fault, each event is delivered once. After one, some events may be delivered again, and an event may
// be repeated by a server that was suspended and wakes up before it finds out that it has lost the lease.
package webhook

import (
	"errors"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
)

var (
	// ErrNotFound reports a webhook that does not exist.
	ErrNotFound = errors.New("webhook not found")
	// ErrInvalid reports an invalid webhook. The error joins an *[InvalidError] for each invalid member; errors.As
	// finds the first.
	ErrInvalid = errors.New("invalid webhook")
	// ErrNoDelivery reports a delivery that is neither pending nor in the log of its webhook.
	ErrNoDelivery = errors.New("delivery not found")
	// ErrFull reports that the queue of a webhook has no room for another event.
	ErrFull = errors.New("the queue of the webhook is full")
	// ErrRunning reports a call of [Service.Run] before an earlier one has ended.
	ErrRunning = errors.New("webhook: the Service is running already: call Run once at a time")
)

// An InvalidError describes an invalid webhook. It matches [ErrInvalid].
type InvalidError struct {
	// Field is the name of the invalid member in JSON.
	Field string
	// Message is the reason.
	Message string
}

// Error returns the field and the reason.
func (e *InvalidError) Error() string { return e.Field + ": " + e.Message }

// Is reports whether target is [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// A Format is the form of the events that a webhook receives.
type Format string

const (
	// JSON is the form of Patch Server's webhooks.
	JSON Format = "json"
	// Slack is a message for an incoming webhook of Slack.
	Slack Format = "slack"
	// Teams is an adaptive card for a workflow of Microsoft Teams.
	Teams Format = "teams"
)

// A Hook is a subscription: a URL and the events that it receives.
type Hook struct {
	// ID is assigned by [Service.Create].
	ID string
	// URL is the address that events are POSTed to.
	URL string
	// Enabled makes the webhook receive events. The events of the time in which it is disabled are not kept.
	Enabled bool
	// VerifySSL requires a valid certificate of URL.
	VerifySSL bool
	// SendDefinition adds the definition to events in the JSON format. A definition of at most 64 KiB
	// is the one after the change. A larger one is read when the event is sent, so
	// that it may be newer than the event; it is omitted if the title no longer exists.
	SendDefinition bool
	// Secret, if not empty, is the key that signs events with HMAC-SHA-256: as it is, or after "whsec_" in base64. It
	// is never shown again.
	Secret string
	// Format is the form of the events. If empty, it is JSON.
	Format Format
	// Events are the kinds of events to deliver: those of the catalog, and those of [Service.Announce]. If empty, those
	// of the catalog are delivered.
	Events []catalog.EventKind
	// Titles are the ids, in any case, of the titles whose events to deliver. If empty, those of all titles are.
	Titles []string
}

// A Status describes a webhook and its deliveries. Times are in UTC, and zero if the event has not happened since the
// service was opened. If several servers share the store, each knows Pending, and only the one that delivers knows the
// outcomes of its own attempts: on the others, Dropped, Failures, LastError, Status and the times of attempts are zero
// or old.
type Status struct {
	// Hook is the webhook without its secret, and with a URL without user name, password, query and fragment.
	Hook Hook
	// Signed reports whether the webhook has a secret.
	Signed bool
	// Pending is the number of events that have not been delivered yet. Dropped is the number of events that never
	// will be, because the receiver failed for a day, or because too many were pending.
	Pending, Dropped int
	// Failures is the number of failed attempts since the last success.
	Failures int
	// LastAttempt is the time of the last attempt, LastSuccess that of the last successful one, and NextAttempt that of
	// the next one if an event is pending.
	LastAttempt, LastSuccess, NextAttempt time.Time
	// LastError is the reason of the last failure, empty if the last attempt succeeded.
	LastError string
	// Status is the HTTP status of the last failure, 0 if it has none.
	Status int
}
