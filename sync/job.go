package patchsync

import (
	"context"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// A job is a source that is followed, by a mirror or for one title.
type job struct {
	key      string // of its state in the store
	source   Source
	mirror   *Mirror  // nil if one title follows the source
	title    titleRef // the title that follows the source, if there is no mirror
	interval time.Duration
	turn     turn

	// persisted is persistent of the state that the store has, empty if not known. It is guarded by turn, and by
	// agenda.mu while the job does not run.
	persisted string

	// The fields below are guarded by agenda.mu.

	state     state
	revision  store.Revision // of state in the store, empty if it is not there
	running   bool
	tried     bool      // this server has run a round
	noticed   bool      // the source has noticed a change since the last round began: the next one is due
	requested time.Time // when the last round began or was requested
	next      time.Time // when the next round is due
	position  int       // in the queue, -1 if it is not there
	// errors are why titles of a mirror were not taken, by their ids here.
	errors map[string]string
}

// A titleRef names a title, and tells it from an earlier title of the same id.
type titleRef struct{ id, uid string }

// newMirrorJob returns the job of a mirror.
func newMirrorJob(m *Mirror) *job {
	return &job{
		key:      mirrorKey(m.Name),
		source:   m.Source,
		mirror:   m,
		interval: m.Interval,
		turn:     newTurn(),
		position: -1,
	}
}

// newTitleJob returns the job of a title that is followed on its own.
func newTitleJob(t catalog.Title, interval time.Duration) *job {
	return &job{
		key:      keyOf(t),
		source:   Definition(t.Follows),
		title:    titleRef{t.ID, t.UID},
		interval: interval,
		turn:     newTurn(),
		position: -1,
	}
}

// shown returns the key of the source as it may be shown.
func (j *job) shown() string { return RedactURL(j.source.Key()) }

// setState replaces the job's state. The caller must hold agenda.mu.
func (j *job) setState(s state) {
	j.state = s
	j.errors = nil
	for _, it := range s.Items {
		if it.Error != "" && it.Title != "" && j.mirror != nil {
			if j.errors == nil {
				j.errors = map[string]string{}
			}
			j.errors[it.Title] = it.Error
		}
	}
}

// adopt replaces the job's state with one that the store has. The caller must hold agenda.mu.
func (j *job) adopt(s savedState) {
	j.revision, j.persisted = s.revision, ""
	j.setState(s.state)
}

// schedule sets when the next round of a waiting job is due, as of the moment that this server takes over the work.
// The rounds of titles that are overdue are spread over an interval, so that they do not all run at once; those of
// mirrors run at once. A source that failed, perhaps because of a setting that was corrected before this start, is
// retried soon, and one that has noticed a change is asked at once. The caller must hold agenda.mu.
func (j *job) schedule(now time.Time) {
	if j.noticed {
		j.next = now
		return
	}
	wait := min(j.state.Wait, maxIntervals*j.interval*11/10) // the interval may have become shorter
	left := j.state.NextAttempt.Sub(now)
	retrySoon := left > 0 && !j.tried && j.state.mayRecover()
	switch {
	case retrySoon && j.mirror == nil:
		j.next = now.Add(randomUpTo(min(j.interval, retrySpread)))
	case retrySoon:
		j.next = now
	case left > 0 && left <= wait:
		j.next = j.state.NextAttempt
	case left > 0: // it was set by a clock that is ahead of this one
		j.next = now.Add(randomUpTo(max(wait, j.interval)))
	case j.mirror != nil:
		j.next = now
	default:
		j.next = now.Add(randomUpTo(j.interval))
	}
}

// A turn is a mutex whose Lock can be given up. It holds a token while it is not locked.
type turn chan struct{}

func newTurn() turn {
	t := make(turn, 1)
	t <- struct{}{}
	return t
}

// lock locks t. The error is that of ctx.
func (t turn) lock(ctx context.Context) error {
	select {
	case <-t:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t turn) unlock() { t <- struct{}{} }
