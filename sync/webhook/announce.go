package webhook

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
)

// The kinds of events about the release feeds of titles. Unlike those of the catalog, only webhooks that name them
// receive them.
const (
	// WatchFailed says that the release feed of a title fails.
	WatchFailed catalog.EventKind = "watch_failed"
	// WatchRecovered says that the release feed of a title can be read again.
	WatchRecovered catalog.EventKind = "watch_recovered"
	// VersionProposed says that a version of a title waits for a person.
	VersionProposed catalog.EventKind = "version_proposed"
)

// ErrAnnouncement reports an invalid announcement.
var ErrAnnouncement = errors.New("invalid announcement")

// An Announcement is an event that does not come from the catalog.
type Announcement struct {
	// ID identifies the event. Its receivers recognize a repetition by it. It has at most 128 printable ASCII
	// characters, without spaces and slashes.
	ID string
	// Kind is one of WatchFailed, WatchRecovered and VersionProposed.
	Kind catalog.EventKind
	// Title is the id of the title, and Name its name. If Name is empty, it is the id.
	Title, Name string
	// Version is the version that the event is about, or the current version of the title.
	Version string
	// Message says what happened, in a sentence.
	Message string
	// At is the time of the event, by which the announcements about a title are ordered. A repetition has the same.
	At time.Time
}

// Announce puts an event into the queue of each webhook that names its kind. The event is durable when Announce returns
// nil, and lost if nothing calls Announce with it again after an error. A repetition is harmless: an event that is
// pending is not queued again, and a receiver recognizes by the id of the event that it was delivered before.
//
// If several servers share the store, any of them may call Announce. A webhook that another server created a moment ago
// may miss the event. The error is [ErrAnnouncement], [catalog.ErrUnavailable] or that of ctx.
func (w *Service) Announce(ctx context.Context, a Announcement) error {
	if !validEvent.MatchString(a.ID) || a.Title == "" || !isAnnounced(a.Kind) || a.At.IsZero() {
		return fmt.Errorf("webhook: %w: it needs an id, a title, a time, and a kind such as %s", ErrAnnouncement,
			WatchFailed)
	}
	n := catalog.Notice{
		ID:      a.ID,
		Number:  uint64(max(0, a.At.UnixNano())),
		Kind:    a.Kind,
		At:      a.At.UTC(),
		Changes: []string{a.Message},
	}
	n.Title.ID, n.Title.Name, n.Title.CurrentVersion = a.Title, a.Name, a.Version
	if n.Title.Name == "" {
		n.Title.Name = a.Title
	}
	return w.Take(ctx, n)
}

// validEvent matches the id of an announcement.
var validEvent = regexp.MustCompile("^[!-.0-~]{1,128}$")

// isAnnounced reports whether events of a kind come from Announce, so that only webhooks that name it receive them.
func isAnnounced(kind catalog.EventKind) bool {
	return slices.Contains([]catalog.EventKind{WatchFailed, WatchRecovered, VersionProposed}, kind)
}

// chainOf returns the chain of a title's deliveries of a kind. Announcements have one of their own: they are numbered
// by their times, and the other events by the catalog.
func chainOf(title string, kind catalog.EventKind) string {
	if isAnnounced(kind) {
		return "/" + title // no id has a slash
	}
	return title
}
