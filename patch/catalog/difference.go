package catalog

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// A difference says how a text is made from another one: it is a JSON array of the text's pieces in their order. A
// piece is the offset and the length, in bytes, of a part of the other text, or a string, or the base64 of what is not
// UTF-8:
//
//	[[0,120],"2026-01-02T03:04:05Z",[140,2000],{"base64":"/w=="}]
type difference = json.RawMessage

// maxPatched bounds the size of a text that a difference makes.
const maxPatched = 1 << 28

// matchBytes is the length of the shortest part that is looked for in the other text.
const matchBytes = 16

// newDifference returns the difference that makes the text to from the text from, in time proportional to their sizes.
// Its size is at most proportional to that of to.
func newDifference(from, to []byte) difference {
	start := commonPrefix(from, to)
	start -= split(to, start, start)
	end := commonSuffix(from[start:], to[start:])
	for n := 0; n < utf8.UTFMax-1 && end > 0 && !utf8.RuneStart(to[len(to)-end]); n++ {
		end--
	}
	w := differenceWriter{json: []byte{'['}}
	w.copy(0, start)
	w.middle(from[:len(from)-end], to[start:len(to)-end], start)
	w.copy(len(from)-end, end)
	return append(w.json, ']')
}

// split returns the number of bytes before the offset at, at most limit, that belong to a rune that would be split
// there. In a text that is not UTF-8 it is at most 3.
func split(text []byte, at, limit int) (n int) {
	for at < len(text) && n < min(limit, utf8.UTFMax-1) && !utf8.RuneStart(text[at-n]) {
		n++
	}
	return n
}

// A differenceWriter writes the pieces of a difference.
type differenceWriter struct{ json []byte }

func (w *differenceWriter) next() {
	if len(w.json) > 1 {
		w.json = append(w.json, ',')
	}
}

// copy writes a piece of the other text.
func (w *differenceWriter) copy(offset, length int) {
	if length == 0 {
		return
	}
	w.next()
	w.json = strconv.AppendInt(append(w.json, '['), int64(offset), 10)
	w.json = strconv.AppendInt(append(w.json, ','), int64(length), 10)
	w.json = append(w.json, ']')
}

// text writes a piece that is not in the other text.
func (w *differenceWriter) text(b []byte) {
	if len(b) == 0 {
		return
	}
	w.next()
	if utf8.Valid(b) {
		w.json, _ = jsontext.AppendQuote(w.json, b) // it fails on what is not UTF-8
		return
	}
	w.json = base64.StdEncoding.AppendEncode(append(w.json, `{"base64":"`...), b)
	w.json = append(w.json, `"}`...)
}

// middle writes the pieces of to. Parts of it are looked for in from, from the offset start on.
func (w *differenceWriter) middle(from, to []byte, start int) {
	if len(to) < matchBytes || len(from)-start < matchBytes {
		w.text(to)
		return
	}
	blocks := newBlocks(from, start)
	written := 0       // of to
	shift := len(from) // how much further ahead the last part was in from
	for i := 0; i+matchBytes <= len(to); {
		at := i + shift
		if at+matchBytes > len(from) || !bytes.Equal(from[at:at+matchBytes], to[i:i+matchBytes]) {
			var found bool
			if at, found = blocks.find(to[i : i+matchBytes]); !found {
				i++
				continue
			}
		}
		first := i
		for first > written && at > start && from[at-1] == to[first-1] {
			first, at = first-1, at-1
		}
		last := first + commonPrefix(from[at:], to[first:])
		for n := 0; n < utf8.UTFMax-1 && !utf8.RuneStart(to[first]); n++ {
			first, at = first+1, at+1
		}
		last -= split(to, last, last-first)
		w.text(to[written:first])
		w.copy(at, last-first)
		shift = at - first
		i, written = last, last
	}
	w.text(to[written:])
}

// blocks finds parts of a text by the hash of their bytes.
type blocks struct {
	text  []byte
	table []int32 // by hash: the offset of a part, plus 1
	shift int
}

