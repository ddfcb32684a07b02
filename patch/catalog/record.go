package catalog

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/patchsource/patchsource/store"
)

// titleKind is the kind of the records of titles.
const titleKind = "titles"

// titleKey returns the key of the title with this id. It is the id in lower case: ids are unique without regard to
// case, across servers, because the store creates a record only if its key is free.
func titleKey(id string) string { return strings.ToLower(id) }

// storeKey returns the store's key for a title's key.
func storeKey(key string) store.Key { return store.Key{Kind: titleKind, ID: key} }

// A state is the state of a title in its life.
type state string

const (
	// A live title is served.
	live state = "live"
	// A pending title is a reservation of its id: readers do not see it.
	pending state = "pending"
	// A disabled title has its id and is not served. Its content is its draft.
	disabled state = "disabled"
	// A title that is gone is deleted: readers do not see it. Its record stays until the couriers have taken its
	// notices and its revisions are deleted.
	gone state = "gone"
)

// A record is everything about a title that must survive a crash together. In the store it is the JSON of its head with
// the definition as the last member: the definition's bytes are those that are served, and the head can be read without
// the definition.
type record struct {
	head
	definition []byte

	rev store.Revision // the store's revision of the record; empty if the record has not been written
	raw []byte         // the value that was read from the store, if any

	known *facts // about the definition, or an earlier one; nil at first
}

// A head is a record without its definition. Its members that change with every change of the title come last: they lie
// beside the beginning of the definition, which changes with them, so that the rest of the record stays as it is.
type head struct {
	headStart
	// Recent are the revisions between the last of Revisions and the current one, the newest last. Each is made from
	// the next one.
	Recent []earlierRevision `json:"recent,omitempty"`
	headEnd
}

// A headStart is the part of a head that most changes leave as it is.
type headStart struct {
	Format int `json:"format"`
	// UID distinguishes the title from a later one with the same id.
	UID   string `json:"uid"`
	State state  `json:"state"`
	// Since is the time at which the title took on State.
	Since time.Time `json:"since"`
	Owner owner     `json:"owner,omitzero"`
	// Follows is the source that the title follows.
	Follows *source `json:"follows,omitempty"`
	// Held are the patches before the definition's first that the title's source holds back.
	Held []json.RawMessage `json:"held,omitempty"`
	// Draft is the working copy of the definition. A disabled title has one.
	Draft *draft `json:"draft,omitempty"`
	// Disabled are the patches that are not served, in their order.
	Disabled []disabledPatch `json:"disabled,omitempty"`
	// Numbers are the numbers of the title and its parts.
	Numbers *titleNumbers `json:"numbers,omitempty"`
	// Staged is the change that a restore makes to the title once it is committed.
	Staged *staged `json:"staged,omitempty"`
	// Revisions is the index of the earlier revisions that are kept in records of their own, the newest last. If it is
	// nil and Number is greater than 1, the index is not known because an older version wrote the record.
	Revisions []revisionHead `json:"editions,omitzero"`
	// Oldest is the number of the first revision that the store may hold. The revisions from there up to the first of
	// Revisions are to be deleted.
	Oldest uint64 `json:"oldest,omitempty"`
}

// A headEnd is the part of a head that changes with the definition.
type headEnd struct {
	// Undelivered are the notices of changes, numbered, that the couriers have not taken yet. Events is the number of
	// the last notice.
	Undelivered []undelivered `json:"undelivered,omitempty"`
	Events      uint64        `json:"events,omitempty"`
	// Number is the number of the definition in the title's history; 0 means 1. By identifies its maker.
	Number uint64 `json:"edition,omitempty"`
	By     string `json:"by,omitempty"`
	// Changed is the time at which the definition last changed, by the clock of the server that changed it. It is later
	// with every change.
	Changed time.Time `json:"changed"`
}

// An owner identifies the person who may change a title besides an administrator.
type owner struct {
	// Author is the author's name as it was typed.
	Author string `json:"author,omitempty"`
	// Contributor is the id of the contributor who owns the title.
	Contributor string `json:"contributor,omitempty"`
	// Mailbox is the keyed hash of the author's address, with its parameters.
	Mailbox json.RawMessage `json:"mailbox,omitempty"`
	// Account is the account that the title's bytes count for.
	Account string `json:"account,omitempty"`
}

// A source is the source that a title follows.
type source struct {
	URL string `json:"url"`
	// Source is the key of the mirror that the title belongs to.
	Source string `json:"source,omitempty"`
}

// from returns the value of EditOptions.From for an edit that comes from s.
func (s *source) from() string { return cmp.Or(s.Source, s.URL) }

// An undelivered is a Notice, as JSON, that a courier has not taken yet.
type undelivered struct {
	Number uint64          `json:"number"`
	Event  json.RawMessage `json:"event"`
}

