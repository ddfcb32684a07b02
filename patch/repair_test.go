package patch_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
)

func TestParseRepair(t *testing.T) {
	attributes := func(keys ...string) string {
		var all []string
		for _, k := range keys {
			all = append(all, `{"key":"`+k+`","value":"","displayName":"d"}`)
		}
		return edit(t, `"extensionAttributes":[]`, `"extensionAttributes":[`+strings.Join(all, ",")+`]`)
	}
	for _, c := range []struct {
		name, text string
		keys       string   // of the extension attributes afterwards
		warnings   []string // code and path of each
		refusal    string   // part of the message of Parse; empty: Parse accepts the text
	}{
		{"no fault", minimal, "", nil, ""},
		{"missing attributes", edit(t, `,"extensionAttributes":[]`, ""), "",
			[]string{"missing-attributes /extensionAttributes"}, "empty array: []"},
		{"duplicate key", attributes("k", "k"), "k k-2",
			[]string{"repeated-attribute /extensionAttributes/1/key"}, "such as key and key-2"},
		{"numbers taken", attributes("k", "k-2", "k", "k-3", "k", "k-2"), "k k-2 k-4 k-3 k-5 k-2-2", []string{
			"repeated-attribute /extensionAttributes/2/key", "repeated-attribute /extensionAttributes/4/key",
			"repeated-attribute /extensionAttributes/5/key",
		}, "such as key and key-2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, warnings, err := patch.ParseRepair([]byte(c.text), nil)
			if err != nil {
				t.Fatal(err)
			}
			var keys, got []string
			for _, a := range d.ExtensionAttributes {
				keys = append(keys, a.Key)
			}
			for _, w := range warnings {
				got = append(got, w.Code+" "+w.Path)
				if w.Message == "" || w.Fix == "" {
					t.Errorf("the warning %+v has no message or no fix", w)
				}
			}
			if diff := cmp.Diff(c.keys, strings.Join(keys, " ")); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.warnings, got); diff != "" {
				t.Error(diff)
			}
			if err := d.Validate(); err != nil {
				t.Error(err)
			}
			_, err = patch.Parse([]byte(c.text), nil)
			if (err == nil) != (c.refusal == "") || err != nil && !strings.Contains(err.Error(), c.refusal) {
				t.Errorf("Parse = %v, want an error with %q", err, c.refusal)
			}
		})
	}
	otherType := edit(t, `"extensionAttributes":[]`, `"extensionAttributes":{}`)
	if _, _, err := patch.ParseRepair([]byte(otherType), nil); !errors.Is(err, patch.ErrInvalid) {
		t.Errorf("ParseRepair of attributes of another type = %v, want ErrInvalid", err)
	}
}

// Common mistakes are reported once, with their remedy.
func TestMessages(t *testing.T) {
	_, err := patch.ParsePatch([]byte(minimal), &patch.ParseOptions{At: "/items/0"})
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) || len(invalid.Failures) != 1 || invalid.Failures[0].Path != "/items/0" ||
		!strings.Contains(invalid.Failures[0].Message, "whole definition") {
		t.Errorf("ParsePatch of a definition = %v, want one failure", err)
	}
	for name, text := range map[string]string{
		"object": edit(t, `"extensionAttributes":[]`, `"extensionAttributes":[], `),
		"array":  edit(t, `"capabilities":[]`, "\"capabilities\":[],\"x\":[1,\n]"),
	} {
		_, err := patch.Parse([]byte(text), nil)
		var syntax *patch.SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(syntax.Reason, "comma before the closing") {
			t.Errorf("Parse of a trailing comma in an %s = %v, want an error about the comma", name, err)
		}
	}
}
