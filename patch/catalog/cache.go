package catalog

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// A cache holds the documents used last, bounded by the bytes that they take. S
// is what a document is made from: who wants one made from something else is not
// served by it.
type cache[S comparable] struct {
	mu    sync.Mutex
	lru   *simplelru.LRU[string, cached[S]]
	bytes int64
	max   int64

	hits, misses atomic.Uint64
}

// note counts whether what somebody wanted was there.
func (c *cache[S]) note(there bool) {
	if there {
		c.hits.Add(1)
	} else {
		c.misses.Add(1)
	}
}

// CacheStats say how well a cache serves, since the catalog was opened.
type CacheStats struct {
	// Hits and Misses are how often what was wanted was there, and was not.
	Hits, Misses uint64
	// Bytes is about how much memory it takes now.
	Bytes int64
}

func (c *cache[S]) stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return CacheStats{Hits: c.hits.Load(), Misses: c.misses.Load(), Bytes: c.bytes}
}

// Caches says how well the caches of definitions and of selections serve: a definition
// that is not there is read from the store, a selection is made anew.
func (c *Catalog) Caches() (definitions, selections CacheStats) {
	return c.definitions.stats(), c.selections.stats()
}

type cached[S comparable] struct {
	doc   *Document
	from  S
	bytes int64
}

// overhead is about what a document takes beside its bytes.
const overhead = 400

func newCache[S comparable](max int64) *cache[S] {
	c := &cache[S]{max: max}
	// The error is about a size that is not positive.
	c.lru, _ = simplelru.NewLRU(math.MaxInt32, func(_ string, v cached[S]) { c.bytes -= v.bytes })
	return c
}

// get returns the document under key and what it was made from; nil if there is
// none.
func (c *cache[S]) get(key string) (doc *Document, from S) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, _ := c.lru.Get(key)
	return v.doc, v.from
}

// put keeps a document. extra is about how many bytes it takes beside its own and
// the usual overhead.
func (c *cache[S]) put(key string, doc *Document, from S, extra int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := cached[S]{doc: doc, from: from, bytes: int64(len(doc.body) + len(key) + extra + overhead)}
	if old, ok := c.lru.Peek(key); ok && old.doc.content == doc.content {
		v.bytes = max(v.bytes, old.bytes) // it may be compressed already
	}
	c.lru.Remove(key)
	c.lru.Add(key, v)
	c.bytes += v.bytes
	c.shrink()
}

// grow notes that a content under key takes n bytes more.
func (c *cache[S]) grow(key string, of *content, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.lru.Peek(key)
	if !ok || v.doc.content != of {
		return
	}
	v.bytes += int64(n)
	c.bytes += int64(n)
	c.lru.Add(key, v)
	c.shrink()
}

func (c *cache[S]) remove(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lru.Remove(key)
}

func (c *cache[S]) shrink() {
	for c.bytes > c.max {
		if _, _, ok := c.lru.RemoveOldest(); !ok {
			return
		}
	}
}
