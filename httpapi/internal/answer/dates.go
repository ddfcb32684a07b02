package answer

import (
	"net/http"
	"sync/atomic"
	"time"
)

// A dates keeps the texts of the times that were asked for, which are those of documents that are read often. It is
// safe for concurrent use.
type dates [256]atomic.Pointer[date]

// A date is a time and its text.
type date struct {
	unix int64
	text string
}

// get returns the text of a time, if it is kept.
func (d *dates) get(unix int64) (string, bool) {
	if kept := d.at(unix).Load(); kept != nil && kept.unix == unix {
		return kept.text, true
	}
	return "", false
}

// put keeps the text of a time in the place of another one's, and returns it.
func (d *dates) put(t time.Time) string {
	one := &date{t.Unix(), formatDate(t)}
	d.at(one.unix).Store(one)
	return one.text
}

// at returns the place of a time.
func (d *dates) at(unix int64) *atomic.Pointer[date] { return &d[uint64(unix)%uint64(len(d))] }

func formatDate(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
