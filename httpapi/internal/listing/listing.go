// Package listing selects titles by what a survey and the services know of them, for the API and for the page.
package listing

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/survey"
)

// The sources of titles.
const (
	// Manual titles are changed by people and their tools.
	Manual = "manual"
	// Followed titles follow a definition elsewhere.
	Followed = "followed"
	// Watched titles get their versions from the release feed of the vendor.
	Watched = "watched"
)

// The states of titles.
const (
	// Warnings is the state of titles about which lint warns.
	Warnings = "warnings"
	// Failing is the state of titles whose source or release feed cannot be followed.
	Failing = "failing"
	// Stale is the state of titles whose next version is overdue.
	Stale = "stale"
	// Draft is the state of titles with a draft.
	Draft = "draft"
)

// Sources and States are all of them.
var (
	sources = []string{Manual, Followed, Watched}
	states  = []string{Warnings, Failing, Stale, Draft}
)

// A Filter selects titles: those to which all of its fields apply.
type Filter struct {
	// Filter is the part that the catalog knows. Its Query also finds bundle IDs and the names of applications.
	catalog.Filter
	// Bundle is a bundle ID that the definition names, without regard to case. If empty, any matches.
	Bundle string
	// Source and State are of the constants of this package. If empty, any matches.
	Source, State string
}

// Check returns an error that names the first field with a value that it cannot have.
func (f *Filter) Check() error {
	for _, one := range []struct {
		name, value string
		allowed     []string
	}{{"source", f.Source, sources}, {"state", f.State, states}} {
		if one.value != "" && !slices.Contains(one.allowed, one.value) {
			return fmt.Errorf("%s must be one of %s", one.name, strings.Join(one.allowed, ", "))
		}
	}
	return nil
}

// Sync tells the state of the sources that titles follow.
type Sync interface {
	State(t catalog.Title, detailed bool) (wire.SyncState, bool)
}

// Watches tells which titles follow release feeds.
type Watches interface {
	Watch(id string) (wire.Watch, error)
}

// A Selector selects titles. It is safe for concurrent use.
type Selector struct {
	catalog *catalog.Catalog
	survey  *survey.Survey
	sync    Sync
	watches Watches
	now     func() time.Time
}

// New returns a selector of the titles of a catalog. survey, sync and watches may be nil; then nothing is known of the
// facts, the sources or the release feeds then.
func New(
	c *catalog.Catalog, survey *survey.Survey, sync Sync, watches Watches, now func() time.Time,
) *Selector {
	return &Selector{c, survey, sync, watches, now}
}

// Facts returns what is known of a title.
func (s *Selector) Facts(t catalog.Title) (survey.Facts, bool) {
	if s.survey == nil {
		return survey.Facts{}, false
	}
	return s.survey.Facts(t)
}

// Complete reports whether the facts of all titles are known.
func (s *Selector) Complete() bool { return s.survey != nil && s.survey.Complete() }

// Changed returns when the facts last changed.
func (s *Selector) Changed() time.Time {
	if s.survey == nil {
		return time.Time{}
	}
	return s.survey.Changed()
}

// Select returns the part of a filter that the catalog applies, and a function for the rest, nil if there is none.
func (s *Selector) Select(f Filter) (catalog.Filter, func(catalog.Title) bool) {
	var rest []func(catalog.Title) bool
	if found := s.mentioned(f.Query); len(found) > 0 {
		only := catalog.Filter{Query: f.Query, QueryAuthor: f.QueryAuthor}
		for t := range s.catalog.Find(only) {
			found[t.ID] = true
		}
		f.Query = ""
		rest = append(rest, func(t catalog.Title) bool { return found[t.ID] })
	}
	if f.Bundle != "" {
		rest = append(rest, func(t catalog.Title) bool {
			facts, _ := s.Facts(t)
			return facts.HasBundle(f.Bundle)
		})
	}
	if f.Source == Followed {
		f.Synced = new(true)
	} else if f.Source != "" {
		f.Synced = new(false)
		rest = append(rest, func(t catalog.Title) bool { return s.watched(t) == (f.Source == Watched) })
	}
	if f.State != "" {
		now := s.now()
		rest = append(rest, func(t catalog.Title) bool { return s.Is(t, f.State, now) })
	}
	if len(rest) == 0 {
		return f.Filter, nil
	}
	return f.Filter, func(t catalog.Title) bool {
		for _, selects := range rest {
			if !selects(t) {
				return false
			}
		}
		return true
	}
}

// Is reports whether a title is in a state at a time.
func (s *Selector) Is(t catalog.Title, state string, now time.Time) bool {
	switch state {
	case Failing:
		return s.fails(t)
	case Draft:
		return !t.Draft.Changed.IsZero()
	}
	facts, _ := s.Facts(t)
	switch state {
	case Warnings:
		return facts.Warnings > 0
	case Stale:
		return facts.Stale(now)
	}
	return false
}

// watched reports whether a title follows a release feed.
func (s *Selector) watched(t catalog.Title) bool {
	if s.watches == nil {
		return false
	}
	_, err := s.watches.Watch(t.ID)
	return err == nil
}

// fails reports whether the source or the release feed of a title cannot be followed.
func (s *Selector) fails(t catalog.Title) bool {
	if t.Follows != "" {
		if s.sync == nil {
			return false
		}
		state, ok := s.sync.State(t, false)
		return ok && state.LastError != nil
	}
	if s.watches == nil {
		return false
	}
	w, err := s.watches.Watch(t.ID)
	return err == nil && w.State.Status == wire.WatchFailing
}

// minMentioned is the length in bytes from which a query looks at applications: a shorter one would find nearly all.
const minMentioned = 3

// mentioned returns the ids of the titles whose applications a query finds.
func (s *Selector) mentioned(query string) map[string]bool {
	if len(query) < minMentioned || s.survey == nil {
		return nil
	}
	found := map[string]bool{}
	for t := range s.catalog.Find(catalog.Filter{}) {
		if facts, _ := s.survey.Facts(t); facts.Mentions(query) {
			found[t.ID] = true
		}
	}
	return found
}
