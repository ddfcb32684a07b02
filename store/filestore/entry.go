package filestore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/patchsource/patchsource/store"
)

// An entry of the journal is a head of 40 bytes, the four strings of the change, each after its length as a varint, and
// the payload. It is filled up to a multiple of 8 bytes. Numbers in the head are little-endian:
//
//	 0  magic
//	 4  checksum of the segment's nonce and the rest of the head
//	 8  checksum of the segment's nonce and everything after the head
//	12  length of head, strings and payload
//	16  type of the entry, and 7 bytes of zero
//	24  number of the entry; the entries of a journal are numbered without gaps
//	32  number of the first entry that was written and synced together with this one
//
// The nonce, which is random and part of the segment's name, makes entries invalid in any other place: what a segment
// file contained before it was used again, or bytes of a value that look like an entry, cannot be mistaken for one.

const (
	entryMagic = 0x4a_53_50_f1
	headSize   = 40
	alignment  = 8
)

// An entryType is the type of an entry.
type entryType byte

const (
	valueEntry      entryType = 1 // the payload is the value
	deltaEntry      entryType = 2 // the payload makes the value from that of the base revision, see delta.go
	deletionEntry   entryType = 3
	checkpointEntry entryType = 4 // the payload is two numbers of 8 bytes, firstNeeded and unreportedFrom
)

// An entry is an entry of the journal: the change of one record, or a checkpoint.
type entry struct {
	typ    entryType
	number uint64
	batch  uint64 // the number of the first entry that was written and synced together with this one

	key     store.Key
	base    store.Revision // before the change; empty if there was no record
	next    store.Revision // after the change; empty if it is a deletion
	payload []byte

	// Of a checkpoint: the changes of all entries before firstNeeded are in the files of their records. If
	// unreportedFrom is not zero, entries between it and firstNeeded were missing, and the segments around them must be
	// kept for the administrator.
	firstNeeded, unreportedFrom uint64
}

// appendEntry appends an entry without its numbers and its checksums, which sealEntry adds.
func appendEntry(b []byte, e *entry) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, headSize)...)
	for _, s := range []string{e.key.Kind, e.key.ID, string(e.base), string(e.next)} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	if e.typ == checkpointEntry {
		b = binary.LittleEndian.AppendUint64(b, e.firstNeeded)
		b = binary.LittleEndian.AppendUint64(b, e.unreportedFrom)
	}
	b = append(b, e.payload...)
	length := len(b) - start
	if length > math.MaxUint32-alignment {
		return nil, fmt.Errorf("a value of %d bytes is too large", len(e.payload))
	}
	for len(b)%alignment != start%alignment {
		b = append(b, 0)
	}
	binary.LittleEndian.PutUint32(b[start:], entryMagic)
	binary.LittleEndian.PutUint32(b[start+12:], uint32(length))
	b[start+16] = byte(e.typ)
	return b, nil
}

// sealEntry sets the numbers and the checksums of the encoded entry b.
func sealEntry(b []byte, nonce string, number, batch uint64) {
	length := binary.LittleEndian.Uint32(b[12:])
	binary.LittleEndian.PutUint64(b[24:], number)
	binary.LittleEndian.PutUint64(b[32:], batch)
	binary.LittleEndian.PutUint32(b[8:], checksum(nonce, b[headSize:length]))
	binary.LittleEndian.PutUint32(b[4:], checksum(nonce, b[8:headSize]))
}

// checksum returns the checksum of data in the segment with a nonce.
func checksum(nonce string, data []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(nonce), castagnoli), castagnoli, data)
}

// decodeEntry decodes the entry at the beginning of data. It returns the size of the entry, or false if there is none
// that is intact. The payload shares memory with data.
func decodeEntry(data []byte, nonce string) (e entry, size int, ok bool) {
	if len(data) < headSize || binary.LittleEndian.Uint32(data) != entryMagic ||
		binary.LittleEndian.Uint32(data[4:]) != checksum(nonce, data[8:headSize]) {
		return e, 0, false
	}
	length := uint64(binary.LittleEndian.Uint32(data[12:]))
	if length < headSize || length > uint64(len(data)) ||
		binary.LittleEndian.Uint32(data[8:]) != checksum(nonce, data[headSize:length]) {
		return e, 0, false
	}
	e.typ = entryType(data[16])
	e.number = binary.LittleEndian.Uint64(data[24:])
	e.batch = binary.LittleEndian.Uint64(data[32:])
	rest := data[headSize:length]
	var strings [4]string
	for i := range strings {
		n, w := binary.Uvarint(rest)
		if w <= 0 || n > uint64(len(rest)-w) {
			return e, 0, false
		}
		strings[i] = string(rest[w : w+int(n)])
		rest = rest[w+int(n):]
	}
	e.key = store.Key{Kind: strings[0], ID: strings[1]}
	e.base, e.next = store.Revision(strings[2]), store.Revision(strings[3])
	e.payload = rest
	if !e.decodeType() {
		return e, 0, false
	}
	size = int(length) + alignment - 1
	return e, min(size-size%alignment, len(data)), true
}

// decodeType decodes a checkpoint, and reports whether the members of e fit its type.
func (e *entry) decodeType() bool {
	switch e.typ {
	case valueEntry:
		return e.key.Check() == nil && e.next != ""
	case deltaEntry:
		return e.key.Check() == nil && e.next != "" && e.base != ""
	case deletionEntry:
		return e.key.Check() == nil && e.next == "" && len(e.payload) == 0
	case checkpointEntry:
		if len(e.payload) != 16 {
			return false
		}
		e.firstNeeded = binary.LittleEndian.Uint64(e.payload)
		e.unreportedFrom = binary.LittleEndian.Uint64(e.payload[8:])
		return true
	}
	return false
}

// scanEntries returns all intact entries of a segment. After bytes that are no intact entry, it searches for the next
// one.
func scanEntries(data []byte, nonce string) (entries []entry) {
	for at := 0; at < len(data); {
		e, size, ok := decodeEntry(data[at:], nonce)
		if !ok {
			at += alignment
			continue
		}
		entries = append(entries, e)
		at += size
	}
	return entries
}
