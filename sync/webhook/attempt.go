package webhook

import (
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

const (
	// minPause and maxPause bound the pause after a failure of an event, which doubles in between.
	minPause = 2 * time.Second
	maxPause = time.Hour
	// maxHookPause bounds the pause after a failure of a webhook, so that its events are not delayed for much longer
	// than its receiver fails.
	maxHookPause = 5 * time.Minute
)

// attempt tries to deliver an event and records the outcome.
func (w *Service) attempt(ctx context.Context, d *delivery) {
	began := w.now().UTC()
	res, err := w.send(ctx, d)
	if ctx.Err() != nil && err != nil {
		w.queues.interrupt(d) // the error says nothing about the receiver
		return
	}
	over := err == nil || w.queues.isOld(d, began)
	if over {
		w.drop(ctx, d)
	}
	w.queues.mu.Lock()
	defer w.queues.mu.Unlock()
	h := d.hook
	d.running = false
	h.running--
	if !res.gone {
		h.status.LastAttempt = began
		if err == nil {
			w.recordSuccess(h, began)
		} else {
			w.recordFailure(d, res, err)
		}
		w.queues.note(h, newOutcome(d, began, res, err, over))
	}
	if !over {
		heap.Push(&h.ready, d)
		return
	}
	if err != nil {
		h.status.Dropped++
		w.log.Error("an event is dropped: the webhook did not accept it for a day",
			"webhook", h.ID, "host", h.host(), "event", d.key.ID)
	}
	h.done(d)
}

// isOld reports whether an event is dropped after a failed attempt that began at a time.
func (q *queues) isOld(d *delivery, began time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return began.Sub(d.since) > maxAge
}

// interrupt makes a delivery ready again after an attempt that was interrupted.
func (q *queues) interrupt(d *delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	d.running = false
	d.hook.running--
	heap.Push(&d.hook.ready, d)
}

// recordSuccess updates the status of a webhook after a success. The caller must hold queues.mu.
func (w *Service) recordSuccess(h *hook, began time.Time) {
	s := &h.status
	if s.Failures > 0 {
		w.log.Info("a webhook answers again", "webhook", h.ID, "host", h.host())
	}
	s.LastSuccess, s.Failures, s.LastError, s.Status = began, 0, "", 0
	h.next = time.Time{}
}

// recordFailure updates the status of a delivery and of its webhook after a failure, and sets when to retry. The caller
// must hold queues.mu.
func (w *Service) recordFailure(d *delivery, res result, err error) {
	h := d.hook
	s := &h.status
	if s.Failures == 0 {
		w.log.Warn("a webhook fails; its events are kept for a day", "webhook", h.ID, "host", h.host(), "error", err)
	}
	s.Failures++
	s.LastError, s.Status = err.Error(), res.status
	d.tries++
	now := w.now()
	d.next = now.Add(max(pause(d.tries, maxPause), res.retryAfter))
	h.next = now.Add(max(pause(s.Failures, maxHookPause), min(res.retryAfter, maxHookPause)))
}

// pause returns the pause after a number of failures, with jitter.
func pause(failures int, limit time.Duration) time.Duration {
	d := min(minPause<<min(failures-1, 20), limit)
	return d - d/10 + time.Duration(rand.Int64N(int64(d/5)+1))
}

// send sends an event once. The result has the event without its definition, if the event could be read.
func (w *Service) send(ctx context.Context, d *delivery) (result, error) {
	rec, err := w.store.Get(ctx, d.key)
	if errors.Is(err, store.ErrNotFound) {
		return result{gone: true}, nil
	}
	if err != nil {
		return result{}, errors.New("the storage of this server is unavailable")
	}
	var r deliveryRecord
	if err := json.Unmarshal(rec.Value, &r); err != nil {
		return result{}, fmt.Errorf("the event cannot be read: %w", err)
	}
	res, err := w.sendNotice(ctx, d.hook, r.Notice)
	res.notice = logged(&r.Notice)
	return res, err
}

// sendNotice sends an event once, with the definition if the webhook wants it.
func (w *Service) sendNotice(ctx context.Context, h *hook, n catalog.Notice) (result, error) {
	if err := w.addDefinition(ctx, h, &n); err != nil {
		return result{}, err
	}
	body, err := w.renderer.body(h.Format, &n)
	if err != nil {
		return result{}, err
	}
	return w.sender.post(ctx, h.Hook, n.ID, w.now(), body)
}

// addDefinition adds the definition to an event that was queued without it because of its size, if the title still
// exists.
func (w *Service) addDefinition(ctx context.Context, h *hook, n *catalog.Notice) error {
	if !h.sendsDefinition() || n.Definition != nil || w.definition == nil {
		return nil
	}
	if n.Kind != catalog.Created && n.Kind != catalog.Updated {
		return nil
	}
	data, err := w.definition(ctx, n.Title.ID)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the definition cannot be read: %w", err)
	}
	n.Definition = data
	return nil
}

// dropAll removes deliveries from the store, several at once, also if ctx has ended.
func (w *Service) dropAll(ctx context.Context, all []*delivery) {
	var group errgroup.Group
	group.SetLimit(maxFollowers)
	for _, d := range all {
		group.Go(func() error {
			w.drop(ctx, d)
			return nil
		})
	}
	_ = group.Wait()
}

// drop removes a delivery from the store, also if ctx has ended.
func (w *Service) drop(ctx context.Context, d *delivery) {
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	if w.shared {
		w.queues.setDropped(d)
	}
	err := w.store.Delete(ctx, d.key, store.Condition{})
	if err != nil {
		w.queues.setKept(d.key)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		w.log.Error("an event could not be removed from the queue and may be delivered again",
			"record", d.key.String(), "error", err)
	}
	w.queues.forget(d.key)
}
