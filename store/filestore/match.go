package filestore

import (
	"bytes"
	"iter"
	"math/bits"
)

// A match is a part that two values have in common.
type match struct{ old, new, length int }

// matches yields common parts of two values, each behind the one before in both values. It hashes the blocks of the old
// value and looks for them at every place of the new one, so that the time is linear.
func matches(old, new []byte) iter.Seq[match] {
	return func(yield func(match) bool) {
		if len(old) < minBlock || len(new) < minBlock {
			return
		}
		blocks := newBlockTable(old)
		hash, from, read := hashBlock(new), 0, 0 // from: after the last match in new; read: in old
		for at := 0; ; {
			if m, ok := blocks.extend(old, new, hash, at, from, read); ok {
				if !yield(m) {
					return
				}
				from, read = m.new+m.length, m.old+m.length
				if at = from; at+minBlock > len(new) {
					return
				}
				hash = hashBlock(new[at:])
				continue
			}
			if at+minBlock >= len(new) {
				return
			}
			hash = (hash-uint32(new[at])*oldestFactor)*hashFactor + uint32(new[at+minBlock])
			at++
		}
	}
}

const hashFactor = 0x01000193

// oldestFactor is hashFactor to the power of minBlock-1.
var oldestFactor = func() uint32 {
	f := uint32(1)
	for range minBlock - 1 {
		f *= hashFactor
	}
	return f
}()

// hashBlock returns the hash of the first minBlock bytes of b.
func hashBlock(b []byte) (hash uint32) {
	for _, c := range b[:minBlock] {
		hash = hash*hashFactor + uint32(c)
	}
	return hash
}

// A blockTable finds a block of a value by its hash. Of several with the same place in the table, it has the first.
type blockTable struct {
	places []int32 // one more than the number of the block; zero if there is none
	shift  int
}

func newBlockTable(data []byte) blockTable {
	n := len(data) / minBlock
	size := bits.Len(uint(2 * n))
	t := blockTable{places: make([]int32, 1<<size), shift: 32 - size}
	for i := n - 1; i >= 0; i-- {
		t.places[t.place(hashBlock(data[i*minBlock:]))] = int32(i + 1)
	}
	return t
}

// place returns the place of a hash in the table.
func (t blockTable) place(hash uint32) uint32 { return hash * 0x9e3779b1 >> t.shift }

// extend returns the longest match around the block of new at an offset, which has a hash. The match begins in new
// behind from and in old behind read. It returns false if there is none.
func (t blockTable) extend(old, new []byte, hash uint32, at, from, read int) (match, bool) {
	block := int(t.places[t.place(hash)]) - 1
	begin := block * minBlock
	if block < 0 || begin < read || !bytes.Equal(old[begin:begin+minBlock], new[at:at+minBlock]) {
		return match{}, false
	}
	back := commonSuffix(old[read:begin], new[from:at])
	ahead := commonPrefix(old[begin:], new[at:])
	return match{old: begin - back, new: at - back, length: back + ahead}, true
}
