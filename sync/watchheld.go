package patchsync

import (
	"fmt"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

const (
	// maxHeld bounds the releases that a record keeps while the policy holds them: the oldest by version order, because
	// they are due first. If it were the newest, a policy that holds more releases than this would never add any.
	maxHeld = 20
	// maxHeldURL bounds the address of a release that a record keeps.
	maxHeldURL = 1024
)

// A heldRelease is a [recipe.Release] in a record: the policy holds it, or it could not be added yet. When it was first
// seen is in watchRecord.Seen.
type heldRelease struct {
	Version    string    `json:"version"`
	Build      string    `json:"build,omitempty"`
	Channel    string    `json:"channel,omitempty"`
	MinOS      string    `json:"minimum_os,omitempty"`
	URL        string    `json:"url,omitempty"`
	Notes      string    `json:"notes,omitempty"`
	Date       time.Time `json:"date,omitzero"`
	Prerelease bool      `json:"prerelease,omitempty"`
	Rollout    float64   `json:"rollout"`
}

// keepHeld makes the record keep the releases that a plan holds, and those that it adds until they are added: a feed
// that lists its newest release alone may list them no longer when they are due.
func (c *check) keepHeld(plan *releases.Plan) {
	var kept []heldRelease
	held := plan.Held[:min(len(plan.Held), maxHeld)] // the oldest first
	for _, steps := range [][]releases.Step{held, plan.Add} {
		for _, step := range steps {
			r := step.Release
			r.Notes = ""
			if len(r.URL) > maxHeldURL {
				r.URL = ""
			}
			kept = append(kept, heldRelease(r))
		}
	}
	slices.SortStableFunc(kept, func(a, b heldRelease) int { return patch.OrderVersions(a.Version, b.Version) })
	c.next.Held = kept
}

// withHeld returns what counts of the releases of the feed, together with those that the record keeps and that the feed
// no longer lists. Those that the vendor has withdrawn move from the record to c.withdrawn.
func (c *check) withHeld() releases.Selection {
	s := c.in.selection
	if len(c.next.Held) == 0 {
		return s
	}
	listed := make([]patch.Version, 0, len(s.Releases)) // the newest first
	for _, r := range s.Releases {
		listed = append(listed, patch.ParseVersion(r.Version))
	}
	merged := slices.Clone(s.Releases)
	c.next.Held = slices.DeleteFunc(c.next.Held, func(h heldRelease) bool {
		v := patch.ParseVersion(h.Version)
		_, found := slices.BinarySearchFunc(listed, v, func(a, b patch.Version) int { return b.Compare(a) })
		if found {
			return false
		}
		reason := whyWithdrawn(v, listed, s.Dropped)
		if reason != "" {
			c.withdrawn = append(c.withdrawn, withdrawal{h.Version, reason})
		} else {
			merged = append(merged, recipe.Release(h))
		}
		return reason != ""
	})
	slices.SortStableFunc(merged, func(a, b recipe.Release) int { return patch.CompareVersions(b.Version, a.Version) })
	return releases.Selection{Releases: merged, Dropped: s.Dropped, Channels: s.Channels}
}

// A withdrawal is a release that the record has kept and that the vendor has withdrawn.
type withdrawal struct{ version, reason string }

// whyWithdrawn returns why a version that the feed no longer lists has been withdrawn, empty if it has not: a feed that
// lists newer releases only may have replaced it. listed are the versions that count, the newest first.
func whyWithdrawn(v patch.Version, listed []patch.Version, dropped []releases.Dropped) string {
	for _, d := range dropped {
		if patch.ParseVersion(d.Version).Compare(v) == 0 {
			return "it no longer counts: " + d.Reason
		}
	}
	if n := len(listed); n > 0 && listed[n-1].Compare(v) < 0 {
		return fmt.Sprintf("the feed lists the older version %s, and no longer this one", listed[n-1])
	}
	return ""
}

// logWithdrawn logs the releases that the vendor has withdrawn.
func (c *check) logWithdrawn() {
	for _, gone := range c.withdrawn {
		c.log.Warn("a release that a watch held was withdrawn by its vendor and is not added",
			"title", c.title.ID, "version", gone.version, "reason", gone.reason)
	}
}
