package patch_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
)

// A clone equals the original, and no pointer or slice of it leads to the original.
func TestCloneSharesNothing(t *testing.T) {
	field := []patch.Field{{Name: "x", Value: json.RawMessage(`{"a":1}`)}}
	d := parseFile(t, "testdata/lint/clean.json")
	d.Extra, d.Requirements[0].Extra = field, field
	d.ExtensionAttributes = []patch.ExtensionAttribute{{Key: "k", Extra: field}}
	for i := range d.Patches {
		p := &d.Patches[i]
		p.KillApps = []patch.KillApp{{BundleID: "b", Extra: field}}
		p.Components[0].Extra, p.Components[0].Criteria[0].Extra, p.Extra = field, field, field
		p.Capabilities[0].Extra, p.Dependencies = field, json.RawMessage("[1]")
	}
	c := d.Clone()
	if diff := cmp.Diff(d, c); diff != "" {
		t.Error(diff)
	}
	shared(t, "", reflect.ValueOf(d), reflect.ValueOf(c))
	var empty patch.Definition
	if diff := cmp.Diff(&empty, empty.Clone()); diff != "" {
		t.Error(diff)
	}
}

// shared fails the test if two values of the same shape share memory.
func shared(t *testing.T, path string, a, b reflect.Value) {
	t.Helper()
	switch a.Kind() {
	case reflect.Pointer:
		if !a.IsNil() {
			if a.Pointer() == b.Pointer() {
				t.Errorf("%s is shared", path)
			}
			shared(t, path, a.Elem(), b.Elem())
		}
	case reflect.Slice:
		if a.Len() > 0 && a.Pointer() == b.Pointer() {
			t.Errorf("%s is shared", path)
		}
		for i := range a.Len() {
			shared(t, path+"[]", a.Index(i), b.Index(i))
		}
	case reflect.Struct:
		for i := range a.NumField() {
			shared(t, path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
	}
}
