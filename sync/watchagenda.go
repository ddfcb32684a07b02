package patchsync

import (
	"container/heap"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/releases"
)

const (
	// defaultWatchInterval is the default of recipe.Policy.Interval.
	defaultWatchInterval = time.Hour
	// maxFreshWatch bounds the time between two requests for a feed that says how long it is fresh, in intervals.
	maxFreshWatch = 2
	// newWatchSpread is the time over which feeds are asked that were not asked before.
	newWatchSpread = 2 * time.Second
	// storeRetry is the time after which a check is run again that the store has failed.
	storeRetry = time.Minute
)

// A watchAgenda knows which watches one request serves, and when each feed is asked next. It is safe for concurrent
// use.
type watchAgenda struct {
	now func() time.Time
	// keyOf returns what identifies the request for a feed.
	keyOf func(f recipe.Feed, trusted bool) (string, error)
	// changed receives a value when the queue has changed.
	changed chan struct{}

	mu      sync.Mutex
	leads   bool                    // this server asks the feeds
	members map[string]*watchMember // by UID: watches that are neither ended nor paused
	groups  map[string]*watchGroup  // by key
	queue   watchQueue              // groups that wait for their time
}

// A watchGroup is the watches that one request serves. Its fields are guarded by watchAgenda.mu, and answer and
// generation by the one check of the group that is in progress.
type watchGroup struct {
	key      string
	members  map[string]*watchMember // by UID
	running  bool
	next     time.Time
	position int // in the queue, -1 if it is not there

	// memo and digest are those of the last answer that all members have read, and generation is its number.
	memo       string
	digest     [sha256.Size]byte
	generation int
}

// A watchMember is a watch in a group. Its fields are guarded by watchAgenda.mu.
type watchMember struct {
	group *watchGroup
	// The next fields are those of the record and of its state. next is when a feed that fails is to be tried again,
	// and wait the time until then from the failure on.
	uid      string
	feed     recipe.Feed
	text     string // textOf feed
	trusted  bool
	interval time.Duration
	failing  bool
	next     time.Time
	wait     time.Duration
	known    bool      // some server has asked the feed
	retry    time.Time // when to ask again because the store failed, zero if it did not
	held     []HeldVersion

	lastCheck watchTimes
	// selection is what counts of the answer with the number generation of the group. If that is 0, there is none.
	selection  releases.Selection
	generation int
	// revision and etag are those of the record and of the title when the selection was last applied.
	revision store.Revision
	etag     string
}

// watchTimes are when a feed was last asked, and when that last succeeded.
type watchTimes struct{ attempt, success time.Time }

func newWatchAgenda(now func() time.Time) *watchAgenda {
	return &watchAgenda{
		now:     now,
		changed: make(chan struct{}, 1),
		members: map[string]*watchMember{},
		groups:  map[string]*watchGroup{},
	}
}

// times returns when the feed of a watch was last asked by this server, and when it asks again. next is zero if this
// server does not ask feeds.
func (a *watchAgenda) times(uid string) (last watchTimes, next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.members[uid]
	if m == nil {
		return last, next
	}
	if a.leads {
		next = m.group.next.UTC()
	}
	return m.lastCheck, next
}

// attempted notes that the feed of a watch was asked.
func (a *watchAgenda) attempted(uid string, at time.Time, success bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.members[uid]; m != nil {
		m.lastCheck.attempt, m.retry = at, time.Time{}
		if success {
			m.lastCheck.success = at
		}
	}
}

// adopt makes the agenda follow a record that was read or written.
func (a *watchAgenda) adopt(saved savedWatch) {
	rec := saved.record
	if rec.Ended || rec.paused() {
		a.remove(rec.UID)
		return
	}
	text := textOf(rec.Feed)
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.members[rec.UID]
	if m == nil || m.text != text || m.trusted != rec.Trusted {
		key, err := a.keyOf(rec.Feed, rec.Trusted)
		if err != nil { // the request fails too, and says why
			key = "watch " + rec.UID
		}
		a.leave(m)
		m = a.join(key, &watchMember{uid: rec.UID, feed: rec.Feed, text: text, trusted: rec.Trusted})
	}
	m.interval, m.failing, m.held = interval(rec), rec.State.Failures > 0, rec.State.Held
	m.next, m.wait = rec.State.NextCheck, rec.State.Wait
	m.known = !rec.State.LastAttempt.IsZero()
	if g := m.group; !g.running {
		a.move(g, earliest(g.next, m.due(a.now())))
	}
}

// due returns when a watch is to be asked next: soon if it never was, at its time if it fails, and within its interval
// otherwise.
func (m *watchMember) due(now time.Time) time.Time {
	left := m.next.Sub(now)
	tried := !m.lastCheck.attempt.IsZero() // by this server
	switch {
	case !m.retry.IsZero():
		return m.retry
	case !m.known && !tried:
		return now.Add(randomUpTo(newWatchSpread))
	case m.failing && left > 0 && left <= min(m.wait, maxIntervals*m.interval*11/10):
		return m.next // other times were set by a clock that is ahead of this one
	case !m.failing && tried:
		return now.Add(jitter(m.interval))
	}
	return now.Add(randomUpTo(m.interval))
}

