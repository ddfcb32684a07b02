package patchsync

import (
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/releases"
)

// A watchMember is a watch in a group. Its fields are guarded by watchAgenda.mu.
type watchMember struct {
	group *watchGroup
	// The next fields are those of the record and of its state. next is when a feed that fails is to be tried again,
	// and wait the time until then from the failure on.
	uid      string
	feed     recipe.Feed
	text     string // textOf feed
	trusted  bool
	interval time.Duration
	failing  bool
	next     time.Time
	wait     time.Duration
	known    bool // some server has asked the feed
	held     []HeldVersion

	// unapplied is a reading that could not be applied because the store failed, nil if there is none. It is applied
	// again at the time retry. The feed is not asked for it.
	unapplied *reading
	retry     time.Time

	asked     time.Time // when this server last asked the feed, zero if it never did
	lastCheck watchTimes
	// selection is what counts of the answer with the number generation of the group, and failure why that could not
	// be read. If the number is 0, there is none, or the answer alone does not tell.
	selection  releases.Selection
	failure    *FeedError
	generation int
	// revision and etag are those of the record and of the title when the selection was last applied.
	revision store.Revision
	etag     string
}

// watchTimes are when a feed was last asked and the answer applied, and when that last succeeded.
type watchTimes struct{ attempt, success time.Time }

// due returns when a watch is to be asked next: soon if it never was, at its time if it fails, and within its interval
// otherwise.
func (m *watchMember) due(now time.Time) time.Time {
	asked := !m.asked.IsZero()
	switch {
	case !m.known && !asked:
		return now.Add(randomUpTo(newWatchSpread))
	case m.backsOff(now) > 0:
		return m.next
	case !m.failing && asked:
		return now.Add(jitter(m.interval))
	}
	return now.Add(randomUpTo(m.interval))
}

// backsOff returns the time until a feed that fails is to be asked again, 0 if it does not fail. It ignores a time that
// was set by a clock that is ahead of this one.
func (m *watchMember) backsOff(now time.Time) time.Duration {
	left := m.next.Sub(now)
	if !m.failing || left < 0 || left > min(m.wait, maxIntervals*m.interval*11/10) {
		return 0
	}
	return left
}

// postpone notes that a reading could not be applied, and that it is applied again after a time.
func (m *watchMember) postpone(in reading, now time.Time, wait time.Duration) {
	m.unapplied, m.retry = &in, now.Add(jitter(wait))
}

// settle notes that no reading has to be applied again.
func (m *watchMember) settle() { m.unapplied, m.retry = nil, time.Time{} }
