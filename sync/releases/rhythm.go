package releases

import (
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
)

const (
	// rhythmReleases is the number of newest releases that a rhythm is taken from.
	rhythmReleases = 10
	// minSilence is the shortest time after which a feed counts as silent.
	minSilence = 30 * 24 * time.Hour
)

// Rhythm returns the median time between two of the newest releases, and when the last one was. It returns 0 if fewer
// than four of the releases have a date.
func Rhythm(found []recipe.Release) (rhythm time.Duration, last time.Time) {
	var dates []time.Time
	for _, r := range found {
		if !r.Date.IsZero() {
			dates = append(dates, r.Date)
		}
	}
	if len(dates) < 4 {
		return 0, time.Time{}
	}
	slices.SortFunc(dates, func(a, b time.Time) int { return b.Compare(a) })
	dates = dates[:min(len(dates), rhythmReleases)]
	gaps := make([]time.Duration, len(dates)-1)
	for i := range gaps {
		gaps[i] = dates[i].Sub(dates[i+1])
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2], dates[0]
}

// Silent reports whether the last release of a feed is more than three times as old as the rhythm of its releases, and
// more than 30 days: the vendor has probably moved the feed. It is false if the rhythm is not known.
func Silent(found []recipe.Release, now time.Time) bool {
	rhythm, last := Rhythm(found)
	return rhythm > 0 && now.Sub(last) > max(3*rhythm, minSilence)
}
