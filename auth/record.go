package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/store"
)

// tokenKind is the kind of a token's record. Its id is the token's.
const tokenKind = "tokens"

// Formats of a token's record. New records have format 2. A record of format 1 keeps its format until it needs a
// member that only format 2 has.
const (
	format1 = 1
	format2 = 2
)

// A record is the stored form of a token.
type record struct {
	Format      int       `json:"format"`
	Kind        Kind      `json:"kind"`
	Name        string    `json:"name,omitempty"`
	Hash        string    `json:"hash"`
	Titles      []string  `json:"titles,omitempty"`
	Contributor string    `json:"contributor,omitempty"`
	Created     time.Time `json:"created"`
	// CreatedBy, in format 1, is the id of the token that this one was made with, or that it replaced. A replaced token
	// was revoked, so a maker that was revoked in format 1 does not end this token.
	CreatedBy string `json:"created_by,omitempty"`
	// Chain, in format 2, has the ids of the tokens that this one was made with, the root first.
	Chain []string `json:"chain,omitempty"`
	// Owner and Epoch, in format 2, are the owner whose epoch ends the token, see ownerOf, and the token's epoch.
	Owner string `json:"owner,omitempty"`
	Epoch uint64 `json:"epoch,omitempty"`
	// First is the id of the first of the tokens that were rotated until this one was made, if it has no owner. The
	// hourly limit counts this token for it, see limitKey.
	First   string    `json:"first,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	// Replaces, in format 1, has the ids of the tokens that end when this one is first used. It is empty after that.
	Replaces []string `json:"replaces,omitempty"`
	// Used is when the token was last used, as of the last Flush.
	Used time.Time `json:"used,omitzero"`
	// Revoked is when the token was revoked. The record remains for a while, so that a revoked token in a file is not
	// taken for a new one.
	Revoked time.Time `json:"revoked,omitzero"`
}

// An entry is a token in memory.
type entry struct {
	record
	hash [sha256.Size]byte
	// used is when the token was last used, in Unix seconds. All entries that follow each other under one id share it.
	used *atomic.Int64
	// unreadable reports that the record can no longer be read: the token may have been revoked.
	unreadable bool
	// proven is when the token was last read from the store with its makers and its owner's epoch, in nanoseconds since
	// the Service was opened. All entries of one id share it.
	proven *atomic.Int64
}

// decodeToken reads a record. old is the entry that the result replaces, or nil.
func decodeToken(r store.Record, old *entry) (*entry, error) {
	e := &entry{used: new(atomic.Int64), proven: new(atomic.Int64)}
	if old != nil {
		e.used, e.proven = old.used, old.proven
	}
	if err := json.Unmarshal(r.Value, &e.record); err != nil {
		return nil, err
	}
	if e.Format != format1 && e.Format != format2 {
		return nil, store.NewerFormat(r.Key, e.Format, format2)
	}
	hash, err := hex.DecodeString(e.Hash)
	if err != nil || len(hash) != sha256.Size {
		return nil, errors.New("the record has no valid hash")
	}
	e.hash = [sha256.Size]byte(hash)
	if !e.Used.IsZero() && e.Used.Unix() > e.used.Load() {
		e.used.Store(e.Used.Unix())
	}
	return e, nil
}

// unreadableToken returns the entry in place of a record that cannot be read. A token that is not known needs none.
func unreadableToken(old *entry) (e *entry, needed bool) {
	if old == nil {
		return nil, false
	}
	c := *old
	c.unreadable = true
	return &c, true
}

// grant returns what the token is valid for.
func (e *entry) grant() Grant {
	return Grant{Kind: e.Kind, Name: e.Name, Titles: e.Titles, Contributor: e.Contributor, Expires: e.Expires}
}

// limited reports whether the token is a title's or a contributor's, so that the number of tokens it makes is limited.
func (e *entry) limited() bool { return e.Kind == TitleToken || e.Kind == Contributor }

// ended reports whether the token itself was revoked or has expired, and when. It does not consider its makers. A token
// whose record cannot be read counts as revoked now, so that the records of those that it has made are not purged.
func (e *entry) ended(now time.Time) (at time.Time, ended bool) {
	switch {
	case !e.Revoked.IsZero():
		return e.Revoked, true
	case e.unreadable:
		return now, true
	}
	return e.Expires, !e.Expires.IsZero() && !now.Before(e.Expires)
}

// endsAlone reports whether the token ended without ending the tokens that were made with it; see CreatedBy.
func (e *entry) endsAlone() bool { return e.Format == format1 && !e.Revoked.IsZero() }
