package patch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is the maximum nesting of objects and arrays.
const maxDepth = 64

// maxBytes returns the size limit that o sets.
func (o *ParseOptions) maxBytes() int {
	switch {
	case o == nil || o.MaxBytes == 0:
		return DefaultMaxBytes
	case o.MaxBytes < 0:
		return math.MaxInt
	}
	return o.MaxBytes
}

// CheckSyntax reports whether data is one JSON value that meets the rules for untrusted text: valid UTF-8, no object
// with a duplicate member, nothing after the value, no nesting deeper than 64 levels. [Parse] calls it first; it is
// exported for documents that contain a definition. Of the options, only MaxBytes counts.
//
// It returns [ErrTooLarge] if data is larger than opts allows. Otherwise the error is [ErrInvalid], a *[SyntaxError].
func CheckSyntax(data []byte, opts *ParseOptions) error {
	if limit := opts.maxBytes(); len(data) > limit {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(data), limit)
	}
	// A Decoder reads a *bytes.Buffer in place.
	dec := jsontext.NewDecoder(bytes.NewBuffer(data))
	if _, err := dec.ReadValue(); err != nil {
		if err == io.EOF {
			return syntaxError(data, int64(len(data)), "", "the text is empty: JSON is expected")
		}
		return decodeError(data, err)
	}
	end := dec.InputOffset()
	if _, err := dec.ReadToken(); err != io.EOF {
		return syntaxError(data, end+int64(blanks(data[end:])), "",
			"there is something after the end of the JSON value: remove it")
	}
	if at := tooDeep(data, maxDepth); at >= 0 {
		return syntaxError(data, int64(at), "", fmt.Sprintf("nested deeper than %d levels", maxDepth))
	}
	return nil
}

// decodeError converts an error of the JSON library to a SyntaxError.
func decodeError(data []byte, err error) error {
	var se *jsontext.SyntacticError
	if !errors.As(err, &se) {
		return syntaxError(data, int64(len(data)), "", err.Error())
	}
	reason := se.Err.Error()
	switch {
	case bytes.HasPrefix(data, []byte("\ufeff")):
		reason = "the text begins with a byte order mark: save it as UTF-8 without one"
	case errors.Is(err, io.ErrUnexpectedEOF):
		reason = "the text ends in the middle of the JSON value"
	case errors.Is(err, jsontext.ErrDuplicateName):
		name := strconv.Quote(shorten(se.JSONPointer.LastToken()))
		reason = "the object has the member " + name + " twice: remove one of them"
	}
	if afterComma(data, int(se.ByteOffset)) {
		reason = "there is a comma before the closing ] or }: remove it"
	}
	return syntaxError(data, se.ByteOffset, string(se.JSONPointer), reason)
}

// afterComma reports whether data has a closing bracket at an offset, and a comma before it.
func afterComma(data []byte, at int) bool {
	if at >= len(data) || data[at] != ']' && data[at] != '}' {
		return false
	}
	return bytes.HasSuffix(bytes.TrimRight(data[:at], " \t\r\n"), []byte(","))
}

func syntaxError(data []byte, offset int64, pointer, reason string) *SyntaxError {
	offset = min(offset, int64(len(data)))
	before := data[:offset]
	return &SyntaxError{
		Offset:  offset,
		Line:    bytes.Count(before, []byte("\n")) + 1,
		Column:  len(before) - bytes.LastIndexByte(before, '\n'),
		Pointer: shorten(pointer),
		Reason:  reason,
	}
}

// blanks counts the bytes of white space at the start of data.
func blanks(data []byte) int {
	return len(data) - len(bytes.TrimLeft(data, " \t\r\n"))
}

// tooDeep returns the offset of the first bracket of valid JSON that is nested deeper than a number of levels, or -1.
func tooDeep(data []byte, levels int) int {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString:
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			if depth++; depth > levels {
				return i
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return -1
}

// shorten limits the length of untrusted text in a message.
func shorten(s string) string {
	const maxLength = 200
	if len(s) <= maxLength {
		return s
	}
	cut := maxLength
	for cut > 0 && s[cut]&0xC0 == 0x80 { // not within a rune
		cut--
	}
	return s[:cut] + "…"
}
