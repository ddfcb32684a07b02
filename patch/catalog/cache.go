package catalog

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// CacheStats are the statistics of a cache since the catalog was opened.
type CacheStats struct {
	// Hits and Misses count the lookups that found a document, and those that did not.
	Hits, Misses uint64
	// Bytes is about how much memory the cache takes now.
	Bytes int64
}

// A cache holds the documents that were used last, bounded by the bytes that they take. S identifies the origin of a
// document: get returns it, and the caller decides whether the document is still valid. A cache is safe for
// concurrent use.
type cache[S comparable] struct {
	mu    sync.Mutex
	lru   *simplelru.LRU[string, cached[S]]
	bytes int64
	max   int64

	hits, misses atomic.Uint64
}

type cached[S comparable] struct {
	doc   *Document
	from  S
	bytes int64
}

// overhead is about how many bytes a document takes besides its JSON.
const overhead = 400

// taken returns about how much memory n bytes take: sizes are rounded up, and there are gaps between what is in use.
func taken(n int) int64 { return int64(n + n/8) }

func newCache[S comparable](max int64) *cache[S] {
	c := &cache[S]{max: max}
	// The error is about a size that is not positive.
	c.lru, _ = simplelru.NewLRU(math.MaxInt32, func(_ string, v cached[S]) { c.bytes -= v.bytes })
	return c
}

// get returns the document under key, nil if there is none, and its origin.
func (c *cache[S]) get(key string) (doc *Document, from S) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, _ := c.lru.Get(key)
	return v.doc, v.from
}

// count counts a hit or a miss.
func (c *cache[S]) count(hit bool) {
	if hit {
		c.hits.Add(1)
	} else {
		c.misses.Add(1)
	}
}

func (c *cache[S]) stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return CacheStats{Hits: c.hits.Load(), Misses: c.misses.Load(), Bytes: c.bytes}
}

// put stores a document, which takes extra bytes besides itself.
func (c *cache[S]) put(key string, doc *Document, from S, extra int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := cached[S]{doc: doc, from: from, bytes: taken(doc.Size() + len(key) + extra + overhead)}
	if old, ok := c.lru.Peek(key); ok && old.doc.content == doc.content {
		v.bytes = max(v.bytes, old.bytes) // it may be compressed already
	}
	c.lru.Remove(key)
	c.lru.Add(key, v)
	c.bytes += v.bytes
	c.shrink()
}

// grow records that a content under key takes n bytes more.
func (c *cache[S]) grow(key string, of *content, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.lru.Peek(key)
	if !ok || v.doc.content != of {
		return
	}
	v.bytes += taken(n)
	c.bytes += taken(n)
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
