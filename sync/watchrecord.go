package patchsync

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/releases"
)

const (
	// watchKind is the kind of the records of watches. Their ids are the UIDs of the titles.
	watchKind = "watches"
	// watchFormat is the format of the records that this version writes.
	watchFormat = 1
	// recipePrefix begins the id of the record of a recipe file whose title does not exist yet, before the title's id
	// in lower case.
	recipePrefix = "recipe/"
	// maxSeen bounds the versions that a watch remembers; see trim.
	maxSeen = 1000
)

// A watchRecord is what the store remembers of a watch. A record that is in memory never changes: a change makes a
// copy; see clone.
type watchRecord struct {
	Format int    `json:"format"`
	Title  string `json:"title"`
	UID    string `json:"uid"`
	// Ended says that the title is no longer watched: only Seen is of use, for a later watch.
	Ended   bool          `json:"ended,omitempty"`
	Feed    recipe.Feed   `json:"feed"`
	Policy  recipe.Policy `json:"policy,omitzero"`
	Source  string        `json:"source,omitempty"`
	Trusted bool          `json:"trusted,omitempty"`
	By      string        `json:"by,omitempty"`

	State watchRecordState `json:"state,omitzero"`
	// Seen is what the watch remembers, by version.
	Seen map[string]watchMark `json:"seen,omitempty"`
	// Noted is the number of the newest revision of the title whose versions were noted in Seen by noteHistory.
	Noted uint64 `json:"noted,omitempty"`
	// Held are the releases that the policy holds, and those that are being added or could not be added, the oldest
	// first.
	Held []heldRelease `json:"held,omitempty"`
	// Adder identifies the server that adds the versions that are marked as adding. If empty, none does.
	Adder string `json:"adder,omitempty"`
	// Proposals are what waits for a person, and Outbox are the events that Options.Notify has not taken yet.
	Proposals []proposalRecord `json:"proposals,omitempty"`
	Outbox    []WatchEvent     `json:"outbox,omitempty"`
}

