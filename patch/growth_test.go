package patch_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// hostileBytes is the size of the smaller of two hostile definitions, whose ratio is patchtest.Growth.
const hostileBytes = 128 << 10

// No work on a definition grows faster than its size, whatever its content.
func TestWorkIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute with the race detector")
	}
	for _, name := range patchtest.HostileNames() {
		t.Run(name, func(t *testing.T) {
			texts, definitions := map[int][]byte{}, map[int]*patch.Definition{}
			for _, n := range []int{hostileBytes, patchtest.Growth * hostileBytes} {
				texts[n] = patchtest.Hostile(name, n)
				// A stored definition may violate newer rules. If it violates older ones, the result is nil.
				definitions[n], _ = patch.Parse(texts[n], &patch.ParseOptions{Stored: true, MaxBytes: len(texts[n])})
			}
			other, stored := title(t, "1"), &patch.ParseOptions{Stored: true}
			for _, work := range []struct {
				name string
				of   func(data []byte)
			}{
				{"Parse", func(data []byte) { _, _ = patch.Parse(data, nil) }},
				{"Parse with Stored", func(data []byte) { _, _ = patch.Parse(data, stored) }},
				{"ParseRepair", func(data []byte) { _, _, _ = patch.ParseRepair(data, stored) }},
			} {
				t.Run(work.name, func(t *testing.T) {
					patchtest.Linear(t, func(n int) func() { return func() { work.of(texts[n]) } }, hostileBytes)
				})
			}
			if definitions[hostileBytes] == nil || definitions[patchtest.Growth*hostileBytes] == nil {
				return
			}
			for _, work := range []struct {
				name string
				of   func(*patch.Definition)
			}{
				{"Validate", func(d *patch.Definition) { _ = d.Validate() }},
				{"ValidateOver", func(d *patch.Definition) { _ = d.ValidateOver(d) }},
				{"MarshalJSON", func(d *patch.Definition) { _, _ = d.MarshalJSON() }},
				{"Lint", func(d *patch.Definition) { patch.Lint(d, &patch.LintOptions{Now: lintNow}) }},
				{"Fix", func(d *patch.Definition) {
					c := *d
					patch.Fix(&c, &patch.LintOptions{Now: lintNow})
				}},
				{"Diff of the same", func(d *patch.Definition) { patch.Diff(d, d) }},
				{"Diff of another", func(d *patch.Definition) {
					patch.Diff(d, other)
					patch.Diff(other, d)
				}},
			} {
				t.Run(work.name, func(t *testing.T) {
					patchtest.Linear(t, func(n int) func() { return func() { work.of(definitions[n]) } }, hostileBytes)
				})
			}
		})
	}
}

// Diff is linear even if every element of a long list is replaced, or every second one, or if the list is reversed.
func TestDiffIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute with the race detector")
	}
	criteria := func(n int, value func(i int) int) *patch.Definition {
		d := *title(t, "1")
		d.Requirements = nil
		for i := range n {
			c := patch.Criterion{Name: "n", Operator: "is", Value: fmt.Sprint(value(i)), Type: "recon"}
			d.Requirements = append(d.Requirements, c)
		}
		return &d
	}
	attributes := func(n int, key func(i int) int) *patch.Definition {
		d := *title(t, "1")
		for i := range n {
			d.ExtensionAttributes = append(d.ExtensionAttributes, patch.ExtensionAttribute{Key: fmt.Sprint(key(i))})
		}
		return &d
	}
	for _, list := range []struct {
		name string
		of   func(n int, value func(i int) int) *patch.Definition
	}{{"criteria", criteria}, {"attributes", attributes}} {
		for _, c := range []struct {
			name  string
			after func(n, i int) int
		}{
			{"all replaced", func(_, i int) int { return -1 - i }},
			{"every second replaced", func(_, i int) int { return i * (1 - 2*(i%2)) }},
			{"reversed", func(n, i int) int { return n - 1 - i }},
		} {
			t.Run(list.name+" "+c.name, func(t *testing.T) {
				patchtest.Linear(t, func(n int) func() {
					before := list.of(n, func(i int) int { return i })
					after := list.of(n, func(i int) int { return c.after(n, i) })
					return func() { patch.Diff(before, after) }
				}, 20_000) // quadratic work on fewer elements would be hidden by the rest
			})
		}
	}
}

func TestEditsAreLinear(t *testing.T) {
	many := func(n, from int) []patch.Patch {
		all := make([]patch.Patch, n)
		for i := range all {
			all[i].Version = fmt.Sprintf("1.%d", from+n-i)
		}
		return all
	}
	for _, c := range []struct {
		name string
		at   func(n int) patch.Position
	}{
		{"front", func(int) patch.Position { return patch.Position{} }},
		{"before", func(int) patch.Position { return patch.Before("1.1") }},
		{"after", func(int) patch.Position { return patch.After("1.1") }},
		{"ordered", func(int) patch.Position { return patch.Ordered() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			patchtest.Linear(t, func(n int) func() {
				old, more := many(n, 0), many(n, n)
				return func() {
					d := &patch.Definition{Patches: old}
					if err := d.AddPatches(c.at(n), now, more...); err != nil || len(d.Patches) != 2*n {
						t.Fatal(err)
					}
				}
			}, 2500)
		})
	}
}

// Names are untrusted, and the work on them is linear.
func TestNamesAreLinear(t *testing.T) {
	for _, text := range []struct{ name, of string }{
		{"letters", "Gооgle "}, {"marks", "́"}, {"the author", " (Nobody)"}, {"white space", "  "},
		{"Hangul", "각"},
	} {
		t.Run(text.name, func(t *testing.T) {
			patchtest.Linear(t, func(n int) func() {
				name := strings.Repeat(text.of, n/len(text.of))
				return func() {
					patch.Skeleton(name)
					patch.UnsafeText(name)
					_ = patch.CheckAuthor(name)
					_, _ = patch.AuthorID(name)
					d := &patch.Definition{ID: "a", Name: name}
					_ = d.KeepAuthor("Nobody")
					_ = d.KeepAuthor(name)
					_ = d.Namespace("Nobody")
				}
			}, 128<<10)
		})
	}
}

// Comparing versions is linear, whatever the strings.
func TestVersionsAreLinear(t *testing.T) {
	for _, part := range []string{
		"1.", "0", "9", "a ", "beta ", "(", "[(", "(beta ", "ab (  ", "1_", "x86", "esr ", "esr(1)", "+", "é", "\u200b",
		"pre ", "service ", "1.0.0-ab", " ", ".",
	} {
		t.Run(part, func(t *testing.T) {
			patchtest.Linear(t, func(n int) func() {
				text := strings.Repeat(part, n/len(part))
				a, b := "1"+text+"a", "1"+text+"b"
				return func() {
					patch.CompareVersions(a, b)
					patch.CompareVersions(text, text+"a")
					patch.ParseVersion(a)
					patch.ParseVersion(text)
				}
			}, 128<<10)
		})
	}
}
