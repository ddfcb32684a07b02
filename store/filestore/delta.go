package filestore

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A delta makes a value from another one, its base. It is the checksum of the value (4 bytes, little-endian) and steps.
// Each step is three varints, skip, keep and insert, and insert bytes: of the base, skip bytes are left out and keep
// bytes are copied, and then the inserted bytes follow. Steps only go forward in the base, so that a value is never
// longer than its base and its delta together.

// errDelta reports a delta that does not fit its base.
var errDelta = errors.New("the delta does not fit its base")

// minBlock is the length of the shortest part of the base that is found again between the common prefix and suffix.
const minBlock = 32

// makeDelta returns the delta that makes value from base. It returns false if that is not much shorter than value.
func makeDelta(base, value []byte) ([]byte, bool) {
	limit := len(value) - len(value)/4
	prefix := commonPrefix(base, value)
	suffix := commonSuffix(base[prefix:], value[prefix:])
	oldMiddle, newMiddle := base[prefix:len(base)-suffix], value[prefix:len(value)-suffix]
	delta := binary.LittleEndian.AppendUint32(nil, crc32.Checksum(value, castagnoli))
	keep := prefix // bytes of the base to keep before the next insertion
	skip := 0      // and those to leave out before them
	inserted, read := 0, 0
	step := func(insert []byte) {
		delta = binary.AppendUvarint(delta, uint64(skip))
		delta = binary.AppendUvarint(delta, uint64(keep))
		delta = binary.AppendUvarint(delta, uint64(len(insert)))
		delta = append(delta, insert...)
	}
	for m := range matches(oldMiddle, newMiddle) {
		step(newMiddle[inserted:m.new])
		skip, keep = m.old-read, m.length
		read, inserted = m.old+m.length, m.new+m.length
		if len(delta) > limit {
			return nil, false
		}
	}
	step(newMiddle[inserted:])
	skip, keep = len(oldMiddle)-read, suffix
	if suffix > 0 {
		step(nil)
	}
	return delta, len(delta) < limit
}

// applyDelta returns the value that a delta makes from base.
func applyDelta(base, delta []byte) ([]byte, error) {
	if len(delta) < 4 {
		return nil, errDelta
	}
	sum, rest := binary.LittleEndian.Uint32(delta), delta[4:]
	value := make([]byte, 0, len(base)+len(rest))
	for len(rest) > 0 {
		var numbers [3]uint64 // skip, keep, insert
		for i := range numbers {
			n, w := binary.Uvarint(rest)
			if w <= 0 {
				return nil, errDelta
			}
			numbers[i], rest = n, rest[w:]
		}
		skip, keep, insert := numbers[0], numbers[1], numbers[2]
		if skip > uint64(len(base)) || keep > uint64(len(base))-skip || insert > uint64(len(rest)) {
			return nil, errDelta
		}
		value = append(value, base[skip:skip+keep]...)
		value = append(value, rest[:insert]...)
		base, rest = base[skip+keep:], rest[insert:]
	}
	if crc32.Checksum(value, castagnoli) != sum {
		return nil, errDelta
	}
	return value, nil
}

// commonPrefix returns the length of the longest common prefix.
func commonPrefix(a, b []byte) (n int) {
	limit := min(len(a), len(b))
	for n+8 <= limit && binary.LittleEndian.Uint64(a[n:]) == binary.LittleEndian.Uint64(b[n:]) {
		n += 8
	}
	for n < limit && a[n] == b[n] {
		n++
	}
	return n
}

// commonSuffix returns the length of the longest common suffix.
func commonSuffix(a, b []byte) (n int) {
	limit := min(len(a), len(b))
	for n+8 <= limit &&
		binary.LittleEndian.Uint64(a[len(a)-n-8:]) == binary.LittleEndian.Uint64(b[len(b)-n-8:]) {
		n += 8
	}
	for n < limit && a[len(a)-n-1] == b[len(b)-n-1] {
		n++
	}
	return n
}
