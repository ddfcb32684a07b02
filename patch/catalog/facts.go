package catalog

import (
	"bytes"
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/patchsource/patchsource/patch"
)

// facts are what was found out about a definition. Those that are not known yet are zero.
type facts struct {
	of      []byte // the definition
	tag     string
	summary *patch.Summary
	parsed  *patch.Definition // it must not be changed
}

// facts returns the facts about the record's definition, which may be known from another record with the same bytes.
func (r *record) facts() *facts {
	if f := r.known; f != nil && len(f.of) == len(r.definition) && (len(f.of) == 0 || &f.of[0] == &r.definition[0]) {
		return f
	}
	r.known = &facts{of: r.definition}
	return r.known
}

// parse returns the parsed definition, which must not be changed.
func (r *record) parse() (*patch.Definition, error) {
	f := r.facts()
	if f.parsed == nil {
		d, err := parseStored(r.definition)
		if err != nil {
			return nil, err
		}
		f.parsed = d
	}
	return f.parsed, nil
}

// etag returns the entity tag of the definition.
func (r *record) etag() string {
	f := r.facts()
	if f.tag == "" {
		f.tag = etag(r.definition)
	}
	return f.tag
}

// summary returns the summary of the definition.
func (r *record) summary() (patch.Summary, error) {
	f := r.facts()
	if f.summary == nil {
		s, err := readSummary(r.definition)
		if err != nil {
			return s, err
		}
		f.summary = &s
	}
	return *f.summary, nil
}

// A factsCache holds the facts about the definitions that were changed last, by title key, so that a title that changes
// often is not parsed each time. It is bounded by the bytes that they take, and safe for concurrent use.
type factsCache struct {
	mu    sync.Mutex
	lru   *simplelru.LRU[string, facts]
	bytes int64
	max   int64
}

func newFactsCache(max int64) *factsCache {
	c := &factsCache{max: max}
	// The error is about a size that is not positive.
	c.lru, _ = simplelru.NewLRU(math.MaxInt32, func(key string, f facts) { c.bytes -= f.bytes(key) })
	return c
}

// bytes returns about how much memory the facts take. A parsed definition takes about twice as much as its text.
func (f *facts) bytes(key string) int64 { return int64(len(key) + 3*len(f.of) + overhead) }

// put stores the facts about a record's definition.
func (c *factsCache) put(key string, rec *record) {
	f := *rec.facts()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lru.Remove(key)
	if f.bytes(key) > c.max {
		return
	}
	c.bytes += f.bytes(key)
	c.lru.Add(key, f)
	for c.bytes > c.max {
		c.lru.RemoveOldest()
	}
}

// recall gives a record that was read the facts that are known about its definition.
func (c *factsCache) recall(key string, rec *record) {
	c.mu.Lock()
	f, ok := c.lru.Get(key)
	c.mu.Unlock()
	if ok && bytes.Equal(f.of, rec.definition) {
		rec.definition, rec.known = f.of, &f
	}
}

// remove forgets the facts about a title's definition.
func (c *factsCache) remove(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lru.Remove(key)
}
