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
// The checksum (Castagnoli's CRC-32) is of all that stands behind it. A value
// that is no JSON stands in base64 under "base64" instead. The value is spliced
// in and cut out, not encoded, so that its bytes are kept as they are.

const (
	headFormat = `{"crc32c":"%08x",`
	headLength = len(`{"crc32c":"12345678",`)
	tail       = "}\n"
	// maxHead is more than the bytes in front of a value ever are: an id of
	// store.MaxIDLength, each byte of it escaped.
	maxHead = 4096
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

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

// decodeRecord reads a whole file. The record's value shares data's memory. The
// error is store.ErrCorrupt.
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
		return r, fmt.Errorf("%w: it ends too early", store.ErrCorrupt)
	}
	if at.base64 {
		if err := json.Unmarshal(value, &value); err != nil {
			return r, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		}
	}
	r.Value = value
	return r, nil
}

// place is where in a file the value stands.
type place struct {
	value  int
	base64 bool
}

// decodeHead reads what stands in front of the value; data may end behind it.
// The error is store.ErrCorrupt.
func decodeHead(data []byte) (r store.Record, at place, err error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data[:min(len(data), maxHead)]))
	var tokens [8]string // { name value name value name value name
	for i := range tokens {
		t, err := dec.ReadToken()
		if err != nil || i > 0 && t.Kind() != '"' {
			return r, at, fmt.Errorf("%w: it is not in the form of this store", store.ErrCorrupt)
		}
		tokens[i] = t.String()
	}
	if tokens[0] != "{" || tokens[1] != "crc32c" || tokens[3] != "id" || tokens[5] != "revision" || tokens[6] == "" ||
		tokens[7] != "value" && tokens[7] != "base64" ||
		len(data) < headLength {
		return r, at, fmt.Errorf("%w: it is not in the form of this store", store.ErrCorrupt)
	}
	r.Key.ID, r.Revision = tokens[4], store.Revision(tokens[6])
	at = place{value: int(dec.InputOffset()) + len(":"), base64: tokens[7] == "base64"}
	if at.value > len(data) {
		return r, at, fmt.Errorf("%w: it ends too early", store.ErrCorrupt)
	}
	return r, at, nil
}
