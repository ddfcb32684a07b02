package patch

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// A tokenWriter writes a definition token by token with the JSON library, which checks the whole of it: the form that
// writer must produce.
type tokenWriter struct {
	enc *jsontext.Encoder
	err error
}

// marshalTokens returns a definition's JSON.
func marshalTokens(d *Definition) ([]byte, error) {
	var buf bytes.Buffer
	w := &tokenWriter{enc: jsontext.NewEncoder(&buf)}
	w.definition(d)
	if w.err != nil {
		return nil, w.err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func (w *tokenWriter) definition(d *Definition) {
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
	writeTokens(w, "requirements", d.Requirements, (*tokenWriter).criterion)
	writeTokens(w, "patches", d.Patches, (*tokenWriter).patch)
	writeTokens(w, "extensionAttributes", d.ExtensionAttributes, (*tokenWriter).attribute)
	w.extra(d.Extra)
	w.token(jsontext.EndObject)
}

func (w *tokenWriter) patch(p *Patch) {
	w.token(jsontext.BeginObject)
	w.string("version", p.Version)
	w.string("releaseDate", p.ReleaseDate)
	w.bool("standalone", p.Standalone)
	w.string("minimumOperatingSystem", p.MinimumOperatingSystem)
	w.bool("reboot", p.Reboot)
	writeTokens(w, "killApps", p.KillApps, (*tokenWriter).killApp)
	writeTokens(w, "components", p.Components, (*tokenWriter).component)
	writeTokens(w, "capabilities", p.Capabilities, (*tokenWriter).criterion)
	if p.Dependencies != nil {
		w.token(jsontext.String("dependencies"))
		w.value(p.Dependencies)
	}
	w.extra(p.Extra)
	w.token(jsontext.EndObject)
}

func (w *tokenWriter) killApp(k *KillApp) {
	w.token(jsontext.BeginObject)
	w.string("bundleId", k.BundleID)
	w.string("appName", k.AppName)
	w.extra(k.Extra)
	w.token(jsontext.EndObject)
}

func (w *tokenWriter) component(c *Component) {
	w.token(jsontext.BeginObject)
	w.string("name", c.Name)
	w.string("version", c.Version)
	writeTokens(w, "criteria", c.Criteria, (*tokenWriter).criterion)
	w.extra(c.Extra)
	w.token(jsontext.EndObject)
}

func (w *tokenWriter) criterion(c *Criterion) {
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

func (w *tokenWriter) attribute(a *ExtensionAttribute) {
	w.token(jsontext.BeginObject)
	w.string("key", a.Key)
	w.string("value", a.Value)
	w.string("displayName", a.DisplayName)
	w.extra(a.Extra)
	w.token(jsontext.EndObject)
}

func (w *tokenWriter) token(t jsontext.Token) {
	if w.err == nil {
		w.err = w.enc.WriteToken(t)
	}
}

func (w *tokenWriter) value(v json.RawMessage) {
	if w.err == nil {
		w.err = w.enc.WriteValue(jsontext.Value(v))
	}
}

func (w *tokenWriter) string(name, s string) {
	w.token(jsontext.String(name))
	w.token(jsontext.String(s))
}

func (w *tokenWriter) stringOrNull(name string, s *string) {
	w.token(jsontext.String(name))
	if s == nil {
		w.token(jsontext.Null)
		return
	}
	w.token(jsontext.String(*s))
}

func (w *tokenWriter) bool(name string, b bool) {
	w.token(jsontext.String(name))
	w.token(jsontext.Bool(b))
}

func (w *tokenWriter) extra(fields []Field) {
	for _, f := range fields {
		w.token(jsontext.String(f.Name))
		w.value(f.Value)
	}
}

func writeTokens[T any](w *tokenWriter, name string, values []T, write func(*tokenWriter, *T)) {
	w.token(jsontext.String(name))
	w.token(jsontext.BeginArray)
	for i := range values {
		write(w, &values[i])
	}
	w.token(jsontext.EndArray)
}

// writesAlike fails the test if the two writers do not agree on a definition.
func writesAlike(t *testing.T, d *Definition) {
	t.Helper()
	got, err := d.MarshalJSON()
	want, wantErr := marshalTokens(d)
	if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
		t.Errorf("MarshalJSON: %.2000s, %v\nthe library's encoder: %.2000s, %v", got, err, want, wantErr)
	}
}

// A definition is written as the JSON library would write it, and rejected if that would reject it.
func TestWriteLikeTheLibrary(t *testing.T) {
	field := func(name, value string) []Field { return []Field{{Name: name, Value: json.RawMessage(value)}} }
	yes := true
	text := "\x00\b\t\n\f\r\x1f \"\\/<>&'\x7f\u0080é\u2028\u2029\ufeff\ufffd😀"
	for _, d := range []*Definition{
		{},
		{ID: text, Name: text, Publisher: text, AppName: &text, BundleID: &text, LastModified: text,
			CurrentVersion: text, Extra: field(text, "[1,2]")},
		{Name: "\xff"},
		{AppName: func() *string { s := "\xc3"; return &s }()},
		{Extra: field("id", "1")},
		{Extra: field("lastModified", "1")},
		{Extra: field("\xff", "1")},
		{Extra: append(field("a", "1"), field("a", "2")...)},
		{Extra: field("a", `{"b":1,"b":2}`)},
		{Extra: field("a", " {\t\"b\" : [ 1.0 , 1E5, \"\\u0041\\/\" ] } \n")},
		{Extra: field("a", "\"\xff\"")},
		{Extra: field("a", "1 2")},
		{Extra: field("a", "")},
		{Extra: field("a", "nul")},
		{Requirements: []Criterion{{And: &yes, Extra: field("and", "1")}, {Extra: field("and", "1")}}},
		{Patches: []Patch{
			{Version: text, Dependencies: json.RawMessage("[ ]"), Extra: field("x", "null")},
			{Extra: field("dependencies", "[]")},
		}},
		{Patches: []Patch{{Dependencies: json.RawMessage("[]"), Extra: field("dependencies", "[]")}}},
		{Patches: []Patch{{KillApps: []KillApp{{Extra: field("appName", "1")}}}}},
		{Patches: []Patch{{Components: []Component{{Extra: field("criteria", "1")}}}}},
		{ExtensionAttributes: []ExtensionAttribute{{Key: text, Value: "dg==", Extra: field("key", "1")}}},
	} {
		writesAlike(t, d)
	}
}

// FuzzWrite checks that definitions of any text are written as the JSON library would write them.
func FuzzWrite(f *testing.F) {
	f.Add("a", "é\xff", "[1]")
	f.Fuzz(func(t *testing.T, text, name, value string) {
		extra := []Field{{Name: name, Value: json.RawMessage(value)}, {Name: text, Value: json.RawMessage(value)}}
		writesAlike(t, &Definition{
			ID:      text,
			AppName: &name,
			Extra:   extra,
			Patches: []Patch{{Version: name, Extra: extra, Components: []Component{{Version: text, Extra: extra}}}},
		})
		writesAlike(t, &Definition{Name: text, Patches: []Patch{{Version: name}}})
	})
}
