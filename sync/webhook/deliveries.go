package webhook

import (
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// A State is that of a [Delivery].
type State string

const (
	// StatePending is the state of an event that is in the queue of the webhook.
	StatePending State = "pending"
	// StateDelivered is the state of an event that the receiver has accepted.
	StateDelivered State = "delivered"
	// StateDropped is the state of an event that is no longer retried, or that did not fit into the queue.
	StateDropped State = "dropped"
)

// A Delivery describes the delivery of an event to a webhook. Times are in UTC.
type Delivery struct {
	// ID is that of the event.
	ID string
	// Kind, Title and Version are the kind of the event, the id of the title and its current version after the change.
	Kind           catalog.EventKind
	Title, Version string
	// At is the time of the event.
	At time.Time
	// Attempts is the number of attempts, also of those before a retry. LastAttempt is the time of the last one, zero
	// if there was none.
	Attempts    int
	LastAttempt time.Time
	// Status is the HTTP status of the last attempt, 0 if it was not answered, and Error is the reason of its failure,
	// empty if it has not failed. The error of an event that did not fit into the queue says so.
	Status int
	Error  string
	// State says whether the event is pending, was delivered or was dropped.
	State State
	// NextAttempt is the time of the next attempt of an event that failed. It is zero for an event that is due, or that
	// waits for earlier ones.
	NextAttempt time.Time
}

// Deliveries returns the deliveries of the newest events of a webhook, at most 100, the newest event first.
//
// The pending ones are those of the store. The outcomes of attempts are in the log of the webhook, which the server
// that delivers writes about once a second, so the other servers know of them a moment later. If that server dies, the
// outcomes of the last second are lost: such an event may be missing.
//
// The error is [ErrNotFound], [catalog.ErrUnavailable] or that of ctx.
func (w *Service) Deliveries(ctx context.Context, hook string) ([]Delivery, error) {
	h := w.queues.hook(hook)
	if h == nil {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, hook)
	}
	entries, err := w.entries(ctx, h)
	if err != nil {
		return nil, err
	}
	all := []Delivery{}
	for _, e := range newest(entries, maxLogEntries) {
		all = append(all, Delivery{
			ID:          e.Notice.ID,
			Kind:        e.Notice.Kind,
			Title:       e.Notice.Title.ID,
			Version:     e.Notice.Title.CurrentVersion,
			At:          e.Notice.At.UTC(),
			Attempts:    e.Attempts,
			LastAttempt: e.Last,
			Status:      e.Status,
			Error:       e.Error,
			State:       e.State,
			NextAttempt: e.Next,
		})
	}
	return all, nil
}

// entries returns the entries of the log of a webhook and those of its pending events, by the ids of the events.
func (w *Service) entries(ctx context.Context, h *hook) (map[string]logEntry, error) {
	if w.shared {
		if err := w.reloadQueues(ctx); err != nil {
			return nil, err
		}
	}
	h.logging.Lock()
	defer h.logging.Unlock()
	rec, err := w.store.Get(ctx, logKey(h.ID))
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrCorrupt):
		rec = store.Record{} // writeLog reports and replaces a corrupt log
	case err != nil:
		return nil, unavailable(ctx, err)
	}
	entries, err := openLog(rec)
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	w.queues.complete(h, entries)
	return entries, nil
}

// complete brings entries of the log of a webhook up to date: it adds the outcomes that the log lacks, and the pending
// events. It removes those that are no longer pending and whose outcome is not known. The caller must hold h.logging.
func (q *queues) complete(h *hook, entries map[string]logEntry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	mergeAgain(entries, h.unsure)
	merge(entries, h.outcomes)
	pending := map[string]bool{}
	for _, d := range h.all() {
		id := d.event()
		pending[id] = true
		e, tried := entries[id]
		if !tried {
			e.Notice = d.notice()
		}
		if e.State != StatePending || d.retried.After(e.Last) {
			e.Next = time.Time{}
		}
		e.State, e.Number = StatePending, d.number
		entries[id] = e
	}
	maps.DeleteFunc(entries, func(id string, e logEntry) bool { return e.State == StatePending && !pending[id] })
}

// Retry has an event delivered to a webhook. If the event is pending, it is tried at once, after the earlier events of
// its title: its pause and that of the webhook end, and it is retried for a day from now on. If it was delivered or
// dropped, it is queued again. Its receiver recognizes it by its id, which is the same; its definition is the one that
// the title has when the event is sent.
//
// If several servers share the store, any of them may call Retry. The error is [ErrNotFound], [ErrNoDelivery] for an
// event that [Service.Deliveries] does not know, [ErrFull], [catalog.ErrUnavailable] or that of ctx.
func (w *Service) Retry(ctx context.Context, hook, event string) error {
	h := w.queues.hook(hook)
	if h == nil {
		return fmt.Errorf("%w: %q", ErrNotFound, hook)
	}
	entries, err := w.entries(ctx, h)
	if err != nil {
		return err
	}
	e, ok := entries[event]
	now := w.now().UTC()
	switch {
	case !ok:
		return fmt.Errorf("%w: %q", ErrNoDelivery, event)
	case e.State == StatePending:
		return w.retryPending(ctx, h, event, now)
	}
	n := e.Notice
	n.Number = uint64(e.Number) + 1 // a new record: a late deletion of the earlier one does not remove it
	if n.Title.Name == "" {
		n.Title.Name = n.Title.ID
	}
	return w.enqueue(ctx, h, n, now)
}

// retryPending ends the pauses of a pending event, here and, by its record, on the server that delivers. It does
// nothing if the event has just been delivered.
func (w *Service) retryPending(ctx context.Context, h *hook, event string, now time.Time) error {
	d := w.queues.pendingDelivery(h, event)
	if d == nil {
		return nil
	}
	rec, err := store.Update(ctx, w.store, d.key, func(old store.Record) ([]byte, error) {
		if old.Revision == "" {
			return nil, nil
		}
		var r deliveryRecord
		if err := json.Unmarshal(old.Value, &r); err != nil {
			return nil, err
		}
		// Another server, whose clock may be ahead, may have been asked before: each retry must be later than the last.
		now = later(now, r.Retried.Add(1))
		r.Retried = now
		return json.Marshal(r)
	})
	if err != nil {
		return unavailable(ctx, err)
	}
	if rec.Revision == "" {
		return nil
	}
	w.queues.mu.Lock()
	defer w.queues.mu.Unlock()
	if w.queues.deliveries[d.key.ID] == d && d.queued {
		w.queues.endPause(d, now)
	}
	return nil
}

// pendingDelivery returns the pending delivery of an event to a webhook, nil if there is none.
func (q *queues) pendingDelivery(h *hook, event string) *delivery {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, d := range h.all() {
		if d.event() == event {
			return d
		}
	}
	return nil
}

// endPause lets the first event of a delivery's title, which is that of the delivery or an earlier one, be tried at
// once. The caller must hold mu.
func (q *queues) endPause(d *delivery, at time.Time) {
	d.retried, d.since = at, later(d.since, at)
	h := d.hook
	h.next = time.Time{}
	first := h.chains[d.title][0]
	if at := slices.Index(h.ready, first); at >= 0 {
		first.next = time.Time{}
		heap.Fix(&h.ready, at)
	}
	signal(q.wake)
}
