package patch

import (
	"bytes"
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"
)

// marshal returns the JSON that write writes.
func marshal(write func(*writer)) ([]byte, error) {
	var buf bytes.Buffer
	w := &writer{enc: jsontext.NewEncoder(&buf)}
	write(w)
	if w.err != nil {
		return nil, w.err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// A writer writes JSON and keeps the first error.
type writer struct {
	enc *jsontext.Encoder
	err error
}

func (d *Definition) write(w *writer) {
	w.token(jsontext.BeginObject)
	w.string("id", d.ID)
	w.string("name", d.Name)
	w.string("publisher", d.Publisher)
	w.stringOrNull("appName", d.AppName)
	w.stringOrNull("bundleId", d.BundleID)
	// Parse refuses an empty lastModified, and accepts a definition without it.
	if d.LastModified != "" {
		w.string("lastModified", d.LastModified)
	}
	if d.CurrentVersion != "" {
		w.string("currentVersion", d.CurrentVersion)
	}
	writeArray(w, "requirements", d.Requirements, (*Criterion).write)
	writeArray(w, "patches", d.Patches, (*Patch).write)
	writeArray(w, "extensionAttributes", d.ExtensionAttributes, (*ExtensionAttribute).write)
	w.extra(d.Extra)
	w.token(jsontext.EndObject)
}

func (p *Patch) write(w *writer) {
	w.token(jsontext.BeginObject)
	w.string("version", p.Version)
	w.string("releaseDate", p.ReleaseDate)
	w.bool("standalone", p.Standalone)
	w.string("minimumOperatingSystem", p.MinimumOperatingSystem)
	w.bool("reboot", p.Reboot)
	writeArray(w, "killApps", p.KillApps, (*KillApp).write)
	writeArray(w, "components", p.Components, (*Component).write)
	writeArray(w, "capabilities", p.Capabilities, (*Criterion).write)
	if p.Dependencies != nil {
		w.token(jsontext.String("dependencies"))
		w.value(p.Dependencies)
	}
	w.extra(p.Extra)
	w.token(jsontext.EndObject)
}

func (k *KillApp) write(w *writer) {
	w.token(jsontext.BeginObject)
	w.string("bundleId", k.BundleID)
	w.string("appName", k.AppName)
	w.extra(k.Extra)
	w.token(jsontext.EndObject)
}

func (c *Component) write(w *writer) {
	w.token(jsontext.BeginObject)
	w.string("name", c.Name)
	w.string("version", c.Version)
	writeArray(w, "criteria", c.Criteria, (*Criterion).write)
	w.extra(c.Extra)
	w.token(jsontext.EndObject)
}

func (c *Criterion) write(w *writer) {
	w.token(jsontext.BeginObject)
	w.string("name", c.Name)
	w.string("operator", c.Operator)
	w.string("value", c.Value)
	w.string("type", c.Type)
	if c.And != nil {
		w.bool("and", *c.And)
	}
	w.extra(c.Extra)
	w.token(jsontext.EndObject)
}

func (a *ExtensionAttribute) write(w *writer) {
	w.token(jsontext.BeginObject)
	w.string("key", a.Key)
	w.string("value", a.Value)
	w.string("displayName", a.DisplayName)
	w.extra(a.Extra)
	w.token(jsontext.EndObject)
}

func (w *writer) token(t jsontext.Token) {
	if w.err == nil {
		w.err = w.enc.WriteToken(t)
	}
}

func (w *writer) value(v json.RawMessage) {
	if w.err == nil {
		w.err = w.enc.WriteValue(jsontext.Value(v))
	}
}

func (w *writer) string(name, s string) {
	w.token(jsontext.String(name))
	w.token(jsontext.String(s))
}

func (w *writer) stringOrNull(name string, s *string) {
	w.token(jsontext.String(name))
	if s == nil {
		w.token(jsontext.Null)
		return
	}
	w.token(jsontext.String(*s))
}

func (w *writer) bool(name string, b bool) {
	w.token(jsontext.String(name))
	w.token(jsontext.Bool(b))
}

func (w *writer) extra(fields []Field) {
	for _, f := range fields {
		w.token(jsontext.String(f.Name))
		w.value(f.Value)
	}
}

func writeArray[T any](w *writer, name string, values []T, write func(*T, *writer)) {
	w.token(jsontext.String(name))
	w.token(jsontext.BeginArray)
	for i := range values {
		write(&values[i], w)
	}
	w.token(jsontext.EndArray)
}
