package webui

import (
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch"
)

const (
	// maxTimeline limits the number of versions in a timeline: the newest.
	maxTimeline = 100
	// The drawing of a timeline is 1000 wide, with a margin.
	timelineWidth  = 1000
	timelineMargin = 10
)

// A timeline shows when versions were released. Its places are those of the drawing.
type timeline struct {
	Label  string // says in words what the drawing shows
	Points []timelinePoint
	Years  []timelineYear
}

// A timelinePoint is a version.
type timelinePoint struct {
	X            int
	Version, Day string
}

// A timelineYear is the beginning of a year.
type timelineYear struct{ X, Year int }

// newTimeline returns the timeline of the newest versions. It is nil if fewer than two have a date, or all have the
// same.
func newTimeline(d *patch.Definition) *timeline {
	type release struct {
		version string
		at      time.Time
	}
	var all []release
	for i := range d.Patches[:min(len(d.Patches), maxTimeline)] {
		if at, err := patch.ParseTime(d.Patches[i].ReleaseDate); err == nil {
			all = append(all, release{d.Patches[i].Version, at})
		}
	}
	if len(all) < 2 {
		return nil
	}
	first, last := all[0].at, all[0].at
	for _, r := range all {
		if r.at.Before(first) {
			first = r.at
		}
		if r.at.After(last) {
			last = r.at
		}
	}
	span := last.Sub(first)
	if span <= 0 {
		return nil
	}
	place := func(t time.Time) int {
		const width = timelineWidth - 2*timelineMargin
		return timelineMargin + int(float64(width)*(float64(t.Sub(first))/float64(span)))
	}
	t := &timeline{Label: fmt.Sprintf("%d versions from %s to %s", len(all),
		first.UTC().Format(time.DateOnly), last.UTC().Format(time.DateOnly))}
	for _, r := range all {
		t.Points = append(t.Points, timelinePoint{place(r.at), r.version, r.at.UTC().Format(time.DateOnly)})
	}
	const maxYears = 50
	for year := first.UTC().Year() + 1; year <= last.UTC().Year() && len(t.Years) < maxYears; year++ {
		t.Years = append(t.Years, timelineYear{place(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)), year})
	}
	return t
}
