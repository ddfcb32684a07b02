package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
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

// The leases of catalogs. A catalog without couriers, such as that of an import, must not keep those that have some
// from delivering their notices.
const (
	courierLease = "notices"
	sweepLease   = "titles"
)

// campaign does the work in the background whenever this server is elected to do it, until ctx ends. If the store is
// not shared, that is at once.
func (w *titleWriter) campaign(ctx context.Context) {
	opts := store.LeaseOptions{Name: sweepLease, TTL: w.lease, Logger: w.log}
	if len(w.couriers.all) > 0 {
		opts.Name = courierLease
	}
	store.Campaign(ctx, w.store, opts, func(ctx context.Context) {
		var working sync.WaitGroup
		if w.shared {
			working.Go(func() { w.sweepRestores(ctx) })
		}
		working.Go(func() { w.snapshot.keep(ctx, &w.index, w.gate.closed.Load) })
		w.runBackground(ctx)
		working.Wait()
	})
}

// runBackground does the work in the queue until ctx ends. The next leader, or the next start, does the rest.
func (w *titleWriter) runBackground(ctx context.Context) {
	prepared := false // the couriers, since this server was elected
	for ctx.Err() == nil {
		keys := w.work.take()
		if len(keys) == 0 {
			select {
			case <-ctx.Done():
			case <-w.work.wake:
			}
			continue
		}
		err := w.prepareCouriers(ctx, !prepared)
		if err == nil {
			prepared = true
			err = w.workOn(ctx, keys)
		} else {
			w.work.add(keys...)
		}
		if err != nil && ctx.Err() == nil {
			w.log.Error("the work that follows a change could not be done yet", "error", err)
			sleep(ctx, backgroundPause)
		}
	}
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// prepareCouriers prepares the couriers that are Preparers for notices, if other servers share the store.
func (w *titleWriter) prepareCouriers(ctx context.Context, elected bool) error {
	if !w.shared {
		return nil
	}
	for _, courier := range w.couriers.all {
		if p, ok := courier.(Preparer); ok {
			if err := p.Prepare(ctx, elected); err != nil {
				return fmt.Errorf("the courier: %w", err)
			}
		}
	}
	return nil
}

// workOn does the work of the titles with some keys, and puts those that failed back into the queue.
func (w *titleWriter) workOn(ctx context.Context, keys []string) error {
	var group errgroup.Group
	group.SetLimit(maxBackgroundTitles)
	for _, key := range keys {
		group.Go(func() error {
			err := w.deliverNotices(ctx, key)
			if err != nil {
				w.work.add(key)
			}
			return err
		})
	}
	return group.Wait()
}

// deliverNotices delivers the notices that a title's record carries, and removes them from the record. Notices that
// were delivered are removed even if ctx has ended, so that the next leader does not deliver them again.
func (w *titleWriter) deliverNotices(ctx context.Context, key string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	rec, err := w.read(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		w.couriers.forget(key)
		return nil
	}
	if err != nil {
		return err
	}
	delivered, err := w.couriers.deliver(ctx, key, rec.Undelivered)
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
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
