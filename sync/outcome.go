package patchsync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/envelope"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

// recordRound updates the job's state with the outcome of a round and schedules the next one. err is that of the
// round.
func (r *Runner) recordRound(rd *round, err error) {
	before := *rd.state
	rd.record(err)
	switch {
	case err != nil:
		r.rounds.failed.Add(1)
	case rd.outcome.changed > 0:
		r.rounds.changed.Add(1)
	default:
		r.rounds.unchanged.Add(1)
	}
	rd.logOutcome(&before, err)
	j := rd.job
	r.agenda.mu.Lock()
	defer r.agenda.mu.Unlock()
	j.setState(*rd.state)
	j.tried = true
	j.next = rd.state.NextAttempt
	if j.noticed {
		j.next = r.now()
	}
	r.agenda.moved(j)
}

// record updates the state of the round with its outcome.
func (rd *round) record(err error) {
	s, now := rd.state, rd.now().UTC()
	s.LastAttempt = rd.began
	if rd.outcome.changed > 0 {
		s.LastChange = now
	}
	interval := rd.job.interval
	var wait time.Duration
	switch {
	case errors.Is(err, catalog.ErrUnavailable):
		// The source has not failed. The next round takes all of it again.
		s.LastError, s.Status, s.Memo = "the storage of this server is unavailable", 0, ""
		wait = interval
	case err != nil:
		status, retryAfter := statusOf(err)
		wait = backoff(interval, s.Failures)
		if isRejection(err) {
			wait = rejectionBackoff(interval, s.Failures)
		}
		wait = max(wait, min(retryAfter, maxIntervals*interval))
		s.Failures++
		s.LastError, s.Status = err.Error(), status
	default:
		s.LastSuccess, s.Failures, s.Status = rd.began, 0, 0
		s.LastError = rd.outcome.complaint
		wait = max(interval, min(rd.outcome.maxAge, maxFreshIntervals*interval))
	}
	s.LastError = shorten(s.LastError)
	s.Wait = jitter(wait)
	s.NextAttempt = now.Add(s.Wait)
}

// logOutcome logs changes, and failures that begin or end. before is the state before the round.
func (rd *round) logOutcome(before *state, err error) {
	attrs := []any{"source", rd.job.shown()}
	if rd.job.mirror == nil {
		attrs = append(attrs, "title", rd.job.title.id)
	}
	failed, now := before.Failures > 0, rd.state
	switch {
	case err != nil && (!failed || now.LastError != before.LastError):
		rd.log.Warn("a source cannot be followed; its last good definitions stay",
			append(attrs, "error", err, "next", now.NextAttempt)...)
	case err == nil && failed:
		rd.log.Info("a source can be followed again", attrs...)
	}
	if err == nil && now.LastError != "" && now.LastError != before.LastError {
		rd.log.Warn("some titles of a source are not up to date",
			append(attrs, "refused", rd.outcome.refused, "reason", now.LastError)...)
	}
	if rd.outcome.changed > 0 {
		rd.log.Info("a source has brought changes",
			append(attrs, "changed", rd.outcome.changed, "refused", rd.outcome.refused)...)
	}
}

// saveState writes a job's state to the store, if it has changed in anything but the times of rounds. If another server
// has written the state meanwhile, it adopts that state, and the error is store.ErrConflict. The caller must hold the
// job's turn.
func (r *Runner) saveState(ctx context.Context, j *job) error {
	r.agenda.mu.Lock()
	s, revision := j.state.clone(), j.revision
	r.agenda.mu.Unlock()
	persistent := s.persistent()
	if persistent == j.persisted && revision != "" {
		return nil
	}
	revision, err := r.states.write(ctx, j.key, s, revision)
	if errors.Is(err, store.ErrConflict) {
		saved, readErr := r.states.reread(ctx, j.key)
		if readErr != nil {
			return readErr
		}
		r.agenda.mu.Lock()
		defer r.agenda.mu.Unlock()
		j.adopt(saved)
		return err
	}
	if err != nil {
		return err
	}
	j.persisted = persistent
	r.agenda.mu.Lock()
	defer r.agenda.mu.Unlock()
	j.revision = revision
	return nil
}

// refuse remembers why an item was not applied as it is there, and when to retry.
func (rd *round) refuse(now *item, it Item, err error) {
	interval := rd.job.interval
	now.Error, now.Refused = shorten(err.Error()), it.Mark
	now.Since = rd.now().UTC()
	// The round that then comes may come a little sooner, too.
	now.Again = now.Since.Add(backoff(interval, now.Tries) - interval/4)
	now.Tries++
}

// complaint sums up which items are not applied as they are there.
func (s *state) complaint() (text string, n int) {
	first := ""
	for id, it := range s.Items {
		if it.Error == "" {
			continue
		}
		n++
		if first == "" || id < first {
			first = id
		}
	}
	if n > 0 {
		text = fmt.Sprintf("%d of %d titles are not up to date; %s: %s",
			n, len(s.Items), redactID(first), s.Items[first].Error)
	}
	return text, n
}

// isRejection reports whether a source answered, but what it sent was rejected. A retry succeeds only after the
// source was corrected.
func isRejection(err error) bool {
	for _, kind := range []error{
		patch.ErrInvalid, patch.ErrTooLarge, safehttp.ErrTooLarge, envelope.ErrFormat, envelope.ErrSignature,
		envelope.ErrSigner, catalog.ErrIDDiffers, ErrDowngrade,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
