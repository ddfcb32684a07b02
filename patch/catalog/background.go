package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/store"
)

const (
	// maxBackgroundTitles bounds the titles that are worked on concurrently.
	maxBackgroundTitles = 8
	// backgroundPause is the pause after a failure.
	backgroundPause = time.Second
)

// runBackground does the work in the queue until ctx ends. The next start does the rest.
func (w *titleWriter) runBackground(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.work.wake:
		}
		var group errgroup.Group
		group.SetLimit(maxBackgroundTitles)
		for _, key := range w.work.take() {
			group.Go(func() error {
				err := w.deliverNotices(ctx, key)
				if err != nil {
					w.work.add(key)
				}
				return err
			})
		}
		if err := group.Wait(); err != nil && ctx.Err() == nil {
			w.log.Error("the work that follows a change could not be done yet", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(backgroundPause):
			}
		}
	}
}

// deliverNotices delivers the notices that a title's record carries, and removes them from the record.
func (w *titleWriter) deliverNotices(ctx context.Context, key string) error {
	rec, err := w.read(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		w.couriers.forget(key)
		return nil
	}
	if err != nil {
		return err
	}
	delivered, err := w.couriers.deliver(ctx, key, rec.Undelivered)
	if err != nil {
		if len(delivered) > 0 { // these are not delivered again
			err = errors.Join(err, w.removeDelivered(ctx, key, delivered))
		}
		return err
	}
	return w.removeDelivered(ctx, key, delivered)
}

// removeDelivered removes delivered notices from a title's record, and deletes the record if the title is gone and no
// notice is left. A notice with the same number and another content belongs to a later title with the same id, and
// stays.
func (w *titleWriter) removeDelivered(ctx context.Context, key string, delivered []undelivered) error {
	events := make(map[uint64]json.RawMessage, len(delivered))
	for _, u := range delivered {
		events[u.Number] = u.Event
	}
	t, err := w.lock(ctx, key)
	if err != nil {
		return err
	}
	defer t.unlock()
	err = retryConflicts(ctx, key, func() error {
		rec, err := w.readLocked(ctx, t)
		if err != nil {
			return err
		}
		var rest []undelivered
		for _, u := range rec.Undelivered {
			if event, ok := events[u.Number]; !ok || !bytes.Equal(event, u.Event) {
				rest = append(rest, u)
			}
		}
		removed := len(rest) < len(rec.Undelivered)
		rec.Undelivered = rest
		switch {
		case rec.State == gone && len(rest) == 0:
			if err := w.history.dropAll(ctx, rec); err != nil {
				return err
			}
			return w.delete(ctx, t, rec)
		case removed:
			return w.rewrite(ctx, t, rec)
		}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
