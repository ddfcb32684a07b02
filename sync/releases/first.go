package releases

import (
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
)

// First returns the releases that a new title begins with, the newest first: the newest stable one, or as many as the
// policy's Backfill says. Releases that have reached fewer users than the policy's MinRollout, and versions that its
// Expect does not match, are left out. As a new title has no versions that a person could compare with, a date in the
// future and a minimum macOS version that does not exist are removed from a release.
//
// The error is an [ErrUnreadable] that says why, if no release is left.
func First(w recipe.Watch, s Selection, now time.Time) ([]recipe.Release, error) {
	expect, err := newMatcher(w.Policy.Expect)
	if err != nil {
		return nil, err
	}
	var first []recipe.Release
	reason := ""
	for _, r := range s.Releases {
		if len(first) == max(1, w.Policy.Backfill) {
			break
		}
		if r.Prerelease && !w.Feed.Prereleases {
			continue
		}
		if why := unfit(r, w.Policy, expect); why != "" {
			if reason == "" {
				reason = why
			}
			continue
		}
		if r.Date.After(now.Add(clockTolerance)) {
			r.Date = time.Time{}
		}
		if r.MinOS != "" && !isMacOS(r.MinOS, now) {
			r.MinOS = ""
		}
		first = append(first, r)
	}
	switch {
	case len(first) > 0:
		return first, nil
	case reason != "":
		return nil, unreadable("it lists no release that a new title may begin with: %s", reason)
	}
	return nil, unreadable("it %s", s.WhyNone())
}

// unfit returns why a new title cannot begin with a release, or nothing if it can. If expect is nil, every version is
// expected.
func unfit(r recipe.Release, policy recipe.Policy, expect *matcher) string {
	minRollout := 1.0
	if policy.MinRollout != nil {
		minRollout = *policy.MinRollout
	}
	switch {
	case r.Rollout < minRollout:
		return fmt.Sprintf("the vendor offers version %s to %s of users, and the policy waits for %s", r.Version,
			percent(r.Rollout), percent(minRollout))
	case expect != nil && !expect.matches(r.Version):
		return fmt.Sprintf("the policy expects versions that match %q, and %s does not", policy.Expect, r.Version)
	}
	return ""
}
