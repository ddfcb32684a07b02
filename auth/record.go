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

// A record is what the store has of a token.
type record struct {
	Format      int       `json:"format"`
	Kind        Kind      `json:"kind"`
	Name        string    `json:"name,omitempty"`
	Hash        string    `json:"hash"`
	Titles      []string  `json:"titles,omitempty"`
	Contributor string    `json:"contributor,omitempty"`
	Created     time.Time `json:"created"`
	// CreatedBy is, in format 1, the id of the token that this one was made with, or whose place it took. That token
	// was revoked in the second case, so a maker that was revoked in format 1 ends nothing.
	CreatedBy string `json:"created_by,omitempty"`
	// Chain is, in format 2, the ids of the tokens that this one was made with, the root first.
	Chain []string `json:"chain,omitempty"`
	// Owner and Epoch say, in format 2, which owner's epoch ends the token, see ownerOf.
	Owner string `json:"owner,omitempty"`
	Epoch uint64 `json:"epoch,omitempty"`
	// First is the token that this one counts for, of those that were exchanged for each other until this one was made,
	// see countsFor. It is empty if this one has an owner, or took no other's place.
	First   string    `json:"first,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	// Replaces are, in format 1, the tokens that end when this one is first used; then it is empty.
	Replaces []string `json:"replaces,omitempty"`
	// Used is when the token was last used, as far as it was written down.
	Used time.Time `json:"used,omitzero"`
	// Revoked is when it was revoked. The record stays, so that a token that
	// stands in a file is not taken for a new one.
	Revoked time.Time `json:"revoked,omitzero"`
}

// Formats of a token's record. New records are of format 2. One of format 1 keeps its format until it says what
// only format 2 can.
const (
	format1 = 1
	format2 = 2
)

// known is a token in memory.
type known struct {
	record
	hash [sha256.Size]byte
	// used is when it was last used, in Unix seconds. It is shared by the
	// values that follow each other under one id.
	used *atomic.Int64
}

func decodeToken(r store.Record, old *known) (*known, error) {
	k := &known{used: new(atomic.Int64)}
	if old != nil {
		k.used = old.used
	}
	if err := json.Unmarshal(r.Value, &k.record); err != nil {
		return nil, err
	}
	if k.Format != format1 && k.Format != format2 {
		return nil, store.NewerFormat(r.Key, k.Format, format2)
	}
	hash, err := hex.DecodeString(k.Hash)
	if err != nil || len(hash) != sha256.Size {
		return nil, errors.New("its record has no hash")
	}
	k.hash = [sha256.Size]byte(hash)
	if !k.Used.IsZero() && k.Used.Unix() > k.used.Load() {
		k.used.Store(k.Used.Unix())
	}
	return k, nil
}

// grant returns what the token is good for.
func (k *known) grant() Grant {
	return Grant{Kind: k.Kind, Name: k.Name, Titles: k.Titles, Contributor: k.Contributor, Expires: k.Expires}
}

// ofAuthor reports whether the token is a title's or a contributor's, so that how many it makes is bounded.
func (k *known) ofAuthor() bool { return k.Kind == TitleToken || k.Kind == Contributor }

// ended reports whether the token itself has ended, and when. The tokens that it was made with are another matter.
func (k *known) ended(now time.Time) (at time.Time, ended bool) {
	if !k.Revoked.IsZero() {
		return k.Revoked, true
	}
	return k.Expires, !k.Expires.IsZero() && !now.Before(k.Expires)
}

// excused reports whether the end of the token does not end those that it made.
func (k *known) excused() bool { return k.Format == format1 && !k.Revoked.IsZero() }
