package patchsync

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/store"
)

const (
	// stateKind is the kind of the records of states.
	stateKind = "syncs"
	// stateFormat is the format of the records that this version writes.
	stateFormat = 1
)

// A state is what the store remembers of a source.
type state struct {
	Format      int       `json:"format"`
	LastAttempt time.Time `json:"last_attempt,omitzero"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	LastChange  time.Time `json:"last_change,omitzero"`
	NextAttempt time.Time `json:"next_attempt,omitzero"`
	// Wait is the time between the last attempt and NextAttempt. It bounds the wait of a server with another clock.
	Wait time.Duration `json:"wait,omitempty"`
	// Failures, LastError and Status are described in [State].
	Failures  int    `json:"failures,omitempty"`
	LastError string `json:"last_error,omitempty"`
	Status    int    `json:"status,omitempty"`
	Signer    string `json:"signer,omitempty"`
	// Memo is that of the last listing that was applied in full.
	Memo string `json:"memo,omitempty"`
	// Items are the items of the source, by their ids there.
	Items map[string]item `json:"items,omitempty"`
}

// An item is what the store remembers of an item of a source.
type item struct {
	// Mark is that of the definition that was applied.
	Mark string `json:"mark,omitempty"`
	// Title is the id of the title here, and ETag that of its definition when it was applied.
	Title string `json:"title,omitempty"`
	ETag  string `json:"etag,omitempty"`
	retryState
	// Unread reports that the item could not be read, so that nothing is known of its title.
	Unread bool `json:"unread,omitempty"`
	// Moved reports that the item appeared when a title vanished, so that it may be that title under a new id.
	Moved bool `json:"moved,omitempty"`
	// Gone reports that the source no longer lists the item.
	Gone bool `json:"gone,omitempty"`
}

// A retryState tells why the definition that a source has now was not applied as it is there, and when to retry. It
// is zero if it was.
type retryState struct {
	// Error is the reason, and Refused the mark of the definition.
	Error   string `json:"error,omitempty"`
	Refused string `json:"refused,omitempty"`
	// Since is the time of the last try, Tries the number of tries, and Again the time of the next one.
	Since time.Time `json:"since,omitzero"`
	Tries int       `json:"tries,omitempty"`
	Again time.Time `json:"again,omitzero"`
}

// isDue reports whether it is time to retry, or whether that time was set by a clock that is ahead of this one.
func (s *retryState) isDue(now time.Time) bool { return !now.Before(s.Again) || now.Before(s.Since) }

// mayRecover reports whether a retry after a start may succeed: something failed, and the source did not ask for a
// pause.
func (s *state) mayRecover() bool {
	return s.LastError != "" && s.Status != http.StatusTooManyRequests && s.Status != http.StatusServiceUnavailable
}

// persistent returns the part of the state that must be saved: everything but the times that change with every round.
func (s *state) persistent() string {
	c := *s
	c.LastAttempt, c.LastSuccess, c.NextAttempt, c.Wait = time.Time{}, time.Time{}, time.Time{}, 0
	data, err := json.Marshal(c)
	if err != nil {
		panic(err) // a struct of strings, numbers and times can always be marshaled
	}
	return string(data)
}

// clone returns a copy that shares nothing with s.
func (s *state) clone() state {
	c := *s
	c.Items = maps.Clone(s.Items)
	return c
}

// A savedState is a state that the store has.
type savedState struct {
	state    state
	revision store.Revision
}

// decodeState reads a state from its record. The error is [store.ErrFormat] if a newer version wrote it.
func decodeState(rec store.Record) (savedState, error) {
	var s state
	if err := json.Unmarshal(rec.Value, &s); err != nil {
		return savedState{}, fmt.Errorf("record %s/%s: %w", stateKind, redactKey(rec.Key.ID), err)
	}
	if s.Format != stateFormat {
		key := store.Key{Kind: stateKind, ID: redactKey(rec.Key.ID)}
		return savedState{}, store.NewerFormat(key, s.Format, stateFormat)
	}
	return savedState{s, rec.Revision}, nil
}
