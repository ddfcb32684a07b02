package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/store"
)

// loadHooks reads all webhooks from the store.
func (w *Service) loadHooks(ctx context.Context) error {
	w.changing.Lock() // so that no webhook is added or deleted meanwhile
	defer w.changing.Unlock()
	stored := map[string]*hook{}
	for rec, err := range store.ListReadable(ctx, w.store, hooksKind, w.reportHook) {
		if err != nil {
			return unavailable(ctx, err)
		}
		h, err := w.vault.open(rec)
		if errors.Is(err, store.ErrFormat) {
			return err
		}
		if err != nil {
			// An event without a signature would be worse than none.
			w.reportHook(rec.Key, err)
			if h.ID == "" {
				continue
			}
		}
		stored[h.ID] = newHook(h)
		if err != nil {
			stored[h.ID].locked, stored[h.ID].status.LastError = true, err.Error()
		}
	}
	w.queues.replaceHooks(stored)
	return nil
}

// reportHook logs a webhook that cannot be read.
func (w *Service) reportHook(key store.Key, err error) {
	w.log.Error("a webhook cannot be read; its events are kept, and delivered once it can be",
		"webhook", key.ID, "error", err)
}

// hookExists reports whether the store has a webhook, readable or not.
func (w *Service) hookExists(ctx context.Context, id string) (bool, error) {
	_, err := w.store.Get(ctx, store.Key{Kind: hooksKind, ID: id})
	switch {
	case err == nil, errors.Is(err, store.ErrCorrupt):
		return true, nil
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	}
	return false, err
}

// loadQueues reads all pending events from the store, and removes those of webhooks that no longer exist.
func (w *Service) loadQueues(ctx context.Context) error {
	var orphans []*delivery
	for rec, err := range w.store.List(ctx, deliveriesKind) {
		if errors.Is(err, store.ErrCorrupt) {
			return w.reloadQueues(ctx) // it reads the others one by one
		}
		if err != nil {
			return unavailable(ctx, err)
		}
		if d := w.joinRecord(rec); d != nil && d.hook == nil {
			orphans = append(orphans, d)
		}
	}
	return w.dropOrphans(ctx, orphans)
}

// maxFollowers bounds the pending events that are read at once.
const maxFollowers = 16

// reloadQueues makes the pending events those that the store has. It reads only those that are not known yet, and those
// that another server was asked to retry.
func (w *Service) reloadQueues(ctx context.Context) error {
	gone := w.queues.known()
	var unknown []store.Key
	for c, err := range store.Revisions(ctx, w.store, deliveriesKind) {
		if err != nil {
			return unavailable(ctx, err)
		}
		if d, known := gone[c.Key.ID]; !known || d.changed(c.Revision) {
			unknown = append(unknown, c.Key)
		}
		delete(gone, c.Key.ID)
	}
	orphans, err := w.joinAll(ctx, unknown)
	if err != nil {
		return err
	}
	for id, d := range gone {
		if d.queued {
			w.queues.remove(store.Key{Kind: deliveriesKind, ID: id})
		}
	}
	return w.dropOrphans(ctx, orphans)
}

