package releases

import (
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// Rhythm returns the median time between two of the newest releases, and when the last one was; see [patch.Rhythm]. It
// returns 0 and the zero time if fewer than four of the releases have a date.
func Rhythm(found []recipe.Release) (rhythm time.Duration, last time.Time) {
	dates := make([]time.Time, 0, len(found))
	for _, r := range found {
		dates = append(dates, r.Date)
	}
	rhythm, last = patch.Rhythm(dates)
	if rhythm == 0 {
		return 0, time.Time{}
	}
	return rhythm, last
}

// Silent reports whether the next release of a feed is overdue, see [patch.Overdue]: the vendor has probably moved the
// feed. It is false if the rhythm is not known.
func Silent(found []recipe.Release, now time.Time) bool {
	rhythm, last := Rhythm(found)
	return patch.Overdue(rhythm, last, now)
}
