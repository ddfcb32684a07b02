package patch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
)

func TestFailuresAreBounded(t *testing.T) {
	text := edit(t, `"patches":[`, `"patches":[`+strings.Repeat("{},", 100_000))
	_, err := patch.Parse([]byte(text), nil)
	var ve *patch.ValidationError
	if !errors.As(err, &ve) || len(ve.Failures) != patch.MaxFailures || !ve.Truncated {
		t.Errorf("Parse = %.200v, want MaxFailures failures and Truncated", err)
	}
	if n := len(err.Error()); n > 1000 {
		t.Errorf("the message has %d bytes, want at most 1000", n)
	}
}

func TestUnknownMembersAreBounded(t *testing.T) {
	var members strings.Builder
	for i := range 100_001 {
		fmt.Fprintf(&members, `"x%d":0,`, i)
	}
	_, err := patch.Parse([]byte(edit(t, `"name":"A"`, members.String()+`"name":"A"`)), nil)
	if !errors.Is(err, patch.ErrInvalid) {
		t.Errorf("Parse of 100,001 unknown members = %v, want ErrInvalid", err)
	}
}

// Definitions that are made in Go can have faults that no JSON has.
func TestValidate(t *testing.T) {
	good, err := patch.Parse([]byte(minimal), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	field := func(name, value string) patch.Field { return patch.Field{Name: name, Value: json.RawMessage(value)} }
	for _, c := range []struct {
		name   string
		change func(*patch.Definition)
		path   string
	}{
		{"invalid UTF-8", func(d *patch.Definition) { d.Publisher = "\xff" }, "/publisher"},
		{"invalid JSON in Extra", func(d *patch.Definition) { d.Extra = []patch.Field{field("x", "nope")} }, "/x"},
		{"no JSON in Extra", func(d *patch.Definition) { d.Extra = []patch.Field{{Name: "x"}} }, "/x"},
		{"a known name in Extra", func(d *patch.Definition) { d.Extra = []patch.Field{field("id", "1")} }, "/id"},
		{"a duplicate name in Extra", func(d *patch.Definition) {
			d.Patches[0].Extra = []patch.Field{field("a/b~", "1"), field("a/b~", "1")}
		}, "/patches/0/a~1b~0"},
		{"JSON that is too deep in its place", func(d *patch.Definition) {
			d.Patches[0].Extra = []patch.Field{field("x", nested(62))}
		}, "/patches/0/x"},
		{"dependencies that are not an array", func(d *patch.Definition) {
			d.Patches[0].Dependencies = json.RawMessage("{}")
		}, "/patches/0/dependencies"},
		{"nil requirements", func(d *patch.Definition) { d.Requirements = nil }, "/requirements"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := good.Clone()
			c.change(d)
			if paths := failurePaths(t, d.Validate()); !slices.Equal(paths, []string{c.path}) {
				t.Errorf("Validate has failures at %q, want one at %s", paths, c.path)
			}
		})
	}
}
