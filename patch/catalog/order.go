package catalog

import (
	"cmp"
	"encoding/binary"
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/tidwall/btree"

	"github.com/patchsource/patchsource/patch"
)

// An order is a way to sort titles, and to find those that are equal in it.
type order int

const (
	byName order = iota
	byPublisher
	byAuthor
	byVersion
	byChanged
	bySource // those that follow a source first

	// These have only the titles for which the field is not empty.
	ofContributor
	ofPlainID // by contributor and Title.Plain, in lower case
	ofAccount // see Title.account
	ofMailbox
	ofSkeleton // of the author
	ofMirror
	ofDraft  // also disabled titles
	ofNumber // also disabled titles
	ofBlocks // those with further blocks of numbers; also disabled titles
	orderCount
)

// comparisons compare titles in each order, without regard to their ids.
var comparisons = [orderCount]func(a, b *entry) int{
	byName:      func(a, b *entry) int { return cmp.Compare(a.foldedName(), b.foldedName()) },
	byPublisher: func(a, b *entry) int { return cmp.Compare(a.foldedPublisher(), b.foldedPublisher()) },
	byAuthor:    func(a, b *entry) int { return cmp.Compare(a.foldedAuthor(), b.foldedAuthor()) },
	byVersion: func(a, b *entry) int {
		if a.CurrentVersion == b.CurrentVersion {
			return 0
		}
		return patch.OrderVersions(a.CurrentVersion, b.CurrentVersion)
	},
	byChanged: func(a, b *entry) int { return b.Changed.Compare(a.Changed) },
	bySource: func(a, b *entry) int {
		switch {
		case (a.Follows != "") == (b.Follows != ""):
			return 0
		case a.Follows != "":
			return -1
		}
		return 1
	},
	ofContributor: func(a, b *entry) int { return cmp.Compare(a.Contributor, b.Contributor) },
	ofPlainID: func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.Contributor, b.Contributor), cmp.Compare(a.plainKey(), b.plainKey()))
	},
	ofAccount:  func(a, b *entry) int { return a.account().compare(b.account()) },
	ofMailbox:  func(a, b *entry) int { return cmp.Compare(a.Mailbox, b.Mailbox) },
	ofSkeleton: func(a, b *entry) int { return cmp.Compare(a.skeleton, b.skeleton) },
	ofMirror:   func(a, b *entry) int { return cmp.Compare(a.Source, b.Source) },
	ofDraft:    func(a, b *entry) int { return 0 },
	ofNumber:   func(a, b *entry) int { return cmp.Compare(a.Number, b.Number) },
	ofBlocks:   func(a, b *entry) int { return 0 },
}

// has reports whether a title is in an order.
func (o order) has(e *entry) bool {
	switch o {
	case ofDraft:
		return e.Draft != DraftState{}
	case ofNumber:
		return e.Number != 0
	case ofBlocks:
		return len(e.blocks) > 0
	}
	if e.Disabled {
		return false
	}
	switch o {
	case ofContributor, ofPlainID:
		return e.Contributor != ""
	case ofAccount:
		return e.account() != account{}
	case ofMailbox:
		return e.Mailbox != ""
	case ofSkeleton:
		return e.skeleton != ""
	case ofMirror:
		return e.Source != ""
	}
	return true
}

// A sortedTitles has the titles of an order. It never changes after it was stored in an index: with returns another
// one, which shares the unchanged parts.
type sortedTitles struct {
	order   order
	compare func(a, b *entry) int
	tree    *btree.BTreeG[*entry]
}

// newSorted returns the titles of an order among some that are sorted by id.
func newSorted(o order, entries []*entry) sortedTitles {
	s := sortedTitles{order: o, compare: comparisons[o]}
	some := make([]sortable, 0, len(entries))
	for i, e := range entries {
		if o.has(e) {
			some = append(some, sortable{e, i, 0})
		}
	}
	o.rank(some)
	slices.SortFunc(some, func(a, b sortable) int {
		if a.rank != b.rank {
			return cmp.Compare(a.rank, b.rank)
		}
		if c := s.compare(a.entry, b.entry); c != 0 {
			return c
		}
		return a.position - b.position
	})
	var last *entry // while they are loaded: every other one is before it
	before := func(a, b *entry) bool {
		if last != nil {
			return b == last && a != last
		}
		return s.before(a, b)
	}
	s.tree = btree.NewBTreeGOptions(before, btree.Options{NoLocks: true})
	for _, one := range some {
		last = one.entry
		s.tree.Load(last)
	}
	last = nil
	return s
}

// A sortable is an entry to sort. Most comparisons look only at the rank, which is not somewhere else in memory.
type sortable struct {
	*entry
	position int // by id
	rank     uint64
}

