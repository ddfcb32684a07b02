package catalog

import (
	"bytes"
	"errors"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/patch"
)

// An outline is a definition without the content of its patches. With it, versions are added and removed without
// reading and writing the others, of which there may be thousands. It never changes.
type outline struct {
	// definition is the definition. Its patches have their versions and no other values.
	definition *patch.Definition
	start      int   // the offset of the first patch in the definition's JSON
	sizes      []int // of the patches in the JSON, with a comma between two of them
	unknown    int   // the number of unknown members of the whole definition; -1 if they were not counted
}

// errNoOutline reports a definition that does not have the form in which definitions are written.
var errNoOutline = errors.New("the definition is not in canonical form")

// readOutline returns the outline of a definition that this process has written or parsed: it does not look for faults
// in the patches. The error is errNoOutline, or that of parsing the definition.
func readOutline(text []byte) (*outline, error) {
	if bytes.Contains(text, []byte(`"enabled":`)) {
		return nil, errNoOutline // of an earlier version of this software, to which the member meant nothing
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	if err := skipToPatches(dec); err != nil {
		return nil, err
	}
	o := &outline{start: int(dec.InputOffset()), unknown: -1}
	var patches []patch.Patch
	for dec.PeekKind() == '{' {
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		version, ok := versionOf(value)
		if !ok {
			return nil, errNoOutline
		}
		patches = append(patches, patch.Patch{Version: version})
		o.sizes = append(o.sizes, len(value))
	}
	if len(patches) == 0 {
		return nil, errNoOutline
	}
	end := int(dec.InputOffset())
	d, err := parseStored(slices.Concat(text[:o.start+o.sizes[0]], text[end:])) // with the first patch only
	if err != nil {
		return nil, err
	}
	d.Patches = patches
	o.definition = d
	again, start, err := d.MarshalWith([][]byte{text[o.start:end]})
	if err != nil || start != o.start || !bytes.Equal(again, text) || o.start+o.length() != end {
		return nil, errNoOutline
	}
	return o, nil
}

// skipToPatches reads a definition up to the first of its patches.
func skipToPatches(dec *jsontext.Decoder) error {
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
		return errNoOutline
	}
	for {
		name, err := dec.ReadToken()
		if err != nil || name.Kind() != '"' {
			return errNoOutline
		}
		if name.String() == "patches" {
			break
		}
		if err := dec.SkipValue(); err != nil {
			return err
		}
	}
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '[' {
		return errNoOutline
	}
	return nil
}

// versionOf returns the version of a patch, which is its first member in the canonical form.
func versionOf(p []byte) (version string, ok bool) {
	rest, ok := bytes.CutPrefix(p, []byte(`{"version":"`))
	if !ok {
		return "", false
	}
	n := 0
	for n < len(rest) && rest[n] != '"' {
		if rest[n] == '\\' {
			n++
		}
		n++
	}
	if n >= len(rest) {
		return "", false
	}
	quoted := p[len(p)-len(rest)-1 : len(p)-len(rest)+n+1]
	text, err := jsontext.AppendUnquote(nil, quoted)
	return string(text), err == nil
}

// length returns the length of all patches with the commas between them.
func (o *outline) length() int {
	n := len(o.sizes) - 1
	for _, size := range o.sizes {
		n += size
	}
	return n
}

// patches returns the JSON of the patches. text is that of the definition.
func (o *outline) patches(text []byte) [][]byte {
	all := make([][]byte, len(o.sizes))
	at := o.start
	for i, size := range o.sizes {
		all[i] = text[at : at+size : at+size]
		at += size + len(",")
	}
	return all
}

// bytes returns about how much memory the outline takes. text is the JSON of the definition.
func (o *outline) bytes(text []byte) int {
	const each = 200 // bytes of a patch without content
	if o == nil {
		return 0
	}
	return each*len(o.sizes) + parsedSize*(len(text)-o.length())
}

// newOutline returns the outline of a definition, and its JSON. patches is the JSON of its patches, and unknown is the
// number of its unknown members, or -1. It removes the content of d's patches, and keeps the list of them.
func newOutline(d *patch.Definition, patches [][]byte, unknown int) (*outline, []byte, error) {
	text, start, err := d.MarshalWith(patches)
	if err != nil {
		return nil, nil, err
	}
	own := *d // a reference to d would keep what d is a part of
	o := &outline{definition: &own, start: start, sizes: make([]int, len(patches)), unknown: unknown}
	for i := range own.Patches {
		own.Patches[i] = patch.Patch{Version: own.Patches[i].Version}
		o.sizes[i] = len(patches[i])
	}
	return o, text, nil
}
