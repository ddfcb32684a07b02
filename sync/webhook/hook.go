package webhook

import (
	"container/heap"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

// testKind is the kind of test events.
const testKind catalog.EventKind = "test"

// A hook is a webhook with its queue. All but Hook, titles and logging is guarded by queues.mu.
type hook struct {
	Hook
	titles  map[string]bool // Hook.Titles in lower case
	deleted bool
	locked  bool // the secret cannot be decrypted: nothing is sent, and everything is kept
	status  Status
	// chains are the pending deliveries by title, in order. The first of each is the next one of its title.
	chains  map[string][]*delivery
	ready   deliveries // the first delivery of each chain, unless it is in progress
	pending int        // deliveries in chains
	bytes   int64      // of the records of these
	running int        // deliveries in progress
	next    time.Time  // the end of the pause after a failure
	// outcomes are what the log does not have yet, by the ids of events. Their Attempts are those that it lacks. unsure
	// are those before them, which are being written or whose write has failed: the log may have them.
	outcomes, unsure map[string]logEntry
	// logging is held while the log is read or written, so that no outcome counts twice. It is locked before queues.mu.
	logging sync.Mutex
}

// A delivery is an event that is pending for a webhook. Its record in the store holds the event.
type delivery struct {
	key     store.Key
	hook    *hook
	about   about
	title   string    // its id in lower case, or the chain of its announcements; see chainOf
	size    int64     // of the record
	number  int64     // by which the deliveries of a title are ordered
	arrival uint64    // orders the deliveries of several titles: their place among all that were queued here
	since   time.Time // the event is retried for a day from then on
	retried time.Time // that of the record
	tries   int
	next    time.Time // the end of the pause after a failure
	queued  bool      // in the chain of its title
	running bool      // in progress
	// revision is that of the record, empty if it is not known. Only Service.Retry changes the record.
	revision store.Revision
}

// about is the part of an event that is shown while it is pending.
type about struct {
	kind           catalog.EventKind
	title, version string
	at             time.Time
}

// aboutNotice returns the part of an event that is shown.
func aboutNotice(n *catalog.Notice) about {
	return about{kind: n.Kind, title: n.Title.ID, version: n.Title.CurrentVersion, at: n.At}
}

// event returns the id of the event.
func (d *delivery) event() string {
	_, rest, _ := strings.Cut(d.key.ID, "/")
	_, event, _ := strings.Cut(rest, "-")
	return event
}

// lane returns the lane of a delivery's record for [store.Follower]: the deliveries of a title's events to a webhook
// are read in order. The id of an event is that of the title and the number of the event.
func lane(key store.Key) string {
	hook, rest, _ := strings.Cut(key.ID, "/")
	_, event, _ := strings.Cut(rest, "-")
	title, _, _ := strings.Cut(event, "-")
	return hook + "/" + title
}

func newHook(h Hook) *hook {
	out := &hook{
		Hook:     h,
		titles:   map[string]bool{},
		chains:   map[string][]*delivery{},
		outcomes: map[string]logEntry{},
	}
	for _, id := range h.Titles {
		out.titles[strings.ToLower(id)] = true
	}
	return out
}

// wants reports whether a webhook subscribes to an event.
func (h *hook) wants(title string, kind catalog.EventKind) bool {
	return h.Enabled && (len(h.Events) == 0 && !isAnnounced(kind) || slices.Contains(h.Events, kind)) &&
		(len(h.titles) == 0 || h.titles[strings.ToLower(title)])
}

// sendsDefinition reports whether the events of the webhook contain definitions.
func (h *hook) sendsDefinition() bool { return h.SendDefinition && h.Format == JSON }

// host returns the host of the URL. It is the only part that is logged: the rest may be a secret.
func (h *hook) host() string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// currentStatus returns the status. The caller must hold queues.mu.
func (h *hook) currentStatus() Status {
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

// all returns all pending deliveries. The caller must hold queues.mu.
func (h *hook) all() (all []*delivery) {
	for _, chain := range h.chains {
		all = append(all, chain...)
	}
	return all
}

// add puts a delivery into the chain of its title, by its number. That is usually the end: only deliveries of another
// server, and those from before a start, may come late. The caller must hold queues.mu.
func (h *hook) add(d *delivery) {
	chain := h.chains[d.title]
	at := len(chain)
	for at > 0 && chain[at-1].number > d.number && !chain[at-1].running {
		at--
	}
	h.chains[d.title] = slices.Insert(chain, at, d)
	h.pending++
	h.bytes += d.size
	if at > 0 {
		return
	}
	if rest := h.chains[d.title][1:]; len(rest) > 0 {
		h.unready(rest[0]) // it is no longer the first
	}
	heap.Push(&h.ready, d)
}

// unready removes a delivery from the ready ones. The caller must hold queues.mu.
func (h *hook) unready(d *delivery) {
	if at := slices.Index(h.ready, d); at >= 0 {
		heap.Remove(&h.ready, at)
	}
}

// done removes the first delivery of a chain, which is not among the ready ones, and makes the next one ready. The
// caller must hold queues.mu.
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

// deliveries is a heap, ordered by when the deliveries may be tried and then by when they arrived. It implements
// [heap.Interface].
type deliveries []*delivery

// Len implements [heap.Interface].
func (q deliveries) Len() int { return len(q) }

// Less implements [heap.Interface].
func (q deliveries) Less(a, b int) bool {
	if !q[a].next.Equal(q[b].next) {
		return q[a].next.Before(q[b].next)
	}
	return q[a].arrival < q[b].arrival
}

// Swap implements [heap.Interface].
func (q deliveries) Swap(a, b int) { q[a], q[b] = q[b], q[a] }

// Push implements [heap.Interface].
func (q *deliveries) Push(x any) { *q = append(*q, x.(*delivery)) }

// Pop implements [heap.Interface].
func (q *deliveries) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return d
}
