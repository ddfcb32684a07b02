package patch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
)

// failurePaths returns the paths of the failures of a definition.
func failurePaths(t testing.TB, err error) (paths []string) {
	t.Helper()
	if err == nil {
		return nil
	}
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) {
		t.Fatalf("error %v, want a ValidationError", err)
	}
	for _, f := range invalid.Failures {
		paths = append(paths, f.Path)
	}
	return paths
}

func TestUnsafeText(t *testing.T) {
	for _, c := range []struct{ name, text, message string }{ // part of the message; empty: safe
		{"empty", "", ""},
		{"plain", "Google Chrome (José Núñez) 日本 – 1.0β ™ 😀", ""},
		{"a replacement character", "a\uFFFD", ""},
		{"NUL", "a\x00b", "U+0000"},
		{"escape", "a\x1b[31m", "U+001B"},
		{"delete", "a\x7f", "U+007F"},
		{"line break", "a\nb", "U+000A"},
		{"C1 control", "a\u0085b", "U+0085"},
		{"right-to-left override", "a\u202Eb", "U+202E"},
		{"isolate", "a\u2066b", "U+2066"},
		{"zero width space", "a\u200Bb", "U+200B"},
		{"byte order mark", "\uFEFFa", "U+FEFF"},
		{"soft hyphen", "a\u00ADb", "U+00AD"},
		{"line separator", "a\u2028b", "U+2028"},
		{"paragraph separator", "a\u2029b", "U+2029"},
		{"tag", "a\U000E0041", "U+E0041"},
		{"Hangul choseong filler", "a\u115F", "U+115F"},
		{"Hangul jungseong filler", "a\u1160", "U+1160"},
		{"Hangul filler", "a\u3164", "U+3164"},
		{"half-width Hangul filler", "a\uFFA0", "U+FFA0"},
		{"object replacement", "a\uFFFC", "U+FFFC"},
		{"null notehead", "a\U0001D159", "U+1D159"},
		{"ideographic variation selector", "a\U000E0100", "U+E0100"},
		{"marks of a language", "e\u0323\u0302\u0301\u0308", ""},
		{"vowels and medials beside a letter, as in Burmese", "လျှော့စျေး", ""},
		{"a pile of marks", "e" + strings.Repeat("\u0301", 5), "more than 4 marks"},
		{"Braille blank", "a\u2800", "U+2800"},
		{"invalid UTF-8", "a\xff", "UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := patch.UnsafeText(c.text)
			if c.message == "" && got != "" || !strings.Contains(got, c.message) {
				t.Errorf("got the message %q, want one that contains %q", got, c.message)
			}
		})
	}
}

// repeat returns a list of n equal elements.
func repeat[T any](n int, v T) []T { return slices.Repeat([]T{v}, n) }

// policyCases are changes to a definition that violate a rule from which stored definitions are exempt.
var policyCases = []struct {
	name string
	edit func(*patch.Definition)
	path string
	code string
}{
	{"name", func(d *patch.Definition) { d.Name = "A\u202E" }, "/name", "unsafe-text"},
	{"publisher", func(d *patch.Definition) { d.Publisher = "A\n" }, "/publisher", "unsafe-text"},
	{"version", func(d *patch.Definition) {
		d.Patches[1].Version = "1\u200B"
	}, "/patches/1/version", "unsafe-text"},
	{"currentVersion", func(d *patch.Definition) {
		d.CurrentVersion = "\x00"
	}, "/currentVersion", "unsafe-text"},
	{"requirements", func(d *patch.Definition) {
		d.Requirements = repeat(patch.MaxCriteria+1, d.Requirements[0])
	}, "/requirements", "list-length"},
	{"patches", func(d *patch.Definition) {
		p := d.Patches[0]
		for i := range patch.MaxPatches {
			p.Version = fmt.Sprint("v", i)
			d.Patches = append(d.Patches, p)
		}
	}, "/patches", "list-length"},
	{"killApps", func(d *patch.Definition) {
		d.Patches[1].KillApps = repeat(patch.MaxKillApps+1, patch.KillApp{})
	}, "/patches/1/killApps", "list-length"},
	{"components", func(d *patch.Definition) {
		d.Patches[1].Components = repeat(patch.MaxComponents+1, patch.Component{})
	}, "/patches/1/components", "list-length"},
	{"criteria of a component", func(d *patch.Definition) {
		d.Patches[1].Components = []patch.Component{{}, {Criteria: repeat(patch.MaxCriteria+1, patch.Criterion{})}}
	}, "/patches/1/components/1/criteria", "list-length"},
	{"capabilities", func(d *patch.Definition) {
		d.Patches[1].Capabilities = repeat(patch.MaxCriteria+1, patch.Criterion{})
	}, "/patches/1/capabilities", "list-length"},
	{"extensionAttributes", func(d *patch.Definition) {
		for i := range patch.MaxAttributes + 1 {
			d.ExtensionAttributes = append(d.ExtensionAttributes, patch.ExtensionAttribute{Key: fmt.Sprint(i)})
		}
	}, "/extensionAttributes", "list-length"},
}

