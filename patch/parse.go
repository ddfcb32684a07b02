package patch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Parse reads a patch definition from JSON of unknown origin. What it returns
// has passed [Definition.Validate]; the fields that a source fills in
// (lastModified, currentVersion) may be empty, see [Definition.Complete].
//
// The error is [ErrTooLarge], or [ErrInvalid] as a *[SyntaxError] (no JSON) or
// a *[ValidationError] (JSON, but no acceptable definition) with every failure.
func Parse(data []byte, opts *ParseOptions) (*Definition, error) {
	return parse(data, opts, (*reader).definition, checkDefinition)
}

// ParsePatch reads one version of a title from JSON of unknown origin, as
// [Parse] reads a definition.
func ParsePatch(data []byte, opts *ParseOptions) (*Patch, error) {
	return parse(data, opts, (*reader).onePatch, checkOnePatch)
}

// UnmarshalJSON reads what [Parse] reads, and what it read before there were
// bounds on lists and rules for text: definitions that a source still serves.
// [Definition.Validate] applies these too.
func (d *Definition) UnmarshalJSON(data []byte) error {
	parsed, err := Parse(data, &ParseOptions{MaxBytes: max(len(data), DefaultMaxBytes), Stored: true})
	if err != nil {
		return err
	}
	*d = *parsed
	return nil
}

// UnmarshalJSON reads what [ParsePatch] reads, as [Definition.UnmarshalJSON] does.
func (p *Patch) UnmarshalJSON(data []byte) error {
	parsed, err := ParsePatch(data, &ParseOptions{MaxBytes: max(len(data), DefaultMaxBytes), Stored: true})
	if err != nil {
		return err
	}
	*p = *parsed
	return nil
}

func parse[T any](data []byte, opts *ParseOptions, read func(*reader, *T), check func(*checker, *T)) (*T, error) {
	if err := CheckSyntax(data, opts); err != nil {
		return nil, err
	}
	c := newChecker(opts)
	r := &reader{dec: jsontext.NewDecoder(bytes.NewBuffer(data)), checker: c, most: unbounded}
	if c.policy != nil {
		r.most = c.policy.bounds()
	}
	value := new(T)
	read(r, value)
	if r.err != nil {
		return nil, decodeError(data, r.err)
	}
	check(c, value)
	if err := c.result(); err != nil {
		return nil, err
	}
	return value, nil
}

// A reader takes JSON that CheckSyntax has passed apart. Where a value has the
// wrong type it notes the failure, leaves the Go value as it is and goes on, so
// that one pass finds everything.
type reader struct {
	dec *jsontext.Decoder
	*checker
	err     error // of the decoder; cannot happen after CheckSyntax
	unknown int   // members
	most    bounds
}

// maxUnknown bounds the unknown members of a definition: each takes many times
// the memory that it takes in the text.
const maxUnknown = 100_000

var definitionKeys = []string{
	"id", "name", "publisher", "appName", "bundleId", "requirements", "patches", "extensionAttributes",
}

func (r *reader) definition(d *Definition) { r.definitionWith(definitionKeys, d) }

func (r *reader) definitionWith(required []string, d *Definition) {
	r.object(&d.Extra, required, func(name string) bool {
		switch name {
		case "id":
			r.string(&d.ID)
		case "name":
			r.string(&d.Name)
		case "publisher":
			r.string(&d.Publisher)
		case "appName":
			r.stringOrNull(&d.AppName)
		case "bundleId":
			r.stringOrNull(&d.BundleID)
		case "lastModified":
			if r.string(&d.LastModified) && d.LastModified == "" {
				r.fail(notATime(""))
			}
		case "currentVersion":
			r.string(&d.CurrentVersion)
		case "requirements":
			array(r, &d.Requirements, r.most.criteria, (*reader).requirement)
		case "patches":
			array(r, &d.Patches, r.most.patches, (*reader).patch)
		case "extensionAttributes":
			array(r, &d.ExtensionAttributes, r.most.attributes, (*reader).extensionAttribute)
		default:
			return false
		}
		return true
	})
}

// onePatch reads a patch that is the whole text. A definition in its place says
// so once, and not all that a patch would need.
func (r *reader) onePatch(p *Patch) {
	r.patch(p)
	if hasField(p.Extra, "patches") && hasField(p.Extra, "requirements") {
		r.restart()
		r.fail("this is a whole definition: send one of its patches, or the definition with PUT …/titles/{id}")
	}
}

func hasField(fields []Field, name string) bool {
	return slices.ContainsFunc(fields, func(f Field) bool { return f.Name == name })
}

