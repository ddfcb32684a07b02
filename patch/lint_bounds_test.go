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

// requireRegexes returns a definition that requires these regular expressions,
// and has a bundle id that each may have to match.
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

// Whatever regular expressions a definition has, looking at them costs little
// memory: each of these took from 100 MiB up, or seconds, when it was compiled.
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
		code        string // that must be warned of; "": none of regex
	}{
		{"one repetition of a thousand, often", repeat(1000, `a{1000}`), ""},
		{"many repetitions of a thousand", distinct(1000, `a{1000}%d`), ""},
		{"repetitions in repetitions", distinct(1000, `((a{10}){10}){10}%d`), ""},
		{"open groups", distinct(1000, strings.Repeat("(", 1000)+"%d"), ""},
		{"a megabyte of open groups", []string{strings.Repeat("(", 1<<20)}, patch.CodeRegexTooLong},
		{"classes of Unicode", distinct(1000, `[`+strings.Repeat(`\pL`, 300)+`]%d`), ""},
		{"classes of Unicode apart", distinct(1000, strings.Repeat(`\pL`, 300)+`%d`), ""},
		{"wide ranges without case", distinct(100, `(?i)`+strings.Repeat(`[B-\x{1e942}]`, 70)+`%d`), ""},
		{"wide ranges in a group without case", distinct(100, `(?s-m:(?mi:`+strings.Repeat("[B-\U0001e942]", 80)+`))%d`), ""},
		{"one wide range without case, often", repeat(1000, `(?i)`+strings.Repeat("[B-\U0001e942]", 12)), ""},
		{"wide ranges without case behind what is rewritten", distinct(200, `(?+i)`+strings.Repeat("[B-\U0001e942]", 80)+`%d`), ""},
		{"alternatives", distinct(1000, strings.Repeat(`a?|`, 300)+`%d`), ""},
		{"what other engines know", distinct(1000, strings.Repeat(`(?=a)\1a++`, 90)+`%d`), ""},
		{"a broken one", []string{"a", "("}, patch.CodeRegex},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := requireRegexes(t, c.expressions...)
			var warnings []patch.Warning
			if n := patchtest.Allocated(func() { warnings = patch.Lint(d, nil) }); n > 64<<20 {
				t.Errorf("%d MiB", n>>20)
			}
			warned := func(code string) bool {
				return slices.ContainsFunc(warnings, func(w patch.Warning) bool { return w.Code == code })
			}
			if c.code != "" && !warned(c.code) {
				t.Errorf("no warning %s", c.code)
			}
			if warned(patch.CodeBundleID) && c.code != patch.CodeRegex {
				t.Error("what was not judged is taken for no mention of the bundle id")
			}
		})
	}
}

// An end is an end, also in the middle of the work.
func TestLintContext(t *testing.T) {
	d := lintTitle(t, nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if w, err := patch.LintContext(ended, d, nil); w != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", w, err)
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
		t.Errorf("%v, after %d warnings", err, asked)
	}
	d = lintTitle(t, func(d *patch.Definition) { d.Publisher = "" })
	if w, err := patch.LintContext(t.Context(), d, nil); len(w) != 1 || err != nil {
		t.Errorf("%v, %v", w, err)
	}
}

// A definition without anything is no reason to panic.
func TestEmptyDefinitions(t *testing.T) {
	for name, d := range map[string]patch.Definition{
		"zero":        {},
		"with fields": {ID: "a", Name: "A", CurrentVersion: "1", ExtensionAttributes: []patch.ExtensionAttribute{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := d, d
			patch.Lint(&a, &patch.LintOptions{Now: now})
			if mended := patch.Fix(&a, &patch.LintOptions{Now: now}); len(mended) != 0 {
				t.Errorf("%+v", mended)
			}
			patch.Diff(&a, &b)
			a.Complete(now)
			b.Supersede(&a, now)
			if a.CurrentVersion != "" || b.CurrentVersion != "" || a.LastModified == "" {
				t.Errorf("%+v, %+v", a.Summary(), b.Summary())
			}
			err := a.AddPatches(patch.Ordered(), now, patch.Patch{Version: "1"})
			if err != nil || a.CurrentVersion != "1" {
				t.Errorf("%v, %+v", err, a.Summary())
			}
			if a.Validate() == nil || (&patch.Definition{}).ValidateOver(&patch.Definition{}) == nil {
				t.Error("an empty definition is valid")
			}
		})
	}
}
