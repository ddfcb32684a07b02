package catalog

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// An index holds all titles at one moment. It never changes: a change makes another index, which shares the unchanged
// parts.
type index struct {
	sorted []*entry // by id
	shards [shardCount]map[string]*entry
	// changed is the time of the last change, in whole seconds. It is later than that of every earlier index from
	// which a reader was served.
	changed time.Time
	served  atomic.Int32
	list    func() *Document
	// number counts the indexes. Documents that are made from an index remember its number: a reference to the index
	// itself would keep it in memory.
	number uint64
}

const shardCount = 256

// States of index.served.
const (
	unserved   = iota // no reader was served from it
	served            // a reader was served from it
	superseded        // another index is taking its place
)

func newIndex(entries []*entry, now time.Time) *index {
	x := &index{sorted: entries, changed: now.UTC().Truncate(time.Second)}
	for _, e := range entries {
		// Readers may have been served from an index before the newest change, in the same second; or the clock was set
		// back.
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

// shardOf returns the shard of a key: its FNV-1a hash, folded.
func shardOf(key []byte) byte {
	h := uint32(2166136261)
	for _, b := range key {
		h = (h ^ uint32(b)) * 16777619
	}
	return byte(h ^ h>>8 ^ h>>16 ^ h>>24)
}

// byKey returns the entry of a title by its key, nil if there is none.
func (x *index) byKey(key string) *entry { return x.shards[shardOf([]byte(key))][key] }

// byID returns the entry of a title by its id, without regard to case and without allocating.
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

// with returns the index in which the title under key has the entry e, or does not exist if e is nil. It returns x if
// that is x already.
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

// search returns the position of an id in sorted, or that at which it would be inserted.
func (x *index) search(id string) (int, bool) {
	return slices.BinarySearchFunc(x.sorted, id, func(e *entry, id string) int { return cmp.Compare(e.ID, id) })
}

// ofContributor returns a contributor's titles under their plain ids, sorted by these.
func (x *index) ofContributor(contributor string) ([]*entry, error) {
	var all []*entry
	for _, e := range x.sorted {
		if e.Contributor == contributor && contributor != "" {
			p, err := e.plain()
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	sortEntries(all)
	return all, nil
}

// accountBytes returns the bytes of all titles of an account except the one under key.
func (x *index) accountBytes(a account, key string) (bytes int64) {
	for _, e := range x.sorted {
		if e.key != key && e.account() == a {
			bytes += e.Bytes
		}
	}
	return bytes
}

// supersede prepares next to take x's place. HTTP has times in whole seconds: if a reader was served from x, next
// gets a later second, so that readers can distinguish the two.
func (x *index) supersede(next *index, now time.Time) {
	next.changed = now.UTC().Truncate(time.Second)
	earliest := x.changed
	if x.served.Swap(superseded) == served {
		earliest = earliest.Add(time.Second)
	}
	if next.changed.Before(earliest) {
		next.changed = earliest
	}
	next.list = sync.OnceValue(next.render)
}

// renew prepares next to take x's place when both look the same to readers. The rendered list and the time stay.
func (x *index) renew(next *index) {
	next.changed, next.number, next.list = x.changed, x.number, x.list
	if x.served.Swap(superseded) == served {
		next.served.Store(served)
	}
}

// render returns the list of all titles.
func (x *index) render() *Document {
	body := listJSON(x.sorted)
	return newDocument(body, etag(body), x.changed, nil)
}
