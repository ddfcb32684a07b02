package patch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// A reader decodes JSON that CheckSyntax has accepted. Where a value has the wrong type it records a failure, leaves
// the Go value unchanged and continues, so that one pass finds every failure.
type reader struct {
	dec *jsontext.Decoder
	*checker
	err     error // the decoder's first; impossible after CheckSyntax
	max     limits
	unknown int // number of unknown members so far
	// maxUnknown is the maximum number of unknown members. A negative number means no limit.
	maxUnknown int
	draft      bool // see ParseDraft
}

// object reads an object. For each member it calls member, which reads the value and returns true, or returns false if
// it does not know the name; such a member is appended to extra.
func (r *reader) object(extra *[]Field, required []string, member func(name string) bool) {
	seen := r.members(extra, required, member)
	r.missing(required, seen)
}

// members is object without a failure for a member that is absent. It returns the set of the required members that it
// has read, by index; all of them if the value is no object.
func (r *reader) members(extra *[]Field, required []string, member func(name string) bool) (seen uint) {
	if !r.expect('{') {
		return ^uint(0)
	}
	r.token()
	for r.more('}') {
		name := r.token().String()
		for i, want := range required {
			if name == want {
				seen |= 1 << i
			}
		}
		r.push(name)
		if !member(name) {
			if r.unknown++; r.maxUnknown >= 0 && r.unknown > r.maxUnknown {
				r.fail(fmt.Sprintf("is one of more than %d unknown members: remove some", r.maxUnknown))
				r.full = true
			}
			*extra = append(*extra, Field{Name: name, Value: r.value()})
		}
		r.pop()
	}
	r.token()
	return seen
}

// missing records a failure for each required member that is not in seen. A draft may be without any.
func (r *reader) missing(required []string, seen uint) {
	if r.draft {
		return
	}
	for i, name := range required {
		if seen&(1<<i) == 0 {
			r.failAt(name, missing(name))
		}
	}
}

// missing returns the message for a required member that is absent.
func missing(name string) string {
	switch name {
	case "extensionAttributes", "killApps", "components", "capabilities":
		return "is missing: if there are none, add it as an empty array: []"
	}
	return "is missing: add it"
}

func hasField(fields []Field, name string) bool {
	return slices.ContainsFunc(fields, func(f Field) bool { return f.Name == name })
}

// array reads an array into *values, which is not nil afterwards. An invalid element keeps its place, so that later
// checks report the right index. If there are more than maxLength elements, the rest is skipped and the array as a
// whole is a failure.
func array[T any](r *reader, values *[]T, maxLength int, element func(*reader, *T)) {
	if !r.expect('[') {
		return
	}
	r.token()
	*values = []T{}
	for r.more(']') {
		if len(*values) == maxLength {
			r.fail(tooLong(maxLength+r.skip(), maxLength))
			break
		}
		r.push(strconv.Itoa(len(*values)))
		var v T
		element(r, &v)
		*values = append(*values, v)
		r.pop()
	}
	r.token()
}

// skip skips the rest of an array and returns the number of elements skipped.
func (r *reader) skip() (n int) {
	for ; r.err == nil && r.dec.PeekKind() != ']'; n++ {
		r.err = r.dec.SkipValue()
	}
	return n
}

// more reports whether an object or array has another element to read. It returns false once no more failures are kept:
// a text of millions of empty objects must not become millions of values only to be refused.
func (r *reader) more(end jsontext.Kind) bool {
	return r.err == nil && !r.full && r.dec.PeekKind() != end
}

func (r *reader) string(s *string) bool {
	if !r.expect('"') {
		return false
	}
	*s = r.token().String()
	return true
}

func (r *reader) stringOrNull(s **string) {
	if r.dec.PeekKind() == 'n' {
		r.token()
		return
	}
	var v string
	if r.string(&v) {
		*s = &v
	}
}

func (r *reader) bool(b *bool) bool {
	if r.dec.PeekKind() == 't' || r.dec.PeekKind() == 'f' {
		*b = r.token().Bool()
		return true
	}
	return r.expect('t')
}

// expect reports whether the next value is of a kind. If not, it records a failure and skips the value.
func (r *reader) expect(want jsontext.Kind) bool {
	got := r.dec.PeekKind()
	if got == want {
		return true
	}
	if got == 'n' {
		r.fail("must be " + kindName(want) + ", not null: give it a value")
	} else {
		r.fail("must be " + kindName(want) + ", not " + kindName(got))
	}
	if err := r.dec.SkipValue(); err != nil && r.err == nil {
		r.err = err
	}
	return false
}

func (r *reader) token() jsontext.Token {
	t, err := r.dec.ReadToken()
	if err != nil && r.err == nil {
		r.err = err
	}
	return t
}

// value returns the next value's JSON without white space and with every string in its shortest form, so that writing
// it and reading it again changes nothing.
func (r *reader) value() json.RawMessage {
	v, err := r.dec.ReadValue()
	if err != nil {
		if r.err == nil {
			r.err = err
		}
		return nil
	}
	compact, err := jsontext.AppendFormat(nil, v)
	if err != nil && r.err == nil {
		r.err = err
	}
	return json.RawMessage(compact)
}

// kindName names a kind of JSON value in a message.
func kindName(k jsontext.Kind) string {
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
