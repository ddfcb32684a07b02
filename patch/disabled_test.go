package patch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
)

// withDisabled returns a complete definition with these versions, of which those that end with "-" are disabled.
func withDisabled(t testing.TB, versions ...string) *patch.Definition {
	t.Helper()
	d := title(t, versions...)
	for i := range d.Patches {
		p := &d.Patches[i]
		p.Version, p.Disabled = strings.CutSuffix(p.Version, "-")
	}
	d.Complete(now)
	return d
}

// marked returns the versions of d, the disabled ones with a "-" at the end.
func marked(d *patch.Definition) string {
	var all []string
	for _, p := range d.Patches {
		if p.Disabled {
			p.Version += "-"
		}
		all = append(all, p.Version)
	}
	return strings.Join(all, " ")
}

func TestDisabledPatchJSON(t *testing.T) {
	whole := func(enabled string) string { return strings.Replace(minimal, `"version":`, enabled+`"version":`, 1) }
	two := func(second string) string {
		return strings.Replace(minimal, `"patches":[`, `"patches":[`+second+`,`, 1)
	}
	for _, test := range []struct{ name, text, versions, failures string }{
		{"enabled", whole(`"enabled":true,`), "1", ""},
		{"no other version", whole(`"enabled":false,`), "", "/patches"},
		{"no boolean", whole(`"enabled":"false",`), "", "/patches/0/enabled"},
		{"null", whole(`"enabled":null,`), "", "/patches/0/enabled"},
		{"incomplete", two(`{"version":"2","enabled":false}`), "2- 1", ""},
		{"without a version", two(`{"enabled":false}`), "", "/patches/0/version"},
		{"empty version", two(`{"version":"","enabled":false}`), "", "/patches/0/version"},
		{"same version", two(`{"version":"1","enabled":false}`), "", "/patches/1/version"},
		{"wrong type", two(`{"version":"2","enabled":false,"reboot":1}`), "", "/patches/0/reboot"},
		{"incomplete and enabled", two(`{"version":"2","enabled":true,"releaseDate":"2026-01-01T00:00:00Z",` +
			`"standalone":true,"reboot":false,"minimumOperatingSystem":"12",` +
			`"killApps":[],"components":[],"capabilities":[]}`), "2 1", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.ReplaceAll(test.text, "\n", "")
			d, err := patch.Parse([]byte(text), nil)
			var paths []string
			var invalid *patch.ValidationError
			if errors.As(err, &invalid) {
				for _, f := range invalid.Failures {
					paths = append(paths, f.Path)
				}
			}
			if got := strings.Join(paths, " "); got != test.failures {
				t.Fatalf("failures at %q (%v), want %q", got, err, test.failures)
			}
			if err != nil {
				return
			}
			d.Complete(now)
			want := strings.ReplaceAll(test.versions, "1", d.Versions()[len(d.Versions())-1])
			if marked(d) != want || d.CurrentVersion != d.Versions()[0] {
				t.Errorf("versions %q, current %q, want %q", marked(d), d.CurrentVersion, want)
			}
			data, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(data), `"enabled":false`); n != strings.Count(want, "-") ||
				strings.Contains(string(data), `"enabled":true`) {
				t.Errorf("the written definition has enabled wrongly: %s", data)
			}
			again, err := patch.Parse(data, nil)
			if err != nil || !cmp.Equal(marked(again), marked(d)) {
				t.Errorf("read again: %v, %v", marked(again), err)
			}
		})
	}
}

func TestEditsWithDisabledPatches(t *testing.T) {
	for _, test := range []struct {
		name, versions string
		edit           func(d *patch.Definition) error
		want, current  string
		err            error
	}{
		{"a version in front", "3- 2 1", func(d *patch.Definition) error {
			return d.AddPatches(patch.Position{}, now, patch.Patch{Version: "4"})
		}, "4 3- 2 1", "4", nil},
		{"behind a disabled version", "3- 2 1", func(d *patch.Definition) error {
			return d.AddPatches(patch.After("3"), now, patch.Patch{Version: "2.5"})
		}, "3- 2.5 2 1", "2.5", nil},
		{"one that exists disabled", "3- 2 1", func(d *patch.Definition) error {
			return d.AddPatches(patch.Position{}, now, patch.Patch{Version: "3"})
		}, "", "", patch.ErrVersionExists},
		{"the last enabled", "3- 2", func(d *patch.Definition) error { return d.RemovePatch("2", now) },
			"", "", patch.ErrLastVersion},
		{"a disabled one", "3- 2", func(d *patch.Definition) error { return d.RemovePatch("3", now) }, "2", "2", nil},
		{"clone", "2 1", func(d *patch.Definition) error { return d.CloneVersion("1", "3", now) }, "3 2 1", "3", nil},
		{"clone of nothing", "2 1", func(d *patch.Definition) error { return d.CloneVersion("9", "3", now) },
			"", "", patch.ErrVersionNotFound},
		{"clone over a version", "2 1", func(d *patch.Definition) error { return d.CloneVersion("1", "2", now) },
			"", "", patch.ErrVersionExists},
		{"order", "4- 3 2- 1", func(d *patch.Definition) error { return d.OrderVersions([]string{"1", "3"}, now) },
			"4- 1 3 2-", "1", nil},
		{"order without one", "3 2 1", func(d *patch.Definition) error {
			return d.OrderVersions([]string{"1", "3"},
				now)
		},
			"", "", patch.ErrInvalid},
		{"order with one twice", "2 1", func(d *patch.Definition) error {
			return d.OrderVersions([]string{"1", "2", "2"}, now)
		}, "", "", patch.ErrInvalid},
		{"order with a disabled one", "2- 1", func(d *patch.Definition) error {
			return d.OrderVersions([]string{"1", "2"}, now)
		}, "", "", patch.ErrInvalid},
		{"order of none", "2 1", func(d *patch.Definition) error { return d.OrderVersions(nil, now) },
			"", "", patch.ErrInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := withDisabled(t, strings.Fields(test.versions)...)
			before := d.Clone()
			err := test.edit(d)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if err != nil {
				if diff := cmp.Diff(before, d); diff != "" {
					t.Errorf("a failed edit has changed the definition:\n%s", diff)
				}
				return
			}
			if marked(d) != test.want || d.CurrentVersion != test.current || d.LastModified <= before.LastModified {
				t.Errorf("%s, current %s, modified %s; want %s, %s, later than %s", marked(d), d.CurrentVersion,
					d.LastModified, test.want, test.current, before.LastModified)
			}
		})
	}
}

