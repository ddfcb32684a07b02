package patch

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/patch/internal/tokens"
)

// A reader decodes JSON that CheckSyntax has accepted. Where a value has the wrong type it records a failure, leaves
// the Go value unchanged and continues, so that one pass finds every failure.
type reader struct {
	*tokens.Reader
	*checker
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
	r.Next()
	for r.more('}') {
		name := r.Next().String()
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
			*extra = append(*extra, Field{Name: name, Value: r.Value()})
		}
		r.pop()
	}
	r.Next()
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
	r.Next()
	*values = []T{}
	for r.more(']') {
		if len(*values) == maxLength {
			r.fail(tooLong(maxLength+r.skipRest(), maxLength))
			break
		}
		r.push(strconv.Itoa(len(*values)))
		var v T
		element(r, &v)
		*values = append(*values, v)
		r.pop()
	}
	r.Next()
}

// skipRest skips the rest of an array and returns the number of elements skipped.
func (r *reader) skipRest() (n int) {
	for ; r.Err() == nil && r.Kind() != ']'; n++ {
		r.Skip()
	}
	return n
}

// more reports whether an object or array has another element to read. It returns false once no more failures are kept:
// a text of millions of empty objects must not become millions of values only to be refused.
func (r *reader) more(end jsontext.Kind) bool {
	return r.Err() == nil && !r.full && r.Kind() != end
}

func (r *reader) string(s *string) bool {
	if !r.expect('"') {
		return false
	}
	*s = r.Next().String()
	return true
}

func (r *reader) stringOrNull(s **string) {
	if r.Kind() == 'n' {
		r.Next()
		return
	}
	var v string
	if r.string(&v) {
		*s = &v
	}
}

func (r *reader) bool(b *bool) bool {
	if r.Kind() == 't' || r.Kind() == 'f' {
		*b = r.Next().Bool()
		return true
	}
	return r.expect('t')
}

// expect reports whether the next value is of a kind. If not, it records a failure and skips the value.
func (r *reader) expect(want jsontext.Kind) bool {
	got := r.Kind()
	if got == want {
		return true
	}
	if got == 'n' {
		r.fail("must be " + tokens.KindName(want) + ", not null: give it a value")
	} else {
		r.fail("must be " + tokens.KindName(want) + ", not " + tokens.KindName(got))
	}
	r.Skip()
	return false
}
