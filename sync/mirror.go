package patchsync

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// DefaultMaxRemoveShare is the share of its titles that a source may take away at
// once when [Mirror] says nothing else.
const DefaultMaxRemoveShare = 0.1

// A Mirror follows a whole source: each of its titles becomes one here. A title
// that is here already, and did not come with this source, is left alone.
type Mirror struct {
	// Source is what is followed.
	Source Source
	// Name names the mirror: titles belong to it by that, so that a source can
	// move. Empty: the source's key.
	Name string
	// Only are the ids, as the source has them and in any case, of the titles that
	// are wanted; empty: all. Except are those that are not.
	Only, Except []string
	// Author is put into each title's id and name, see
	// patch.Definition.Namespace. Empty: they stay as they are.
	Author string
	// Rename, if not nil, changes each definition before it is looked at, after
	// Author: its id, its name. It must say the same of the same definition, must
	// not change what slices point to, and may be called by several goroutines.
	Rename func(*patch.Definition)
	// Remove deletes titles that have vanished from the source. Otherwise they
	// stay as they last were.
	Remove bool
	// MaxRemoveShare bounds how many may vanish at once, as a share of those there
	// were; of a few, one always may. If more do, none is deleted, and the state
	// says so; nor are any when the source lists nothing at all. 1: whatever
	// happens. 0: DefaultMaxRemoveShare.
	MaxRemoveShare float64
	// AllowDowngrade takes definitions that go back to an older version, too.
	AllowDowngrade bool
	// Interval is how often the source is asked. 0: that of [Options].
	Interval time.Duration

	only, except map[string]bool // in lower case
}

// complete checks a mirror, and fills in what it leaves out.
func (m *Mirror) complete(interval time.Duration) error {
	if m.Source == nil {
		return errors.New("a mirror needs a source")
	}
	if m.Name == "" {
		m.Name = m.Source.Key()
	}
	if m.Name == "" {
		return errors.New("a mirror needs a name, or a source that has a key")
	}
	if m.MaxRemoveShare < 0 || m.MaxRemoveShare > 1 {
		return fmt.Errorf("mirror %s: a share of %v cannot be: it must lie between 0 and 1",
			RedactURL(m.Name), m.MaxRemoveShare)
	}
	if m.MaxRemoveShare == 0 {
		m.MaxRemoveShare = DefaultMaxRemoveShare
	}
	if m.Author != "" {
		if _, err := patch.AuthorID(m.Author); err != nil {
			return fmt.Errorf("mirror %s: %w", RedactURL(m.Name), err)
		}
	}
	if m.Interval <= 0 {
		m.Interval = interval
	}
	m.only, m.except = folded(m.Only), folded(m.Except)
	return nil
}

func folded(ids []string) map[string]bool {
	all := map[string]bool{}
	for _, id := range ids {
		all[strings.ToLower(id)] = true
	}
	return all
}

// mirrorPrefix begins the key of a mirror's state.
const mirrorPrefix = "mirror/"

// mirrorKey returns the key of a mirror's state.
func mirrorKey(name string) string {
	if len(name) > 400 { // a key has 512 bytes at most
		sum := sha256.Sum256([]byte(name))
		name = "sha256/" + hex.EncodeToString(sum[:])
	}
	return mirrorPrefix + name
}

// wants reports whether a title of the source is wanted.
func (m *Mirror) wants(id string) bool {
	id = strings.ToLower(id)
	return (len(m.only) == 0 || m.only[id]) && !m.except[id]
}

// mayRemove says how many of n titles may vanish at once when the source still
// lists some, or nothing any more.
func (m *Mirror) mayRemove(n int, listsNothing bool) int {
	switch {
	case m.MaxRemoveShare == 1:
		return n
	case listsNothing:
		return 0
	}
	return max(1, int(m.MaxRemoveShare*float64(n)))
}

// A policy is what holds for definitions wherever they come from.
type policy struct{ allowDowngrade bool }
