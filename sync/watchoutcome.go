package patchsync

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// reportedFailures is the number of failures in a row after which a feed is reported as failed.
const reportedFailures = 3

const (
	// maxHeldShown bounds WatchState.Held: those that are due first by version order.
	maxHeldShown = 50
	// maxMissing bounds WatchState.Missing: the newest versions.
	maxMissing = 10
)

// noteVersions remembers the versions that the title has as added, also as the feed writes them, so that they do not
// come back after a person has removed them.
func (c *check) noteVersions() {
	has := make([]patch.Version, 0, len(c.def.Patches))
	for i := range c.def.Patches {
		c.next.mark(c.def.Patches[i].Version, recipe.Added, c.now)
		has = append(has, patch.ParseVersion(c.def.Patches[i].Version))
	}
	slices.SortFunc(has, patch.Version.Order)
	for _, r := range c.in.selection.Releases {
		if _, ok := slices.BinarySearchFunc(has, patch.ParseVersion(r.Version), patch.Version.Compare); ok {
			c.next.mark(r.Version, recipe.Added, c.now)
		}
	}
}

// noteHistory remembers the versions in the history of the title as added, if the feed lists a version that is newer
// than the title's and about which nobody has decided: a person may have added and removed it since the last check.
// The error is that of catalog.History.
func (c *check) noteHistory(ctx context.Context, found []recipe.Release) error {
	newest := patch.ParseVersion(newestOf(c.def))
	undecided := slices.ContainsFunc(found, func(r recipe.Release) bool {
		memory := c.next.Seen[r.Version].Memory
		return memory != recipe.Added && memory != recipe.Rejected && patch.ParseVersion(r.Version).Compare(newest) > 0
	})
	if !undecided {
		return nil
	}
	history, err := c.catalog.History(ctx, c.title.ID)
	if err != nil {
		return err
	}
	for _, revision := range slices.Backward(history) {
		if revision.Current || revision.Number <= c.next.Noted {
			continue
		}
		versions := []string{revision.Version}
		def, err := c.catalog.Revision(ctx, c.title.ID, revision.Number)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			versions = versionsOf(def)
		case !errors.Is(err, catalog.ErrNoRevision):
			c.log.Warn("an earlier revision of a title that is watched cannot be read", "title", c.title.ID,
				"revision", revision.Number, "error", err)
		}
		for _, version := range versions {
			c.next.mark(version, recipe.Added, c.now)
		}
		c.next.Noted = revision.Number
	}
	return nil
}

// newestOf returns the newest version of a definition, which has one.
func newestOf(def *patch.Definition) string {
	return slices.MaxFunc(versionsOf(def), patch.OrderVersions)
}

// notePlan notes what a plan holds and proposes.
func (c *check) notePlan(plan *releases.Plan) {
	s := &c.next.State
	s.Held = nil
	for _, step := range plan.Held {
		version := step.Release.Version
		if _, seen := c.next.Seen[version]; !seen {
			c.next.mark(version, recipe.Listed, c.now)
		}
		if len(s.Held) < maxHeldShown {
			s.Held = append(s.Held, HeldVersion{version, step.Until})
		}
	}
	c.noteMissing()
	if plan.Newest != nil {
		s.Newest = shorten(plan.Newest.Version)
	}
	s.Rhythm, _ = releases.Rhythm(c.in.selection.Releases)
	s.Silent = releases.Silent(c.in.selection.Releases, c.now)
	c.keepHeld(plan)
	c.notePropose(plan)
}

// noteMissing notes the versions that the feed lists, that are newer than the title's and that the title once had.
func (c *check) noteMissing() {
	c.next.State.Missing = nil
	newest := patch.ParseVersion(newestOf(c.def))
	for _, r := range c.selection.Releases { // the newest first
		switch {
		case patch.ParseVersion(r.Version).Compare(newest) <= 0, len(c.next.State.Missing) == maxMissing:
			return
		case c.next.Seen[r.Version].Memory == recipe.Added:
			c.next.State.Missing = append(c.next.State.Missing, shorten(r.Version))
		}
	}
}

// noteFailure notes that the check failed. A failure of a check that a person has asked for is counted at most once in
// an interval, and does not put off the next check at the interval: impatience is no outage.
func (c *check) noteFailure(err error) {
	s := &c.next.State
	text := shorten(err.Error())
	if text != s.LastError {
		c.badFeeds.warn("title", c.title.ID, "error", text)
	}
	s.LastError = text
	every := interval(c.next)
	if c.in.asked {
		if since := c.now.Sub(s.Counted); s.Failures == 0 || since < 0 || since >= every-every/10 {
			s.Failures++
			s.Counted = c.now
		}
		return
	}
	wait := backoff(every, s.Failures)
	var failure *FeedError
	if errors.As(err, &failure) {
		wait = max(wait, min(failure.RetryAfter, maxIntervals*every))
	}
	s.Failures++
	s.Counted = c.now
	s.Wait = jitter(wait)
	s.NextCheck = c.now.Add(s.Wait)
}

// noteOutcome notes whether the check failed, and the events that follow from it.
func (c *check) noteOutcome(out *Check) {
	rec := c.next
	s := &rec.State
	s.LastAttempt = c.in.at
	if out.Err == nil {
		if s.Failures > 0 {
			c.log.Info("a release feed can be followed again", "title", c.title.ID)
		}
		s.LastSuccess, s.Failures, s.LastError = c.in.at, 0, ""
		s.NextCheck, s.Wait, s.Counted = time.Time{}, 0, time.Time{}
	} else {
		c.noteFailure(out.Err)
	}
	failed := s.Failures >= reportedFailures || s.Silent
	switch {
	case failed && !s.Reported:
		s.Reported = true
		message := fmt.Sprintf("the release feed of %q could not be followed %d times in a row: %s",
			c.title.ID, s.Failures, s.LastError)
		if s.Failures < reportedFailures {
			message = fmt.Sprintf("the release feed of %q has listed nothing new for much longer than usual: the "+
				"vendor may have moved it", c.title.ID)
		}
		c.announce(rec, WatchEvent{Kind: WatchFailed, Message: message})
	case !failed && s.Reported && s.Failures == 0:
		s.Reported = false
		c.announce(rec, WatchEvent{
			Kind:    WatchRecovered,
			Message: fmt.Sprintf("the release feed of %q can be followed again", c.title.ID),
		})
	}
}

// announce puts an event into the outbox of a record, if events are delivered at all.
func (c *check) announce(rec *watchRecord, e WatchEvent) {
	if c.notify == nil {
		return
	}
	e.ID, e.Title, e.UID, e.At = rand.Text(), c.title.ID, rec.UID, c.now
	rec.Outbox = append(rec.Outbox, e)
	if n := len(rec.Outbox) - maxOutbox; n > 0 {
		rec.Outbox = slices.Delete(rec.Outbox, 0, n)
	}
}
