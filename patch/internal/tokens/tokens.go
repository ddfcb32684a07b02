// Package tokens reads JSON token by token for readers that check every value: a [Reader] keeps the first error of the
// text, so that its caller need not check each step.
package tokens

import (
	"bytes"
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"
)

// A Reader reads a text of JSON. It is not safe for concurrent use.
type Reader struct {
	dec *jsontext.Decoder
	err error
}

// NewReader returns a reader of a text, which must not change.
func NewReader(text []byte) *Reader {
	return &Reader{dec: jsontext.NewDecoder(bytes.NewBuffer(text))}
}

// Err returns the first error of the text. A text that was checked before has none.
func (r *Reader) Err() error { return r.err }

// Kind returns the kind of the next token, without reading it.
func (r *Reader) Kind() jsontext.Kind { return r.dec.PeekKind() }

// Next reads a token. After an error it returns the zero Token.
func (r *Reader) Next() jsontext.Token {
	t, err := r.dec.ReadToken()
	r.note(err)
	return t
}

// Value reads a value. It returns the JSON of the value without white space and with every string in its shortest form,
// so that writing it and reading it again changes nothing. After an error it returns nil.
func (r *Reader) Value() json.RawMessage {
	v, err := r.dec.ReadValue()
	if err != nil {
		r.note(err)
		return nil
	}
	compact, err := jsontext.AppendFormat(nil, v)
	r.note(err)
	return json.RawMessage(compact)
}

// Skip reads a value and discards it.
func (r *Reader) Skip() { r.note(r.dec.SkipValue()) }

// note keeps the first error.
func (r *Reader) note(err error) {
	if r.err == nil {
		r.err = err
	}
}

// KindName names a kind of value in a message, with its article.
func KindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return k.String()
}