// earliest returns the earlier of two times. The zero time is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// join adds a watch to the group with a key. The caller must hold mu.
func (a *watchAgenda) join(key string, m *watchMember) *watchMember {
	g := a.groups[key]
	if g == nil {
		g = &watchGroup{key: key, members: map[string]*watchMember{}, position: -1}
		a.groups[key] = g
	}
	m.group = g
	g.members[m.uid], a.members[m.uid] = m, m
	return m
}

// leave removes a watch from its group. m may be nil. The caller must hold mu.
func (a *watchAgenda) leave(m *watchMember) {
	if m == nil {
		return
	}
	g := m.group
	delete(g.members, m.uid)
	delete(a.members, m.uid)
	if len(g.members) == 0 && !g.running {
		a.drop(g)
	}
}

// drop removes a group without members. The caller must hold mu.
func (a *watchAgenda) drop(g *watchGroup) {
	delete(a.groups, g.key)
	if g.position >= 0 {
		heap.Remove(&a.queue, g.position)
	}
}

// remove removes a watch.
func (a *watchAgenda) remove(uid string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leave(a.members[uid])
}

// move sets when a group that waits is asked. The caller must hold mu.
func (a *watchAgenda) move(g *watchGroup, next time.Time) {
	g.next = next
	if g.position >= 0 {
		heap.Fix(&a.queue, g.position)
	} else {
		heap.Push(&a.queue, g)
	}
	wake(a.changed)
}

// checked schedules the group of a watch after a check that a caller made: a feed that can be read again is asked at
// its interval.
func (a *watchAgenda) checked(uid string, success bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.members[uid]
	if m == nil || m.group.running || !success {
		return
	}
	if next := a.now().Add(jitter(m.interval)); next.Before(m.group.next) {
		a.move(m.group, next)
	}
}

// takeDue removes the groups that are due from the queue and returns them, and the time until the next one is due.
func (a *watchAgenda) takeDue() (due []*watchGroup, wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	for len(a.queue) > 0 {
		if wait := a.queue[0].next.Sub(now); wait > 0 {
			return due, min(wait, time.Minute)
		}
		g := heap.Pop(&a.queue).(*watchGroup)
		g.running = true
		due = append(due, g)
	}
	return due, time.Minute
}

// requeue puts a group that takeDue returned back into the queue after its check. maxAge is how long the feed says that
// it is fresh.
func (a *watchAgenda) requeue(g *watchGroup, maxAge time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	g.running = false
	if len(g.members) == 0 {
		a.drop(g)
		return
	}
	var next time.Time
	now := a.now()
	for _, m := range g.members {
		next = earliest(next, m.due(now))
	}
	if fresh := now.Add(min(maxAge, maxFreshWatch*g.interval())); next.Before(fresh) && !g.isFailing() {
		next = fresh
	}
	for _, m := range g.members {
		for _, h := range m.held {
			if h.Until.After(now) && !m.failing {
				next = earliest(next, h.Until)
			}
		}
	}
	a.move(g, next)
}

// interval returns the smallest interval of the members. The caller must hold watchAgenda.mu.
func (g *watchGroup) interval() (d time.Duration) {
	for _, m := range g.members {
		if d == 0 || m.interval < d {
			d = m.interval
		}
	}
	return d
}

// isFailing reports whether the feed could not be read for a member. The caller must hold watchAgenda.mu.
func (g *watchGroup) isFailing() bool {
	for _, m := range g.members {
		if m.failing {
			return true
		}
	}
	return false
}

// lead schedules all groups as of the moment that this server takes over the work, or notes that it no longer does it.
func (a *watchAgenda) lead(leads bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leads = leads
	if !leads {
		return
	}
	now := a.now()
	for _, g := range a.queue {
		g.next = time.Time{}
		for _, m := range g.members {
			g.next = earliest(g.next, m.due(now))
		}
	}
	heap.Init(&a.queue)
	wake(a.changed)
}

// A watchQueue is a heap of groups, ordered by when they are asked next. It implements [heap.Interface].
type watchQueue []*watchGroup

// Len implements [heap.Interface].
func (q watchQueue) Len() int { return len(q) }

// Less implements [heap.Interface].
func (q watchQueue) Less(a, b int) bool { return q[a].next.Before(q[b].next) }

// Swap implements [heap.Interface].
func (q watchQueue) Swap(a, b int) {
	q[a], q[b] = q[b], q[a]
	q[a].position, q[b].position = a, b
}

// Push implements [heap.Interface].
func (q *watchQueue) Push(x any) {
	g := x.(*watchGroup)
	g.position = len(*q)
	*q = append(*q, g)
}

// Pop implements [heap.Interface].
func (q *watchQueue) Pop() any {
	last := len(*q) - 1
	g := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	g.position = -1
	return g
}