// A draft is the working copy of a title's definition.
type draft struct {
	Definition json.RawMessage `json:"definition"`
	// Base is the entity tag of the definition for which the draft was begun, and BaseDefinition that definition with
	// its disabled patches. Both are empty if the title has never been served.
	Base           string          `json:"base,omitempty"`
	BaseDefinition json.RawMessage `json:"baseDefinition,omitempty"`
	Whole          bool            `json:"whole,omitempty"` // see DraftOptions.Whole
	Changed        time.Time       `json:"changed"`
	By             string          `json:"by,omitempty"`
	// Name, Publisher and Version are those of the definition, for lists.
	Name      string `json:"name,omitempty"`
	Publisher string `json:"publisher,omitempty"`
	Version   string `json:"version,omitempty"`
	Errors    int    `json:"errors,omitempty"`
}

// A disabledPatch is a patch that is not served.
type disabledPatch struct {
	// After is the version of the served patch behind which the patch has its place. If empty, it is in front of all.
	After string          `json:"after,omitempty"`
	Patch json.RawMessage `json:"patch"`
}

// A titleNumbers has the numbers of a title and its parts, and what a list of numbered titles shows of the title.
type titleNumbers struct {
	Title        uint64    `json:"title"`
	Modified     time.Time `json:"modified,omitzero"` // the last change of any part, also one that is not served
	Patches      int       `json:"patches,omitempty"` // that are served
	Requirements int       `json:"requirements,omitempty"`
	AppName      string    `json:"appName,omitempty"`
	BundleID     string    `json:"bundleId,omitempty"`
	// Blocks are the further blocks of numbers of the title; see package numbered.
	Blocks []uint64 `json:"blocks,omitempty"`
	// Parts are the numbers of the parts, as numbered.Numbers encodes them. They are missing until a client has asked
	// for them.
	Parts json.RawMessage `json:"parts,omitempty"`
}

// A staged is a change of a title that a restore will make when it is committed.
type staged struct {
	Batch string `json:"batch"`
	// Definition is the definition that the title will have. If empty, the title will be deleted.
	Definition json.RawMessage `json:"definition,omitempty"`
	// Disabled are the disabled patches that the title will have.
	Disabled []disabledPatch `json:"disabled,omitempty"`
	By       string          `json:"by,omitempty"`
}

// A revisionHead describes an earlier revision in the title's record.
type revisionHead struct {
	Number  uint64    `json:"number"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Version string    `json:"version"`
	Bytes   int64     `json:"bytes"` // of the definition, or of the difference
	// In is the number of the revision whose record has this one. If it is 0, the revision has a record of its own.
	In uint64 `json:"in,omitempty"`
}

// key returns the number of the revision whose record has this one.
func (h *revisionHead) key() uint64 { return cmp.Or(h.In, h.Number) }

// An earlierRevision is a revision that is kept with a later one.
type earlierRevision struct {
	Number  uint64    `json:"number"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Version string    `json:"version"`
	// Difference makes the definition from that of the next revision.
	Difference difference `json:"difference"`
}

// number returns the number of the definition in the title's history.
func (r *record) number() uint64 { return max(r.Number, 1) }

// indexed reports whether the record has an index of the earlier revisions.
func (r *record) indexed() bool { return r.Revisions != nil || r.number() == 1 }

// firstKept returns the number of the first revision that is kept, which is the current one if there is no earlier one.
// The record must be indexed.
func (r *record) firstKept() uint64 {
	switch {
	case len(r.Revisions) > 0:
		return r.Revisions[0].Number
	case len(r.Recent) > 0:
		return r.Recent[0].Number // which may get a record
	}
	return r.number()
}

// bytes returns the space that the title takes in the store: that of the definition, of the draft, of the patches that
// are held back or disabled, and of the earlier revisions.
func (r *record) bytes() int64 {
	n := int64(len(r.definition))
	if r.Draft != nil {
		n += int64(len(r.Draft.Definition) + len(r.Draft.BaseDefinition))
	}
	for _, p := range r.Disabled {
		n += int64(len(p.Patch))
	}
	for _, p := range r.Held {
		n += int64(len(p))
	}
	for _, e := range r.Revisions {
		n += e.Bytes
	}
	for _, e := range r.Recent {
		n += int64(len(e.Difference))
	}
	return n
}

// headBytes returns about how much memory the head takes.
func (r *record) headBytes() int {
	n := len(r.By) + len(r.Owner.Mailbox) + int(r.bytes()) - len(r.definition)
	for _, e := range r.Revisions {
		n += 80 + len(e.By) + len(e.Version) - int(e.Bytes)
	}
	for _, e := range r.Recent {
		n += 100 + len(e.By) + len(e.Version) // bytes has the difference
	}
	for _, u := range r.Undelivered {
		n += 40 + len(u.Event)
	}
	if r.Staged != nil {
		n += len(r.Staged.Definition)
	}
	if r.Numbers != nil {
		n += 100 + len(r.Numbers.Parts)
	}
	return n
}

// later returns now, or a time one second after last if now is not in a later second.
func later(last, now time.Time) time.Time {
	now = now.UTC()
	if earliest := last.Truncate(time.Second).Add(time.Second); now.Before(earliest) {
		return earliest
	}
	return now
}