// A violation of a newer rule is one failure in a new definition. Over a definition with the same violation it is none.
func TestNewerRulesRefuseNewDefinitions(t *testing.T) {
	for _, c := range policyCases {
		t.Run(c.name, func(t *testing.T) {
			d := title(t, "2", "1")
			c.edit(d)
			data, err := d.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			want := []string{c.path}
			if diff := cmp.Diff(want, failurePaths(t, d.Validate())); diff != "" {
				t.Errorf("Validate: %s", diff)
			}
			_, err = patch.Parse(data, nil)
			if diff := cmp.Diff(want, failurePaths(t, err)); diff != "" {
				t.Errorf("Parse: %s", diff)
			}
			if diff := cmp.Diff(want, failurePaths(t, d.ValidateOver(title(t, "2", "1")))); diff != "" {
				t.Errorf("ValidateOver a definition without the violation: %s", diff)
			}
			if err := d.ValidateOver(d); err != nil {
				t.Errorf("ValidateOver itself: %v", err)
			}
			if _, err := patch.Parse(data, &patch.ParseOptions{Over: d}); err != nil {
				t.Errorf("Parse over itself: %v", err)
			}
		})
	}
}

// A stored definition with such a violation is read and written without loss, and lint warns about it.
func TestNewerRulesSpareStoredDefinitions(t *testing.T) {
	for _, c := range policyCases {
		t.Run(c.name, func(t *testing.T) {
			d := title(t, "2", "1")
			c.edit(d)
			data, err := d.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			stored, err := patch.Parse(data, &patch.ParseOptions{Stored: true})
			if err != nil {
				t.Fatalf("Parse with Stored: %v", err)
			}
			if again, err := stored.MarshalJSON(); err != nil || string(again) != string(data) {
				t.Errorf("a stored definition is written differently: %v", err)
			}
			var unmarshaled patch.Definition
			if err := json.Unmarshal(data, &unmarshaled); err != nil {
				t.Errorf("json.Unmarshal: %v", err)
			}
			if !slices.ContainsFunc(patch.Lint(d, nil), func(w patch.Warning) bool {
				return w.Code == c.code && w.Path == c.path
			}) {
				t.Errorf("no warning %s at %s", c.code, c.path)
			}
		})
	}
}

func TestValidateOver(t *testing.T) {
	unsafe := func(d *patch.Definition) { d.Patches[1].Version = "1\u200B" }
	for _, c := range []struct {
		name      string
		old, edit func(*patch.Definition)
		want      []string
	}{
		{"another unsafe name", func(d *patch.Definition) { d.Name = "A\u200B" },
			func(d *patch.Definition) { d.Name = "B\u200B" }, []string{"/name"}},
		{"an old version in another place", unsafe, func(d *patch.Definition) {
			unsafe(d)
			slices.Reverse(d.Patches)
			d.CurrentVersion = d.Patches[0].Version
		}, nil},
		{"an old version twice", unsafe, func(d *patch.Definition) {
			unsafe(d)
			d.Patches = append(d.Patches, d.Patches[1])
		}, []string{"/patches/2/version"}},
		{"a shorter list", func(d *patch.Definition) {
			d.Patches[1].KillApps = repeat(patch.MaxKillApps+9, patch.KillApp{})
		}, func(d *patch.Definition) {
			d.Patches[1].KillApps = repeat(patch.MaxKillApps+8, patch.KillApp{})
		}, nil},
		{"a longer list", func(d *patch.Definition) {
			d.Patches[1].KillApps = repeat(patch.MaxKillApps+8, patch.KillApp{})
		}, func(d *patch.Definition) {
			d.Patches[1].KillApps = repeat(patch.MaxKillApps+9, patch.KillApp{})
		}, []string{"/patches/1/killApps"}},
		{"an equally long list in another patch", func(d *patch.Definition) {
			d.Patches[1].KillApps = repeat(patch.MaxKillApps+8, patch.KillApp{})
		}, func(d *patch.Definition) {
			d.Patches[0].KillApps = repeat(patch.MaxKillApps+8, patch.KillApp{})
		}, []string{"/patches/0/killApps"}},
		{"a violation of an older rule", func(d *patch.Definition) { d.Name = "" },
			func(d *patch.Definition) { d.Name = "" }, []string{"/name"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			old, d := title(t, "2", "1"), title(t, "2", "1")
			c.old(old)
			c.edit(d)
			if diff := cmp.Diff(c.want, failurePaths(t, d.ValidateOver(old))); diff != "" {
				t.Error(diff)
			}
			data, err := d.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			_, err = patch.Parse(data, &patch.ParseOptions{Over: old})
			if diff := cmp.Diff(c.want, failurePaths(t, err)); diff != "" {
				t.Errorf("Parse: %s", diff)
			}
		})
	}
}

// The newer rules also apply to a patch that is validated by itself.
func TestNewerRulesForOnePatch(t *testing.T) {
	old := title(t, "2\u200B", "1")
	p := old.Patches[0]
	if diff := cmp.Diff([]string{"/version"}, failurePaths(t, p.Validate())); diff != "" {
		t.Error(diff)
	}
	data, err := p.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	_, err = patch.ParsePatch(data, &patch.ParseOptions{At: "/items/1"})
	if diff := cmp.Diff([]string{"/items/1/version"}, failurePaths(t, err)); diff != "" {
		t.Error(diff)
	}
	if _, err := patch.ParsePatch(data, &patch.ParseOptions{Over: old}); err != nil {
		t.Error(err)
	}
}

// The elements beyond the maximum length of a list are counted, but not read.
func TestLongListsAreSkipped(t *testing.T) {
	criterion := `{"name":"n","operator":"is","value":"v","type":"recon"}`
	text := edit(t, `"capabilities":[]`, `"capabilities":[`+strings.Repeat(criterion+",", 100_000)+criterion+`]`)
	_, err := patch.Parse([]byte(text), nil)
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) || len(invalid.Failures) != 1 ||
		invalid.Failures[0].Path != "/patches/0/capabilities" ||
		!strings.Contains(invalid.Failures[0].Message, "100001") {
		t.Errorf("Parse = %v, want one failure at the list, with its length", err)
	}
}
