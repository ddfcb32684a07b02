package catalog

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// An index holds all titles at one moment. It never changes: a change makes another index, which shares the unchanged
// parts, so that a change costs about as much with many titles as with few.
type index struct {
	chunks  chunks // by id
	size    int    // the number of titles
	keys    table
	hidden  table // disabled titles, by key
	uids    table // of all titles, disabled ones too
	sorted  [orderCount]sortedTitles
	authors groupSet // by contributor
	owners  groupSet // by account
	// changed is the time of the last change, in whole seconds. It is later than that of every earlier index from
	// which a reader was served.
	changed time.Time
	served  atomic.Int32
	list    func() *Document
	// number counts the indexes. Documents that are made from an index remember its number: a reference to the index
	// itself would keep it in memory.
	number uint64
}

// States of index.served.
const (
	unserved   = iota // no reader was served from it
	served            // a reader was served from it
	superseded        // another index is taking its place
)

// newIndex returns the index of entries, which must have different keys and ids. It may reorder them.
func newIndex(all []*entry, now time.Time) *index {
	entries, hidden := all, []*entry(nil)
	if slices.ContainsFunc(all, func(e *entry) bool { return e.Disabled }) {
		entries = slices.DeleteFunc(slices.Clone(all), func(e *entry) bool { return e.Disabled })
		hidden = slices.DeleteFunc(slices.Clone(all), func(e *entry) bool { return !e.Disabled })
	}
	key := func(e *entry) string { return e.key }
	x := &index{
		size:    len(entries),
		keys:    newTable(key, entries),
		hidden:  newTable(key, hidden),
		uids:    newTable(func(e *entry) string { return e.UID }, all),
		authors: newGroups(func(e *entry) string { return e.Contributor }, entries, 0),
		owners:  newGroups(func(e *entry) string { return e.account().group() }, all, 0),
		changed: now.UTC().Truncate(time.Second),
	}
	for _, e := range entries {
		// Readers may have been served from an index before the newest change, in the same second; or the clock was set
		// back.
		if after := e.Changed.Truncate(time.Second).Add(time.Second); after.After(x.changed) {
			x.changed = after
		}
	}
	sortEntries(entries)
	x.chunks = newChunks(entries)
	sorted := entries
	if len(hidden) > 0 {
		sortEntries(all)
		sorted = all
	}
	var building sync.WaitGroup
	for o := range orderCount {
		building.Go(func() { x.sorted[o] = newSorted(o, sorted) })
	}
	building.Wait()
	x.list = sync.OnceValue(x.render)
	return x
}

// byKey returns the entry of a title by its key, nil if there is none.
func (x *index) byKey(key string) *entry { return x.keys.get(key) }

// anyByKey returns the entry of a title, which may be disabled, by its key. It is nil if there is none.
func (x *index) anyByKey(key string) *entry {
	if e := x.byKey(key); e != nil {
		return e
	}
	return x.hidden.get(key)
}

// byUID returns the entry of a title, which may be disabled, by its UID. It is nil if there is none.
func (x *index) byUID(uid string) *entry { return x.uids.get(uid) }

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
	return x.keys.getBytes(key)
}

// all yields all entries, sorted by the bytes of their ids.
func (x *index) all() iter.Seq[*entry] { return x.chunks.from(0) }

// disabled yields the disabled titles, all of which have a draft, sorted by the bytes of their ids.
func (x *index) disabled(yield func(*entry) bool) {
	x.sorted[ofDraft].tree.Scan(func(e *entry) bool { return !e.Disabled || yield(e) })
}

// with returns the index in which the title under key has the entry e, or does not exist if e is nil. It returns x if
// that is x already.
func (x *index) with(key string, e *entry) *index {
	old := x.anyByKey(key)
	if old == e {
		return x
	}
	was, is := old.ifEnabled(), e.ifEnabled()
	next := &index{
		size:    x.size,
		keys:    x.keys.with(was, is),
		hidden:  x.hidden.with(old.ifDisabled(), e.ifDisabled()),
		authors: x.authors.with(was, is, x.number+1),
		owners:  x.owners.with(old, e, x.number+1),
		number:  x.number + 1,
	}
	if was != nil {
		next.size--
	}
	if is != nil {
		next.size++
	}
	switch {
	case was == nil && is == nil:
		next.chunks = x.chunks
	case was != nil && is != nil && was.ID != is.ID:
		next.chunks = x.chunks.with(was, nil).with(nil, is)
	default:
		next.chunks = x.chunks.with(was, is)
	}
	if old != nil && e != nil && old.UID != e.UID {
		next.uids = x.uids.with(old, nil).with(nil, e)
	} else {
		next.uids = x.uids.with(old, e)
	}
	for o := range x.sorted {
		next.sorted[o] = x.sorted[o].with(old, e)
	}
	return next
}

// ifEnabled returns e, nil if the title is disabled. ifDisabled is the opposite. Both are nil if e is.
func (e *entry) ifEnabled() *entry {
	if e == nil || e.Disabled {
		return nil
	}
	return e
}

func (e *entry) ifDisabled() *entry {
	if e == nil || !e.Disabled {
		return nil
	}
	return e
}

// byPlainID returns the entry of a contributor's title by its plain id without regard to case, nil if there is none.
func (x *index) byPlainID(contributor, id string) *entry {
	if contributor == "" || !patch.ValidID(id) {
		return nil
	}
	pivot := &entry{Title: Title{Contributor: contributor}, key: titleKey(id), plainIDLength: int32(len(id))}
	for e := range x.sorted[ofPlainID].equal(pivot) {
		return e
	}
	return nil
}

// accountBytes returns the bytes of all titles of an account except the one under key.
func (x *index) accountBytes(a account, key string) (bytes int64) {
	bytes = x.owners.get(a.group()).bytes
	if e := x.anyByKey(key); e != nil && e.account() == a {
		bytes -= e.Bytes
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
func (x *index) render() *Document { return newListDocument(x.chunks, x.changed) }
