package patchsync

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

// defaultMaxRemoveShare is the default of Mirror.MaxRemoveShare.
const defaultMaxRemoveShare = 0.1

// A Mirror follows a whole source: each of its titles becomes a title here. A title that exists already, and did not
// come from this source, is left alone.
type Mirror struct {
	// Source is the source to follow.
	Source Source
	// Name names the mirror. Titles belong to the mirror by this name, so that a source can move to another address.
	// If empty, it is the source's key.
	Name string
	// Only are the ids of the titles that are wanted, as the source has them and in any case. If empty, all are
	// wanted. Except are the ids of titles that are not wanted.
	Only, Except []string
	// Author is added to the id and name of each title; see patch.Definition.Namespace. If empty, they stay as they
	// are.
	Author string
	// Rename, if not nil, changes the id and name of each definition, after Author and before anything else is decided
	// by them. It must do the same to the same definition each time, must not change what the definition's slices and
	// pointers refer to, and is called by several goroutines at once.
	Rename func(*patch.Definition)
	// Remove deletes titles that have vanished from the source. Otherwise they stay as they are.
	Remove bool
	// MaxRemoveShare bounds how many titles may vanish at once, as a share of all titles of the mirror; a single title
	// always may. If more titles vanish, none is deleted and the state says so; likewise if the source lists no title
	// at all. The default is 0.1. A value of 1, or a negative one, means no limit.
	MaxRemoveShare float64
	// AllowDowngrade accepts definitions that return to an older version.
	AllowDowngrade bool
	// Interval is the time between two rounds. The default is that of [Options].
	Interval time.Duration

	only, except map[string]bool // in lower case
}

// A checker is a [Source] that can tell that it is invalid before it is asked.
type checker interface {
	check(c *safehttp.Client) error
}

// completeMirrors returns copies of mirrors with their defaults filled in, or an error that says which is invalid.
func completeMirrors(mirrors []Mirror, set *settings) (all []*Mirror, err error) {
	names := map[string]bool{}
	for _, m := range mirrors {
		if err := m.complete(set); err != nil {
			return nil, err
		}
		if names[m.Name] {
			return nil, fmt.Errorf("the source %s is followed twice: give one of the mirrors another name",
				RedactURL(m.Name))
		}
		names[m.Name] = true
		all = append(all, &m)
	}
	return all, nil
}

// complete checks a mirror and fills in its defaults.
func (m *Mirror) complete(set *settings) error {
	if m.Source == nil {
		return errors.New("a mirror needs a source")
	}
	if m.Name == "" {
		m.Name = m.Source.Key()
	}
	if m.Name == "" {
		return errors.New("a mirror needs a name, or a source with a key")
	}
	if err := m.check(set.fetcher.client); err != nil {
		return fmt.Errorf("mirror %s: %w", RedactURL(m.Name), err)
	}
	m.MaxRemoveShare = cmp.Or(m.MaxRemoveShare, defaultMaxRemoveShare)
	m.Interval = cmp.Or(m.Interval, set.interval)
	m.only, m.except = foldedSet(m.Only), foldedSet(m.Except)
	return nil
}

// check reports why a mirror is invalid.
func (m *Mirror) check(client *safehttp.Client) error {
	if c, ok := m.Source.(checker); ok {
		if err := c.check(client); err != nil {
			return err
		}
	}
	if m.Author != "" {
		if _, err := patch.AuthorID(m.Author); err != nil {
			return err
		}
	}
	if m.MaxRemoveShare > 1 {
		return fmt.Errorf("the share of titles that may vanish is %v: it must lie between 0 and 1", m.MaxRemoveShare)
	}
	if m.Interval < 0 {
		return fmt.Errorf("the interval %v is negative", m.Interval)
	}
	return nil
}

// foldedSet returns the set of some ids in lower case.
func foldedSet(ids []string) map[string]bool {
	set := map[string]bool{}
	for _, id := range ids {
		set[strings.ToLower(id)] = true
	}
	return set
}

// wants reports whether a title of the source is wanted.
func (m *Mirror) wants(id string) bool {
	id = strings.ToLower(id)
	return (len(m.only) == 0 || m.only[id]) && !m.except[id]
}

// missing returns a title that is wanted by its id and not listed, or "".
func (m *Mirror) missing(listed map[string]bool) (id string) {
	if len(m.Only) == 0 {
		return ""
	}
	there := map[string]bool{}
	for id := range listed {
		there[strings.ToLower(id)] = true
	}
	for _, id := range m.Only {
		if !there[strings.ToLower(id)] {
			return id
		}
	}
	return ""
}

// mayRemove returns how many of n titles may vanish at once. listsNothing says that the source lists no title.
func (m *Mirror) mayRemove(n int, listsNothing bool) int {
	switch {
	case m.MaxRemoveShare < 0, m.MaxRemoveShare == 1:
		return n
	case listsNothing:
		return 0
	}
	return max(1, int(m.MaxRemoveShare*float64(n)))
}
