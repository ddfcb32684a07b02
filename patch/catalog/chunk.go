package catalog

import (
	"cmp"
	"crypto/sha256"
	"iter"
	"slices"
	"sync"
)

// A chunk is a run of the titles in the list of all titles, which is sorted by id. The list begins with one; each of
// the others begins at an id for which beginsChunk is true. All servers over a store therefore have the same chunks,
// and a change of a title affects one of them, or two. A chunk never changes.
type chunk struct {
	entries []*entry
	first   bool // of the list
	made    func() segment
	zipped  func() deflated
}

// meanChunk is about how many titles a chunk has.
const meanChunk = 128

// newChunk returns the chunk of entries, which must not be changed afterwards.
func newChunk(entries []*entry, first bool) *chunk {
	c := &chunk{entries: entries, first: first}
	c.made = sync.OnceValue(c.render)
	c.zipped = sync.OnceValue(func() deflated { return deflate(c.made().data, false) })
	return c
}

// beginsChunk reports whether a title with this id begins a chunk wherever it is in the list. All versions of this
// package on all servers must agree, or their lists have different entity tags.
func beginsChunk(id string) bool {
	h := uint32(2166136261) // FNV-1a
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * 16777619
	}
	h ^= h >> 15 // the low bits of FNV-1a depend on few bits of the id
	h *= 0x846ca68b
	h ^= h >> 16
	return h%meanChunk == 0
}

// A segment is a part of a document's bytes, with its hash.
type segment struct {
	data []byte
	sum  [sha256.Size]byte
}

// render returns the chunk's part of the list: each summary with the bracket or comma before it.
func (c *chunk) render() segment {
	b := make([]byte, 0, 256*len(c.entries))
	for i, e := range c.entries {
		if i == 0 && c.first {
			b = append(b, '[')
		} else {
			b = append(b, ',')
		}
		b = appendSummary(b, &e.Summary)
	}
	b = slices.Clip(b)
	return segment{b, sha256.Sum256(b)}
}

// id returns the id at which the chunk begins.
func (c *chunk) id() string { return c.entries[0].ID }

// search returns the position of an id in the chunk, or that at which it would be inserted.
func (c *chunk) search(id string) (int, bool) {
	return slices.BinarySearchFunc(c.entries, id, func(e *entry, id string) int { return cmp.Compare(e.ID, id) })
}

// chunks are the chunks of the list of all titles. They never change.
type chunks []*chunk

// newChunks returns the chunks of sorted entries, which must not be changed afterwards.
func newChunks(entries []*entry) chunks {
	var all chunks
	for run := range runs(entries) {
		all = append(all, newChunk(run, len(all) == 0))
	}
	return all
}

// runs yields the entries of each chunk of sorted entries.
func runs(entries []*entry) iter.Seq[[]*entry] {
	return func(yield func([]*entry) bool) {
		for len(entries) > 0 {
			n := 1
			for n < len(entries) && !beginsChunk(entries[n].ID) {
				n++
			}
			if !yield(entries[:n:n]) {
				return
			}
			entries = entries[n:]
		}
	}
}

// search returns the position of the chunk to which a title with this id belongs. It is 0 if there are no chunks.
func (all chunks) search(id string) int {
	at, found := slices.BinarySearchFunc(all, id, func(c *chunk, id string) int { return cmp.Compare(c.id(), id) })
	if !found && at > 0 {
		at--
	}
	return at
}

// with returns the chunks in which e has taken the place of old. Either may be nil; if not, they have the same id.
func (all chunks) with(old, e *entry) chunks {
	id := cmp.Or(old, e).ID
	at := all.search(id)
	from, to := at, min(at+1, len(all)) // the chunks that change
	if old != nil && at > 0 && all[at].id() == id && e == nil {
		from-- // its other titles belong to the chunk before it
	}
	var entries []*entry
	for _, c := range all[from:to] {
		entries = append(entries, c.entries...)
	}
	i, found := slices.BinarySearchFunc(entries, id, func(e *entry, id string) int { return cmp.Compare(e.ID, id) })
	switch {
	case e == nil:
		entries = slices.Delete(entries, i, i+1)
	case found:
		entries[i] = e
	default:
		entries = slices.Insert(entries, i, e)
	}
	next := make(chunks, 0, len(all)+1)
	next = append(next, all[:from]...)
	for run := range runs(entries) {
		next = append(next, reuse(all[from:to], run, len(next) == 0))
	}
	next = append(next, all[to:]...)
	if len(next) > 0 && !next[0].first {
		next[0] = newChunk(next[0].entries, true)
	}
	return next
}

// reuse returns the one of some chunks that has these entries, or else a new one.
func reuse(some chunks, entries []*entry, first bool) *chunk {
	for _, old := range some {
		if old.first == first && slices.Equal(old.entries, entries) {
			return old
		}
	}
	return newChunk(entries, first)
}

// from yields the entries from the one at a position on, sorted by id.
func (all chunks) from(position int) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, c := range all {
			if position >= len(c.entries) {
				position -= len(c.entries)
				continue
			}
			for _, e := range c.entries[position:] {
				if !yield(e) {
					return
				}
			}
			position = 0
		}
	}
}

// after yields the entries after an id, whether or not there is a title with it, sorted by id.
func (all chunks) after(id string) iter.Seq[*entry] {
	at := all.search(id)
	if at == len(all) {
		return func(func(*entry) bool) {}
	}
	i, found := all[at].search(id)
	if found {
		i++
	}
	return all[at:].from(i)
}

// backward yields the entries in reverse from the one at a position, counted from the end, on.
func (all chunks) backward(position int) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, c := range slices.Backward(all) {
			if position >= len(c.entries) {
				position -= len(c.entries)
				continue
			}
			for _, e := range slices.Backward(c.entries[:len(c.entries)-position]) {
				if !yield(e) {
					return
				}
			}
			position = 0
		}
	}
}
