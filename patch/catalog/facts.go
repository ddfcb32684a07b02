package catalog

import (
	"bytes"
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// facts are what was found out about a definition. Those that are not known yet are zero.
type facts struct {
	of      []byte // the definition
	tag     string
	summary *patch.Summary
	parsed  *patch.Definition // it must not be changed
	outline *outline
	// checked says that this process has written or parsed the definition, which is therefore valid.
	checked bool
}

// parsedSize is about how many times the memory of its text a parsed definition takes.
const parsedSize = 2

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
		f.parsed, f.checked = d, true
	}
	return f.parsed, nil
}

// outline returns the outline of the definition. The error says that the definition is corrupt or not in canonical
// form. A definition that is read for the first time is parsed, so that one that is corrupt is not edited.
func (r *record) outline() (*outline, error) {
	f := r.facts()
	if f.outline == nil {
		if !f.checked {
			if _, err := parseStored(r.definition); err != nil {
				return nil, err
			}
			f.checked = true
		}
		o, err := readOutline(r.definition)
		if err != nil {
			return nil, err
		}
		f.outline = o
	}
	return f.outline, nil
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

// A factsCache holds the records that were changed last, by title key, with the facts about their definitions, so that
// a title that changes often is not decoded and parsed each time. It is bounded by the bytes that they take, and safe
// for concurrent use.
type factsCache struct {
	mu    sync.Mutex
	lru   *simplelru.LRU[string, knownRecord]
	bytes int64
	max   int64
}

// A knownRecord is a record in a factsCache.
type knownRecord struct {
	facts
	rev   store.Revision
	head  *head // it must not be changed
	bytes int64 // about how much memory it takes
}

func newFactsCache(max int64) *factsCache {
	c := &factsCache{max: max}
	// The error is about a size that is not positive.
	c.lru, _ = simplelru.NewLRU(math.MaxInt32, func(_ string, k knownRecord) { c.bytes -= k.bytes })
	return c
}

// put stores a record that is in the store.
func (c *factsCache) put(key string, rec *record) {
	from := originOf(rec)
	k := knownRecord{facts: *rec.facts(), rev: from.rev, head: from.head}
	k.bytes = int64(len(rec.definition) + k.outline.bytes(rec.definition) + len(key) + rec.headBytes() + overhead)
	if k.parsed != nil {
		k.bytes += parsedSize * int64(len(rec.definition))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lru.Remove(key)
	if k.bytes > c.max {
		return
	}
	c.bytes += k.bytes
	c.lru.Add(key, k)
	for c.bytes > c.max {
		c.lru.RemoveOldest()
	}
}

// renew stores a record if there is one under the key, so that the next change finds it.
func (c *factsCache) renew(key string, rec *record) {
	c.mu.Lock()
	known := c.lru.Contains(key)
	c.mu.Unlock()
	if known {
		c.put(key, rec)
	}
}

// get returns the known record under a key.
func (c *factsCache) get(key string) (k knownRecord, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lru.Get(key)
}

// decoded returns the record that was read from the store, nil if it is not known.
func (c *factsCache) decoded(key string, r store.Record) *record {
	k, ok := c.get(key)
	value, closed := bytes.CutSuffix(r.Value, []byte{'}'})
	if !ok || k.rev != r.Revision || !closed || !bytes.HasSuffix(value, k.of) {
		return nil
	}
	return &record{head: *k.head, definition: k.of, rev: r.Revision, raw: r.Value, known: &k.facts}
}

// record returns the record with a revision, nil if it is not known.
func (c *factsCache) record(key string, rev store.Revision) *record {
	k, ok := c.get(key)
	if !ok || k.rev != rev {
		return nil
	}
	return &record{head: *k.head, definition: k.of, rev: k.rev, known: &k.facts}
}

// recall gives a record that was read the facts that are known about its definition.
func (c *factsCache) recall(key string, rec *record) {
	if k, ok := c.get(key); ok && bytes.Equal(k.of, rec.definition) {
		rec.definition, rec.known = k.of, &k.facts
	}
}

// remove forgets the record of a title.
func (c *factsCache) remove(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lru.Remove(key)
}
