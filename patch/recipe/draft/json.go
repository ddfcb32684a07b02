package draft

import (
	"bytes"
	"encoding/json"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// maxElements is the maximum number of elements of an array that are read. It limits the memory that a hostile cask
// takes.
const maxElements = 1000

// elements returns the elements of a JSON array, or none if the value is of another type. An element is valid until the
// next one is read.
func elements(raw json.RawMessage) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
		if dec.PeekKind() != '[' {
			return
		}
		_, err := dec.ReadToken()
		for n := 0; err == nil && n < maxElements && dec.PeekKind() != ']'; n++ {
			var v jsontext.Value
			if v, err = dec.ReadValue(); err != nil || !yield(json.RawMessage(v)) {
				return
			}
		}
	}
}

// text returns a JSON string, or nothing if the value is of another type.
func text(raw json.RawMessage) (s string) {
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// texts returns the strings of a JSON value: a string, or an array with strings.
func texts(raw json.RawMessage) (all []string) {
	if s := text(raw); s != "" {
		return []string{s}
	}
	for e := range elements(raw) {
		if s := text(e); s != "" {
			all = append(all, s)
		}
	}
	return all
}
