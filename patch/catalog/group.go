package catalog

import (
	"cmp"
	"iter"

	"github.com/tidwall/btree"
)

// A group is what the titles of a contributor, or of an account, have in common. It never changes.
type group struct {
	name   string
	titles int
	bytes  int64  // of all of them
	number uint64 // of the index in which a list of them last changed
}

// A groupSet has the groups of all titles by their names. It never changes after it was stored in an index: with
// returns another one, which shares the unchanged parts.
type groupSet struct {
	name func(e *entry) string // empty: the title belongs to no group
	tree *btree.BTreeG[*group]
}

// newGroups returns the groups of titles.
func newGroups(name func(e *entry) string, entries []*entry, number uint64) groupSet {
	less := func(a, b *group) bool { return a.name < b.name }
	g := groupSet{name, btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})}
	all := map[string]*group{}
	for _, e := range entries {
		name := name(e)
		if name == "" {
			continue
		}
		one := all[name]
		if one == nil {
			one = &group{name: name, number: number}
			all[name] = one
			g.tree.Set(one)
		}
		one.titles++
		one.bytes += e.Bytes
	}
	return g
}

// with returns the groups after e has taken the place of old in the index with a number. Either may be nil.
func (g groupSet) with(old, e *entry, number uint64) groupSet {
	var from, to string
	if old != nil {
		from = g.name(old)
	}
	if e != nil {
		to = g.name(e)
	}
	if from == "" && to == "" {
		return g
	}
	g.tree = g.tree.Copy()
	if from == to && sameSummary(old, e) {
		number = 0 // no list changes
	}
	if from != "" && from != to {
		g.add(from, -1, -old.Bytes, number)
	}
	switch {
	case to == "":
	case from == to:
		g.add(to, 0, e.Bytes-old.Bytes, number)
	default:
		g.add(to, 1, e.Bytes, number)
	}
	return g
}

// add adds titles and bytes to a group of a set that is not stored in an index yet, and sets its number unless number
// is 0.
func (g groupSet) add(name string, titles int, bytes int64, number uint64) {
	next := *g.get(name)
	next.titles += titles
	next.bytes += bytes
	if number != 0 {
		next.number = number
	}
	if next.titles == 0 {
		g.tree.Delete(&next)
	} else {
		g.tree.Set(&next)
	}
}

// get returns the group with a name, or one without titles.
func (g groupSet) get(name string) *group {
	one := &group{name: name}
	if found, ok := g.tree.Get(one); ok {
		return found
	}
	return one
}

// all yields all groups, sorted by their names.
func (g groupSet) all() iter.Seq[*group] { return g.tree.Scan }

// group returns the name of the account's group, which is empty for the zero account.
func (a account) group() string {
	if a == (account{}) {
		return ""
	}
	return a.kind + " " + a.name
}

// compare orders accounts.
func (a account) compare(b account) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
}
