package patch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// Each type of the model has the members of Jamf's JSON in their order, then those of Extra.
func TestMarshalJSON(t *testing.T) {
	yes, no := true, false
	extra := []patch.Field{
		{Name: "x", Value: json.RawMessage(`[1.50,"é"]`)},
		{Name: "a", Value: json.RawMessage("null")},
	}
	for _, c := range []struct {
		name  string
		value any
		want  string
	}{
		{"criterion", patch.Criterion{Name: "n", Operator: "is", Value: "v", Type: "recon", And: &no, Extra: extra},
			`{"name":"n","operator":"is","value":"v","type":"recon","and":false,"x":[1.50,"é"],"a":null}`},
		{"zero criterion", patch.Criterion{}, `{"name":"","operator":"","value":"","type":""}`},
		{"criterion with and", &patch.Criterion{And: &yes},
			`{"name":"","operator":"","value":"","type":"","and":true}`},
		{"kill app", patch.KillApp{BundleID: "b", AppName: "a", Extra: extra[1:]},
			`{"bundleId":"b","appName":"a","a":null}`},
		{"component", patch.Component{Name: "n", Version: "1", Criteria: []patch.Criterion{{}}, Extra: extra[1:]},
			`{"name":"n","version":"1","criteria":[{"name":"","operator":"","value":"","type":""}],"a":null}`},
		{"zero component", patch.Component{}, `{"name":"","version":"","criteria":[]}`},
		{"extension attribute", patch.ExtensionAttribute{Key: "k", Value: "QQ==", DisplayName: "d", Extra: extra[1:]},
			`{"key":"k","value":"QQ==","displayName":"d","a":null}`},
		{"zero patch", patch.Patch{}, `{"version":"","releaseDate":"","standalone":false,"minimumOperatingSystem":"",` +
			`"reboot":false,"killApps":[],"components":[],"capabilities":[]}`},
		{"zero definition", patch.Definition{}, `{"id":"","name":"","publisher":"","appName":null,"bundleId":null,` +
			`"requirements":[],"patches":[],"extensionAttributes":[]}`},
		{"summary", patch.Summary{ID: "i"},
			`{"name":"","publisher":"","lastModified":"","currentVersion":"","id":"i"}`},
		{"within a map", map[string][]patch.Criterion{"c": {{Name: "n"}}},
			`{"c":[{"name":"n","operator":"","value":"","type":""}]}`},
		{"nil pointers", []any{(*patch.Definition)(nil), (*patch.Patch)(nil), (*patch.Criterion)(nil)},
			`[null,null,null]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := json.Marshal(c.value)
			if err != nil || string(got) != c.want {
				t.Errorf("json.Marshal = %s, %v, want %s", got, err, c.want)
			}
		})
	}
	known := patch.Criterion{Extra: []patch.Field{{Name: "name", Value: json.RawMessage("1")}}}
	if out, err := json.Marshal(known); err == nil {
		t.Errorf("a member is written twice: %s", out)
	}
}

// modelTypes are the types of the model, and the place of a value of each within a definition.
var modelTypes = []struct {
	name          string
	new           func() any
	before, after string
}{
	{"definition", func() any { return new(patch.Definition) }, "", ""},
	{"patch", func() any { return new(patch.Patch) }, `"patches":[`, `]`},
	{"kill app", func() any { return new(patch.KillApp) }, `"killApps":[`, `]`},
	{"component", func() any { return new(patch.Component) }, `"components":[`, `]`},
	{"criterion", func() any { return new(patch.Criterion) }, `"capabilities":[`, `]`},
	{"extension attribute", func() any { return new(patch.ExtensionAttribute) }, `"extensionAttributes":[`, `]`},
}

// within returns the smallest definition with data as the value of a model type.
func within(before, after string, data []byte) []byte {
	if before == "" {
		return data
	}
	start := strings.Index(minimal, before) + len(before)
	end := start + strings.Index(minimal[start:], after)
	if before == `"patches":[` {
		end = strings.Index(minimal, `],"extensionAttributes"`)
	}
	return []byte(minimal[:start] + string(data) + minimal[end:])
}

// UnmarshalJSON refuses what Parse would refuse in a definition, including null, and then leaves the value unchanged.
func TestUnmarshalJSONRefuses(t *testing.T) {
	for _, c := range modelTypes {
		t.Run(c.name, func(t *testing.T) {
			for _, text := range []string{`null`, `{}`, `[]`, `"x"`, `1`, `{"name":1}`, `{"x":1,"x":2}`} {
				v := c.new()
				err := v.(json.Unmarshaler).UnmarshalJSON([]byte(text))
				if !errors.Is(err, patch.ErrInvalid) {
					t.Errorf("UnmarshalJSON(%s) = %v, want ErrInvalid", text, err)
				}
				if diff := cmp.Diff(c.new(), v); diff != "" {
					t.Errorf("UnmarshalJSON(%s) failed and changed the value: %s", text, diff)
				}
			}
			nilPointer := reflect.Zero(reflect.TypeOf(c.new())).Interface().(json.Unmarshaler)
			if err := nilPointer.UnmarshalJSON([]byte(`{}`)); !errors.Is(err, patch.ErrInvalid) {
				t.Errorf("UnmarshalJSON of a nil pointer = %v, want ErrInvalid", err)
			}
		})
	}
}

// FuzzJSON checks, for each type of the model, that UnmarshalJSON accepts what Parse accepts in a definition, that
// MarshalJSON loses nothing of it, and that another round trip changes nothing.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(`{"name":"n","operator":"is","value":"v","type":"recon","x":{"y":[1e400,"\u2028<"]},"version":"1",` +
		`"criteria":[],"bundleId":"b","appName":"a","key":"k","displayName":"d"}`))
	f.Add([]byte(`{"name":"n","version":"1","criteria":[` +
		`{"name":"n","operator":"is","value":"v","type":"recon","and":null}]}`))
	f.Add([]byte(`{"key":"k","value":"*","displayName":"d"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) || bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) > 50 {
			return // deeper nesting is refused within a definition only
		}
		for _, c := range modelTypes {
			v := c.new()
			var err error
			patchtest.Bounded(t, len(data), func() { err = json.Unmarshal(data, v) })
			_, parseErr := patch.Parse(within(c.before, c.after, data), &patch.ParseOptions{Stored: true})
			if err != nil && strings.Contains(err.Error(), "whole definition") {
				continue // a definition in place of a patch has a message of its own
			}
			if (err == nil) != (parseErr == nil) {
				t.Fatalf("%s: UnmarshalJSON = %v, but Parse = %v", c.name, err, parseErr)
			}
			if err == nil {
				checkRoundTrip(t, c.name, data, v, c.new())
			}
		}
	})
}

// checkRoundTrip checks that v, which was read from data, can be written without loss and read into again.
func checkRoundTrip(t *testing.T, name string, data []byte, v, again any) {
	t.Helper()
	once, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%s: json.Marshal: %v", name, err)
	}
	if diff := cmp.Diff(decode(t, data), decode(t, once)); diff != "" {
		t.Fatalf("%s: the marshaled definition differs: %s", name, diff)
	}
	if err := json.Unmarshal(once, again); err != nil {
		t.Fatalf("%s: json.Unmarshal refuses what was written: %v: %s", name, err, once)
	}
	if diff := cmp.Diff(v, again); diff != "" {
		t.Fatalf("%s: another value was read: %s", name, diff)
	}
	if twice, err := json.Marshal(again); err != nil || !bytes.Equal(once, twice) {
		t.Fatalf("%s: json.Marshal writes it differently again: %v\n%s\n%s", name, err, once, twice)
	}
}
