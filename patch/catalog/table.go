package catalog

import "hash/maphash"

// A table finds the entries of titles by a string that each has. It is a trie of hashes. It never changes: with returns
// another table, which shares the unchanged parts, in time that hardly grows with the titles.
type table struct {
	seed maphash.Seed // of the process, so that clients cannot choose ids with equal hashes
	key  func(e *entry) string
	root *tableNode
}

// A tableNode has either children, by the next bits of the hash, or a few entries.
type tableNode struct {
	children *[tableFan]*tableNode
	entries  []*entry
}

const (
	tableBits  = 4 // of the hash, on each level
	tableFan   = 1 << tableBits
	tableDepth = 64 / tableBits
	tableLeaf  = 8 // the number of entries from which a node has children
)

// newTable returns the table of entries with different keys.
func newTable(key func(e *entry) string, entries []*entry) table {
	t := table{seed: maphash.MakeSeed(), key: key}
	t.root = t.node(entries, 0)
	return t
}

// node returns the node of entries on a level. It may reorder them.
func (t *table) node(entries []*entry, depth int) *tableNode {
	if len(entries) == 0 {
		return nil
	}
	if len(entries) <= tableLeaf || depth == tableDepth {
		return &tableNode{entries: append([]*entry(nil), entries...)}
	}
	var parts [tableFan][]*entry
	for _, e := range entries {
		at := branch(t.hash(e), depth)
		parts[at] = append(parts[at], e)
	}
	n := &tableNode{children: new([tableFan]*tableNode)}
	for at, part := range parts {
		n.children[at] = t.node(part, depth+1)
	}
	return n
}

func (t *table) hash(e *entry) uint64 { return maphash.String(t.seed, t.key(e)) }

// branch returns the child of a node on a level that a hash belongs to.
func branch(hash uint64, depth int) int { return int(hash >> (depth * tableBits) % tableFan) }

// get returns the entry with a key, nil if there is none.
func (t *table) get(key string) *entry { return find(t, maphash.String(t.seed, key), key) }

// getBytes is get without allocating.
func (t *table) getBytes(key []byte) *entry { return find(t, maphash.Bytes(t.seed, key), key) }

func find[K string | []byte](t *table, hash uint64, key K) *entry {
	n := t.root
	for depth := 0; n != nil && n.children != nil; depth++ {
		n = n.children[branch(hash, depth)]
	}
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if t.key(e) == string(key) {
			return e
		}
	}
	return nil
}

// with returns the table in which e has taken the place of old. Either may be nil; if not, they have the same key.
func (t table) with(old, e *entry) table {
	hash := uint64(0)
	switch {
	case e != nil:
		hash = t.hash(e)
	case old != nil:
		hash = t.hash(old)
	default:
		return t
	}
	t.root = t.change(t.root, hash, 0, old, e)
	return t
}

// change returns a node on a level after a change; see with.
func (t *table) change(n *tableNode, hash uint64, depth int, old, e *entry) *tableNode {
	if n != nil && n.children != nil {
		children := *n.children
		at := branch(hash, depth)
		children[at] = t.change(children[at], hash, depth+1, old, e)
		return &tableNode{children: &children}
	}
	var entries []*entry
	if n != nil {
		entries = make([]*entry, 0, len(n.entries)+1)
		for _, one := range n.entries {
			if one != old {
				entries = append(entries, one)
			}
		}
	}
	if e != nil {
		entries = append(entries, e)
	}
	if len(entries) > tableLeaf {
		return t.node(entries, depth)
	}
	if len(entries) == 0 {
		return nil
	}
	return &tableNode{entries: entries}
}
