package filestore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/patchsource/patchsource/store"
)

// FuzzEntry decodes any bytes, and what sealEntry has made of them, as they are and with one byte changed.
func FuzzEntry(f *testing.F) {
	for _, e := range []entry{
		{typ: valueEntry, key: thing("a"), next: "r1", payload: []byte("value")},
		{typ: deltaEntry, key: thing("é"), base: "r1", next: "r2", payload: []byte{1, 2, 3, 4, 0, 1, 0}},
		{typ: deletionEntry, key: thing("a"), base: "r2"},
		{typ: checkpointEntry, firstNeeded: 7, unreportedFrom: 5},
	} {
		data, err := appendEntry(nil, &e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "nonce", 17)
	}
	f.Fuzz(func(t *testing.T, data []byte, nonce string, at int) {
		scanEntries(data, nonce)
		e := &entry{typ: valueEntry, key: thing("a"), base: "r1", next: "r2", payload: data}
		encoded, err := appendEntry(nil, e)
		if err != nil || len(encoded)%alignment != 0 {
			t.Fatalf("appendEntry: %d bytes, %v", len(encoded), err)
		}
		sealEntry(encoded, nonce, 3, 2)
		got, size, ok := decodeEntry(encoded, nonce)
		e.number, e.batch = 3, 2
		diff := cmp.Diff(*e, got, cmp.AllowUnexported(entry{}), cmpopts.EquateEmpty())
		if !ok || size != len(encoded) || diff != "" {
			t.Fatalf("decodeEntry: %v, %d of %d bytes (-want +got):\n%s", ok, size, len(encoded), diff)
		}
		if _, _, ok := decodeEntry(encoded, nonce+"x"); ok {
			t.Error("the entry is intact in another segment")
		}
		if length := len(encoded) - alignment + 1; at >= 0 && at < length {
			encoded[at] ^= 1
			if got, _, ok := decodeEntry(encoded, nonce); ok {
				t.Errorf("decodeEntry with another byte %d: %+v, want none", at, got)
			}
		}
	})
}

// FuzzForgedEntry decodes any bytes that have the right checksums.
func FuzzForgedEntry(f *testing.F) {
	f.Add(bytes.Repeat([]byte{1, 0}, headSize), "nonce")
	f.Fuzz(func(t *testing.T, data []byte, nonce string) {
		if len(data) < headSize || len(data)%alignment > 0 {
			return
		}
		data = bytes.Clone(data)
		binary.LittleEndian.PutUint32(data, entryMagic)
		binary.LittleEndian.PutUint32(data[12:], uint32(len(data)))
		sealEntry(data, nonce, 1, 1)
		if e, _, ok := decodeEntry(data, nonce); ok && e.typ != checkpointEntry && e.key.Check() != nil {
			t.Errorf("decodeEntry: the invalid key %q", e.key)
		}
	})
}

// FuzzDelta makes deltas and applies them, and applies any bytes as a delta.
func FuzzDelta(f *testing.F) {
	long := bytes.Repeat([]byte("0123456789abcdef0123456789ABCDEF"), 20)
	edited := append(append([]byte("new "), long[:200]...), long[230:]...)
	f.Add(long, edited)
	f.Add(edited, append([]byte("x"), long...))
	f.Add([]byte{}, long)
	f.Add([]byte("abc"), []byte("abd"))
	f.Fuzz(func(t *testing.T, base, value []byte) {
		if delta, ok := makeDelta(base, value); ok {
			if got, err := applyDelta(base, delta); err != nil || !bytes.Equal(got, value) {
				t.Fatalf("applyDelta: %.100q, %v, want %.100q", got, err, value)
			}
			if len(delta) >= len(value) {
				t.Errorf("the delta of %d bytes is longer than the value of %d bytes", len(delta), len(value))
			}
		}
		if got, err := applyDelta(base, value); err == nil && len(got) > len(base)+len(value) {
			t.Errorf("a delta of %d bytes makes %d bytes of %d", len(value), len(got), len(base))
		}
	})
}

// A delta is short if the values differ in a few places.
func TestDeltaOfSeveralPlaces(t *testing.T) {
	var base, value []byte
	for n := range 2000 {
		line := fmt.Appendf(nil, "a line of text %d\n", n*n)
		base = append(base, line...)
		switch n {
		case 20, 1000, 1900:
			value = append(value, "another line\n"...)
		case 500:
			continue
		}
		value = append(value, line...)
	}
	delta, ok := makeDelta(base, value)
	if !ok || len(delta) > 400 {
		t.Errorf("the delta has %d bytes, want at most 400", len(delta))
	}
	if got, err := applyDelta(base, delta); err != nil || !bytes.Equal(got, value) {
		t.Errorf("applyDelta: %v", err)
	}
}

var _ store.Revisioner = (*Store)(nil)
