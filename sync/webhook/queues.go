package webhook

import (
	"maps"
	"slices"
	"sync"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// queues are the webhooks and their pending events, as this server knows them. It is safe for concurrent use.
type queues struct {
	wake    chan struct{} // receives a value when there is something to deliver
	logWake chan struct{} // receives a value when there is an outcome to log

	mu         sync.Mutex
	hooks      map[string]*hook
	arrivals   uint64               // the number of deliveries that were ever queued
	deliveries map[string]*delivery // all pending events, by the ids of their records
	// dropped are the ids of the records that this server has deleted, with the revisions that they had, until the
	// watch reports them.
	dropped map[string]store.Revision
	// partly are, by the id of an event that could not be put into all queues yet, the webhooks whose queues have it.
	partly map[string]map[string]bool
}

func newQueues() queues {
	return queues{
		wake:       make(chan struct{}, 1),
		logWake:    make(chan struct{}, 1),
		hooks:      map[string]*hook{},
		deliveries: map[string]*delivery{},
		dropped:    map[string]store.Revision{},
		partly:     map[string]map[string]bool{},
	}
}

// hook returns a webhook, nil if there is none with the id.
func (q *queues) hook(id string) *hook {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.hooks[id]
}

// hookCount returns the number of webhooks.
func (q *queues) hookCount() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.hooks)
}

// addHook adds a webhook.
func (q *queues) addHook(h *hook) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hooks[h.ID] = h
}

// removeHook removes a webhook and returns its pending events. The caller must remove them from the store; see
// Service.drop.
func (q *queues) removeHook(id string) []*delivery {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.hooks[id]
	if h == nil {
		return nil
	}
	delete(q.hooks, id)
	h.deleted = true
	return h.all()
}

// replaceHooks makes the webhooks those that the store has. Webhooks that are known already keep their queues.
func (q *queues) replaceHooks(stored map[string]*hook) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for id, h := range q.hooks {
		if stored[id] == nil {
			h.deleted = true
			delete(q.hooks, id)
			for _, d := range h.all() { // the server that deleted the webhook removes their records
				delete(q.deliveries, d.key.ID)
			}
		}
	}
	for id, h := range stored {
		if q.hooks[id] == nil {
			q.hooks[id] = h
		}
	}
}

// subscribers returns the webhooks that subscribe to an event.
func (q *queues) subscribers(title string, kind catalog.EventKind) (hooks []*hook) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, h := range q.hooks {
		if h.wants(title, kind) {
			hooks = append(hooks, h)
		}
	}
	return hooks
}

// statuses returns the status of each webhook.
func (q *queues) statuses() []Status {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := make([]Status, 0, len(q.hooks))
	for _, h := range q.hooks {
		all = append(all, h.currentStatus())
	}
	return all
}

// taken returns the webhooks whose queues have an event already.
func (q *queues) taken(event string) map[string]bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := maps.Clone(q.partly[event])
	if taken == nil {
		taken = map[string]bool{}
	}
	return taken
}

// setTaken remembers the webhooks whose queues have an event, until all have it.
func (q *queues) setTaken(event string, taken map[string]bool, all bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if all {
		delete(q.partly, event)
	} else {
		q.partly[event] = taken
	}
}

// join puts a delivery that the store has into its queue. If it is there already, join ends its pause if another server
// was asked to retry it. The caller must hold mu.
func (q *queues) join(d *delivery) {
	if d.hook.deleted {
		return
	}
	if known := q.deliveries[d.key.ID]; known != nil {
		known.revision = d.revision
		if known.queued && d.retried.After(known.retried) {
			q.endPause(known, d.retried)
		}
		return
	}
	q.deliveries[d.key.ID] = d
	q.enqueue(d)
}

// enqueue puts a delivery into its queue. The caller must hold mu.
func (q *queues) enqueue(d *delivery) {
	d.queued = true
	q.arrivals++
	d.arrival = q.arrivals
	d.hook.add(d)
	signal(q.wake)
}

// signal sends a value unless one waits to be received.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// forget removes a delivery whose record is gone from the deliveries.
func (q *queues) forget(key store.Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.deliveries, key.ID)
}

// setDropped notes that this server deletes the record of a delivery, so that the watch need not report it.
func (q *queues) setDropped(d *delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped[d.key.ID] = d.revision
}

// setKept notes that this server has not deleted a record.
func (q *queues) setKept(key store.Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.dropped, key.ID)
}

// forgetDropped forgets the records that this server has deleted, because the watch may not report them.
func (q *queues) forgetDropped() {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.dropped)
}

// isOwn reports whether a change of a record is one that this server has made or knows: it has queued the delivery, or
// dropped it.
func (q *queues) isOwn(c store.Change) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	last, dropped := q.dropped[c.Key.ID]
	if c.Revision != "" {
		d := q.deliveries[c.Key.ID]
		return d != nil && !d.changed(c.Revision) || dropped && last == c.Revision
	}
	delete(q.dropped, c.Key.ID)
	return dropped
}

// changed reports whether the record of a delivery has another revision than the one that is known, so that it must be
// read. The caller must hold queues.mu, unless d is a copy.
func (d *delivery) changed(current store.Revision) bool { return d.queued && d.revision != current }

// known returns what is known of the records of all pending events, by their ids.
func (q *queues) known() map[string]*delivery {
	q.mu.Lock()
	defer q.mu.Unlock()
	known := make(map[string]*delivery, len(q.deliveries))
	for id, d := range q.deliveries {
		known[id] = &delivery{queued: d.queued, revision: d.revision}
	}
	return known
}

// remove removes a delivery that another server has made from its queue. A delivery that is in progress here stays:
// it will end.
func (q *queues) remove(key store.Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	d := q.deliveries[key.ID]
	if d == nil || d.running || d.hook.deleted {
		return
	}
	delete(q.deliveries, key.ID)
	if d.queued {
		d.hook.remove(d)
	}
}

// remove removes a delivery from the queue. The caller must hold queues.mu.
func (h *hook) remove(d *delivery) {
	chain := h.chains[d.title]
	if chain[0] == d {
		h.unready(d)
		h.done(d)
		return
	}
	at := slices.Index(chain, d)
	h.chains[d.title] = slices.Delete(chain, at, at+1)
	h.pending--
	h.bytes -= d.size
}