// A watchRecordState is the state of a watch in its record.
type watchRecordState struct {
	LastAttempt time.Time `json:"last_attempt,omitzero"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	// NextCheck is when the feed is to be asked again, and Wait the time from the last attempt until then. It bounds
	// the wait of a server with another clock.
	NextCheck time.Time     `json:"next_check,omitzero"`
	Wait      time.Duration `json:"wait,omitempty"`
	// Failures, LastError, Newest, Silent, Rhythm, Held and Missing are described in [WatchState].
	Failures  int           `json:"failures,omitempty"`
	LastError string        `json:"last_error,omitempty"`
	Newest    string        `json:"newest,omitempty"`
	Silent    bool          `json:"silent,omitempty"`
	Rhythm    time.Duration `json:"rhythm,omitempty"`
	Held      []HeldVersion `json:"held,omitempty"`
	Missing   []string      `json:"missing,omitempty"`
	// Counted is when a failure was last counted.
	Counted time.Time `json:"counted,omitzero"`
	// Reported says that the last event about the feed is WatchFailed.
	Reported bool `json:"reported,omitempty"`
}

// A watchMark is what a watch remembers of a version. Memory is empty if the version was only seen.
type watchMark struct {
	Memory recipe.Memory `json:"memory,omitempty"`
	// At is when the version was first seen.
	At time.Time `json:"at,omitzero"`
}

// watch returns the watch of the record.
func (rec *watchRecord) watch() recipe.Watch { return recipe.Watch{Feed: rec.Feed, Policy: rec.Policy} }

// paused reports whether the feed is not asked.
func (rec *watchRecord) paused() bool { return rec.Policy.Mode == recipe.Off }

// clone returns a copy whose maps and lists can be changed.
func (rec *watchRecord) clone() *watchRecord {
	c := *rec
	c.Seen = maps.Clone(rec.Seen)
	if c.Seen == nil {
		c.Seen = map[string]watchMark{}
	}
	c.Held, c.Proposals, c.Outbox = slices.Clone(rec.Held), slices.Clone(rec.Proposals), slices.Clone(rec.Outbox)
	return &c
}

// persistent returns the part of the record that must be saved: everything but the times that change with every check.
func (rec *watchRecord) persistent() (string, error) {
	c := *rec
	s := &c.State
	s.LastAttempt, s.LastSuccess, s.NextCheck, s.Wait = time.Time{}, time.Time{}, time.Time{}, 0
	s.Counted = time.Time{}
	data, err := json.Marshal(&c)
	return string(data), err
}

// mark remembers that a version is in a state, since now unless it was seen before. It reports whether that is new.
func (rec *watchRecord) mark(version string, memory recipe.Memory, now time.Time) bool {
	old, seen := rec.Seen[version]
	if seen && old.Memory == memory {
		return false
	}
	if !seen || old.At.IsZero() {
		old.At = now.UTC().Truncate(time.Second)
	}
	rec.Seen[version] = watchMark{memory, old.At}
	return true
}

// noteAdded remembers that versions were added.
func (rec *watchRecord) noteAdded(versions []string, now time.Time) {
	for _, version := range versions {
		rec.mark(version, recipe.Added, now)
	}
	rec.Held = slices.DeleteFunc(rec.Held, func(h heldRelease) bool { return slices.Contains(versions, h.Version) })
}

// unclaim takes back that a server adds versions, which the title does not have: their marks become those of before. It
// reports whether the server was adding them.
func (rec *watchRecord) unclaim(server string, versions []string, before *watchRecord) bool {
	if rec.Adder != server {
		return false // another server has taken this one for dead
	}
	for _, version := range versions {
		if rec.Seen[version].Memory != recipe.Adding {
			continue
		}
		if old, seen := before.Seen[version]; seen {
			rec.Seen[version] = old
		} else {
			delete(rec.Seen, version)
		}
	}
	rec.Adder = ""
	return true
}

// seen returns what the watch remembers in the form of package releases.
func (rec *watchRecord) seen() releases.Seen {
	all := make(releases.Seen, len(rec.Seen))
	for version, m := range rec.Seen {
		all[version] = releases.Mark{Memory: m.Memory, At: m.At}
	}
	return all
}

// trim forgets versions if there are too many: first those that were only listed, the highest first, and then those
// that were added or rejected, the lowest first. A feed that lists many wrong versions must not make the watch forget
// which ones a person has removed or rejected, and one that the title has left behind does not come back anyway.
func (rec *watchRecord) trim() {
	if len(rec.Seen) <= maxSeen {
		return
	}
	decided := make([]string, 0, len(rec.Seen))
	var listed []string
	for version, m := range rec.Seen {
		if m.Memory == "" || m.Memory == recipe.Listed {
			listed = append(listed, version)
		} else {
			decided = append(decided, version)
		}
	}
	slices.SortFunc(decided, func(a, b string) int { return cmp.Or(patch.OrderVersions(b, a), cmp.Compare(a, b)) })
	slices.SortFunc(listed, func(a, b string) int { return cmp.Or(patch.OrderVersions(a, b), cmp.Compare(a, b)) })
	for _, version := range append(decided, listed...)[maxSeen:] {
		delete(rec.Seen, version)
	}
}

// A savedWatch is a record that the store has.
type savedWatch struct {
	record   *watchRecord
	revision store.Revision
}

// decodeWatch reads a record. The error is [store.ErrFormat] if a newer version wrote it, and [store.ErrCorrupt] if it
// is none of a watch.
func decodeWatch(rec store.Record) (savedWatch, error) {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(rec.Value, &head); err == nil && head.Format > watchFormat {
		return savedWatch{}, store.NewerFormat(rec.Key, head.Format, watchFormat)
	}
	var w watchRecord
	if err := json.Unmarshal(rec.Value, &w); err != nil {
		return savedWatch{}, fmt.Errorf("record %v: %w: %w", rec.Key, store.ErrCorrupt, err)
	}
	if w.Format != watchFormat {
		return savedWatch{}, fmt.Errorf("record %v: %w: it has the format %d", rec.Key, store.ErrCorrupt, w.Format)
	}
	if w.Seen == nil {
		w.Seen = map[string]watchMark{}
	}
	return savedWatch{&w, rec.Revision}, nil
}

// maxWatchBytes bounds a record, so that a full backup can have it: that of a recipe with a feed and a template of
// patches of 1 MiB, 1,000 versions of 255 bytes and a proposal fits into it.
const maxWatchBytes = 4 << 20

// encode returns the record as the store has it. The error is patch.ErrTooLarge if it has more than maxWatchBytes.
func (rec *watchRecord) encode() ([]byte, error) {
	rec.Format = watchFormat
	rec.trim()
	data, err := json.Marshal(rec)
	if err == nil && len(data) > maxWatchBytes {
		err = fmt.Errorf("%w: the record of the watch of %q would have %d bytes, and at most %d are allowed",
			patch.ErrTooLarge, rec.Title, len(data), maxWatchBytes)
	}
	return data, err
}
