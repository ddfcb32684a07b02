package titleeditor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// fieldErrors are the failures of the members of a body.
type fieldErrors struct {
	list  []errorAnswer       // at most patch.MaxFailures
	known map[string]struct{} // the fields in list
}

func (e *fieldErrors) Error() string { return e.list[0].Description }

// An object is a JSON object in the body of a request. A member that is null counts as missing. Members that no method
// asks for are ignored. Failures are collected, also those of the objects within it.
type object struct {
	members map[string]json.RawMessage
	path    string // of the object in the body, such as "patches[0]."
	errors  *fieldErrors
}

// newObject reads a body, whose syntax was checked.
func newObject(body []byte) (object, error) {
	o := object{errors: &fieldErrors{}}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return o, &apiError{400, codeJSON, "The body must be a JSON object.", ""}
	}
	return o, json.Unmarshal(body, &o.members)
}

// err returns the failures as an error, and nil if there are none.
func (o object) err() error {
	if len(o.errors.list) == 0 {
		return nil
	}
	return o.errors
}

// fail notes that a member is wrong.
func (o object) fail(name, format string, args ...any) { o.failAs(codeInvalid, name, format, args...) }

func (o object) failAs(code, name, format string, args ...any) {
	e := o.errors
	if e.full() {
		return
	}
	field := o.path + name
	if _, known := e.known[field]; known {
		return
	}
	if e.known == nil {
		e.known = make(map[string]struct{})
	}
	e.known[field] = struct{}{}
	e.list = append(e.list, errorAnswer{code, field + " " + fmt.Sprintf(format, args...), field})
}

// full reports whether no further failures are noted.
func (e *fieldErrors) full() bool { return len(e.list) >= patch.MaxFailures }

// get returns a member, and false if it is missing.
func (o object) get(name string) (json.RawMessage, bool) {
	v, ok := o.members[name]
	return v, ok && string(v) != "null"
}

// text returns a string, and false if it is missing.
func (o object) text(name string) (s string, given bool) {
	v, ok := o.get(name)
	if !ok {
		return "", false
	}
	if json.Unmarshal(v, &s) != nil {
		o.fail(name, "must be a string")
		return "", false
	}
	return s, true
}

// filled returns a string that must not be empty, and false if it is missing.
func (o object) filled(name string) (s string, given bool) {
	s, given = o.text(name)
	if given && strings.TrimSpace(s) == "" {
		o.fail(name, "must not be empty")
	}
	return s, given
}

// required returns a string that must be given and must not be empty.
func (o object) required(name string) string {
	s, given := o.filled(name)
	if _, ok := o.get(name); !given && !ok {
		o.fail(name, "is required")
	}
	return s
}

// value returns the value of a criterion, which may also be a number or a boolean.
func (o object) value() (s string, given bool) {
	v, ok := o.get("value")
	if !ok {
		return "", false
	}
	switch v[0] {
	case '"':
		return o.text("value")
	case '{', '[':
		o.fail("value", "must be a string")
		return "", false
	}
	return string(v), true
}

// flag returns a boolean, and false if it is missing.
func (o object) flag(name string) (b, given bool) {
	v, ok := o.get(name)
	if !ok {
		return false, false
	}
	if json.Unmarshal(v, &b) != nil {
		o.fail(name, "must be true or false")
		return false, false
	}
	return b, true
}

// version returns a version of a patch, and false if it is missing.
func (o object) version() (s string, given bool) {
	if s, given = o.filled("version"); given && strings.TrimSpace(s) != "" {
		if err := patch.CheckVersion(s); err != nil {
			o.fail("version", "%v", err)
		}
	}
	return s, given
}

// newVersion returns the version of a new patch, which must be given.
func (o object) newVersion() string {
	if s, given := o.version(); given {
		return s
	}
	return o.required("version")
}

const orderMember = "absoluteOrderId"

// order returns the index at which the object is to stand in its list, and missing if it is not given.
func (o object) order(missing int) int {
	v, ok := o.get(orderMember)
	if !ok {
		return missing
	}
	var n float64
	if json.Unmarshal(v, &n) != nil || n != math.Trunc(n) {
		o.fail(orderMember, "must be an integer")
		return missing
	}
	return int(min(max(n, 0), math.MaxInt32))
}

// list returns an array of objects. It is in the order of their absoluteOrderId if all of them have one.
func (o object) list(name string) []object {
	v, ok := o.get(name)
	if !ok {
		return nil
	}
	if v[0] != '[' {
		o.fail(name, "must be an array")
		return nil
	}
	// The elements are read one by one, so that very many do not need very much memory.
	var all []object
	ordered := true
	for element := range elementsOf(v) {
		i := len(all)
		if i == maxElements {
			o.fail(name, "must have at most %d elements", maxElements)
			return nil
		}
		if o.errors.full() {
			return all
		}
		next := object{path: fmt.Sprintf("%s%s[%d].", o.path, name, i), errors: o.errors}
		if element[0] != '{' || json.Unmarshal(element, &next.members) != nil {
			o.fail(fmt.Sprintf("%s[%d]", name, i), "must be an object")
		}
		_, has := next.get(orderMember)
		ordered = ordered && has
		all = append(all, next)
	}
	if ordered {
		slices.SortStableFunc(all, func(a, b object) int { return a.order(0) - b.order(0) })
	}
	return all
}

// maxElements is the maximum length of a list in a body. It is the highest limit of a list in a definition.
const maxElements = 10_000

// elementsOf yields the elements of an array, whose syntax was checked.
func elementsOf(array json.RawMessage) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		d := json.NewDecoder(bytes.NewReader(array))
		_, _ = d.Token() // the bracket
		for d.More() {
			var element json.RawMessage
			if d.Decode(&element) != nil || !yield(element) {
				return
			}
		}
	}
}

// set sets a text to a member that is given.
func set[T any](target *T, value T, given bool) {
	if given {
		*target = value
	}
}

// setPointer sets an optional text to a member that is given. An empty one removes it.
func setPointer(target **string, value string, given bool) {
	if given {
		*target = optional(value)
	}
}
