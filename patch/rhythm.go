package patch

import (
	"slices"
	"time"
)

const (
	// minOverdue is the shortest time after which a release is overdue.
	minOverdue = 30 * 24 * time.Hour
	// rhythmDates is the number of the newest dates that a rhythm is taken from, and minRhythmDates how many it needs.
	rhythmDates    = 10
	minRhythmDates = 4
)

// Rhythm returns the median time between two of the ten newest dates of releases, and the newest date. Dates that are
// zero are ignored. The median is 0 if there are fewer than four others.
func Rhythm(dates []time.Time) (median time.Duration, newest time.Time) {
	known := slices.DeleteFunc(slices.Clone(dates), time.Time.IsZero)
	if len(known) == 0 {
		return 0, time.Time{}
	}
	slices.SortFunc(known, func(a, b time.Time) int { return b.Compare(a) })
	if len(known) < minRhythmDates {
		return 0, known[0]
	}
	known = known[:min(len(known), rhythmDates)]
	gaps := make([]time.Duration, len(known)-1)
	for i := range gaps {
		gaps[i] = known[i].Sub(known[i+1])
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2], known[0]
}

// Overdue reports whether the newest release is more than three times as old as the rhythm, and more than 30 days. It
// is false if the rhythm is 0. See [Rhythm].
func Overdue(rhythm time.Duration, newest, now time.Time) bool {
	return rhythm > 0 && now.Sub(newest) > max(3*rhythm, minOverdue)
}
