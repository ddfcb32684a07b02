package filestore

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc32"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/store"
)

// A file is one JSON object and a line break:
//
//	{"crc32c":"1a2b3c4d","id":"composer","revision":"…","value":{…}}
//
// The checksum (Castagnoli's CRC-32) covers everything after it. A value that is not JSON is encoded in base64, as the
// member "base64" in place of "value". A JSON value is copied and not encoded, so that its bytes are kept unchanged.

const (
	headFormat = `{"crc32c":"%08x",`
	headLength = len(`{"crc32c":"12345678",`)
	tail       = "}\n"
	// maxHead is more than the length of the bytes before any value: an id of 512 bytes, all escaped.
	maxHead = 4096
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encodeRecord returns the content of a record's file.
func encodeRecord(id string, rev store.Revision, value []byte) ([]byte, error) {
	name := "value"
	if !jsontext.Value(value).IsValid() {
		name = "base64"
		value = []byte(`"` + base64.StdEncoding.EncodeToString(value) + `"`)
	}
	quotedID, err := jsontext.AppendQuote(nil, id)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(headLength + len(quotedID) + len(value) + 80)
	fmt.Fprintf(&b, headFormat, 0)
	fmt.Fprintf(&b, `"id":%s,"revision":%q,%q:`, quotedID, string(rev), name)
	b.Write(value)
	b.WriteString(tail)
	data := b.Bytes()
	copy(data, fmt.Sprintf(headFormat, crc32.Checksum(data[headLength:], castagnoli)))
	return data, nil
}

// decodeRecord decodes the content of a record's file. The value of the record shares memory with data. The error is
// store.ErrCorrupt.
func decodeRecord(data []byte) (store.Record, error) {
	r, at, err := decodeHead(data)
	if err != nil {
		return r, err
	}
	if sum := fmt.Sprintf(headFormat, crc32.Checksum(data[headLength:], castagnoli)); string(data[:headLength]) != sum {
		return r, fmt.Errorf("%w: its checksum is wrong", store.ErrCorrupt)
	}
	value, ok := bytes.CutSuffix(data[at.value:], []byte(tail))
	if !ok {
		return r, errTooShort
	}
	if at.base64 {
		if err := json.Unmarshal(value, &value); err != nil {
			return r, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		}
	}
	r.Value = value
	return r, nil
}

// A place is where the value is in a file, and whether it is encoded.
type place struct {
	value  int
	base64 bool
}

var (
	errForm     = fmt.Errorf("%w: it does not have the form of a record", store.ErrCorrupt)
	errTooShort = fmt.Errorf("%w: it is truncated", store.ErrCorrupt)
)

// decodeHead decodes the bytes before the value of a record; data may end anywhere after them. The error is
// store.ErrCorrupt.
func decodeHead(data []byte) (r store.Record, at place, err error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data[:min(len(data), maxHead)]))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' || len(data) < headLength {
		return r, at, errForm
	}
	var tokens [7]string // name, value, name, value, name, value, name
	for i := range tokens {
		t, err := dec.ReadToken()
		if err != nil || t.Kind() != '"' {
			return r, at, errForm
		}
		tokens[i] = t.String()
	}
	last := tokens[6]
	if tokens[0] != "crc32c" || tokens[2] != "id" || tokens[4] != "revision" || tokens[5] == "" ||
		last != "value" && last != "base64" {
		return r, at, errForm
	}
	r.Key.ID, r.Revision = tokens[3], store.Revision(tokens[5])
	at = place{value: int(dec.InputOffset()) + len(":"), base64: last == "base64"}
	if at.value > len(data) {
		return r, at, errTooShort
	}
	return r, at, nil
}