// joinAll reads deliveries and puts them into their queues, several at once. It returns those whose webhooks are not
// known.
func (w *Service) joinAll(ctx context.Context, keys []store.Key) (orphans []*delivery, err error) {
	records := make([]*store.Record, len(keys))
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(maxFollowers)
	for i, key := range keys {
		group.Go(func() error {
			rec, err := w.store.Get(reading, key)
			switch {
			case err == nil:
				records[i] = &rec
			case errors.Is(err, store.ErrCorrupt):
				w.reportCorrupt(key, err)
			case !errors.Is(err, store.ErrNotFound):
				return unavailable(ctx, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, rec := range records {
		if rec == nil {
			continue
		}
		if d := w.joinRecord(*rec); d != nil && d.hook == nil {
			orphans = append(orphans, d)
		}
	}
	return orphans, nil
}

// reportCorrupt logs a pending event that is corrupt.
func (w *Service) reportCorrupt(key store.Key, err error) {
	w.log.Error("a pending event is corrupt and is not delivered", "record", key.String(), "error", err)
}

// dropOrphans removes deliveries whose webhooks no longer exist.
func (w *Service) dropOrphans(ctx context.Context, orphans []*delivery) error {
	exist := map[string]bool{} // another server may just have created a webhook
	for _, d := range orphans {
		id, _, _ := strings.Cut(d.key.ID, "/")
		if _, asked := exist[id]; asked {
			continue
		}
		exists, err := w.hookExists(ctx, id)
		if err != nil {
			return unavailable(ctx, err)
		}
		exist[id] = exists
	}
	w.dropAll(ctx, slices.DeleteFunc(orphans, func(d *delivery) bool {
		id, _, _ := strings.Cut(d.key.ID, "/")
		return exist[id]
	}))
	return nil
}

// joinRecord puts the delivery of a record into its queue and returns it. It is nil if the record cannot be read, and
// its hook is nil if the webhook is not known.
func (w *Service) joinRecord(rec store.Record) *delivery {
	d := w.decode(rec)
	if d == nil {
		return nil
	}
	id, _, _ := strings.Cut(rec.Key.ID, "/")
	q := &w.queues
	q.mu.Lock()
	defer q.mu.Unlock()
	if d.hook = q.hooks[id]; d.hook != nil {
		q.join(d)
	}
	return d
}

// decode returns the delivery of a record without its webhook, nil if the record cannot be read.
func (w *Service) decode(rec store.Record) *delivery {
	var r deliveryRecord
	_, rest, _ := strings.Cut(rec.Key.ID, "/")
	digits, _, _ := strings.Cut(rest, "-")
	number, err := strconv.ParseInt(digits, 10, 64)
	if err == nil {
		err = json.Unmarshal(rec.Value, &r)
	}
	if err != nil || r.Format != format {
		w.log.Error("a pending event cannot be read and is not delivered", "record", rec.Key.String(), "error", err)
		return nil
	}
	return &delivery{
		key:      rec.Key,
		about:    aboutNotice(&r.Notice),
		title:    chainOf(strings.ToLower(r.Notice.Title.ID), r.Notice.Kind),
		size:     int64(len(rec.Value)),
		number:   number,
		since:    later(r.Notice.At, r.Retried),
		retried:  r.Retried,
		revision: rec.Revision,
	}
}

// later returns the later one of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// followHooks reads the webhooks again whenever another server changes them, until ctx ends.
func (w *Service) followHooks(ctx context.Context) {
	store.Follow(ctx, w.store, hooksKind, store.Follower{
		Reload: func(ctx context.Context) error {
			err := w.loadHooks(ctx)
			if errors.Is(err, store.ErrFormat) {
				w.log.Error("a webhook was written by a newer version: webhooks are no longer updated", "error", err)
				return nil
			}
			if err != nil {
				return err
			}
			return w.reloadQueues(ctx) // events of a new webhook may be pending already
		},
		Report: w.reportFollow,
	})
}

// followDeliveries keeps the queues up to date with the events that other servers queue and deliver, until ctx ends.
func (w *Service) followDeliveries(ctx context.Context) {
	store.Follow(ctx, w.store, deliveriesKind, store.Follower{
		Concurrency: maxFollowers,
		Lane:        lane,
		Reload: func(ctx context.Context) error {
			w.queues.forgetDropped()
			return w.reloadQueues(ctx)
		},
		Apply: func(ctx context.Context, c store.Change) error {
			if w.queues.isOwn(c) {
				return nil
			}
			rec, err := w.store.Get(ctx, c.Key)
			switch {
			case errors.Is(err, store.ErrNotFound):
				w.queues.remove(c.Key)
				return nil
			case errors.Is(err, store.ErrCorrupt):
				w.reportCorrupt(c.Key, err)
				return nil
			case err != nil:
				return err
			}
			w.joinRecord(rec)
			return nil
		},
		Report: w.reportFollow,
	})
}

// reportFollow logs an error of store.Follow.
func (w *Service) reportFollow(err error) {
	w.log.Error("changes that other servers make cannot be read yet", "error", err)
}
