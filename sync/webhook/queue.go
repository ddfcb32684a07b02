package webhook

import (
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

// testKind is the kind of events that are only a test.
const testKind catalog.EventKind = "test"

// A hook is a webhook and what waits for it.
type hook struct {
	Hook
	titles map[string]bool // Titles in lower case
	gone   bool            // deleted
	locked bool            // its secret cannot be opened: nothing is sent, and all is kept
	status Status
	// chains are the deliveries by title, in order: the first of each is the one
	// whose turn it is. ready are those firsts that are not under way.
	chains  map[string][]*delivery
	ready   deliveries
	pending int
	bytes   int64 // of the records of what waits
	running int
	next    time.Time // not before, whatever is ready: it fails
}

// A delivery is an event that waits for a webhook. What it says stays in the store
// until then.
type delivery struct {
	key   store.Key
	hook  *hook
	title string
	size  int64 // of its record
	seq   int64
	since time.Time
	tries int
	next  time.Time
	// queued says that it is in the chain of its title, and running that it is being
	// tried.
	queued, running bool
}

// deliveries are ordered by when they can be tried, and then as they came.
type deliveries []*delivery

func (q deliveries) Len() int { return len(q) }
func (q deliveries) Less(a, b int) bool {
	if !q[a].next.Equal(q[b].next) {
		return q[a].next.Before(q[b].next)
	}
	return q[a].seq < q[b].seq
}
func (q deliveries) Swap(a, b int) { q[a], q[b] = q[b], q[a] }

// Push is for package heap.
func (q *deliveries) Push(x any) { *q = append(*q, x.(*delivery)) }

// Pop is for package heap.
func (q *deliveries) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return d
}

func newHook(h Hook) *hook {
	out := &hook{Hook: h, titles: map[string]bool{}, chains: map[string][]*delivery{}}
	for _, id := range h.Titles {
		out.titles[strings.ToLower(id)] = true
	}
	return out
}

// sendsDefinition reports whether the webhook's events have definitions.
func (h *hook) sendsDefinition() bool { return h.SendDefinition && h.Format == JSON }

// statusNow returns how it goes. Who calls it has Service.mu.
func (h *hook) statusNow() Status {
	s := h.status
	s.Hook, s.Signed, s.Pending = h.Hook, h.Secret != "", h.pending
	s.Hook.Secret, s.Hook.URL = "", safehttp.Redact(h.URL)
	if h.pending > 0 {
		s.NextAttempt = h.next.UTC()
		if len(h.ready) > 0 && h.ready[0].next.After(h.next) {
			s.NextAttempt = h.ready[0].next.UTC()
		}
	}
	return s
}

// waiting returns all that waits. Who calls it has Service.mu.
func (h *hook) waiting() (all []*delivery) {
	for _, chain := range h.chains {
		all = append(all, chain...)
	}
	return all
}

// add puts a delivery into its title's chain, which is as a rule at the end: only
// another server's, and what was there before a start, may come late. Who calls it
// has Service.mu.
func (h *hook) add(d *delivery) {
	chain := h.chains[d.title]
	at := len(chain)
	for at > 0 && chain[at-1].seq > d.seq && !chain[at-1].running {
		at--
	}
	h.chains[d.title] = slices.Insert(chain, at, d)
	h.pending++
	h.bytes += d.size
	if at > 0 {
		return
	}
	if next := h.chains[d.title][1:]; len(next) > 0 { // it takes the turn of the one that was first
		h.unready(next[0])
	}
	heap.Push(&h.ready, d)
}

// unready takes a delivery out of those that are ready.
func (h *hook) unready(d *delivery) {
	if at := slices.Index(h.ready, d); at >= 0 {
		heap.Remove(&h.ready, at)
	}
}

// done takes a delivery whose turn it was off its chain. Who calls it has
// Service.mu.
func (h *hook) done(d *delivery) {
	chain := h.chains[d.title][1:]
	h.pending--
	h.bytes -= d.size
	if len(chain) == 0 {
		delete(h.chains, d.title)
		return
	}
	h.chains[d.title] = chain
	heap.Push(&h.ready, chain[0])
}

// host is what may stand in a log of a webhook's URL: of some, the rest is a secret.
func (h *hook) host() string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// wants reports whether a webhook is told of an event.
func (h *hook) wants(id string, kind catalog.EventKind) bool {
	return h.Enabled && (len(h.Events) == 0 || slices.Contains(h.Events, kind)) &&
		(len(h.titles) == 0 || h.titles[strings.ToLower(id)])
}

// Wants implements catalog.Courier.
func (w *Service) Wants(id string, kind catalog.EventKind) (notice, definition bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hooks {
		if h.wants(id, kind) {
			notice, definition = true, definition || h.sendsDefinition()
		}
	}
	return notice, definition
}

