package patch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// requireRegexes returns a definition that requires these regular expressions, and has a bundle id that each may match.
func requireRegexes(t testing.TB, expressions ...string) *patch.Definition {
	return lintTitle(t, func(d *patch.Definition) {
		id := strings.Repeat("a.", 100)
		d.BundleID = &id
		d.Requirements = nil
		for _, p := range d.Patches {
			p.KillApps = nil
		}
		r := patch.Criterion{Name: "Application Bundle ID", Operator: "matches regex", Type: "recon", And: new(bool)}
		for _, r.Value = range expressions {
			d.Requirements = append(d.Requirements, r)
		}
	})
}

// Checking regular expressions costs little memory, whatever they are: compiling each of these took at least 100
// MiB, or seconds.
func TestRegexesAreBounded(t *testing.T) {
	distinct := func(n int, format string) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf(format, i))
		}
		return all
	}
	for _, c := range []struct {
		name        string
		expressions []string
		code        string // of the expected warning; empty: none about regular expressions
	}{
		{"one repetition of a thousand, repeated", repeat(1000, `a{1000}`), ""},
		{"many repetitions of a thousand", distinct(1000, `a{1000}%d`), ""},
		{"repetitions in repetitions", distinct(1000, `((a{10}){10}){10}%d`), ""},
		{"open groups", distinct(1000, strings.Repeat("(", 1000)+"%d"), ""},
		{"a megabyte of open groups", []string{strings.Repeat("(", 1<<20)}, "regex-too-long"},
		{"classes of Unicode", distinct(1000, `[`+strings.Repeat(`\pL`, 300)+`]%d`), ""},
		{"separate classes of Unicode", distinct(1000, strings.Repeat(`\pL`, 300)+`%d`), ""},
		{"wide ranges that ignore case", distinct(100, `(?i)`+strings.Repeat(`[B-\x{1e942}]`, 70)+`%d`), ""},
		{"wide ranges in a group that ignores case",
			distinct(100, `(?s-m:(?mi:`+strings.Repeat("[B-\U0001e942]", 80)+`))%d`), ""},
		{"one wide range that ignores case, repeated", repeat(1000, `(?i)`+strings.Repeat("[B-\U0001e942]", 12)), ""},
		{"wide ranges that ignore case after a replacement",
			distinct(200, `(?+i)`+strings.Repeat("[B-\U0001e942]", 80)+`%d`), ""},
		{"alternatives", distinct(1000, strings.Repeat(`a?|`, 300)+`%d`), ""},
		{"syntax of other engines", distinct(1000, strings.Repeat(`(?=a)\1a++`, 90)+`%d`), ""},
		{"a broken one", []string{"a", "("}, "regex"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := requireRegexes(t, c.expressions...)
			var warnings []patch.Warning
			if n := patchtest.Allocated(func() { warnings = patch.Lint(d, nil) }); n > 64<<20 {
				t.Errorf("Lint allocates %d MiB", n>>20)
			}
			warned := func(code string) bool {
				return slices.ContainsFunc(warnings, func(w patch.Warning) bool { return w.Code == code })
			}
			if c.code != "" && !warned(c.code) {
				t.Errorf("no warning %s", c.code)
			}
			if warned("bundle-id") && c.code != "regex" {
				t.Error("an expression that is not checked is treated as no mention of the bundle id")
			}
		})
	}
}

// LintContext stops when its context ends, also in the middle of the work.
func TestLintContext(t *testing.T) {
	d := lintTitle(t, nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if w, err := patch.LintContext(ended, d, nil); w != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("LintContext with an ended context = %v, %v, want context.Canceled", w, err)
	}
	p := d.Patches[0]
	p.Capabilities = nil
	d.Patches = repeat(5000, p)
	ending, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked := 0
	_, err := patch.LintContext(ending, d, &patch.LintOptions{About: func(string, string) bool {
		asked++
		cancel()
		return true
	}})
	if !errors.Is(err, context.Canceled) || asked > 1000 {
		t.Errorf("LintContext = %v after %d warnings, want context.Canceled soon", err, asked)
	}
	d = lintTitle(t, func(d *patch.Definition) { d.Publisher = "" })
	if w, err := patch.LintContext(t.Context(), d, nil); len(w) != 1 || err != nil {
		t.Errorf("LintContext = %v, %v, want one warning", w, err)
	}
}

// An empty definition is completed and edited like others, and is not valid.
func TestEmptyDefinitions(t *testing.T) {
	for name, d := range map[string]patch.Definition{
		"zero":        {},
		"with fields": {ID: "a", Name: "A", CurrentVersion: "1", ExtensionAttributes: []patch.ExtensionAttribute{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := d, d
			patch.Lint(&a, &patch.LintOptions{Now: now})
			if fixed := patch.Fix(&a, &patch.LintOptions{Now: now}); len(fixed) != 0 {
				t.Errorf("Fix = %+v, want nothing", fixed)
			}
			patch.Diff(&a, &b)
			a.Complete(now)
			b.Supersede(&a, now)
			if a.CurrentVersion != "" || b.CurrentVersion != "" || a.LastModified == "" {
				t.Errorf("completed: %+v, superseded: %+v", a.Summary(), b.Summary())
			}
			err := a.AddPatches(patch.Ordered(), now, patch.Patch{Version: "1"})
			if err != nil || a.CurrentVersion != "1" {
				t.Errorf("AddPatches = %v, and the summary %+v", err, a.Summary())
			}
			if a.Validate() == nil || (&patch.Definition{}).ValidateOver(&patch.Definition{}) == nil {
				t.Error("an empty definition is valid")
			}
		})
	}
}
