package patchsync

import (
	"context"
	"slices"
	"time"
)

const (
	// maxOutbox bounds the events of a watch that wait for delivery: the newest.
	maxOutbox = 20
	// minNotifyPause and maxNotifyPause bound the pause before an event is delivered again.
	minNotifyPause = time.Second
	maxNotifyPause = time.Minute
)

// runOutbox delivers the events of all records until ctx ends, each at least once. It is for the leader.
func (w *Watches) runOutbox(ctx context.Context) {
	if w.notify == nil {
		return
	}
	pause := minNotifyPause
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		if !w.deliverAll(ctx) {
			sleep(ctx, pause)
			pause = min(2*pause, maxNotifyPause)
			continue
		}
		pause = minNotifyPause
		timer.Reset(maxNotifyPause)
		select {
		case <-ctx.Done():
		case <-w.posts:
		case <-timer.C:
		}
	}
}

// deliverAll delivers the events of all records. It reports whether none is left.
func (w *Watches) deliverAll(ctx context.Context) (ok bool) {
	ok = true
	for _, saved := range w.records.all() {
		if len(saved.record.Outbox) > 0 && ctx.Err() == nil {
			ok = w.deliver(ctx, saved) && ok
		}
	}
	return ok
}

// deliver delivers the events of a record in order, and removes them from the record. It reports whether none is left.
func (w *Watches) deliver(ctx context.Context, saved savedWatch) (ok bool) {
	var done []string
	for _, e := range saved.record.Outbox {
		if err := w.post(ctx, e); err != nil {
			if ctx.Err() == nil {
				w.log.Warn("an event about a release feed could not be delivered yet", "title", e.Title, "error", err)
			}
			break
		}
		done = append(done, e.ID)
	}
	if len(done) > 0 {
		_, err := w.records.update(ctx, saved.record.UID, func(rec *watchRecord) (bool, error) {
			before := len(rec.Outbox)
			rec.Outbox = slices.DeleteFunc(rec.Outbox, func(e WatchEvent) bool { return slices.Contains(done, e.ID) })
			return len(rec.Outbox) < before, nil
		})
		if err != nil {
			if ctx.Err() == nil {
				w.log.Warn("an event about a release feed will be delivered again", "error", err)
			}
			return false
		}
	}
	return len(done) == len(saved.record.Outbox)
}

// post calls Options.Notify with an event.
func (w *Watches) post(ctx context.Context, e WatchEvent) (err error) {
	defer w.recoverFault(&err)
	return w.notify(ctx, e)
}
