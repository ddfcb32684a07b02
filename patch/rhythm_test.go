package patch_test

import (
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
)

func TestRhythm(t *testing.T) {
	const day = 24 * time.Hour
	at := func(days ...int) (all []time.Time) {
		for _, d := range days {
			all = append(all, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, d))
		}
		return all
	}
	var eleven []time.Time
	for i := range 10 {
		eleven = append(eleven, at(1000+7*i)...)
	}
	for name, c := range map[string]struct {
		dates  []time.Time
		median time.Duration
		newest time.Time
	}{
		"none":            {nil, 0, time.Time{}},
		"three":           {at(3, 2, 1), 0, at(3)[0]},
		"weekly":          {at(0, 7, 14, 21), 7 * day, at(21)[0]},
		"in any order":    {at(14, 0, 21, 7), 7 * day, at(21)[0]},
		"one long gap":    {at(0, 300, 307, 314, 321), 7 * day, at(321)[0]},
		"unknown dates":   {append(at(0, 7, 14), time.Time{}, time.Time{}), 0, at(14)[0]},
		"the newest ten":  {append(at(0, 1), eleven...), 7 * day, at(1063)[0]},
		"at the same day": {at(5, 5, 5, 5), 0, at(5)[0]},
	} {
		if median, newest := patch.Rhythm(c.dates); median != c.median || !newest.Equal(c.newest) {
			t.Errorf("%s: got %v and %v, want %v and %v", name, median, newest, c.median, c.newest)
		}
	}
}

func TestOverdue(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		rhythm, age time.Duration
		want        bool
	}{
		{0, 1000 * day, false},
		{7 * day, 29 * day, false},
		{7 * day, 31 * day, true},
		{20 * day, 59 * day, false},
		{20 * day, 61 * day, true},
	} {
		if got := patch.Overdue(c.rhythm, now.Add(-c.age), now); got != c.want {
			t.Errorf("a rhythm of %v, %v after a release: got %v", c.rhythm, c.age, got)
		}
	}
}