func (r *reader) patch(p *Patch) {
	r.object(
		&p.Extra,
		[]string{
			"version",
			"releaseDate",
			"standalone",
			"minimumOperatingSystem",
			"reboot",
			"killApps",
			"components",
			"capabilities",
		},
		func(name string) bool {
			switch name {
			case "version":
				r.string(&p.Version)
			case "releaseDate":
				r.string(&p.ReleaseDate)
			case "standalone":
				r.bool(&p.Standalone)
			case "minimumOperatingSystem":
				r.string(&p.MinimumOperatingSystem)
			case "reboot":
				r.bool(&p.Reboot)
			case "killApps":
				array(r, &p.KillApps, r.most.killApps, (*reader).killApp)
			case "components":
				array(r, &p.Components, r.most.components, (*reader).component)
			case "capabilities":
				array(r, &p.Capabilities, r.most.criteria, (*reader).criterion)
			case "dependencies":
				if r.expect('[') {
					p.Dependencies = r.value()
				}
			default:
				return false
			}
			return true
		},
	)
}

func (r *reader) killApp(k *KillApp) {
	r.object(&k.Extra, []string{"bundleId", "appName"}, func(name string) bool {
		switch name {
		case "bundleId":
			r.string(&k.BundleID)
		case "appName":
			r.string(&k.AppName)
		default:
			return false
		}
		return true
	})
}

func (r *reader) component(c *Component) {
	r.object(&c.Extra, []string{"name", "version", "criteria"}, func(name string) bool {
		switch name {
		case "name":
			r.string(&c.Name)
		case "version":
			r.string(&c.Version)
		case "criteria":
			array(r, &c.Criteria, r.most.criteria, (*reader).criterion)
		default:
			return false
		}
		return true
	})
}

var criterionKeys = []string{"name", "operator", "value", "type", "and"}

// requirement reads a criterion that must say how it is joined.
func (r *reader) requirement(c *Criterion) { r.criterionWith(criterionKeys, c) }

// criterion reads a criterion that may leave "and" out.
func (r *reader) criterion(c *Criterion) { r.criterionWith(criterionKeys[:4], c) }

func (r *reader) criterionWith(required []string, c *Criterion) {
	r.object(&c.Extra, required, func(name string) bool {
		switch name {
		case "name":
			r.string(&c.Name)
		case "operator":
			r.string(&c.Operator)
		case "value":
			r.string(&c.Value)
		case "type":
			r.string(&c.Type)
		case "and":
			var and bool
			if r.bool(&and) {
				c.And = &and
			}
		default:
			return false
		}
		return true
	})
}

func (r *reader) extensionAttribute(a *ExtensionAttribute) {
	r.object(&a.Extra, []string{"key", "value", "displayName"}, func(name string) bool {
		switch name {
		case "key":
			r.string(&a.Key)
		case "value":
			r.string(&a.Value)
		case "displayName":
			r.string(&a.DisplayName)
		default:
			return false
		}
		return true
	})
}

// object reads an object: member reads the value of the member that it is
// named and returns true, or returns false for a name that it does not know.
func (r *reader) object(extra *[]Field, required []string, member func(name string) bool) {
	if !r.expect('{') {
		return
	}
	r.token()
	var seen uint
	for r.more('}') {
		name := r.token().String()
		for i, want := range required {
			if name == want {
				seen |= 1 << i
			}
		}
		r.push(name)
		if !member(name) {
			if r.unknown++; r.unknown > maxUnknown {
				r.fail(fmt.Sprintf("is one of more than %d unknown members: so many are not kept", maxUnknown))
				r.full = true
			}
			*extra = append(*extra, Field{Name: name, Value: r.value()})
		}
		r.pop()
	}
	r.token()
	for i, name := range required {
		if seen&(1<<i) == 0 {
			r.push(name)
			r.fail(missing(name))
			r.pop()
		}
	}
}

// missing says that a member is not there, and how to mend it.
func missing(name string) string {
	switch name {
	case "extensionAttributes", "killApps", "components", "capabilities":
		return "is missing: if there are none, add it as an empty array: []"
	}
	return "is missing: add it"
}

// array reads an array into values, which is not nil afterwards. An element
// that fails keeps its place, so that later checks name the right index. Of more
// elements than are allowed, the rest is skipped, and the array fails as a whole.
func array[T any](r *reader, values *[]T, most int, element func(*reader, *T)) {
	if !r.expect('[') {
		return
	}
	r.token()
	*values = []T{}
	for r.more(']') {
		if len(*values) == most {
			r.fail(tooLong(most+r.skip(), most))
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

// skip passes the rest of an array, and returns how many elements that were.
func (r *reader) skip() (n int) {
	for ; r.err == nil && r.dec.PeekKind() != ']'; n++ {
		r.err = r.dec.SkipValue()
	}
	return n
}

// more reports whether an object or array goes on. When there are more failures
// than are kept, nothing does: a text of millions of empty objects must not
// become millions of values only to be refused.
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

// expect reports whether the next value is of a kind; if not, it notes the
// failure and skips the value.
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

// value returns the next value's JSON without white space and with every string
// in its shortest form, so that writing and reading it again changes nothing.
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

// pointerEscaper writes a member's name as RFC 6901 wants it.
var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")
