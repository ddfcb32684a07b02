package patch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// DefaultMaxBytes is the largest text that is read when [ParseOptions]
	// says nothing else: 10 MiB.
	DefaultMaxBytes = 10 << 20
	// MaxDepth is how deep objects and arrays may stand in each other.
	MaxDepth = 64
	// MaxFailures is how many failures a [ValidationError] keeps. It bounds
	// what a hostile text can make of itself.
	MaxFailures = 1000
)

// ParseOptions are options of [Parse], [ParsePatch] and [CheckSyntax]. Nil
// means the zero value.
type ParseOptions struct {
	// MaxBytes is the largest text that is read. 0 means [DefaultMaxBytes].
	MaxBytes int
	// At is the JSON Pointer of the text within the document that it was taken
	// from. It is put in front of the path of every failure.
	At string
	// Over is the definition in whose place the text comes: what was read is
	// checked as [Definition.ValidateOver] does. It may be nil.
	Over *Definition
	// Stored says that the text was accepted earlier, by rules that may have been
	// fewer: lists may have any length, text is not held against [CheckText], and
	// Over does not matter.
	Stored bool
}

func (o *ParseOptions) maxBytes() int {
	if o == nil || o.MaxBytes == 0 {
		return DefaultMaxBytes
	}
	return o.MaxBytes
}

// CheckSyntax reports whether data is one JSON value as this library takes it
// from outside: valid UTF-8, no object with a member twice, nothing behind the
// value, no more than [MaxDepth] levels. [Parse] does this first; it is here for
// documents that a definition is only a part of.
//
// The error is [ErrTooLarge], or [ErrInvalid] as a *[SyntaxError].
func CheckSyntax(data []byte, opts *ParseOptions) error {
	if limit := opts.maxBytes(); len(data) > limit {
		return fmt.Errorf("%w: %d bytes, at most %d are read", ErrTooLarge, len(data), limit)
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
		return syntaxError(
			data,
			end+int64(blanks(data[end:])),
			"",
			"there is something behind the end of the JSON value: remove it",
		)
	}
	if at := tooDeep(data, MaxDepth); at >= 0 {
		return syntaxError(data, int64(at), "", fmt.Sprintf("nested deeper than %d levels", MaxDepth))
	}
	return nil
}

// decodeError turns an error of the JSON library into ours.
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
		reason = "the member " + strconv.Quote(
			shorten(se.JSONPointer.LastToken()),
		) + " stands twice in one object: remove one of them"
	}
	if afterComma(data, int(se.ByteOffset)) {
		reason = "there is a comma before the closing ] or }: remove it"
	}
	return syntaxError(data, se.ByteOffset, string(se.JSONPointer), reason)
}

// afterComma reports whether there is a closing bracket at an offset, and a comma
// in front of it.
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

// blanks counts JSON's white space at the start of data.
func blanks(data []byte) int {
	return len(data) - len(bytes.TrimLeft(data, " \t\r\n"))
}

// tooDeep returns the offset of the first bracket of valid JSON that opens more
// than so many levels, or -1.
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

// shorten bounds what a message repeats of somebody's text.
func shorten(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && s[cut]&0xC0 == 0x80 { // not within a rune
		cut--
	}
	return s[:cut] + "…"
}