// rank sets numbers by which entries are sorted before they are compared: one that has a lower number than another is
// before it in the order.
func (o order) rank(some []sortable) {
	switch o {
	case byName: // hardly two have the same
		for i := range some {
			var first [8]byte
			copy(first[:], some[i].foldedName())
			some[i].rank = binary.BigEndian.Uint64(first[:])
		}
	case byChanged:
		for i := range some {
			some[i].rank = ^(uint64(some[i].Changed.Unix()) + 1<<63) // from a time before 1970 on
		}
	case bySource:
		for i := range some {
			if some[i].Follows == "" {
				some[i].rank = 1
			}
		}
	case byPublisher:
		rankBy(some, (*entry).foldedPublisher, strings.Compare)
	case byAuthor:
		rankBy(some, (*entry).foldedAuthor, strings.Compare)
	case byVersion:
		rankBy(some, func(e *entry) string { return e.CurrentVersion }, patch.OrderVersions)
	case ofContributor, ofPlainID:
		rankBy(some, func(e *entry) string { return e.Contributor }, strings.Compare)
	case ofAccount:
		rankBy(some, func(e *entry) account { return e.account() }, account.compare)
	case ofMailbox:
		rankBy(some, func(e *entry) string { return e.Mailbox }, strings.Compare)
	case ofSkeleton:
		rankBy(some, func(e *entry) string { return e.skeleton }, strings.Compare)
	case ofMirror:
		rankBy(some, func(e *entry) string { return e.Source }, strings.Compare)
	case ofNumber:
		for i := range some {
			some[i].rank = some[i].Number
		}
	}
}

// rankBy sets the ranks of entries to those of a field's values, which many entries share.
func rankBy[T comparable](some []sortable, field func(e *entry) T, compare func(a, b T) int) {
	ranks := map[T]uint64{}
	for _, one := range some {
		ranks[field(one.entry)] = 0
	}
	values := slices.SortedFunc(maps.Keys(ranks), compare)
	for i, value := range values {
		ranks[value] = uint64(i)
	}
	for i := range some {
		some[i].rank = ranks[field(some[i].entry)]
	}
}

// with returns the titles of the order in which e has taken the place of old. Either may be nil.
func (s sortedTitles) with(old, e *entry) sortedTitles {
	had, has := old != nil && s.order.has(old), e != nil && s.order.has(e)
	if !had && !has {
		return s
	}
	s.tree = s.tree.Copy()
	if had && !(has && old.ID == e.ID && s.compare(old, e) == 0) {
		s.tree.Delete(old)
	}
	if has {
		s.tree.Set(e)
	}
	return s
}

func (s sortedTitles) len() int { return s.tree.Len() }

// at returns the title at a position, which must exist.
func (s sortedTitles) at(position int) *entry {
	e, _ := s.tree.GetAt(position)
	return e
}

// from yields the titles from the one at a position on.
func (s sortedTitles) from(position int) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		if first, ok := s.tree.GetAt(position); ok {
			s.tree.Ascend(first, yield)
		}
	}
}

// equal yields the titles that are equal to pivot in the order, sorted by the bytes of their ids, from that of pivot
// on.
func (s sortedTitles) equal(pivot *entry) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		s.tree.Ascend(pivot, func(e *entry) bool { return s.compare(e, pivot) == 0 && yield(e) })
	}
}

// position returns the position of the first title that is not before pivot in the order, or of the first that is after
// it. It does not compare ids.
func (s sortedTitles) position(pivot *entry, after bool) int {
	return sort.Search(s.len(), func(i int) bool {
		c := s.compare(s.at(i), pivot)
		return c > 0 || c == 0 && !after
	})
}

// count returns the number of titles that are equal to pivot in the order.
func (s sortedTitles) count(pivot *entry) int {
	return s.position(pivot, true) - s.position(pivot, false)
}

// reversed yields the titles in the reverse order from a position on. Titles that are equal in the order are sorted by
// the bytes of their ids all the same.
func (s sortedTitles) reversed(position int) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for end := s.len() - position; end > 0; {
			// The titles equal to the one before end are those from first to last.
			pivot := s.at(end - 1)
			first, last := end-1, end
			if first > 0 && s.compare(s.at(first-1), pivot) == 0 {
				first = s.position(pivot, false)
			}
			if last < s.len() && s.compare(s.at(last), pivot) == 0 {
				last = s.position(pivot, true)
			}
			n := end - first // are still to come
			for e := range s.from(last - n) {
				if n == 0 {
					break
				}
				if n--; !yield(e) {
					return
				}
			}
			end = first
		}
	}
}

// skip returns the position in the order, or in its reverse, at which the titles that are not among some continue after
// offset of them. All of some must be in the order.
func (s sortedTitles) skip(some []*entry, offset int, reverse bool) int {
	positions := make([]int, len(some))
	for i, e := range some {
		at := sort.Search(s.len(), func(i int) bool { return !s.before(s.at(i), e) })
		if reverse { // titles that are equal in the order are not reversed
			at += s.len() - s.position(e, true) - s.position(e, false)
		}
		positions[i] = at
	}
	slices.Sort(positions)
	for _, at := range positions {
		if at <= offset {
			offset++
		}
	}
	return offset
}

// before reports whether a is before b in the order, with regard to the ids.
func (s sortedTitles) before(a, b *entry) bool {
	c := s.compare(a, b)
	return c < 0 || c == 0 && a.ID < b.ID
}
