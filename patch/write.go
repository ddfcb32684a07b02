package patch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// buffers holds the buffers in which JSON is written before its size is known.
var buffers = sync.Pool{New: func() any { return new(writer) }}

// maxKeptBuffer is the size in bytes of the largest buffer that is used again.
const maxKeptBuffer = 8 << 20

// marshal returns the JSON that write writes.
func marshal(write func(*writer)) ([]byte, error) {
	w := buffers.Get().(*writer)
	defer func() {
		if cap(w.buf) <= maxKeptBuffer {
			*w = writer{buf: w.buf[:0]}
			buffers.Put(w)
		}
	}()
	write(w)
	if w.err != nil {
		return nil, w.err
	}
	return bytes.Clone(w.buf), nil
}

// A writer writes JSON and keeps the first error. The text between the values is written as it is given: it begins with
// the comma or the bracket before the value.
type writer struct {
	buf []byte
	err error
}

// MarshalWith returns the canonical form of d with the given patches in place of d.Patches, and the offset of the first
// of them. The patches must be in canonical form; several of them may be joined by commas. It does less than
// [Definition.MarshalJSON] after an edit of a definition with many patches.
func (d *Definition) MarshalWith(patches [][]byte) (data []byte, start int, err error) {
	if d == nil {
		return nil, 0, errNilDefinition
	}
	around, err := marshal(func(w *writer) {
		d.writeWith(w, func(w *writer) {
			w.text(`,"patches":[`)
			start = len(w.buf)
			w.text("]")
		})
	})
	if err != nil {
		return nil, 0, err
	}
	size := len(around) + max(len(patches)-1, 0)
	for _, p := range patches {
		size += len(p)
	}
	data = append(make([]byte, 0, size), around[:start]...)
	for i, p := range patches {
		if i > 0 {
			data = append(data, ',')
		}
		data = append(data, p...)
	}
	return append(data, around[start:]...), start, nil
}

func (d *Definition) write(w *writer) {
	d.writeWith(w, func(w *writer) { writeArray(w, `,"patches":[`, d.Patches, (*Patch).write) })
}

// writeWith writes a definition. patches writes the member of that name.
func (d *Definition) writeWith(w *writer, patches func(*writer)) {
	w.string(`{"id":`, d.ID)
	w.string(`,"name":`, d.Name)
	w.string(`,"publisher":`, d.Publisher)
	w.stringOrNull(`,"appName":`, d.AppName)
	w.stringOrNull(`,"bundleId":`, d.BundleID)
	written := slices.Clip(requiredOfDefinition)
	// Parse refuses an empty lastModified, and accepts a definition without it.
	if d.LastModified != "" {
		w.string(`,"lastModified":`, d.LastModified)
		written = append(written, "lastModified")
	}
	if d.CurrentVersion != "" {
		w.string(`,"currentVersion":`, d.CurrentVersion)
		written = append(written, "currentVersion")
	}
	writeArray(w, `,"requirements":[`, d.Requirements, (*Criterion).write)
	patches(w)
	writeArray(w, `,"extensionAttributes":[`, d.ExtensionAttributes, (*ExtensionAttribute).write)
	w.end(d.Extra, written)
}

func (p *Patch) write(w *writer) {
	w.string(`{"version":`, p.Version)
	if p.Disabled {
		w.text(`,"enabled":false`)
	}
	w.string(`,"releaseDate":`, p.ReleaseDate)
	w.bool(`,"standalone":`, p.Standalone)
	w.string(`,"minimumOperatingSystem":`, p.MinimumOperatingSystem)
	w.bool(`,"reboot":`, p.Reboot)
	writeArray(w, `,"killApps":[`, p.KillApps, (*KillApp).write)
	writeArray(w, `,"components":[`, p.Components, (*Component).write)
	writeArray(w, `,"capabilities":[`, p.Capabilities, (*Criterion).write)
	written := writtenOfPatch
	if p.Dependencies != nil {
		written = patchMembers
		w.text(`,"dependencies":`)
		w.value(p.Dependencies)
	}
	w.end(p.Extra, written)
}

func (k *KillApp) write(w *writer) {
	w.string(`{"bundleId":`, k.BundleID)
	w.string(`,"appName":`, k.AppName)
	w.end(k.Extra, killAppMembers)
}

func (c *Component) write(w *writer) {
	w.string(`{"name":`, c.Name)
	w.string(`,"version":`, c.Version)
	writeArray(w, `,"criteria":[`, c.Criteria, (*Criterion).write)
	w.end(c.Extra, componentMembers)
}

func (c *Criterion) write(w *writer) {
	w.string(`{"name":`, c.Name)
	w.string(`,"operator":`, c.Operator)
	w.string(`,"value":`, c.Value)
	w.string(`,"type":`, c.Type)
	written := requiredOfCriterion
	if c.And != nil {
		written = criterionMembers
		w.bool(`,"and":`, *c.And)
	}
	w.end(c.Extra, written)
}

func (a *ExtensionAttribute) write(w *writer) {
	w.string(`{"key":`, a.Key)
	w.string(`,"value":`, a.Value)
	w.string(`,"displayName":`, a.DisplayName)
	w.end(a.Extra, attributeMembers)
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *writer) text(s string) { w.buf = append(w.buf, s...) }

// quote writes a string in quotes.
func (w *writer) quote(s string) {
	var err error
	if w.buf, err = jsontext.AppendQuote(w.buf, s); err != nil {
		w.fail(err)
	}
}

func (w *writer) value(v json.RawMessage) {
	var err error
	if w.buf, err = jsontext.AppendFormat(w.buf, v); err != nil {
		w.fail(err)
	}
}

func (w *writer) string(before, s string) {
	w.text(before)
	w.quote(s)
}

func (w *writer) stringOrNull(before string, s *string) {
	w.text(before)
	if s == nil {
		w.text("null")
		return
	}
	w.quote(*s)
}

func (w *writer) bool(before string, b bool) {
	w.text(before)
	if b {
		w.text("true")
	} else {
		w.text("false")
	}
}

// end writes the last members of an object, and its closing bracket. written are the members that it has already.
func (w *writer) end(extra []Field, written []string) {
	if len(extra) > 0 {
		w.extra(extra, written)
	}
	w.text("}")
}

func (w *writer) extra(fields []Field, written []string) {
	seen := make(map[string]bool, len(fields))
	for _, f := range fields {
		if seen[f.Name] || slices.Contains(written, f.Name) {
			w.fail(fmt.Errorf("the member %q occurs twice", shorten(f.Name)))
		}
		seen[f.Name] = true
		w.string(",", f.Name)
		w.text(":")
		w.value(f.Value)
	}
}

func writeArray[T any](w *writer, before string, values []T, write func(*T, *writer)) {
	w.text(before)
	for i := range values {
		if i > 0 {
			w.text(",")
		}
		write(&values[i], w)
	}
	w.text("]")
}
