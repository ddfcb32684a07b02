package catalog

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A currentIndex holds the index that is served, and replaces it when a title changes.
type currentIndex struct {
	now     func() time.Time
	index   atomic.Pointer[index]
	mu      sync.Mutex // held to replace index
	follows followLog  // guarded by mu
}

// get returns the index. It is nil until load was called.
func (c *currentIndex) get() *index { return c.index.Load() }

// serve returns the index for a reader, which may rely on its time: see index.changed.
func (c *currentIndex) serve() *index {
	for {
		x := c.index.Load()
		if x.served.Load() == served || x.served.CompareAndSwap(unserved, served) {
			return x
		}
		if x.served.Load() == superseded {
			runtime.Gosched() // the next index is stored in a moment
		}
	}
}

// load stores the index of the entries that read returns.
func (c *currentIndex) load(read func() ([]*entry, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries, err := read()
	if err == nil {
		c.index.Store(newIndex(entries, c.now()))
	}
	return err
}

// loaded waits for a load in progress and returns the index. It is nil if load was not called yet, which will then read
// all changes made until now.
func (c *currentIndex) loaded() *index {
	if x := c.index.Load(); x != nil {
		return x
	}
	c.mu.Lock() // held by load
	defer c.mu.Unlock()
	return c.index.Load()
}

// publish stores the entry of a title, or removes the title if e is nil. If nothing has changed that readers see, such
// as after a change of a draft or a number, they cannot distinguish the new index from the old one.
func (c *currentIndex) publish(key string, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.index.Load()
	next := x.with(key, e)
	switch old := x.byKey(key); {
	case next == x:
	case sameSummary(old, e) && !e.Disabled && old.ETag == e.ETag && sameOrigin(old, e):
		x.renew(next)
		c.index.Store(next)
	default:
		c.replace(x, next, key)
	}
}

// replace stores next, which differs from the index x in the title under key. The caller must hold mu.
func (c *currentIndex) replace(x, next *index, key string) {
	old, e := x.byKey(key), next.byKey(key)
	if old == nil && e == nil { // no reader sees a disabled title
		x.renew(next)
	} else {
		c.follows.add(next.number, old, e)
		x.supersede(next, c.now())
	}
	c.index.Store(next)
}
