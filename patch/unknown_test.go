package patch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/patchsource/patchsource/patch"
)

// fields returns n unknown members.
func fields(n int) []patch.Field {
	all := make([]patch.Field, n)
	for i := range all {
		all[i] = patch.Field{Name: fmt.Sprint(i), Value: json.RawMessage("0")}
	}
	return all
}

func TestUnknownMembers(t *testing.T) {
	criteria := []patch.Criterion{{Extra: fields(1)}, {Extra: fields(2)}}
	p := patch.Patch{
		KillApps:     []patch.KillApp{{Extra: fields(10)}},
		Components:   []patch.Component{{Criteria: criteria, Extra: fields(20)}},
		Capabilities: criteria,
		Extra:        fields(100),
	}
	if n := p.UnknownMembers(); n != 136 {
		t.Errorf("the patch has %d unknown members, want 136", n)
	}
	d := &patch.Definition{
		Requirements:        criteria,
		Patches:             []patch.Patch{p, p},
		ExtensionAttributes: []patch.ExtensionAttribute{{Extra: fields(1000)}},
		Extra:               fields(2000),
	}
	if n := d.UnknownMembers(); n != 3275 {
		t.Errorf("the definition has %d unknown members, want 3275", n)
	}
	d, none := nil, (*patch.Patch)(nil)
	if d.UnknownMembers() != 0 || none.UnknownMembers() != 0 {
		t.Error("nil has unknown members")
	}
}

// A definition that was stored when more unknown members were accepted can be read and changed, but may not get more.
func TestStoredUnknownMembers(t *testing.T) {
	d, err := patch.Parse([]byte(minimal), nil)
	if err != nil {
		t.Fatal(err)
	}
	d.Extra = fields(patch.MaxUnknown + 1)
	if err := d.Validate(); !errors.Is(err, patch.ErrInvalid) {
		t.Errorf("Validate = %v, want ErrInvalid", err)
	}
	data, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	old, err := patch.Parse(data, &patch.ParseOptions{Stored: true})
	if err != nil {
		t.Fatalf("Parse of a stored definition = %.200v", err)
	}
	for _, c := range []struct {
		name string
		opts *patch.ParseOptions
		ok   bool
	}{
		{"nil", nil, false},
		{"over itself", &patch.ParseOptions{Over: old}, true},
		{"with a limit", &patch.ParseOptions{Stored: true, MaxUnknown: patch.MaxUnknown}, false},
		{"with another limit", &patch.ParseOptions{MaxUnknown: patch.MaxUnknown + 1}, true},
		{"without a limit", &patch.ParseOptions{MaxUnknown: -1}, true},
	} {
		if _, err := patch.Parse(data, c.opts); errors.Is(err, patch.ErrInvalid) == c.ok {
			t.Errorf("Parse with the options %q = %.200v, want success: %v", c.name, err, c.ok)
		}
	}
	if err := d.ValidateOver(old); err != nil {
		t.Errorf("ValidateOver of an equal definition = %.200v", err)
	}
	d.Patches[0].Extra = fields(1)
	for name, err := range map[string]error{"ValidateOver": d.ValidateOver(old), "ValidateEdit": d.ValidateEdit(old)} {
		if !errors.Is(err, patch.ErrInvalid) {
			t.Errorf("%s of a definition with another unknown member = %.200v, want ErrInvalid", name, err)
		}
	}
	p := patch.Patch{Version: "1", ReleaseDate: "2026-01-01T00:00:00Z", Extra: d.Extra}
	if err := p.Validate(); !errors.Is(err, patch.ErrInvalid) {
		t.Errorf("Validate of a patch = %.200v, want ErrInvalid", err)
	}
}
