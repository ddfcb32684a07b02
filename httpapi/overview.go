package httpapi

import (
	"iter"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/listing"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/catalog"
)

const (
	// overviewDays is the number of days whose releases the overview counts.
	overviewDays = 14
	// expiresSoon is the time before its end at which the overview names a token.
	expiresSoon = 30 * 24 * time.Hour
)

// overviewCalls are the calls about what needs attention.
type overviewCalls struct {
	*core
	selector *listing.Selector
	all      *calls
	known    atomic.Pointer[titleCounts] // of a caller who may change all titles
}

// titleCounts are the counts of an overview that are about all titles, and what they were made from.
type titleCounts struct {
	generation uint64
	changed    time.Time // the facts
	minute     time.Time
	complete   bool
	wire.Overview
}

// get answers with what needs attention among the titles that the caller may change.
func (c *overviewCalls) get(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.principal(r)
	if err != nil {
		return err
	}
	body := wire.Overview{Complete: c.selector.Complete()}
	for _, a := range []*wire.Attention{&body.Sources, &body.Feeds, &body.Proposals, &body.Drafts, &body.Warnings,
		&body.Stale, &body.Webhooks, &body.Tokens} {
		a.IDs = []string{} // not null
	}
	c.addTitles(r, principal, &body)
	c.addDrafts(r, principal, &body)
	c.addSources(r, principal, &body)
	c.addWebhooks(r, principal, &body)
	c.addTokens(r, principal, &body)
	return replyUncached(w, http.StatusOK, body)
}

// changeable yields the titles that a principal may change.
func (c *overviewCalls) changeable(r *http.Request, p auth.Principal) iter.Seq[catalog.Title] {
	filter := catalog.Filter{}
	if c.access.standard && p.Kind == auth.Contributor {
		filter.Contributor = p.Contributor // no other title can be theirs
	}
	all := c.catalog.Find(filter)
	if c.access.standard && p.Kind == auth.TitleToken {
		all = func(yield func(catalog.Title) bool) {
			for _, uid := range p.Titles {
				if t, err := c.catalog.ByUID(uid); err == nil && !t.Disabled && !yield(t) {
					return
				}
			}
		}
	}
	trusted := callOf(r).trusted
	return func(yield func(catalog.Title) bool) {
		for t := range all {
			if (trusted || c.access.mayChange(r.Context(), p, t)) && !yield(t) {
				return
			}
		}
	}
}

// addTitles adds the warnings, the titles whose next version is overdue, and the releases. What a caller who may change
// all titles sees is kept until a title changes, for up to a minute.
func (c *overviewCalls) addTitles(r *http.Request, p auth.Principal, body *wire.Overview) {
	now := c.now().UTC()
	next := &titleCounts{
		generation: c.catalog.Generation(),
		changed:    c.selector.Changed(),
		minute:     now.Truncate(time.Minute),
		complete:   body.Complete,
	}
	if k := c.known.Load(); callOf(r).trusted && k != nil && k.generation == next.generation &&
		k.changed.Equal(next.changed) && k.minute.Equal(next.minute) && k.complete == next.complete {
		body.Titles, body.Warnings, body.Stale, body.Releases = k.Titles, k.Warnings, k.Stale, k.Releases
		return
	}
	c.countTitles(r, p, body, now)
	if callOf(r).trusted {
		next.Overview = *body
		c.known.Store(next)
	}
}

// countTitles does the work of addTitles.
func (c *overviewCalls) countTitles(r *http.Request, p auth.Principal, body *wire.Overview, now time.Time) {
	today := now.Truncate(24 * time.Hour)
	first := today.AddDate(0, 0, 1-overviewDays)
	for i := range overviewDays {
		day := first.AddDate(0, 0, i).Format(time.DateOnly)
		body.Releases = append(body.Releases, wire.DayReleases{Day: day})
	}
	for t := range c.changeable(r, p) {
		body.Titles++
		facts, _ := c.selector.Facts(t)
		if facts.Warnings > 0 {
			body.Warnings.Add(t.ID)
		}
		if facts.Stale(now) {
			body.Stale.Add(t.ID)
		}
		for day := range facts.Releases {
			if i := int(day.Sub(first) / (24 * time.Hour)); !day.Before(first) && i < overviewDays {
				body.Releases[i].Versions++
			}
		}
	}
}

// addDrafts adds the drafts.
func (c *overviewCalls) addDrafts(r *http.Request, p auth.Principal, body *wire.Overview) {
	for t := range c.catalog.Drafts() {
		if c.access.mayChange(r.Context(), p, t) {
			body.Drafts.Add(t.ID)
		}
	}
}

// addSources adds the sources and the release feeds that cannot be followed, and the proposals.
func (c *overviewCalls) addSources(r *http.Request, p auth.Principal, body *wire.Overview) {
	if calls := c.all.sync; calls != nil {
		for s := range calls.sync.Sources() {
			if s.LastError != nil && calls.maySee(r, p, s) {
				body.Sources.Add(sourceName(s))
			}
		}
	}
	if calls := c.all.watches; calls != nil {
		for watch := range calls.watches.All() {
			if watch.State.Status == wire.WatchFailing && calls.mayList(r, p, watch) {
				body.Feeds.Add(watch.Title)
			}
		}
		for proposal := range calls.watches.Proposals() {
			if calls.mayChangeTitle(r, p, proposal.Title) {
				body.Proposals.Add(proposal.ID)
			}
		}
	}
}

// sourceName returns the id of the title that follows a source, or the name of a mirror.
func sourceName(s wire.Source) string {
	switch {
	case s.Title != nil:
		return *s.Title
	case s.Mirror != nil:
		return *s.Mirror
	}
	return s.URL
}

// addWebhooks adds the webhooks whose last delivery failed.
func (c *overviewCalls) addWebhooks(r *http.Request, p auth.Principal, body *wire.Overview) {
	if c.all.webhooks == nil || !c.access.may(r.Context(), p, auth.ActionAdminister, auth.Title{}) {
		return
	}
	for _, h := range c.all.webhooks.webhooks.List() {
		if h.Enabled && h.Failures > 0 {
			body.Webhooks.Add(h.ID)
		}
	}
}

// addTokens adds the tokens that expire soon.
func (c *overviewCalls) addTokens(r *http.Request, p auth.Principal, body *wire.Overview) {
	calls := c.all.tokens
	if calls.tokens == nil || !c.access.may(r.Context(), p, auth.ActionTokens, auth.Title{}) {
		return
	}
	soon := c.now().Add(expiresSoon)
	for _, t := range calls.candidates(r.Context(), p) {
		if !t.Expires.IsZero() && t.Expires.Before(soon) && c.access.mayManage(r.Context(), p, t) {
			body.Tokens.Add(t.ID)
		}
	}
}
