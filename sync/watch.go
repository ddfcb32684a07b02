package patchsync

import (
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// WatchOptions are options of a watch. The zero value is that of a watch whose maker is not known.
type WatchOptions struct {
	// Trusted says that an administrator chooses the feed: the requests for it may carry the tokens of
	// Options.FeedTokens for all repositories of a host. [Watches.Set] ignores it if the feed stays the same.
	Trusted bool
	// By identifies the maker of the watch, such as the id of a token. [Watches.Set] ignores it if the feed stays the
	// same.
	By string
	// UID is the UID of the title that the caller may change: for a later title with the same id, [Watches.Set] returns
	// catalog.ErrNotFound. If empty, it is any. [Watches.Begin] ignores it.
	UID string
}

// The values of WatchState.Status.
const (
	// WatchOK says that the feed could be read, or has not been asked yet.
	WatchOK = "ok"
	// WatchFailing says that the last attempt to read the feed failed.
	WatchFailing = "failing"
	// WatchPaused says that the policy has the mode off: the feed is not asked.
	WatchPaused = "paused"
)

// A WatchState is a watch and its state. Times are in UTC, and zero if the event has not happened. It has no secrets:
// the feed is that of recipe.Feed.Redacted.
type WatchState struct {
	// Title is the id of the title.
	Title string
	// Watch is the feed, without secrets, and the policy.
	Watch recipe.Watch
	// Source is the key of the recipe file that the watch comes from, such as "folder:apps/Foo.recipe.json". The watch
	// is then read-only. If empty, the watch was made by a caller.
	Source string
	// Status is [WatchOK], [WatchFailing] or [WatchPaused].
	Status string
	// Failures is the number of failed attempts since the last success, and LastError the reason of the last one, a
	// sentence without secrets. It is empty after a success.
	Failures  int
	LastError string
	// LastAttempt is when the feed was last asked, and LastSuccess when that last succeeded. After a restart, and on
	// servers that do not lead, both are those of the last change of anything else in the state. NextCheck is when the
	// feed will be asked again. It is zero for a watch that is paused, and not always known on servers that do not
	// lead.
	LastAttempt, LastSuccess, NextCheck time.Time
	// Newest is the newest stable version that the feed lists.
	Newest string
	// Rhythm is the usual time between two releases, 0 if it is not known. Silent reports whether the feed has listed
	// nothing new for much longer.
	Silent bool
	Rhythm time.Duration
	// Held are the versions that wait for the time that the policy holds them.
	Held []HeldVersion
	// Missing are versions that the feed lists and that the title no longer has, although they are newer than those
	// that it has: they were removed, or an earlier revision of the title was restored. A watch never adds them again.
	// To have one again, add it by hand. The newest ten are listed, the newest first.
	Missing []string
	// Trusted and By are those of the [WatchOptions] with which the feed was chosen.
	Trusted bool
	By      string
}

// A HeldVersion is a version that is added at a later time, unless the feed changes until then.
type HeldVersion struct {
	Version string    `json:"version"`
	Until   time.Time `json:"until"`
}

// A Check is the outcome of [Watches.Check].
type Check struct {
	// Plan is what the check found to do. It is empty if Err is not nil.
	Plan releases.Plan
	// Added are the versions that were added, the oldest first. It is empty after a dry run.
	Added []string
	// Proposal is the proposal that waits for a person afterwards; after a dry run, it is the one that would, and has
	// no ID. It is nil if there is none. It has the Patches of [Watches.ProposedPatches].
	Proposal *recipe.Proposal
	// Err is why the feed could not be read, an *[FeedError], or why a version could not be added. The state has it
	// too. It is nil if the check succeeded.
	Err error
	// State is the state after the check.
	State WatchState

	// partial reports that the record was changed while versions were added: the next check notes the rest.
	partial bool
}

// A Trial is the outcome of [Watches.Try].
type Trial struct {
	// Selection is what counts of the releases of the feed.
	Selection releases.Selection
}

// The kinds of a [WatchEvent].
const (
	// WatchFailed says that the feed of a title could not be read three times in a row, or is silent for much longer
	// than its rhythm.
	WatchFailed = "watch_failed"
	// WatchRecovered says that the feed can be read again, or lists something new again, after a [WatchFailed].
	WatchRecovered = "watch_recovered"
	// VersionProposed says that a version waits for a person.
	VersionProposed = "version_proposed"
)

// A WatchEvent tells of a watch what people may want to know at once.
type WatchEvent struct {
	// ID identifies the event: Options.Notify may be called with it several times.
	ID string `json:"id"`
	// Kind is [WatchFailed], [WatchRecovered] or [VersionProposed].
	Kind string `json:"kind"`
	// Title is the id of the title, and UID tells it from a later one with the same id. The UID must not be published.
	Title string `json:"title"`
	UID   string `json:"uid"`
	// Version is the newest of the proposed versions. Other kinds have none.
	Version string `json:"version,omitempty"`
	// Message is a sentence without secrets.
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// WatchCounts counts what the watches of a server have done since the Runner was made.
type WatchCounts struct {
	// Succeeded, Unchanged and Failed count checks of a watch by their outcome. Unchanged ones succeeded because the
	// feed had not changed.
	Succeeded, Unchanged, Failed uint64
	// Requests counts feeds that were asked. One request serves all watches with the same address.
	Requests uint64
	// Added and Proposed count versions that were added, and proposals that were made.
	Added, Proposed uint64
}
