package patchsync

import (
	"container/heap"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
)

const (
	// defaultWatchInterval is the default of recipe.Policy.Interval.
	defaultWatchInterval = time.Hour
	// maxFreshWatch bounds the time between two requests for a feed that says how long it is fresh, in intervals.
	maxFreshWatch = 2
	// newWatchSpread is the time over which feeds are asked that were not asked before.
	newWatchSpread = 2 * time.Second
	// storeRetry is the time after which a reading is applied again that the store has failed.
	storeRetry = time.Minute
	// slowAnswer is the time of an answer from which on a feed is asked less often: at most once in slowShare times the
	// time of its answer, within maxSlowWait.
	slowAnswer  = time.Second
	slowShare   = 200
	maxSlowWait = time.Hour
)

// A watchAgenda knows which watches one request serves, and when each feed is asked next. It is safe for concurrent
// use.
type watchAgenda struct {
	now func() time.Time
	// keyOf returns what identifies the request for a feed, and hostOf its host.
	keyOf  func(f recipe.Feed, trusted bool) (string, error)
	hostOf func(f recipe.Feed) string
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
	host     string
	members  map[string]*watchMember // by UID
	running  bool                    // takeDue returned the group, and it was not requeued yet
	retry    bool                    // it did so for the retry of a member alone
	ask      time.Time               // when the feed is asked next
	next     time.Time               // ask, or the retry of a member if that is earlier
	position int                     // in the queue, -1 if it is not there

	// memo and digest are those of the last answer, and generation is its number.
	memo       string
	digest     [sha256.Size]byte
	generation int
}

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

// ask notes that the feed of some watches is being asked.
func (a *watchAgenda) ask(jobs []*watchJob, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, j := range jobs {
		j.asked = at
	}
}

// isEarly reports whether the feed of a watch fails and is to be asked much later.
func (a *watchAgenda) isEarly(m *watchMember) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return m.backsOff(a.now()) > m.wait/4
}

// attempted notes that the feed of a watch was asked, and that the answer was applied.
func (a *watchAgenda) attempted(uid string, at time.Time, success bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.members[uid]; m != nil {
		m.asked, m.lastCheck.attempt = at, at
		m.settle()
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
		a.schedule(g, earliest(g.ask, m.due(a.now())))
	}
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
		g = &watchGroup{key: key, host: a.hostOf(m.feed), members: map[string]*watchMember{}, position: -1}
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

// schedule sets when the feed of a group is asked, and puts the group into the queue. The caller must hold mu.
func (a *watchAgenda) schedule(g *watchGroup, ask time.Time) {
	g.setAsk(ask)
	if g.position >= 0 {
		heap.Fix(&a.queue, g.position)
	} else {
		heap.Push(&a.queue, g)
	}
	wake(a.changed)
}

// setAsk sets when the feed of a group is asked. The caller must hold watchAgenda.mu.
func (g *watchGroup) setAsk(ask time.Time) {
	g.ask, g.next = ask, ask
	for _, m := range g.members {
		g.next = earliest(g.next, m.retry)
	}
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
	if next := a.now().Add(jitter(m.interval)); next.Before(m.group.ask) {
		a.schedule(m.group, next)
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
		g.running, g.retry = true, now.Before(g.ask)
		due = append(due, g)
	}
	return due, time.Minute
}

// A groupCheck is the outcome of a check of a group. The zero value is that of a group whose feed was not asked.
type groupCheck struct {
	asked  bool
	took   time.Duration // the time that the server of the feed took to answer
	maxAge time.Duration // how long the feed says that it is fresh
}

// requeue puts a group that takeDue returned back into the queue after its check.
func (a *watchAgenda) requeue(g *watchGroup, check groupCheck) {
	a.mu.Lock()
	defer a.mu.Unlock()
	g.running = false
	if len(g.members) == 0 {
		a.drop(g)
		return
	}
	now := a.now()
	var ask time.Time
	if !check.asked {
		ask = g.ask
	}
	for _, m := range g.members {
		if check.asked || m.asked.IsZero() {
			ask = earliest(ask, m.due(now))
		}
	}
	if check.asked {
		ask = g.adjust(ask, now, check)
	}
	a.schedule(g, ask)
}

// adjust returns when the feed of a group is asked that would be asked at a time: later if it says that it is fresh, or
// if it is slow, and earlier if a version is held until then. The caller must hold watchAgenda.mu.
func (g *watchGroup) adjust(ask, now time.Time, check groupCheck) time.Time {
	if fresh := now.Add(min(check.maxAge, maxFreshWatch*g.interval())); ask.Before(fresh) && !g.isFailing() {
		ask = fresh
	}
	if check.took >= slowAnswer {
		if slow := now.Add(min(slowShare*check.took, maxSlowWait)); ask.Before(slow) {
			ask = slow
		}
	}
	for _, m := range g.members {
		for _, h := range m.held {
			if h.Until.After(now) && !m.failing {
				ask = earliest(ask, h.Until)
			}
		}
	}
	return ask
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
		var ask time.Time
		for _, m := range g.members {
			ask = earliest(ask, m.due(now))
		}
		g.setAsk(ask)
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
