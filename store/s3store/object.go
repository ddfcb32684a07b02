package s3store

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash/crc32"

	"github.com/patchsource/patchsource/store"
)

const (
	// maxValue is the maximum length of a value.
	maxValue = 32 << 20
	// maxHeader is more than the length of any header: that with an id of 512 bytes, all escaped.
	maxHeader = 4096
)

// A header is the first line of an object. That of a tombstone has a nonce only.
type header struct {
	Nonce string `json:"nonce"` // of this write and no other
	Sum   string `json:"crc32c,omitempty"`
	ID    string `json:"id,omitempty"`
}

// line returns the header as the first line of an object.
func (h header) line() []byte {
	line, err := json.Marshal(h)
	if err != nil {
		panic(err) // a struct of strings can be encoded
	}
	return append(line, '\n')
}

// A write is the new content of an object.
type write struct {
	name  string // of the object
	nonce string
	body  []byte
}

// newRecord returns the write of a record's value.
func newRecord(name, id string, value []byte) write {
	h := header{Nonce: rand.Text(), Sum: checksum(value), ID: id}
	return write{name, h.Nonce, append(h.line(), value...)}
}

// newTombstone returns the write of a tombstone.
func newTombstone(name string) write {
	h := header{Nonce: rand.Text()}
	return write{name, h.Nonce, h.line()}
}

// tombstoneSize is the size of every tombstone. All records are longer.
var tombstoneSize = int64(len(newTombstone("").body))

// checksum returns the CRC-32C of a value in hexadecimal.
func checksum(value []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli)))
}

// An object is an object as it was read. The zero object stands for one that does not exist.
type object struct {
	tag  store.Revision // the ETag without quotes
	body []byte
}

// header returns the header of an object, and the value. It returns false if the object has no valid header.
func (o object) header() (h header, value []byte, ok bool) {
	line, value, ok := bytes.Cut(o.body, []byte("\n"))
	if !ok || len(line) > maxHeader || json.Unmarshal(line, &h) != nil || h.Nonce == "" {
		return header{}, nil, false
	}
	return h, value, true
}

// isTombstone reports whether an object is a tombstone.
func (o object) isTombstone() bool {
	h, _, ok := o.header()
	return ok && h.ID == ""
}

// isRecord reports whether there is a record in the place of an object, even if it is corrupt.
func (o object) isRecord() bool { return o.tag != "" && !o.isTombstone() }

// record returns the record of an object. The error is ErrNotFound or ErrCorrupt.
func (o object) record(key store.Key) (store.Record, error) {
	if !o.isRecord() {
		return store.Record{}, store.ErrNotFound
	}
	h, value, ok := o.header()
	reason := ""
	switch {
	case !ok:
		reason = "its first line is not the header of a record"
	case h.ID != key.ID:
		reason = fmt.Sprintf("it is that of the record %q", h.ID)
	case h.Sum != checksum(value):
		reason = "its checksum is wrong"
	default:
		return store.Record{Key: key, Value: value, Revision: o.tag}, nil
	}
	return store.Record{}, fmt.Errorf("s3store: the object of the record %v cannot be used, because %s: %w: "+
		"restore an earlier version of the object, or delete it", key, reason, store.ErrCorrupt)
}
