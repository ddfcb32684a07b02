package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// A Title is what the index knows of a title.
type Title struct {
	patch.Summary
	// UID tells the title from a later one with the same id. Random, and never
	// shown to the world.
	UID string
	// ETag is that of the definition's bytes; see [EditOptions].
	ETag string
	// Changed is when the definition last changed.
	Changed time.Time
	// Author is the name under which it was published, as typed; empty: none.
	Author string
	// Contributor is the id of the contributor whose title it is; empty: none's.
	Contributor string
	// Mailbox is the hash of its author's address, as it was given; empty: none.
	// Not to be shown.
	Mailbox string
	// Follows is the URL of the source that it is kept in step with; empty: none.
	Follows string
	// Source is the key of the whole source that it came with; empty: it is
	// followed by itself, or not at all.
	Source string
	// Held is how many patches in front of its first the title's source holds back;
	// see [EditOptions].
	Held int
	// Account is for whom the title's bytes are counted, as it was given; empty: for
	// its mailbox or contributor. Not to be shown.
	Account string
	// Bytes is how much the title takes in the store: the definition, the patches
	// that are held back and the earlier revisions. Of a title that an older version
	// wrote, revisions count from its next change on.
	Bytes int64
}

// From is what an edit that comes from the title's source says in
// [EditOptions]; empty: it follows none.
func (t Title) From() string { return cmp.Or(t.Source, t.Follows) }

// Matches reports whether etag is that of the title's definition, as it is or
// compressed.
func (t Title) Matches(etag string) bool { return etag == t.ETag || etag == gzipETag(t.ETag) }

// An entry is a title in the index. It never changes.
type entry struct {
	Title
	key    string
	rev    store.Revision
	line   []byte // the summary as JSON
	search string // what a search looks at, in lower case
}

// readEntry makes the entry of a record, nil if it is not live.
func readEntry(rec store.Record) (*entry, error) {
	r, err := decodeRecord(rec.Value)
	if err != nil {
		return nil, err
	}
	return r.liveEntry(rec)
}

// liveEntry makes the entry of a record that was read from rec, nil if it is not
// live.
func (r *record) liveEntry(rec store.Record) (*entry, error) {
	if r.State != live {
		return nil, nil
	}
	e, err := r.entry(rec.Key.ID, rec.Revision)
	if err == nil && (titleKey(e.ID) != rec.Key.ID || e.UID == "") {
		return nil, fmt.Errorf("the record is of another title, %q, or of none", e.ID)
	}
	return e, err
}

func (r *record) entry(key string, rev store.Revision) (*entry, error) {
	s, err := readSummary(r.definition)
	if err != nil {
		return nil, err
	}
	e := &entry{
		Title: Title{
			Summary:     s,
			UID:         r.UID,
			ETag:        etag(r.definition),
			Changed:     r.Changed,
			Author:      r.Owner.Author,
			Contributor: r.Owner.Contributor,
			Mailbox:     string(r.Owner.Mailbox),
			Held:        len(r.Held),
			Account:     r.Owner.Account,
			Bytes:       r.bytes(),
		},
		key:    key,
		rev:    rev,
		search: strings.ToLower(s.ID + "\n" + s.Name + "\n" + s.Publisher),
	}
	if r.Follows != nil {
		e.Follows, e.Source = r.Follows.URL, r.Follows.Source
	}
	e.line, err = summaryLine(s)
	return e, err
}

// summaryLine writes a summary as JSON.
func summaryLine(s patch.Summary) ([]byte, error) {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return nil, err
	}
	return bytes.Clone(bytes.TrimSuffix(line.Bytes(), []byte("\n"))), nil
}

// sortEntries sorts by id.
func sortEntries(entries []*entry) {
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.ID, b.ID) })
}

// An index is all titles at one moment. It never changes: a change makes
// another, which shares what is the same.
type index struct {
	sorted []*entry // by id
	shards [shardCount]map[string]*entry
	// changed is when the index became what it is, in whole seconds, and later
	// than that of every earlier one that somebody was served from.
	changed time.Time
	served  atomic.Int32
	list    func() *Document
	// number counts the indexes. What is made of an index remembers that, and
	// not the index: it must not be kept when its time is over.
	number uint64
}

const shardCount = 256

// States of index.served.
const (
	unseen     = iota // nobody was served from it
	seen              // somebody was
	superseded        // another takes its place at this moment
)

