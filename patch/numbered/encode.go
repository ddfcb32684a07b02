package numbered

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// An encoded is the form in which the numbers of the parts of a title are stored.
type encoded struct {
	Next         uint64                   `json:"next"`
	Blocks       []uint64                 `json:"blocks,omitempty"`
	Requirements []uint64                 `json:"requirements,omitempty"`
	Attributes   []uint64                 `json:"attributes,omitempty"`
	Patches      map[string]encodedNumber `json:"patches,omitempty"` // by version
}

// An encodedNumber has the number of a patch, and those of its parts in the order of the definition. If it has one
// number only, those of the parts follow directly. In JSON, one number is a number, and several are an array.
type encodedNumber []uint64

func (e encodedNumber) MarshalJSON() ([]byte, error) {
	if len(e) == 1 {
		return json.Marshal(e[0])
	}
	return json.Marshal([]uint64(e))
}

func (e *encodedNumber) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]uint64)(e))
	}
	*e = make([]uint64, 1)
	return json.Unmarshal(data, &(*e)[0])
}

// Encode returns the numbers of the parts as JSON, in about a dozen bytes for a patch. It does not contain the number
// of the title. d is the whole definition to which n is parallel. A patch without a number is left out.
func (n *Numbers) Encode(d *patch.Definition) (json.RawMessage, error) {
	e := encoded{
		Next:         n.Next,
		Blocks:       n.Blocks,
		Requirements: n.Requirements,
		Attributes:   n.ExtensionAttributes,
		Patches:      make(map[string]encodedNumber, len(n.Patches)),
	}
	keys := keysOf(d)
	for i := range n.Patches {
		p := &n.Patches[i]
		key := keys(i)
		if p.Number == 0 {
			continue
		}
		var all encodedNumber
		follow := true
		p.visit(func(number *uint64) {
			follow = follow && *number == p.Number+uint64(len(all))
			all = append(all, *number)
		})
		if follow {
			all = all[:1]
		}
		e.Patches[key] = all
	}
	return json.Marshal(e)
}

// keysOf returns a function that returns the keys of the patches of a definition, which must be asked for in order: the
// version, and for another patch of the same version, which an invalid draft may have, also its place among them.
func keysOf(d *patch.Definition) func(i int) string {
	seen := make(map[string]int, len(d.Patches))
	return func(i int) string {
		version := d.Patches[i].Version
		n := seen[version]
		seen[version]++
		// A version that is valid has no control character. That of a draft may have, and must not look like the key of
		// another.
		if n == 0 && !strings.Contains(version, "\x00") {
			return version
		}
		return fmt.Sprintf("%s\x00%d", version, n)
	}
}

// Decode returns the numbers of a title from the JSON that [Numbers.Encode] returned, for a definition that may have
// been edited since by adding and removing versions. A part of which it has no number has none, nor has one whose
// number is that of another part or was not given yet. title is the number of the title.
func Decode(data json.RawMessage, title uint64, d *patch.Definition) (Numbers, error) {
	n := New(title, d)
	var e encoded
	if err := json.Unmarshal(data, &e); err != nil {
		return Numbers{}, fmt.Errorf("the numbers of a title's parts are corrupt: %w", err)
	}
	n.Next, n.Blocks = e.Next, e.Blocks
	copy(n.Requirements, e.Requirements)
	copy(n.ExtensionAttributes, e.Attributes)
	keys := keysOf(d)
	for i := range n.Patches {
		all := e.Patches[keys(i)]
		if len(all) == 0 {
			continue
		}
		at := 0
		n.Patches[i].visit(func(number *uint64) {
			switch {
			case len(all) == 1:
				*number = all[0] + uint64(at)
			case at < len(all):
				*number = all[at]
			}
			at++
		})
	}
	n.forgetStray()
	return n, nil
}

// Forget removes a version from the JSON that [Numbers.Encode] returned, so that a later version of the same name gets
// another number. It reads and writes no more than that JSON.
func Forget(data json.RawMessage, version string) (json.RawMessage, error) {
	var e encoded
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("the numbers of a title's parts are corrupt: %w", err)
	}
	if _, ok := e.Patches[version]; !ok {
		return data, nil
	}
	delete(e.Patches, version)
	return json.Marshal(e)
}