// Take implements catalog.Courier: it puts an event into the queue of each webhook
// that wants it.
func (w *Service) Take(ctx context.Context, n catalog.Notice) error {
	w.mu.Lock()
	var to []*hook
	for _, h := range w.hooks {
		if h.wants(n.Title.ID, n.Kind) {
			to = append(to, h)
		}
	}
	w.mu.Unlock()
	// If it fails for one, it is not put into the others' queues again.
	w.mu.Lock()
	taken := w.taken[n.ID]
	w.mu.Unlock()
	if taken == nil {
		taken = map[string]bool{}
	}
	var errs []error
	for _, h := range to {
		if taken[h.ID] {
			continue
		}
		err := w.enqueue(ctx, h, n)
		if taken[h.ID] = err == nil; err != nil {
			errs = append(errs, err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(errs) == 0 {
		delete(w.taken, n.ID)
	} else {
		w.taken[n.ID] = taken
	}
	return errors.Join(errs...)
}

// record returns the record of an event in a webhook's queue. A large definition is
// left to be read when the event is sent, as is any for which there is no room. It is
// not ok if there is no room for the event.
func (w *Service) record(h *hook, n catalog.Notice) (value []byte, ok bool, err error) {
	w.mu.Lock()
	room := w.maxQueueBytes - h.bytes
	if h.pending >= maxPending {
		room = 0
	}
	w.mu.Unlock()
	if !h.sendsDefinition() || len(n.Definition) > catalog.MaxNoticeDefinition || int64(len(n.Definition)) > room {
		n.Definition = nil
	}
	value, err = json.Marshal(deliveryRecord{Format: format, Hook: h.ID, Notice: n})
	return value, int64(len(value)) <= room, err
}

// enqueue puts an event into a webhook's queue, durably.
func (w *Service) enqueue(ctx context.Context, h *hook, n catalog.Notice) error {
	value, ok, err := w.record(h, n)
	if err != nil {
		return err
	}
	w.mu.Lock()
	if !ok {
		first := h.status.Dropped == 0
		h.status.Dropped++
		waiting := h.pending
		w.mu.Unlock()
		if first {
			w.log.Error("too much waits for a webhook: it is not told of more until it answers",
				"webhook", h.ID, "waiting", waiting)
		}
		return nil
	}
	w.last = max(w.last+1, w.now().UnixNano())
	d := &delivery{hook: h, title: strings.ToLower(n.Title.ID), size: int64(len(value)), seq: w.last, since: n.At}
	d.key = store.Key{Kind: deliveriesKind, ID: fmt.Sprintf("%s/%020d-%s", h.ID, d.seq, n.ID)}
	w.known[d.key.ID] = d // so that forget tells if another server is faster than this
	w.mu.Unlock()
	_, err = w.store.Put(ctx, d.key, value, store.IfAbsent())
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known[d.key.ID] != d {
		return nil // another server has delivered it already
	}
	if err != nil || h.gone {
		delete(w.known, d.key.ID)
	} else {
		w.queue(d)
	}
	if err != nil {
		return unavailable(ctx, err)
	}
	return nil
}

// join has a delivery that is in the store wait for its turn, unless it does already.
// The caller must hold mu.
func (w *Service) join(d *delivery) {
	if d.hook.gone || w.known[d.key.ID] != nil {
		return
	}
	w.known[d.key.ID] = d
	w.queue(d)
}

// queue has a delivery wait for its turn. The caller must hold mu.
func (w *Service) queue(d *delivery) {
	d.queued = true
	w.last = max(w.last, d.seq) // what comes after it here is later, whatever the clocks say
	d.hook.add(d)
	w.rouse()
}

func (w *Service) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// loadQueue reads what waits in the store, and sweeps what waits for webhooks that are
// there no more.
func (w *Service) loadQueue(ctx context.Context) error {
	var orphans []*delivery
	for rec, err := range w.store.List(ctx, deliveriesKind) {
		if err != nil {
			return unavailable(ctx, err)
		}
		w.mu.Lock()
		d := w.decode(rec)
		if d != nil && d.hook != nil {
			w.last = max(w.last, d.seq)
			w.join(d)
		}
		w.mu.Unlock()
		if d != nil && d.hook == nil {
			orphans = append(orphans, d)
		}
	}
	for _, d := range orphans {
		// Only if it is gone for good: another server may just have made it.
		id, _, _ := strings.Cut(d.key.ID, "/")
		_, err := w.store.Get(ctx, store.Key{Kind: hooksKind, ID: id})
		if errors.Is(err, store.ErrNotFound) {
			w.drop(ctx, d)
		} else if err != nil {
			return unavailable(ctx, err)
		}
	}
	return nil
}

// decode makes a delivery of its record, nil if it cannot be read; its hook is nil if
// that is gone. Who calls it has mu.
func (w *Service) decode(rec store.Record) *delivery {
	var r deliveryRecord
	id, rest, _ := strings.Cut(rec.Key.ID, "/")
	number, _, _ := strings.Cut(rest, "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err == nil {
		err = json.Unmarshal(rec.Value, &r)
	}
	if err != nil || r.Format != format {
		w.log.Error(
			"an event that waits for a webhook cannot be read, and is not told",
			"record",
			rec.Key.String(),
			"error",
			err,
		)
		return nil
	}
	return &delivery{
		key:   rec.Key,
		hook:  w.hooks[id],
		title: strings.ToLower(r.Notice.Title.ID),
		size:  int64(len(rec.Value)),
		seq:   seq,
		since: r.Notice.At,
	}
}

// drop removes a delivery from the store.
func (w *Service) drop(ctx context.Context, d *delivery) {
	if err := w.store.Delete(ctx, d.key, store.Condition{}); err != nil && !errors.Is(err, store.ErrNotFound) {
		w.log.Error(
			"an event is over and could not be removed: it may be told again",
			"record",
			d.key.String(),
			"error",
			err,
		)
	}
	w.mu.Lock()
	delete(w.known, d.key.ID)
	w.mu.Unlock()
}