func newIndex(entries []*entry, now time.Time) *index {
	x := &index{sorted: entries, changed: now.UTC().Truncate(time.Second)}
	for _, e := range entries {
		// Somebody may have been served from before the newest change, in the
		// same second; or the clock was set back.
		if after := e.Changed.Truncate(time.Second).Add(time.Second); after.After(x.changed) {
			x.changed = after
		}
	}
	sortEntries(x.sorted)
	for _, e := range x.sorted {
		shard := &x.shards[shardOf([]byte(e.key))]
		if *shard == nil {
			*shard = map[string]*entry{}
		}
		(*shard)[e.key] = e
	}
	x.list = sync.OnceValue(x.render)
	return x
}

// shardOf is FNV-1a, folded to a shard's number.
func shardOf(key []byte) byte {
	h := uint32(2166136261)
	for _, b := range key {
		h = (h ^ uint32(b)) * 16777619
	}
	return byte(h ^ h>>8 ^ h>>16 ^ h>>24)
}

func (x *index) byKey(key string) *entry { return x.shards[shardOf([]byte(key))][key] }

// byID finds a title by its id in any case, without allocating.
func (x *index) byID(id string) *entry {
	var buf [patch.MaxIDLength]byte
	if len(id) > len(buf) {
		return nil
	}
	key := buf[:len(id)]
	for i := range len(id) {
		b := id[i]
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		key[i] = b
	}
	return x.shards[shardOf(key)][string(key)]
}

// with returns the index in which the title under key is e, or is not there if e
// is nil. It returns x itself if that is so already.
func (x *index) with(key string, e *entry) *index {
	old := x.byKey(key)
	if old == e {
		return x
	}
	next := &index{sorted: x.sorted, shards: x.shards, number: x.number + 1}
	i := shardOf([]byte(key))
	shard := maps.Clone(x.shards[i])
	if shard == nil {
		shard = map[string]*entry{}
	}
	next.shards[i] = shard
	if old != nil {
		at, _ := x.search(old.ID)
		if e != nil && e.ID == old.ID {
			next.sorted = slices.Clone(x.sorted)
			next.sorted[at] = e
			shard[key] = e
			return next
		}
		next.sorted = slices.Concat(x.sorted[:at], x.sorted[at+1:])
		delete(shard, key)
	}
	if e != nil {
		at, _ := next.search(e.ID)
		next.sorted = slices.Concat(next.sorted[:at], []*entry{e}, next.sorted[at:])
		shard[key] = e
	}
	return next
}

// search returns where in sorted an id stands, or would stand.
func (x *index) search(id string) (int, bool) {
	return slices.BinarySearchFunc(x.sorted, id, func(e *entry, id string) int { return cmp.Compare(e.ID, id) })
}

// supersede makes next ready to take x's place. HTTP tells times in seconds: if
// somebody was served from x, next is of a later second, so that nobody takes
// the one for the other.
func (x *index) supersede(next *index, now time.Time) {
	next.changed = now.UTC().Truncate(time.Second)
	earliest := x.changed
	if x.served.Swap(superseded) == seen {
		earliest = earliest.Add(time.Second)
	}
	if next.changed.Before(earliest) {
		next.changed = earliest
	}
	next.list = sync.OnceValue(next.render)
}

// renew makes next ready to take x's place when it looks the same to everybody. What
// was rendered stays, and the time.
func (x *index) renew(next *index) {
	next.changed, next.number, next.list = x.changed, x.number, x.list
	if x.served.Swap(superseded) == seen {
		next.served.Store(seen)
	}
}

// current returns the index, and notes that somebody is served from it.
func (c *Catalog) current() *index {
	for {
		x := c.index.Load()
		if x.served.Load() == seen || x.served.CompareAndSwap(unseen, seen) {
			return x
		}
		if x.served.Load() == superseded {
			runtime.Gosched() // the next one is stored in a moment
		}
	}
}

// render writes the list of all titles.
func (x *index) render() *Document {
	body := writeArray(x.sorted)
	return newDocument(body, etag(body), x.changed, nil)
}

// writeArray writes summaries as one JSON array.
func writeArray(entries []*entry) []byte {
	n := 2 + len(entries)
	for _, e := range entries {
		n += len(e.line)
	}
	b := append(make([]byte, 0, n), '[')
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e.line...)
	}
	return append(b, ']')
}
