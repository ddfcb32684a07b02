package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

var _ catalog.Preparer = (*Service)(nil)

// Prepare implements [catalog.Preparer]: it reads the webhooks and, if another server may have queued events, the
// pending events. A webhook that was created before a title was changed is thus notified of the change, on whatever
// server it was created.
func (w *Service) Prepare(ctx context.Context, elected bool) error {
	err := w.loadHooks(ctx)
	if errors.Is(err, store.ErrFormat) {
		return nil // logged by followHooks
	}
	if err == nil && elected {
		err = w.reloadQueues(ctx)
	}
	return err
}

// Wants implements [catalog.Courier].
func (w *Service) Wants(id string, kind catalog.EventKind) (notice, definition bool) {
	for _, h := range w.queues.subscribers(id, kind) {
		notice, definition = true, definition || h.sendsDefinition()
	}
	return notice, definition
}

// Take implements [catalog.Courier]: it puts an event into the queue of each webhook that subscribes to it. An event
// that only another courier wants is ignored.
func (w *Service) Take(ctx context.Context, n catalog.Notice) error {
	// If an earlier call failed for one webhook, the event is not put into the queues of the others again.
	taken := w.queues.taken(n.ID)
	var errs []error
	for _, h := range w.queues.subscribers(n.Title.ID, n.Kind) {
		if taken[h.ID] {
			continue
		}
		err := w.enqueue(ctx, h, n, time.Time{})
		if errors.Is(err, ErrFull) {
			w.dropNew(h, n)
			err = nil
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		taken[h.ID] = true
	}
	w.queues.setTaken(n.ID, taken, len(errs) == 0)
	return errors.Join(errs...)
}

// enqueue puts an event into a webhook's queue in the store. retried is the time of the call of Retry that queues it
// again, or zero. The error is ErrFull if the event does not fit into the queue, catalog.ErrUnavailable or that of ctx.
func (w *Service) enqueue(ctx context.Context, h *hook, n catalog.Notice, retried time.Time) error {
	value, fits, err := w.encode(h, n, retried)
	if err != nil {
		return err
	}
	if !fits {
		return fmt.Errorf("%w: wait until the receiver of webhook %q answers", ErrFull, h.ID)
	}
	d := &delivery{
		hook:    h,
		about:   aboutNotice(&n),
		title:   chainOf(strings.ToLower(n.Title.ID), n.Kind),
		size:    int64(len(value)),
		since:   later(n.At, retried),
		retried: retried,
	}
	if !w.queues.announce(d, n) {
		return nil
	}
	var rev store.Revision
	err = store.Finish(ctx, func(ctx context.Context) (err error) {
		rev, err = w.store.Put(ctx, d.key, value, store.IfAbsent())
		return err
	})
	if errors.Is(err, store.ErrConflict) {
		err = nil // another server has queued it
	}
	if delivered := w.queues.confirm(d, err == nil, rev); err != nil && !delivered {
		return unavailable(ctx, err)
	}
	return nil
}

// maxKeptDefinition bounds the bytes of a definition that is kept with an event.
const maxKeptDefinition = 64 << 10

// encode returns the record of an event in a webhook's queue. It omits a large definition, which is read when the
// event is sent, and one that does not fit. fits is false if the event does not fit.
func (w *Service) encode(h *hook, n catalog.Notice, retried time.Time) (value []byte, fits bool, err error) {
	room := w.queues.room(h, w.maxQueueBytes)
	if !h.sendsDefinition() || len(n.Definition) > maxKeptDefinition || int64(len(n.Definition)) > room {
		n.Definition = nil
	}
	value, err = json.Marshal(deliveryRecord{Format: format, Hook: h.ID, Notice: n, Retried: retried})
	return value, int64(len(value)) <= room, err
}

// dropNew counts and logs an event that does not fit into a webhook's queue.
func (w *Service) dropNew(h *hook, n catalog.Notice) {
	w.queues.mu.Lock()
	h.status.Dropped++
	first, pending := h.status.Dropped == 1, h.pending
	w.queues.note(h, logEntry{
		Notice: logged(&n),
		Number: int64(n.Number),
		State:  StateDropped,
		Error:  ErrFull.Error(),
	})
	w.queues.mu.Unlock()
	if first {
		w.log.Error("the queue of a webhook is full: further events are dropped until the webhook answers",
			"webhook", h.ID, "pending", pending)
	}
}

// announce numbers a new delivery of an event and adds it to the deliveries, so that remove finds it if another server
// delivers it before confirm is called. It returns false if the event is in the queue of the webhook already.
//
// The number is that of the event, so that two servers give the same key to its delivery, and no clock matters. It is
// higher than that if deliveries with higher numbers are pending for the title: those of an earlier title with the same
// id, or those that an older version numbered by its clock.
func (q *queues) announce(d *delivery, n catalog.Notice) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	d.number = int64(n.Number)
	for _, earlier := range d.hook.chains[d.title] {
		if earlier.event() == n.ID {
			return false
		}
		d.number = max(d.number, earlier.number+1)
	}
	d.key = store.Key{Kind: deliveriesKind, ID: fmt.Sprintf("%s/%020d-%s", d.hook.ID, d.number, n.ID)}
	if q.deliveries[d.key.ID] != nil {
		return false
	}
	q.deliveries[d.key.ID] = d
	return true
}

// confirm puts an announced delivery into its queue, if it was stored and its webhook still exists. rev is the revision
// of its record, empty if another server has stored it. confirm reports whether another server has delivered it
// already.
func (q *queues) confirm(d *delivery, stored bool, rev store.Revision) (delivered bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	d.revision = rev
	if q.deliveries[d.key.ID] != d {
		return true
	}
	if !stored || d.hook.deleted {
		delete(q.deliveries, d.key.ID)
		return false
	}
	q.enqueue(d)
	return false
}

// room returns the number of bytes that still fit into a webhook's queue.
func (q *queues) room(h *hook, maxBytes int64) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if h.pending >= maxPending {
		return 0
	}
	return maxBytes - h.bytes
}