func TestOrderVersionsOfTheSameOrder(t *testing.T) {
	d := withDisabled(t, "3", "2-", "1")
	before := d.Clone()
	if err := d.OrderVersions([]string{"3", "1"}, now); err != nil || !cmp.Equal(before, d) {
		t.Errorf("the definition has changed, or an error: %v", err)
	}
}

func TestKeepDisabled(t *testing.T) {
	for _, test := range []struct{ name, whole, after, want string }{
		{"nothing changes", "5- 4 3- 2- 1", "4 1", "5- 4 3- 2- 1"},
		{"a new version in front", "5- 4 3- 1", "6 4 1", "5- 6 4 3- 1"},
		{"the anchor is removed", "4 3- 2 1- 0", "4 0", "4 3- 1- 0"},
		{"the first anchor is removed", "4 3- 2", "2", "3- 2"},
		{"all are removed", "4 3- 2 1-", "9", "3- 1- 9"},
		{"it is published", "4 3- 2- 1", "4 3 1", "4 2- 3 1"},
		{"the order changes", "4 3- 2 1-", "2 4", "2 1- 4 3-"},
	} {
		t.Run(test.name, func(t *testing.T) {
			served, disabled := withDisabled(t, strings.Fields(test.whole)...).Split()
			after := strings.Fields(test.after)
			kept := patch.KeepDisabled(disabled, served.Versions(), after)
			if got := marked(withDisabled(t, after...).Whole(kept)); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func TestSplitAndWholeAreInverse(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var all []string
		for i := range random.IntN(8) {
			v := fmt.Sprint(i)
			if random.IntN(2) == 0 {
				v += "-"
			}
			all = append(all, v)
		}
		whole := withDisabled(t, all...)
		served, disabled := whole.Split()
		if slices.ContainsFunc(served.Patches, func(p patch.Patch) bool { return p.Disabled }) {
			t.Fatalf("%v: the served patches are %s", all, marked(served))
		}
		if got := served.Whole(disabled); marked(got) != marked(whole) {
			t.Fatalf("%s: whole again: %s", marked(whole), marked(got))
		}
		again, disabledAgain := served.Whole(disabled).Split()
		if diff := cmp.Diff(disabled, disabledAgain); diff != "" || marked(again) != marked(served) {
			t.Fatalf("%s: split again:\n%s", marked(whole), diff)
		}
	}
}

func TestParseDraft(t *testing.T) {
	for _, test := range []struct{ name, text, failures string }{
		{"empty", `{}`, ""},
		{"some members", `{"id":"A","patches":[{"version":"1"},{"enabled":false}]}`, ""},
		{"wrong types", `{"id":1,"name":"N","patches":[{"version":null}],"requirements":{}}`,
			"/id /patches/0/version /requirements"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, failures, err := patch.ParseDraft([]byte(test.text), nil)
			if err != nil {
				t.Fatal(err)
			}
			var paths []string
			for _, f := range failures {
				paths = append(paths, f.Path)
			}
			if got := strings.Join(paths, " "); got != test.failures {
				t.Errorf("failures at %q, want %q", got, test.failures)
			}
			if _, err := json.Marshal(d); err != nil {
				t.Error(err)
			}
		})
	}
	for name, text := range map[string]string{"no JSON": `{`, "an array": `[]`} {
		d, failures, err := patch.ParseDraft([]byte(text), nil)
		if name == "no JSON" && !errors.Is(err, patch.ErrInvalid) || name == "an array" && len(failures) != 1 {
			t.Errorf("%s: %v, %v, %v", name, d, failures, err)
		}
	}
}

// Before the member had a meaning, any value of enabled was accepted and kept. Such texts can still be read.
func TestStoredEnabledOfAnyType(t *testing.T) {
	for _, value := range []string{`"no"`, `1`, `null`, `{"a":[1]}`, `true`} {
		text := fmt.Sprintf(`{"version":"1","releaseDate":"2026-01-01T00:00:00Z","standalone":true,`+
			`"minimumOperatingSystem":"10","reboot":false,"killApps":[],"components":[],"capabilities":[],`+
			`"dependencies":[],"enabled":%s}`, value)
		var p patch.Patch
		if err := p.UnmarshalJSON([]byte(text)); err != nil || p.Disabled || len(p.Extra) > 0 {
			t.Errorf("enabled %s: %+v, %v, want an enabled patch", value, p, err)
		}
		_, err := patch.ParsePatch([]byte(text), nil)
		if isBool := value == `true`; isBool != (err == nil) {
			t.Errorf("a new patch with enabled %s: %v", value, err)
		}
	}
}