// newBlocks returns the parts of text of matchBytes bytes, one after the other from the offset start on. Parts that
// occur several times are left out: they do not tell which of similar passages is meant.
func newBlocks(text []byte, start int) *blocks {
	n := (len(text) - start) / matchBytes
	size := bits.Len(uint(2 * n))
	b := &blocks{text: text, table: make([]int32, 1<<size), shift: 64 - size}
	for at := start; at+matchBytes <= len(text); at += matchBytes {
		slot := &b.table[b.hash(text[at:])]
		switch {
		case *slot == 0:
			*slot = int32(at + 1)
		case *slot > 0 && bytes.Equal(text[*slot-1:*slot-1+matchBytes], text[at:at+matchBytes]):
			*slot = -1
		}
	}
	return b
}

// hash returns the hash of the first matchBytes bytes of p.
func (b *blocks) hash(p []byte) uint64 {
	x, y := binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])
	high, low := bits.Mul64(x^0x9e3779b97f4a7c15, y^0xc2b2ae3d27d4eb4f)
	return ((high ^ low) * 0x9e3779b97f4a7c15) >> b.shift
}

// find returns the offset of p, which has matchBytes bytes.
func (b *blocks) find(p []byte) (at int, found bool) {
	at = int(b.table[b.hash(p)]) - 1 // -1 or -2 if there is none
	return at, at >= 0 && bytes.Equal(b.text[at:at+matchBytes], p)
}

// commonPrefix returns the number of bytes with which both texts begin.
func commonPrefix(a, b []byte) int {
	n, limit := 0, min(len(a), len(b))
	for n+8 <= limit {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for n < limit && a[n] == b[n] {
		n++
	}
	return n
}

// commonSuffix returns the number of bytes with which both texts end.
func commonSuffix(a, b []byte) int {
	n, limit := 0, min(len(a), len(b))
	for n+8 <= limit {
		x := binary.BigEndian.Uint64(a[len(a)-n-8:]) ^ binary.BigEndian.Uint64(b[len(b)-n-8:])
		if x != 0 {
			// The last bytes are the lowest ones.
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for n < limit && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

// patchText makes a text from another one by a difference. The error says that the difference is corrupt, or was not
// made for that text.
func patchText(from []byte, d difference) ([]byte, error) {
	var pieces []json.RawMessage
	if err := json.Unmarshal(d, &pieces); err != nil {
		return nil, fmt.Errorf("the difference is corrupt: %w", err)
	}
	to := make([]byte, 0, len(from)+len(d))
	for _, piece := range pieces {
		text, err := readPiece(from, piece)
		if err != nil {
			return nil, err
		}
		if len(to)+len(text) > maxPatched {
			return nil, errors.New("the difference is corrupt: it makes too much text")
		}
		to = append(to, text...)
	}
	return to, nil
}

// patchMakes reports whether patchText returns the text to.
func patchMakes(from []byte, d difference, to []byte) bool {
	var pieces []json.RawMessage
	if len(to) > maxPatched || json.Unmarshal(d, &pieces) != nil {
		return false
	}
	for _, piece := range pieces {
		text, err := readPiece(from, piece)
		if err != nil || !bytes.HasPrefix(to, text) {
			return false
		}
		to = to[len(text):]
	}
	return len(to) == 0
}

// readPiece returns the text of a piece of a difference.
func readPiece(from []byte, piece json.RawMessage) (text []byte, err error) {
	switch piece[0] {
	case '"':
		return jsontext.AppendUnquote(nil, []byte(piece))
	case '[':
		var part []int
		err := json.Unmarshal(piece, &part)
		if err != nil || len(part) != 2 || part[0] < 0 || part[1] < 0 || part[0] > len(from) ||
			part[1] > len(from)-part[0] {
			return nil, fmt.Errorf("the difference is corrupt: no text has the part %s", piece)
		}
		return from[part[0] : part[0]+part[1]], nil
	}
	var other struct {
		Base64 []byte `json:"base64"`
	}
	if err := json.Unmarshal(piece, &other); err != nil || other.Base64 == nil {
		return nil, fmt.Errorf("the difference is corrupt: %.100s is not a piece", piece)
	}
	return other.Base64, nil
}
